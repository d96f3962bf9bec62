package schema

import (
	"crypto/md5" //nolint:gosec // an identity that clients recompute, not a secret
	"encoding/binary"
	"hash"
	"io"
	"slices"
	"unsafe"
)

// Fingerprint is the MD5 that decides whether two definitions are the same.
// It covers text, references, metadata and rules, not the type.
type Fingerprint [md5.Size]byte

// GUID returns the fingerprint as the definition's GUID.
func (f Fingerprint) GUID() GUID { return GUID(f) }

// Fingerprint feeds, in this order and without separators or lengths: the
// text; per reference its name, subject and version (4 bytes, big-endian); if
// there is metadata a byte 01, tags (key, then values sorted) and properties in
// key order, sensitive names sorted; if there is a rule set a byte 01, every
// rule in list order (migration, domain, encoding) and enableAt.
//
// The text must be canonical already: d.Text is hashed as it stands.
func (d Definition) Fingerprint() Fingerprint {
	if len(d.References) == 0 && d.Metadata == nil && d.RuleSet == nil {
		// The common case, without a copy of the text: Sum only reads it.
		return md5.Sum(unsafe.Slice(unsafe.StringData(d.Text), len(d.Text))) //nolint:gosec
	}
	h := md5.New() //nolint:gosec
	io.WriteString(h, d.Text)
	for _, r := range d.References {
		io.WriteString(h, r.Name)
		io.WriteString(h, string(r.Subject))
		var v [4]byte
		binary.BigEndian.PutUint32(v[:], uint32(r.Version))
		h.Write(v[:])
	}
	if d.Metadata != nil {
		d.Metadata.hash(h)
	}
	if d.RuleSet != nil {
		d.RuleSet.hash(h)
	}
	var f Fingerprint
	h.Sum(f[:0])
	return f
}

func (m *Metadata) hash(h hash.Hash) {
	h.Write([]byte{1})
	for _, k := range sortedKeys(m.Tags) {
		io.WriteString(h, k)
		writeSorted(h, m.Tags[k])
	}
	writePairs(h, m.Properties)
	writeSorted(h, m.Sensitive)
}

func (s *RuleSet) hash(h hash.Hash) {
	h.Write([]byte{1})
	for _, list := range [][]Rule{s.MigrationRules, s.DomainRules, s.EncodingRules} {
		for _, r := range list {
			r.hash(h)
		}
	}
	io.WriteString(h, s.EnableAt)
}

func (r Rule) hash(h hash.Hash) {
	for _, s := range []string{r.Name, r.Doc, r.Kind, r.Mode, r.Type} {
		io.WriteString(h, s)
	}
	writeSorted(h, r.Tags)
	writePairs(h, r.Params)
	for _, s := range []string{r.Expr, r.OnSuccess, r.OnFailure} {
		io.WriteString(h, s)
	}
	if r.Disabled {
		h.Write([]byte{1})
	}
}

func writePairs(h hash.Hash, m map[string]string) {
	for _, k := range sortedKeys(m) {
		io.WriteString(h, k)
		io.WriteString(h, m[k])
	}
}

func writeSorted(h hash.Hash, list []string) {
	for _, s := range slices.Sorted(slices.Values(list)) {
		io.WriteString(h, s)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
