package protobuf

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// enums compares the enums of one scope. No change of an enum breaks: a reader
// keeps a number that it has no name for.
func (c *comparison) enums(writer, reader protoreflect.EnumDescriptors) {
	was, is := enumNames(writer), enumNames(reader)
	for _, name := range union(was, is) {
		old := writer.ByName(protoreflect.Name(name))
		now := reader.ByName(protoreflect.Name(name))
		switch {
		case now == nil:
			c.addAt(EnumRemoved, name)
		case old == nil:
			c.addAt(EnumAdded, name)
		default:
			c.at(func() { c.enum(old, now) }, name)
		}
	}
}

func (c *comparison) enum(writer, reader protoreflect.EnumDescriptor) {
	was, is := constants(writer), constants(reader)
	both := maps.Clone(was)
	maps.Copy(both, is)
	for _, number := range slices.SortedFunc(maps.Keys(both), cmp.Compare[protoreflect.EnumNumber]) {
		old, wasThere := was[number]
		now, isThere := is[number]
		element := strconv.Itoa(int(number))
		switch {
		case !isThere:
			c.addAt(EnumConstRemoved, element)
		case !wasThere:
			c.addAt(EnumConstAdded, element)
		case old != now:
			c.addAt(EnumConstChanged, element)
		}
	}
}

// constants names each number; of aliases the last counts.
func constants(e protoreflect.EnumDescriptor) map[protoreflect.EnumNumber]protoreflect.Name {
	out := map[protoreflect.EnumNumber]protoreflect.Name{}
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		out[v.Number()] = v.Name()
	}
	return out
}

func enumNames(list protoreflect.EnumDescriptors) []string {
	names := make([]string, list.Len())
	for i := range names {
		names[i] = string(list.Get(i).Name())
	}
	return names
}
