package protobuf

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Walker says whether bytes are a message of one descriptor, without decoding
// them. Known fields must have their wire type (repeated scalars packed or not)
// and strings of proto3 must be UTF-8; required fields must be there; unknown
// fields must at least be whole.
//
// A walk does not allocate and does not copy. Its cost is linear in the payload;
// messages may be nested 100 deep.
type Walker struct {
	root *walkMessage
}

// walkMessage is a message as the walk needs it. Messages that contain each
// other point at each other.
type walkMessage struct {
	name     protoreflect.FullName
	small    [smallFields]*walkField // by number
	large    map[protowire.Number]*walkField
	required []protoreflect.FieldDescriptor
}

// smallFields is the end of the numbers that are found by index: all that have
// a tag of one byte, and as many again.
const smallFields = 32

type walkField struct {
	name     protoreflect.Name
	wire     protowire.Type
	packable bool // may also stand as one run of bytes
	repeated bool
	utf8     bool
	message  *walkMessage // of messages, groups and map entries
	required int          // 1 + index among required fields; 0 for others
}

// NewWalker prepares the walk over messages of m.
func NewWalker(m protoreflect.MessageDescriptor) *Walker {
	return &Walker{root: compileWalk(m, map[protoreflect.FullName]*walkMessage{})}
}

func compileWalk(m protoreflect.MessageDescriptor, done map[protoreflect.FullName]*walkMessage) *walkMessage {
	if w, ok := done[m.FullName()]; ok {
		return w
	}
	w := &walkMessage{name: m.FullName(), large: map[protowire.Number]*walkField{}}
	done[m.FullName()] = w
	for i := range m.Fields().Len() {
		fd := m.Fields().Get(i)
		f := &walkField{
			name:     fd.Name(),
			wire:     wireType(fd.Kind()),
			repeated: fd.IsList() || fd.IsMap(),
			utf8:     enforcesUTF8(fd),
		}
		f.packable = fd.IsList() && f.wire != protowire.BytesType && f.wire != protowire.StartGroupType
		if fd.Message() != nil {
			f.message = compileWalk(fd.Message(), done)
		}
		if fd.Cardinality() == protoreflect.Required {
			w.required = append(w.required, fd)
			f.required = len(w.required)
		}
		if n := fd.Number(); n < smallFields {
			w.small[n] = f
		} else {
			w.large[n] = f
		}
	}
	return w
}

func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	}
	return protowire.VarintType
}

// enforcesUTF8 asks the descriptor, which knows the features of editions.
func enforcesUTF8(f protoreflect.FieldDescriptor) bool {
	if f.Kind() != protoreflect.StringKind {
		return false
	}
	if d, ok := f.(interface{ EnforceUTF8() bool }); ok {
		return d.EnforceUTF8()
	}
	return f.Syntax() == protoreflect.Proto3
}

// Walk returns nil if b is a message, and otherwise a *WalkError.
func (w *Walker) Walk(b []byte) error {
	c := cursor{b: b}
	if _, err := c.message(w.root, len(b), 0, maxDepth); err != nil {
		return err
	}
	return nil
}

// cursor walks over b. Positions are absolute; an error is made where it
// happens and gets its path on the way out.
type cursor struct {
	b []byte
}

// message walks over fields from pos to end, or, in a group, to the end tag of
// group; it returns the position after it.
func (c *cursor) message(m *walkMessage, end, pos, depth int) (int, *WalkError) {
	return c.fields(m, end, pos, 0, depth)
}

func (c *cursor) fields(m *walkMessage, end, pos int, group protowire.Number, depth int) (int, *WalkError) {
	if depth == 0 {
		return 0, fail(pos, "nested deeper than 100 messages")
	}
	var seen uint64 // of the first 64 required fields
	start := pos
	for pos < end {
		tagPos := pos
		// Most tags have one byte.
		tag := uint64(c.b[pos])
		if tag < 0x80 {
			pos++
		} else {
			v, n := protowire.ConsumeVarint(c.b[pos:end])
			if n < 0 {
				return 0, fail(pos, "the tag of a field does not end, or is longer than 10 bytes")
			}
			tag, pos = v, pos+n
		}
		if tag>>3 > maxNumber || tag>>3 == 0 {
			return 0, fail(tagPos, "a field number that cannot be")
		}
		number, wire := protowire.Number(tag>>3), protowire.Type(tag&7)
		if wire == protowire.EndGroupType {
			if group == 0 || number != group {
				return 0, fail(tagPos, "the end of a group that did not begin")
			}
			return pos, m.missing(c.b, seen, start, tagPos, tagPos)
		}
		f := m.field(number)
		if f == nil {
			next, err := c.skip(number, wire, end, pos, depth)
			if err != nil {
				return 0, err.unknown(number)
			}
			pos = next
			continue
		}
		if f.required != 0 && f.required <= 64 {
			seen |= 1 << (f.required - 1)
		}
		next, err := c.field(f, number, wire, end, pos, tagPos, depth)
		if err != nil {
			return 0, err.within(f.name)
		}
		pos = next
	}
	if group != 0 {
		return 0, fail(pos, "a group that does not end")
	}
	return pos, m.missing(c.b, seen, start, pos, pos)
}

const maxNumber = 1<<29 - 1

func (m *walkMessage) field(n protowire.Number) *walkField {
	if n < smallFields {
		return m.small[n]
	}
	return m.large[n]
}

// field walks over the value of a known field.
func (c *cursor) field(f *walkField, number protowire.Number, wire protowire.Type, end, pos, tagPos, depth int) (int, *WalkError) {
	if wire != f.wire {
		if wire == protowire.BytesType && f.packable {
			return c.packed(f, end, pos)
		}
		return 0, mismatch(tagPos, wire, f.wire)
	}
	switch wire {
	case protowire.VarintType:
		return c.varint(end, pos)
	case protowire.Fixed32Type:
		return c.fixed(4, end, pos)
	case protowire.Fixed64Type:
		return c.fixed(8, end, pos)
	case protowire.StartGroupType:
		return c.fields(f.message, end, pos, number, depth-1)
	}
	valuePos, valueEnd, err := c.bytes(end, pos)
	if err != nil {
		return 0, err
	}
	if f.message != nil {
		return c.fields(f.message, valueEnd, valuePos, 0, depth-1)
	}
	if f.utf8 && !utf8.Valid(c.b[valuePos:valueEnd]) {
		return 0, fail(valuePos+invalidAt(c.b[valuePos:valueEnd]), "a string that is not UTF-8")
	}
	return valueEnd, nil
}

// packed walks over a run of scalars.
func (c *cursor) packed(f *walkField, end, pos int) (int, *WalkError) {
	pos, runEnd, err := c.bytes(end, pos)
	if err != nil {
		return 0, err
	}
	switch f.wire {
	case protowire.Fixed32Type, protowire.Fixed64Type:
		size := 4
		if f.wire == protowire.Fixed64Type {
			size = 8
		}
		if (runEnd-pos)%size != 0 {
			return 0, fail(pos, "a packed run that ends inside an element")
		}
		return runEnd, nil
	}
	for pos < runEnd {
		if pos, err = c.varint(runEnd, pos); err != nil {
			return 0, err
		}
	}
	return runEnd, nil
}

func (c *cursor) varint(end, pos int) (int, *WalkError) {
	if pos < end && c.b[pos] < 0x80 {
		return pos + 1, nil
	}
	_, n := protowire.ConsumeVarint(c.b[pos:end])
	if n < 0 {
		return 0, fail(pos, "a varint that does not end, or is longer than 10 bytes")
	}
	return pos + n, nil
}

func (c *cursor) fixed(size, end, pos int) (int, *WalkError) {
	if end-pos < size {
		return 0, fail(pos, "the payload ends inside a fixed-size value")
	}
	return pos + size, nil
}

// bytes reads a length and returns where the value begins and ends.
func (c *cursor) bytes(end, pos int) (valuePos, valueEnd int, err *WalkError) {
	length, n := uint64(0), 1
	if pos < end && c.b[pos] < 0x80 {
		length = uint64(c.b[pos])
	} else if length, n = protowire.ConsumeVarint(c.b[pos:end]); n < 0 {
		return 0, 0, fail(pos, "a length that does not end, or is longer than 10 bytes")
	}
	pos += n
	if length > uint64(end-pos) {
		return 0, 0, tooLong(pos-n, length, end-pos)
	}
	return pos, pos + int(length), nil
}

// skip walks over the value of a field that the descriptor does not have.
func (c *cursor) skip(number protowire.Number, wire protowire.Type, end, pos, depth int) (int, *WalkError) {
	switch wire {
	case protowire.VarintType:
		return c.varint(end, pos)
	case protowire.Fixed32Type:
		return c.fixed(4, end, pos)
	case protowire.Fixed64Type:
		return c.fixed(8, end, pos)
	case protowire.BytesType:
		_, valueEnd, err := c.bytes(end, pos)
		return valueEnd, err
	case protowire.StartGroupType:
		return c.fields(&nothing, end, pos, number, depth-1)
	}
	return 0, fail(pos, "a wire type that does not exist")
}

// nothing is the message without fields, for groups that are not known.
var nothing walkMessage

// missing returns an error at pos if a required field was not seen between
// start and end.
func (m *walkMessage) missing(b []byte, seen uint64, start, end, pos int) *WalkError {
	n := len(m.required)
	if n == 0 || n <= 64 && seen == 1<<n-1 {
		return nil
	}
	for i, fd := range m.required {
		if i < 64 && seen&(1<<i) != 0 || i >= 64 && contains(b[start:end], fd.Number()) {
			continue
		}
		return fail(pos, "required field "+string(fd.Name())+" is missing")
	}
	return nil
}

// contains looks for a field in bytes that were walked over before.
func contains(b []byte, number protowire.Number) bool {
	for len(b) > 0 {
		got, _, n := protowire.ConsumeField(b)
		if n < 0 {
			return false
		}
		if got == number {
			return true
		}
		b = b[n:]
	}
	return false
}

// invalidAt returns the position of the first byte that is not UTF-8.
func invalidAt(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}
