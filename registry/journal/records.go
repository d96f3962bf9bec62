package journal

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// KeyType says what a record is about.
type KeyType string

// Key types of the `_schemas` format.
const (
	SchemaKey        KeyType = "SCHEMA"
	ConfigKey        KeyType = "CONFIG"
	ModeKey          KeyType = "MODE"
	DeleteSubjectKey KeyType = "DELETE_SUBJECT"
	ClearSubjectKey  KeyType = "CLEAR_SUBJECT"
	NoopKey          KeyType = "NOOP"
	ContextKey       KeyType = "CONTEXT"
	AssociationKey   KeyType = "ASSOC"
)

// Key types of our own, for encryption keys. Other readers of the format skip
// records whose key type they do not know.
const (
	KEKKey KeyType = "KEK"
	DEKKey KeyType = "DEK"
)

// EncoderKey is the key type of the records of `_schema_encoders`: the keys that
// sensitive metadata is encrypted with. A registry passes them over.
const EncoderKey KeyType = "ENCODER"

// keyTypes are all of them.
var keyTypes = [...]KeyType{SchemaKey, ConfigKey, ModeKey, DeleteSubjectKey, ClearSubjectKey, NoopKey, ContextKey, AssociationKey, KEKKey, DEKKey, EncoderKey}

// Key is a record's key. Which members count depends on Type; the rest stay
// zero, so that two keys of one thing are ==.
type Key struct {
	Type    KeyType
	Subject schema.Subject // SCHEMA, CONFIG, MODE, DELETE_SUBJECT, CLEAR_SUBJECT, ASSOC, DEK
	Version schema.Version // SCHEMA, DEK
	Context schema.Context // CONTEXT
	Tenant  string         // CONTEXT, ASSOC, KEK, DEK, ENCODER; written as "default" when empty

	// ASSOC
	ResourceName      string
	ResourceNamespace string
	ResourceType      string
	AssociationType   string

	KEK       string // KEK, DEK: the key's name
	Algorithm string // DEK
}

const defaultTenant = "default"

// AppendKey appends the bytes of k. They are the same for the same k in every
// release: compaction compares them.
func AppendKey(dst []byte, k Key) []byte {
	w := writer{b: dst}
	w.open()
	w.str("keytype", string(k.Type))
	switch k.Type {
	case SchemaKey:
		w.name("subject")
		w.b = AppendQuoted(w.b, string(k.Subject))
		w.int("version", int64(k.Version))
		w.int("magic", 1)
	case ContextKey:
		w.str("tenant", tenantOr(k.Tenant))
		w.str("context", string(k.Context))
		w.int("magic", 0)
	case AssociationKey:
		w.str("tenant", tenantOr(k.Tenant))
		w.str("resourceName", k.ResourceName)
		w.str("resourceNamespace", k.ResourceNamespace)
		w.str("resourceType", k.ResourceType)
		w.str("associationType", k.AssociationType)
		w.str("subject", string(k.Subject))
		w.int("magic", 0)
	case EncoderKey:
		w.str("tenant", tenantOr(k.Tenant))
		w.int("magic", 0)
	case KEKKey:
		w.str("tenant", tenantOr(k.Tenant))
		w.str("name", k.KEK)
		w.int("magic", 0)
	case DEKKey:
		w.str("tenant", tenantOr(k.Tenant))
		w.str("kekName", k.KEK)
		w.str("subject", string(k.Subject))
		w.str("algorithm", k.Algorithm)
		w.int("version", int64(k.Version))
		w.int("magic", 0)
	default:
		w.str("subject", string(k.Subject))
		w.int("magic", 0)
	}
	w.close()
	return w.b
}

func tenantOr(t string) string {
	if t == "" {
		return defaultTenant
	}
	return t
}

// ParseKey reads a key of this or an earlier release; members it does not know
// are ignored.
func ParseKey(b []byte) (Key, error) {
	var k Key
	magic := int64(0)
	d := cursor{b: string(b)}
	d.object(func(name string) {
		switch name {
		case "keytype":
			k.Type = keyType(d.str())
		case "subject":
			k.Subject = schema.Subject(d.str())
		case "version":
			k.Version = schema.Version(d.int(32))
		case "magic":
			magic = d.int(32)
		case "context":
			k.Context = schema.Context(d.str())
		case "tenant":
			if k.Tenant = d.str(); k.Tenant == defaultTenant {
				k.Tenant = ""
			}
		case "resourceName":
			k.ResourceName = d.str()
		case "resourceNamespace":
			k.ResourceNamespace = d.str()
		case "resourceType":
			k.ResourceType = d.str()
		case "associationType":
			k.AssociationType = d.str()
		case "name", "kekName":
			k.KEK = d.str()
		case "algorithm":
			k.Algorithm = d.str()
		default:
			d.skip()
		}
	})
	if err := d.end(); err != nil {
		return Key{}, fmt.Errorf("journal: key: %w", err)
	}
	switch k.Type {
	case SchemaKey:
		if k.Version < 1 {
			return Key{}, fmt.Errorf("journal: key of subject %q: version %d is not 1 or more", k.Subject, k.Version)
		}
		if magic != 0 && magic != 1 {
			return Key{}, fmt.Errorf("journal: key of subject %q: unknown magic %d", k.Subject, magic)
		}
	case DEKKey:
		if k.Version < 1 {
			return Key{}, fmt.Errorf("journal: DEK key of subject %q: version %d is not 1 or more", k.Subject, k.Version)
		}
		fallthrough
	case ConfigKey, ModeKey, DeleteSubjectKey, ClearSubjectKey, NoopKey, ContextKey, AssociationKey, KEKKey, EncoderKey:
		if magic != 0 {
			return Key{}, fmt.Errorf("journal: %s key: unknown magic %d", k.Type, magic)
		}
	default:
		return Key{}, fmt.Errorf("journal: unknown keytype %q", k.Type)
	}
	return k, nil
}

// ParseKeyIn is ParseKey without a copy where it can do without: the subject may
// lie in b, which must not change while it is in use.
func ParseKeyIn(b []byte) (Key, error) {
	if k, ok := schemaKey(unsafe.String(unsafe.SliceData(b), len(b))); ok {
		return k, nil
	}
	return ParseKey(b)
}

// schemaKey reads the key of a SCHEMA record as AppendKey spells it, unless there
// is an escape in the subject. Nearly all keys of a journal are such.
func schemaKey(b string) (Key, bool) {
	rest, ok := strings.CutPrefix(b, `{"keytype":"SCHEMA","subject":"`)
	if !ok {
		return Key{}, false
	}
	end := strings.IndexByte(rest, '"')
	if end < 0 {
		return Key{}, false
	}
	subject := rest[:end]
	for i := range len(subject) {
		if subject[i] < 0x20 || subject[i] == '\\' {
			return Key{}, false
		}
	}
	if rest, ok = strings.CutPrefix(rest[end:], `","version":`); !ok {
		return Key{}, false
	}
	if rest, ok = strings.CutSuffix(rest, `,"magic":1}`); !ok || len(rest) == 0 || len(rest) > 9 || rest[0] == '0' {
		return Key{}, false
	}
	version := schema.Version(0)
	for i := range len(rest) {
		if rest[i] < '0' || rest[i] > '9' {
			return Key{}, false
		}
		version = 10*version + schema.Version(rest[i]-'0')
	}
	return Key{Type: SchemaKey, Subject: schema.Subject(subject), Version: version}, true
}

// keyType returns the constant for a known name, so that keys do not hold on to
// the bytes they were read from.
func keyType(s string) KeyType {
	for _, t := range keyTypes {
		if s == string(t) {
			return t
		}
	}
	return KeyType(s)
}

// SchemaValue is the value of a SCHEMA record.
type SchemaValue struct {
	Subject    schema.Subject
	Version    schema.Version
	ID         schema.ID
	MD5        []byte // the fingerprint, where it cannot be computed from the rest; else nil
	Definition schema.Definition
	Deleted    bool
	// Quoted is the text as AppendQuoted spells it. ParseSchema sets it;
	// AppendSchema spells the text itself if it is empty.
	Quoted string
	// Timestamp is that of the record which registered the version, if this
	// one only re-writes it; milliseconds, 0 for none.
	Timestamp int64
}

// ConfigValue is the value of a CONFIG record. A nil or empty member is not
// set.
type ConfigValue struct {
	Subject            schema.Subject
	Alias              string
	AliasForDeks       string
	Normalize          *bool
	ValidateFields     *bool
	ValidateNewSchemas *bool
	ValidateRules      *bool
	Level              string
	Policy             string
	Group              string
	DefaultMetadata    *schema.Metadata
	OverrideMetadata   *schema.Metadata
	DefaultRuleSet     *schema.RuleSet
	OverrideRuleSet    *schema.RuleSet
}

// ModeValue is the value of a MODE record.
type ModeValue struct {
	Subject schema.Subject
	Mode    string
}

// DeleteSubjectValue is the value of a DELETE_SUBJECT record: every version of
// the subject up to Watermark that is still there is soft-deleted.
type DeleteSubjectValue struct {
	Subject   schema.Subject
	Watermark schema.Version
}

// ClearSubjectValue is the value of a CLEAR_SUBJECT record.
type ClearSubjectValue struct {
	Subject schema.Subject
}

// ContextValue is the value of a CONTEXT record.
type ContextValue struct {
	Tenant  string
	Context schema.Context
	// MaxID is the highest ID that the context ever gave out, recorded when
	// the last record that shows it is about to go. Ours alone; other readers
	// ignore it. Zero for none.
	MaxID schema.ID
}

// AssociationValue is the value of an ASSOC record.
type AssociationValue struct {
	GUID              string
	Tenant            string
	ResourceName      string
	ResourceNamespace string
	ResourceID        string
	ResourceType      string
	AssociationType   string
	Subject           schema.Subject
	Lifecycle         string
	Frozen            bool
	CreateTs          int64
	UpdateTs          int64
}

// clone detaches s from the buffer it was cut from.
func clone(s string) string { return strings.Clone(s) }

// text reads a string that outlives the record.
func (d *cursor) text() string { return clone(d.str()) }
