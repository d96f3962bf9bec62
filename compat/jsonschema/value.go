package jsonschema

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// Kind is the JSON type of a Value.
type Kind uint8

// The kinds of JSON values.
const (
	Null Kind = iota
	False
	True
	Number
	String
	Array
	Object
)

// Value is one JSON value of a schema text, with its place in the text. It is
// immutable, and its address is its identity: two equal values of one text are
// two Values.
type Value struct {
	Kind    Kind
	Text    string   // of a string, decoded; of a number, as it is written
	Items   []*Value // of an array
	Members []Member // of an object, each name once, in the order of the text

	pos   uint32         // byte position in its text
	doc   *document      // the text
	index map[string]int // of the members, if they are many
	sum   uint64         // hash of the value, 0 until it is asked for
}

// Member is a member of an object.
type Member struct {
	Name  string
	Value *Value
}

// Get returns the member called name, nil if there is none or v is no object.
func (v *Value) Get(name string) *Value {
	if v.index != nil {
		if i, ok := v.index[name]; ok {
			return v.Members[i].Value
		}
		return nil
	}
	for i := range v.Members {
		if v.Members[i].Name == name {
			return v.Members[i].Value
		}
	}
	return nil
}

// str returns the member called name if it is a string.
func (v *Value) str(name string) (string, bool) {
	if m := v.Get(name); m != nil && m.Kind == String {
		return m.Text, true
	}
	return "", false
}

// add appends a member. Of members of one name the last value counts, in the
// place of the first.
func (v *Value) add(name string, m *Value) {
	const few = 12
	switch {
	case v.index != nil:
		if i, ok := v.index[name]; ok {
			v.Members[i].Value = m
			return
		}
		v.index[name] = len(v.Members)
	case len(v.Members) == few:
		v.index = make(map[string]int, 4*few)
		for i := range v.Members {
			v.index[v.Members[i].Name] = i
		}
		v.add(name, m)
		return
	default:
		for i := range v.Members {
			if v.Members[i].Name == name {
				v.Members[i].Value = m
				return
			}
		}
	}
	v.Members = append(v.Members, Member{name, m})
}

// isSchema reports whether v has the shape of a schema.
func (v *Value) isSchema() bool { return v.Kind == Object || v.Kind == True || v.Kind == False }

// Equal reports whether two values are the same to JSON Schema: numbers by what
// they stand for, objects whatever the order of their members.
func Equal(a, b *Value) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || a.Kind != b.Kind || len(a.Items) != len(b.Items) || len(a.Members) != len(b.Members) {
		return false
	}
	switch a.Kind {
	case Number:
		return a.Text == b.Text || ParseDecimal(a.Text).Cmp(ParseDecimal(b.Text)) == 0
	case String:
		return a.Text == b.Text
	case Array:
		for i := range a.Items {
			if !Equal(a.Items[i], b.Items[i]) {
				return false
			}
		}
	case Object:
		for _, m := range a.Members {
			if !Equal(m.Value, b.Get(m.Name)) {
				return false
			}
		}
	}
	return true
}

var hashSeed = maphash.MakeSeed()

// hash returns a number that equal values share. It is remembered, so it may
// only be called before the value is shared.
func (v *Value) hash() uint64 {
	if v.sum != 0 {
		return v.sum
	}
	var h uint64
	switch v.Kind {
	case Number:
		h = maphash.String(hashSeed, ParseDecimal(v.Text).String())
	case String:
		h = maphash.String(hashSeed, v.Text)
	case Array:
		for _, item := range v.Items {
			h = mix(h, item.hash())
		}
	case Object:
		for _, m := range v.Members {
			h += mix(maphash.String(hashSeed, m.Name), m.Value.hash()) // in any order
		}
	}
	v.sum = max(mix(h, uint64(v.Kind)), 1)
	return v.sum
}

func mix(a, b uint64) uint64 {
	var buf [16]byte
	binary.LittleEndian.PutUint64(buf[:], bits.RotateLeft64(a, 7))
	binary.LittleEndian.PutUint64(buf[8:], b)
	return maphash.Bytes(hashSeed, buf[:])
}
