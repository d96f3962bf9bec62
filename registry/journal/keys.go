package journal

import (
	"encoding/base64"
	"fmt"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// KEKValue is the value of a KEK record: a key of a KMS.
type KEKValue struct {
	Name     string
	KMSType  string
	KMSKeyID string
	KMSProps map[string]string
	Doc      string
	Shared   bool
	Deleted  bool
}

// DEKValue is the value of a DEK record: a data key, wrapped by its KEK. It
// never holds the key in clear.
type DEKValue struct {
	KEK       string
	Subject   schema.Subject
	Algorithm string
	Version   schema.Version
	Wrapped   string // base64, as it was sent
	Deleted   bool
}

// AppendKEK appends the bytes of a KEK value.
func AppendKEK(dst []byte, v KEKValue) []byte {
	w := writer{b: dst}
	w.open()
	w.str("name", v.Name)
	w.str("kmsType", v.KMSType)
	w.str("kmsKeyId", v.KMSKeyID)
	if len(v.KMSProps) > 0 {
		w.pairs("kmsProps", v.KMSProps)
	}
	w.str("doc", v.Doc)
	w.bool("shared", v.Shared)
	w.bool("deleted", v.Deleted)
	w.close()
	return w.b
}

// ParseKEK reads a KEK value.
func ParseKEK(b []byte) (KEKValue, error) {
	var v KEKValue
	d := cursor{b: string(b)}
	d.object(func(name string) {
		switch name {
		case "name":
			v.Name = d.text()
		case "kmsType":
			v.KMSType = d.text()
		case "kmsKeyId":
			v.KMSKeyID = d.text()
		case "kmsProps":
			v.KMSProps = d.stringMap()
		case "doc":
			v.Doc = d.text()
		case "shared":
			v.Shared = d.bool()
		case "deleted":
			v.Deleted = d.bool()
		default:
			d.skip()
		}
	})
	if err := d.end(); err != nil {
		return KEKValue{}, fmt.Errorf("journal: KEK value: %w", err)
	}
	return v, nil
}

// AppendDEK appends the bytes of a DEK value.
func AppendDEK(dst []byte, v DEKValue) []byte {
	w := writer{b: dst}
	w.open()
	w.str("kekName", v.KEK)
	w.str("subject", string(v.Subject))
	w.str("algorithm", v.Algorithm)
	w.int("version", int64(v.Version))
	w.str("encryptedKeyMaterial", v.Wrapped)
	w.bool("deleted", v.Deleted)
	w.close()
	return w.b
}

// ParseDEK reads a DEK value.
func ParseDEK(b []byte) (DEKValue, error) {
	var v DEKValue
	d := cursor{b: string(b)}
	d.object(func(name string) {
		switch name {
		case "kekName":
			v.KEK = d.text()
		case "subject":
			v.Subject = schema.Subject(d.text())
		case "algorithm":
			v.Algorithm = d.text()
		case "version":
			v.Version = schema.Version(d.int(32))
		case "encryptedKeyMaterial":
			v.Wrapped = d.text()
		case "deleted":
			v.Deleted = d.bool()
		default:
			d.skip()
		}
	})
	if err := d.end(); err != nil {
		return DEKValue{}, fmt.Errorf("journal: DEK value: %w", err)
	}
	return v, nil
}

// EncoderValue is the value of an ENCODER record: the key set of a tenant,
// encrypted.
type EncoderValue struct {
	Keyset []byte
}

// AppendEncoder appends the bytes of an ENCODER value.
func AppendEncoder(dst []byte, v EncoderValue) []byte {
	w := writer{b: dst}
	w.open()
	w.str("keyset", base64.StdEncoding.EncodeToString(v.Keyset))
	w.close()
	return w.b
}

// ParseEncoder reads an ENCODER value.
func ParseEncoder(b []byte) (EncoderValue, error) {
	var v EncoderValue
	d := cursor{b: string(b)}
	d.object(func(name string) {
		if name != "keyset" {
			d.skip()
			return
		}
		var err error
		if v.Keyset, err = base64.StdEncoding.DecodeString(d.str()); err != nil || len(v.Keyset) == 0 {
			d.fail("keyset is not the base64 of anything")
		}
	})
	if err := d.end(); err != nil {
		return EncoderValue{}, fmt.Errorf("journal: ENCODER value: %w", err)
	}
	return v, nil
}
