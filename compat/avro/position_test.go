package avro_test

import (
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
)

func TestPositions(t *testing.T) {
	const text = `{
  "type": "record", "name": "A",
  "fields": [
    {"name": "é", "type": "int"}, {"name": "b",
      "type": ["null",
        {"type": "enum", "name": "E", "symbols": ["X"]}]},
    {"name": "again", "type": "E"},
    {"name": "next", "type": ["null", "A"]},
    {"name": "far", "type": "Far"},
    {"name": "list", "type": {"type": "array", "items":
      {"type": "fixed", "name": "F", "size": 3}}}
  ]
}`
	s, err := avro.Parse(compat.Source{Text: text, Dependencies: []compat.Dependency{
		{Name: "Far", Text: "\n\n\n{\"type\":\"record\",\"name\":\"Far\",\"fields\":[{\"name\":\"x\",\"type\":\"int\"}]}"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		want string
	}{
		{"/", "1:1"},
		{"/name", "2:29"},
		{"/fields", "3:13"},
		{"/fields/0", "4:5"},
		{"/fields/0/type", "4:27"},
		{"/fields/1", "4:35"},
		{"/fields/1/name", "4:44"},
		{"/fields/1/type", "5:15"},
		{"/fields/1/type/1", "6:9"},
		{"/fields/1/type/1/symbols", "6:50"},
		{"/fields/2/type", "7:31"},
		{"/fields/2/type/name", "6:34"},            // the definition is elsewhere in the text
		{"/fields/3/type/1", "8:39"},               // the name A
		{"/fields/3/type/1/fields/0/type", "4:27"}, // through the recursion
		{"/fields/4/type/fields/0/type", "9:29"},   // inside a dependency: the use
		{"/fields/0/type/3", "4:27"},               // a branch of the writer only
		{"/fields/1/type/7", "5:15"},               // likewise
		{"/fields/5/type/items/size", "11:46"},
	} {
		if got, ok := s.Position(c.path); !ok || got.String() != c.want {
			t.Errorf("%s: %v, %v; want %s", c.path, got, ok, c.want)
		}
	}
	for _, path := range []string{"", "fields", "/nothing", "/fields/9", "/fields/x", "/fields/-1", "/fields/0/nothing", "/fields/0/type/size", "/name/x"} {
		if got, ok := s.Position(path); ok {
			t.Errorf("%q has the position %v", path, got)
		}
	}
}
