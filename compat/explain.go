package compat

import (
	"fmt"
	"strings"
)

// FieldNamer is what a Schema has whose paths do not name fields by
// themselves.
type FieldNamer interface {
	// FieldName returns the dotted name of the field that a path of a difference
	// leads to or into ("shipping.street"), empty if there is none.
	FieldName(path string) string
}

// Explain says for people who cannot read what, and why. version names the
// earlier version: "version 3", "v1.4.0".
func (f Finding) Explain(version string) string {
	who := "The new schema cannot read what " + version + " wrote"
	if f.Roles == Forward {
		who = upper(version) + " cannot read what the new schema writes"
	}
	if f.Version == 0 {
		who = "The new schema breaks a reservation"
	}
	why := meanings[f.Rule]
	if why == "" {
		why = "of the change " + f.Rule
	}
	if n, ok := f.Pair.Reader.(FieldNamer); ok {
		if name := n.FieldName(f.Path); name != "" {
			why += ", in field " + name
		}
	}
	if f.Path != "" {
		why += " at " + f.Path
	}
	if f.Detail != "" {
		why += " (" + f.Detail + ")"
	}
	return who + " because " + why + "."
}

func upper(s string) string {
	if s != "" && 'a' <= s[0] && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

// meanings completes "… because"; a rule that is not here names itself.
var meanings = map[string]string{
	RuleTypeChanged:                             "the two are of different schema types",
	"READER_FIELD_MISSING_DEFAULT_VALUE":        "a field that the writer does not have has no default value",
	"TYPE_MISMATCH":                             "the writer's type is none that the reader's can be read from",
	"NAME_MISMATCH":                             "the two types have different names and no alias joins them",
	"FIXED_SIZE_MISMATCH":                       "the two fixed types have different sizes",
	"MISSING_ENUM_SYMBOLS":                      "the writer has symbols that the reader's enum lacks, and the reader's enum has no default",
	"MISSING_UNION_BRANCH":                      "the reader's union has no branch for a type that the writer may write",
	"PACKAGE_CHANGED":                           "the package changed",
	"MESSAGE_REMOVED":                           "a message type was removed",
	"REQUIRED_FIELD_ADDED":                      "a required field was added",
	"REQUIRED_FIELD_REMOVED":                    "a required field was removed",
	"FIELD_KIND_CHANGED":                        "a field changed between scalar, message and map",
	"FIELD_SCALAR_KIND_CHANGED":                 "a field changed to a scalar type with another encoding",
	"FIELD_NAMED_TYPE_CHANGED":                  "a field changed to another message type",
	"FIELD_NUMERIC_LABEL_CHANGED":               "a numeric field changed between single and repeated",
	"ONEOF_FIELD_REMOVED":                       "a field was taken out of a oneof",
	"MULTIPLE_FIELDS_MOVED_TO_ONEOF":            "several independent fields now share a oneof",
	"FIELD_MOVED_TO_EXISTING_ONEOF":             "an independent field joined a oneof that was there",
	"TYPE_CHANGED":                              "the type changed",
	"TYPE_NARROWED":                             "the type allows less than before",
	"COMBINED_TYPE_SUBSCHEMAS_CHANGED":          "a branch of a combination fits none on the other side",
	"REQUIRED_ATTRIBUTE_ADDED":                  "a property became required",
	"RESERVED_PROPERTY_REMOVED":                 "a name is no longer reserved",
	"RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY": "a field has a reserved name",
}

// Suggestion returns the smallest edit that would pass; empty where there is
// none to name.
func (f Finding) Suggestion() string {
	switch f.Rule {
	case "READER_FIELD_MISSING_DEFAULT_VALUE":
		if f.Roles == Forward {
			return fmt.Sprintf("Keep field %q in the new schema, or first register a version that gives it a default value.", f.Detail)
		}
		return fmt.Sprintf("Give field %q a default value.", f.Detail)
	case "NAME_MISMATCH":
		return "Keep the earlier name, or list it as an alias of the reader's type."
	case "FIXED_SIZE_MISMATCH":
		return "Keep the size, or add a field with the new size."
	case "MISSING_ENUM_SYMBOLS":
		if f.Roles == Forward {
			return "Do not add symbols, or first register a version whose enum has a default symbol."
		}
		return "Keep the symbols, or give the enum a default symbol."
	case "MISSING_UNION_BRANCH":
		return "Keep the branch in the union."
	case "TYPE_MISMATCH", "TYPE_CHANGED", "FIELD_KIND_CHANGED", "FIELD_SCALAR_KIND_CHANGED", "FIELD_NAMED_TYPE_CHANGED":
		return "Keep the earlier type, and add a field of the new type beside it."
	case "PACKAGE_CHANGED":
		return "Keep the earlier package, or register under another subject."
	case "MESSAGE_REMOVED":
		return "Keep the message type, even if nothing uses it."
	case "REQUIRED_FIELD_ADDED", "REQUIRED_FIELD_REMOVED":
		return "Make the field optional; required fields can neither come nor go."
	case "ONEOF_FIELD_REMOVED":
		return "Keep the field in the oneof."
	case "MULTIPLE_FIELDS_MOVED_TO_ONEOF", "FIELD_MOVED_TO_EXISTING_ONEOF":
		return "Leave the fields where they were; at most one may move into a new oneof."
	case "REQUIRED_ATTRIBUTE_ADDED":
		return "Make the property optional, or give it a default."
	case "RESERVED_PROPERTY_REMOVED":
		return fmt.Sprintf("Keep %q in the metadata property confluent:reserved.", f.Path)
	case "RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY":
		return fmt.Sprintf("Rename field %q.", f.Path)
	case "FIELD_NUMERIC_LABEL_CHANGED":
		return "Keep the label, and add a field with the new label beside it."
	case "SCHEMAS_TOO_LARGE_TO_COMPARE", "COMPARISON_TOO_LARGE":
		return "Split the schema, and put the parts together by references."
	case "READER_FIELD_AMBIGUOUS":
		return "Remove the aliases but one."
	}
	return suggestJSON(f.Rule, f.Roles == Forward)
}

// suggestJSON is for the many rules of JSON Schema, whose names say what was done.
func suggestJSON(rule string, forward bool) string {
	for _, c := range jsonEdits {
		if !strings.HasPrefix(rule, c.prefix) || !strings.HasSuffix(rule, c.suffix) {
			continue
		}
		if forward {
			return "Keep the place as the earlier version has it."
		}
		return c.edit
	}
	return ""
}

// jsonEdits name the edit by how a rule's name begins and ends; the first that
// fits counts.
var jsonEdits = []struct{ prefix, suffix, edit string }{
	{"OPTIONAL_PROPERTY_ADDED_TO_OPEN", "", "Set the policy of the subject to LENIENT, or let the property take any value: under an open content model earlier documents may hold anything there."},
	{"REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN", "", "Set the policy of the subject to LENIENT: under an open content model earlier documents may hold anything there."},
	{"REQUIRED_PROPERTY_ADDED_TO", "", "Do not require the property, or give it a default."},
	{"PROPERTY_ADDED_NOT_COVERED", "", "Let the property take whatever additionalProperties or patternProperties let it hold before."},
	{"PROPERTY_REMOVED", "", "Keep the property, or allow it by additionalProperties."},
	{"ITEM_REMOVED", "", "Keep the item, or allow more items."},
	{"ITEM_ADDED", "", "Leave the item out, or let it take whatever could stand there before."},
	{"ADDITIONAL_", "", "Allow what was allowed there before."},
	{"UNEVALUATED_", "", "Allow what was allowed there before."},
	{"ENUM_ARRAY", "", "Keep the values that were allowed before."},
	{"SUM_TYPE", "", "Keep the branches that were there before."},
	{"PRODUCT_TYPE", "", "Leave the new branches out."},
	{"COMBINED_TYPE", "", "Keep the earlier combination and its branches; branches may be added to anyOf and oneOf."},
	{"NOT_TYPE", "", "Exclude no more than before."},
	{"DEPENDENCY_", "", "Leave the new dependency out."},
	{"TYPE_NARROWED", "", "Keep the earlier type."},
	{"SCHEMA_ADDED", "", "Leave the new constraint out."},
	{"PATTERN_CHANGED", "", "Keep the earlier pattern."},
	{"M", "_ADDED", "Leave the new limit out."},
	{"EXCLUSIVE_", "_ADDED", "Leave the new limit out."},
	{"", "_ADDED", "Leave the new keyword out."},
	{"", "_DECREASED", "Keep the earlier limit."},
	{"", "_INCREASED", "Keep the earlier limit."},
	{"MULTIPLE_OF", "", "Keep the earlier divisor, or take one of its divisors."},
}
