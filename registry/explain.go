package registry

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Explanation is one finding for people.
type Explanation struct {
	Rule       string
	Path       string          // place of the difference, in the format's notation
	New        compat.Position // of Path in the new text; zero if it is not there
	Old        compat.Position // of Path in the earlier version's text; zero if it is not there
	Version    schema.Version  // the earlier version; 0 if the finding is not about one
	Registered int64           // when that was registered, milliseconds since the epoch
	Direction  string          // BACKWARD: the new schema reads; FORWARD: the earlier one does
	Sentence   string
	Suggestion string // the smallest edit that would pass; may be empty
}

// Explain says what the findings of a verdict mean.
func (v *Verdict) Explain() []Explanation {
	list := make([]Explanation, 0, len(v.Findings))
	for _, f := range v.Findings {
		e := Explanation{
			Rule: f.Rule, Path: f.Path, Version: f.Version, Registered: v.Registered[f.Version], Direction: "BACKWARD",
			Sentence: sentence(f), Suggestion: suggestion(f),
		}
		reader, writer := &e.New, &e.Old
		if f.Roles == compat.Forward {
			e.Direction = "FORWARD"
			reader, writer = writer, reader
		}
		if f.Pair.Reader != nil {
			*reader, _ = f.Pair.Reader.Position(f.Path)
		}
		if f.Pair.Writer != nil && f.Pair.Writer.Type() != schema.Avro {
			// Avro's paths count the reader's fields and mean something else in
			// the writer; the other formats' go by name or tag.
			*writer, _ = f.Pair.Writer.Position(f.Path)
		}
		list = append(list, e)
	}
	return list
}

// sentence says who cannot read what, and why.
func sentence(f compat.Finding) string {
	who := fmt.Sprintf("The new schema cannot read what version %d wrote", f.Version)
	if f.Roles == compat.Forward {
		who = fmt.Sprintf("Version %d cannot read what the new schema writes", f.Version)
	}
	if f.Version == 0 {
		who = "The new schema breaks a reservation"
	}
	why := meanings[f.Rule]
	if why == "" {
		why = "of the change " + f.Rule
	}
	if f.Path != "" {
		why += " at " + f.Path
	}
	if f.Detail != "" {
		why += " (" + f.Detail + ")"
	}
	return who + " because " + why + "."
}

// meanings completes "… because"; a rule that is not here names itself.
var meanings = map[string]string{
	compat.RuleTypeChanged:                      "the two are of different schema types",
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
	"REQUIRED_ATTRIBUTE_ADDED":                  "a property became required",
	"RESERVED_PROPERTY_REMOVED":                 "a name is no longer reserved",
	"RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY": "a field has a reserved name",
}

// suggestion is the smallest edit that would pass, where there is one.
func suggestion(f compat.Finding) string {
	switch f.Rule {
	case "READER_FIELD_MISSING_DEFAULT_VALUE":
		if f.Roles == compat.Forward {
			return fmt.Sprintf("Keep field %q in the new schema, or first register a version that gives it a default value.", f.Detail)
		}
		return fmt.Sprintf("Give field %q a default value.", f.Detail)
	case "NAME_MISMATCH":
		return "Keep the earlier name, or list it as an alias of the reader's type."
	case "FIXED_SIZE_MISMATCH":
		return "Keep the size, or add a field with the new size."
	case "MISSING_ENUM_SYMBOLS":
		if f.Roles == compat.Forward {
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
		return fmt.Sprintf("Keep %q in the metadata property %s.", f.Path, reservedProperty)
	case "RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY":
		return fmt.Sprintf("Rename field %q.", f.Path)
	}
	return ""
}

// Difference is one change between two versions.
type Difference struct {
	Rule, Path, Detail string
	// BackwardSafe: what the older version wrote is still read by the newer.
	// ForwardSafe: the other way round.
	BackwardSafe, ForwardSafe bool
}

// Diff lists what changed from one version of a subject to another, in the
// order of the path; soft-deleted versions can be named too.
func (r *Registry) Diff(name schema.Subject, from, to schema.Version) ([]Difference, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	name = name.Canonical()
	older, err := st.version(name, from, from != schema.Latest)
	if err != nil {
		return nil, err
	}
	newer, err := st.version(name, to, to != schema.Latest)
	if err != nil {
		return nil, err
	}
	if older.Type() != newer.Type() {
		return []Difference{{Rule: compat.RuleTypeChanged, Detail: fmt.Sprintf("%s became %s", older.Type(), newer.Type())}}, nil
	}
	a, err := r.parseStored(st, name.Context(), older.Content)
	if err != nil {
		return nil, errInvalidSchema(show(name, older.Definition()), err)
	}
	b, err := r.parseStored(st, name.Context(), newer.Content)
	if err != nil {
		return nil, errInvalidSchema(show(name, newer.Definition()), err)
	}
	policy := compat.Options{Policy: r.inForce(st, name).policy}
	list := []Difference{}
	at := map[string]int{} // by path
	for _, d := range b.schema.Differences(a.schema, policy) {
		at[d.Path] = len(list)
		list = append(list, Difference{d.Rule, d.Path, d.Detail, d.Compatible, true})
	}
	// The other way round only harm is news: the changes are the same.
	for _, d := range a.schema.Differences(b.schema, policy) {
		if d.Compatible {
			continue
		}
		if i, ok := at[d.Path]; ok {
			list[i].ForwardSafe = false
			continue
		}
		list = append(list, Difference{d.Rule, d.Path, d.Detail, true, false})
	}
	slices.SortStableFunc(list, func(a, b Difference) int { return cmp.Compare(a.Path, b.Path) })
	return list, nil
}

// Summary is a subject at a glance.
type Summary struct {
	Subject   schema.Subject
	Version   schema.Version // the latest
	ID        schema.ID
	Type      schema.Type
	Level     string // in force
	Mode      Mode   // in force
	Versions  int    // how many there are
	Timestamp int64  // when the latest was registered, milliseconds since the epoch
	Deleted   bool   // the subject is soft-deleted
}

// Summaries is Subjects with what a list of subjects shows.
func (r *Registry) Summaries(q SubjectsQuery) ([]Summary, error) {
	names, err := r.Subjects(q)
	if err != nil {
		return nil, err
	}
	st := r.snap.Load()
	list := make([]Summary, 0, len(names))
	for _, name := range names {
		sub := st.subject(name)
		v := sub.latest(false)
		count := len(sub.priors())
		if v == nil {
			v = sub.latest(true)
			if v == nil {
				continue // deleted since
			}
			count = len(sub.versions)
		}
		list = append(list, Summary{
			Subject: name, Version: v.number, ID: v.id, Type: v.content.Type(), Level: r.inForce(st, name).level.String(),
			Mode: st.modeOf(name), Versions: count, Timestamp: v.timestamp, Deleted: v.deleted,
		})
	}
	return list, nil
}

// Format returns the text of a schema for a ?format= value.
func (r *Registry) Format(s Schema, format string) (string, error) {
	if format == "" {
		return s.Text(), nil
	}
	st, err := r.read()
	if err != nil {
		return "", err
	}
	p, err := r.parseStored(st, s.Subject.Context(), s.Content)
	if err != nil {
		return "", errInvalidSchema(show(s.Subject, s.Definition()), err)
	}
	text, err := p.schema.Format(format)
	if err != nil {
		return "", errInvalidSchema(show(s.Subject, s.Definition()), err)
	}
	return text, nil
}
