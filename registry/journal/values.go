package journal

import (
	"encoding/base64"
	"fmt"
	"unsafe"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// AppendSchema appends the bytes of a SCHEMA value.
func AppendSchema(dst []byte, v SchemaValue) []byte {
	w := writer{b: dst}
	w.open()
	w.str("subject", string(v.Subject))
	w.int("version", int64(v.Version))
	w.int("id", int64(v.ID))
	if len(v.MD5) > 0 {
		w.str("md5", base64.StdEncoding.EncodeToString(v.MD5))
	}
	w.str("schemaType", string(v.Definition.Type.OrDefault()))
	if len(v.Definition.References) > 0 {
		w.name("references")
		w.b = AppendReferences(w.b, v.Definition.References)
	}
	if v.Definition.Metadata != nil {
		w.name("metadata")
		w.b = AppendMetadata(w.b, v.Definition.Metadata)
	}
	if v.Definition.RuleSet != nil {
		w.name("ruleSet")
		w.b = AppendRuleSet(w.b, v.Definition.RuleSet)
	}
	if v.Quoted != "" && v.Definition.Text != "" {
		w.name("schema")
		w.b = append(w.b, v.Quoted...)
	} else {
		w.str("schema", v.Definition.Text)
	}
	w.bool("deleted", v.Deleted)
	if v.Timestamp != 0 {
		w.int("ts", v.Timestamp)
	}
	w.close()
	return w.b
}

// ParseSchema reads a SCHEMA value.
func ParseSchema(b []byte) (SchemaValue, error) {
	v, _, err := parseSchema(nil, string(b))
	return v, err
}

// ParseSchemaIn is ParseSchema without copies: Subject and Quoted lie in b, which
// must not change while they are in use, and the definition's text in scratch,
// which is returned, perhaps grown, for the next call.
func ParseSchemaIn(scratch, b []byte) (SchemaValue, []byte, error) {
	return parseSchema(scratch, unsafe.String(unsafe.SliceData(b), len(b)))
}

func parseSchema(scratch []byte, b string) (SchemaValue, []byte, error) {
	var v SchemaValue
	d := cursor{b: b}
	d.object(func(name string) {
		switch name {
		case "subject":
			v.Subject = schema.Subject(d.str())
		case "version":
			v.Version = schema.Version(d.int(32))
		case "id":
			v.ID = schema.ID(d.int(32))
		case "md5":
			if s := d.str(); s != "" {
				sum, err := base64.StdEncoding.DecodeString(s)
				if err != nil || len(sum) != len(schema.Fingerprint{}) {
					d.fail("md5 is not the base64 of 16 bytes")
				}
				v.MD5 = sum
			}
		case "schemaType":
			v.Definition.Type = schemaType(d.str())
		case "references":
			v.Definition.References = d.references()
		case "metadata":
			v.Definition.Metadata = d.metadata()
		case "ruleSet":
			v.Definition.RuleSet = d.ruleSet()
		case "schema":
			v.Definition.Text, v.Quoted, scratch = d.spelled(scratch)
		case "deleted":
			v.Deleted = d.bool()
		case "ts":
			v.Timestamp = d.int(64)
		default:
			d.skip()
		}
	})
	v.Definition.Type = v.Definition.Type.OrDefault()
	if v.Quoted == "" {
		v.Quoted = `""`
	}
	if err := d.end(); err != nil {
		return SchemaValue{}, scratch, fmt.Errorf("journal: SCHEMA value: %w", err)
	}
	if v.Version < 1 || v.ID < 0 {
		return SchemaValue{}, scratch, fmt.Errorf("journal: SCHEMA value of subject %q: version %d and id %d are not both positive", v.Subject, v.Version, v.ID)
	}
	return v, scratch, nil
}

func schemaType(s string) schema.Type {
	for _, t := range [...]schema.Type{schema.Avro, schema.JSON, schema.Protobuf} {
		if s == string(t) {
			return t
		}
	}
	return schema.Type(clone(s))
}

// AppendConfig appends the bytes of a CONFIG value.
func AppendConfig(dst []byte, v ConfigValue) []byte {
	w := writer{b: dst}
	w.open()
	w.str("subject", string(v.Subject))
	w.config(v, "compatibilityLevel")
	w.close()
	return w.b
}

// AppendConfigMembers appends the members of v without its subject as a JSON
// object in which the level is called levelName.
func AppendConfigMembers(dst []byte, v ConfigValue, levelName string) []byte {
	w := writer{b: dst}
	w.open()
	w.config(v, levelName)
	w.close()
	return w.b
}

func (w *writer) config(v ConfigValue, levelName string) {
	w.str("alias", v.Alias)
	w.str("aliasForDeks", v.AliasForDeks)
	w.optional("normalize", v.Normalize)
	w.optional("validateFields", v.ValidateFields)
	w.optional("validateNewSchemas", v.ValidateNewSchemas)
	w.optional("validateRules", v.ValidateRules)
	w.str(levelName, v.Level)
	w.str("compatibilityPolicy", v.Policy)
	w.str("compatibilityGroup", v.Group)
	for _, m := range []struct {
		name  string
		value *schema.Metadata
	}{{"defaultMetadata", v.DefaultMetadata}, {"overrideMetadata", v.OverrideMetadata}} {
		if m.value != nil {
			w.name(m.name)
			w.b = AppendMetadata(w.b, m.value)
		}
	}
	for _, s := range []struct {
		name  string
		value *schema.RuleSet
	}{{"defaultRuleSet", v.DefaultRuleSet}, {"overrideRuleSet", v.OverrideRuleSet}} {
		if s.value != nil {
			w.name(s.name)
			w.b = AppendRuleSet(w.b, s.value)
		}
	}
}

// ParseConfig reads a CONFIG value. Values of old releases have no subject;
// the key has it.
func ParseConfig(b []byte) (ConfigValue, error) {
	var v ConfigValue
	d := cursor{b: string(b)}
	d.object(func(name string) {
		switch name {
		case "subject":
			v.Subject = schema.Subject(d.text())
		case "alias":
			v.Alias = d.text()
		case "aliasForDeks":
			v.AliasForDeks = d.text()
		case "normalize":
			v.Normalize = d.optional()
		case "validateFields":
			v.ValidateFields = d.optional()
		case "validateNewSchemas":
			v.ValidateNewSchemas = d.optional()
		case "validateRules":
			v.ValidateRules = d.optional()
		case "compatibilityLevel":
			v.Level = d.text()
		case "compatibilityPolicy":
			v.Policy = d.text()
		case "compatibilityGroup":
			v.Group = d.text()
		case "defaultMetadata":
			v.DefaultMetadata = d.metadata()
		case "overrideMetadata":
			v.OverrideMetadata = d.metadata()
		case "defaultRuleSet":
			v.DefaultRuleSet = d.ruleSet()
		case "overrideRuleSet":
			v.OverrideRuleSet = d.ruleSet()
		default:
			d.skip()
		}
	})
	if err := d.end(); err != nil {
		return ConfigValue{}, fmt.Errorf("journal: CONFIG value: %w", err)
	}
	return v, nil
}

func (d *cursor) optional() *bool {
	if d.null() {
		return nil
	}
	v := d.bool()
	return &v
}

// AppendMode appends the bytes of a MODE value.
func AppendMode(dst []byte, v ModeValue) []byte {
	w := writer{b: dst}
	w.open()
	w.str("subject", string(v.Subject))
	w.str("mode", v.Mode)
	w.close()
	return w.b
}

// ParseMode reads a MODE value.
func ParseMode(b []byte) (ModeValue, error) {
	var v ModeValue
	d := cursor{b: string(b)}
	d.object(func(name string) {
		switch name {
		case "subject":
			v.Subject = schema.Subject(d.text())
		case "mode":
			v.Mode = d.text()
		default:
			d.skip()
		}
	})
	if err := d.end(); err != nil {
		return ModeValue{}, fmt.Errorf("journal: MODE value: %w", err)
	}
	return v, nil
}

// AppendDeleteSubject appends the bytes of a DELETE_SUBJECT value.
func AppendDeleteSubject(dst []byte, v DeleteSubjectValue) []byte {
	w := writer{b: dst}
	w.open()
	w.str("subject", string(v.Subject))
	w.int("version", int64(v.Watermark))
	w.close()
	return w.b
}

// ParseDeleteSubject reads a DELETE_SUBJECT value.
func ParseDeleteSubject(b []byte) (DeleteSubjectValue, error) {
	var v DeleteSubjectValue
	d := cursor{b: string(b)}
	d.object(func(name string) {
		switch name {
		case "subject":
			v.Subject = schema.Subject(d.text())
		case "version":
			v.Watermark = schema.Version(d.int(32))
		default:
			d.skip()
		}
	})
	if err := d.end(); err != nil {
		return DeleteSubjectValue{}, fmt.Errorf("journal: DELETE_SUBJECT value: %w", err)
	}
	return v, nil
}

// AppendClearSubject appends the bytes of a CLEAR_SUBJECT value.
func AppendClearSubject(dst []byte, v ClearSubjectValue) []byte {
	w := writer{b: dst}
	w.open()
	w.str("subject", string(v.Subject))
	w.close()
	return w.b
}

// AppendContext appends the bytes of a CONTEXT value.
func AppendContext(dst []byte, v ContextValue) []byte {
	w := writer{b: dst}
	w.open()
	w.str("tenant", tenantOr(v.Tenant))
	w.str("context", string(v.Context))
	if v.MaxID > 0 {
		w.int("maxId", int64(v.MaxID))
	}
	w.close()
	return w.b
}

// ParseContext reads a CONTEXT value.
func ParseContext(b []byte) (ContextValue, error) {
	var v ContextValue
	d := cursor{b: string(b)}
	d.object(func(name string) {
		switch name {
		case "tenant":
			v.Tenant = d.text()
		case "context":
			v.Context = schema.Context(d.text())
		case "maxId":
			v.MaxID = schema.ID(d.int(32))
		default:
			d.skip()
		}
	})
	if err := d.end(); err != nil {
		return ContextValue{}, fmt.Errorf("journal: CONTEXT value: %w", err)
	}
	return v, nil
}

// AppendAssociation appends the bytes of an ASSOC value.
func AppendAssociation(dst []byte, v AssociationValue) []byte {
	w := writer{b: dst}
	w.open()
	w.str("guid", v.GUID)
	w.str("tenant", tenantOr(v.Tenant))
	w.str("resourceName", v.ResourceName)
	w.str("resourceNamespace", v.ResourceNamespace)
	w.str("resourceId", v.ResourceID)
	w.str("resourceType", v.ResourceType)
	w.str("associationType", v.AssociationType)
	w.str("subject", string(v.Subject))
	w.str("lifecycle", v.Lifecycle)
	w.bool("frozen", v.Frozen)
	w.int("createTs", v.CreateTs)
	if v.UpdateTs != 0 {
		w.int("updateTs", v.UpdateTs)
	}
	w.close()
	return w.b
}

// ParseAssociation reads an ASSOC value.
func ParseAssociation(b []byte) (AssociationValue, error) {
	var v AssociationValue
	d := cursor{b: string(b)}
	d.object(func(name string) {
		switch name {
		case "guid":
			v.GUID = d.text()
		case "tenant":
			v.Tenant = d.text()
		case "resourceName":
			v.ResourceName = d.text()
		case "resourceNamespace":
			v.ResourceNamespace = d.text()
		case "resourceId":
			v.ResourceID = d.text()
		case "resourceType":
			v.ResourceType = d.text()
		case "associationType":
			v.AssociationType = d.text()
		case "subject":
			v.Subject = schema.Subject(d.text())
		case "lifecycle":
			v.Lifecycle = d.text()
		case "frozen":
			v.Frozen = d.bool()
		case "createTs":
			v.CreateTs = d.int(64)
		case "updateTs":
			v.UpdateTs = d.int(64)
		default:
			d.skip()
		}
	})
	if err := d.end(); err != nil {
		return AssociationValue{}, fmt.Errorf("journal: ASSOC value: %w", err)
	}
	return v, nil
}
