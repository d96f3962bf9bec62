package protobuf

import (
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// message compares two messages and the types inside them, once for each pair.
func (c *comparison) message(writer, reader protoreflect.MessageDescriptor) {
	pair := messagePair{writer.FullName(), reader.FullName()}
	if _, known := c.done[pair]; known {
		return
	}
	c.done[pair] = false
	before := c.breaks
	c.oneofs(writer, reader)
	c.fields(writer, reader)
	c.done[pair] = c.breaks > before
	c.types(writer, reader)
}

// fields compares by number over the whole message, whichever oneof a field
// stands in.
func (c *comparison) fields(writer, reader protoreflect.MessageDescriptor) {
	was, is := fieldsByNumber(writer), fieldsByNumber(reader)
	both := maps.Clone(was)
	maps.Copy(both, is)
	for _, number := range slices.Sorted(maps.Keys(both)) {
		old, now := was[number], is[number]
		tag := strconv.Itoa(int(number))
		switch {
		case now == nil:
			c.removed(old, reader, tag)
		case old == nil:
			c.added(now, tag)
		default:
			if oneofOf(old) != nil && oneofOf(now) == nil {
				c.addAt(OneofFieldMovedToTopLevel, tag)
			}
			c.at(func() { c.field(old, now) }, append(oneofPath(now), tag)...)
		}
	}
}

func (c *comparison) removed(old protoreflect.FieldDescriptor, reader protoreflect.MessageDescriptor, tag string) {
	group := oneofOf(old)
	switch {
	case group != nil:
		if !deletedWhole(group, reader) {
			c.addAt(OneofFieldRemoved, string(group.Name()), tag)
		}
	case old.Cardinality() == protoreflect.Required:
		c.addAt(RequiredFieldRemoved, tag)
	default:
		c.addAt(FieldRemoved, tag)
	}
}

func (c *comparison) added(now protoreflect.FieldDescriptor, tag string) {
	group := oneofOf(now)
	switch {
	case group != nil:
		c.addAt(OneofFieldAdded, string(group.Name()), tag)
	case now.Cardinality() == protoreflect.Required:
		c.addAt(RequiredFieldAdded, tag)
	default:
		c.addAt(FieldAdded, tag)
	}
}

// oneofs reports containers that came and went, and fields that exclude each
// other now and did not before: a writer may have set several of them.
func (c *comparison) oneofs(writer, reader protoreflect.MessageDescriptor) {
	was, is := oneofNames(writer), oneofNames(reader)
	for _, name := range is {
		c.exclusive(name, writer, reader)
	}
	for _, name := range slices.Sorted(slices.Values(union(was, is))) {
		switch {
		case !slices.Contains(is, name):
			c.addAt(OneofRemoved, name)
		case !slices.Contains(was, name):
			c.addAt(OneofAdded, name)
		}
	}
}

// exclusive compares where the members of one oneof of the reader stood in the
// writer. Members of one oneof excluded each other already, and fields that the
// writer did not have are never set.
func (c *comparison) exclusive(name string, writer, reader protoreflect.MessageDescriptor) {
	origins := map[string]bool{}
	independent := 0
	members := reader.Oneofs().ByName(protoreflect.Name(name)).Fields()
	for i := range members.Len() {
		old := writer.Fields().ByNumber(members.Get(i).Number())
		if old == nil {
			continue
		}
		if group := oneofOf(old); group != nil {
			origins["oneof "+string(group.Name())] = true
			continue
		}
		independent++
		origins["field "+strconv.Itoa(int(old.Number()))] = true
	}
	switch {
	case len(origins) < 2:
	case independent > 1:
		c.addAt(MultipleFieldsMovedToOneof, name)
	default:
		c.addAt(FieldMovedToExistingOneof, name)
	}
}

// deletedWhole reports whether a oneof of the writer left nothing behind: the
// reader has neither the oneof nor any of its members.
func deletedWhole(group protoreflect.OneofDescriptor, reader protoreflect.MessageDescriptor) bool {
	if slices.Contains(oneofNames(reader), string(group.Name())) {
		return false
	}
	for i := range group.Fields().Len() {
		if reader.Fields().ByNumber(group.Fields().Get(i).Number()) != nil {
			return false
		}
	}
	return true
}

// oneofOf returns the oneof that an author wrote around f, nil for none.
func oneofOf(f protoreflect.FieldDescriptor) protoreflect.OneofDescriptor {
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		return o
	}
	return nil
}

func oneofPath(f protoreflect.FieldDescriptor) []string {
	if o := oneofOf(f); o != nil {
		return []string{string(o.Name())}
	}
	return nil
}

func oneofNames(m protoreflect.MessageDescriptor) []string {
	var names []string
	for i := range m.Oneofs().Len() {
		if o := m.Oneofs().Get(i); !o.IsSynthetic() {
			names = append(names, string(o.Name()))
		}
	}
	return names
}

func fieldsByNumber(m protoreflect.MessageDescriptor) map[protoreflect.FieldNumber]protoreflect.FieldDescriptor {
	out := make(map[protoreflect.FieldNumber]protoreflect.FieldDescriptor, m.Fields().Len())
	for i := range m.Fields().Len() {
		out[m.Fields().Get(i).Number()] = m.Fields().Get(i)
	}
	return out
}
