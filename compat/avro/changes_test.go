package avro

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
)

func mustParse(t *testing.T, text string) *Schema {
	t.Helper()
	s, err := Parse(compat.Source{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func recordOf(fields string) string {
	return `{"type":"record","name":"R","fields":[` + fields + `]}`
}

// TestChanges: "B" behind a change says that it is safe backward, "F" forward.
func TestChanges(t *testing.T) {
	const a, b = `{"name":"a","type":"int"}`, `{"name":"b","type":"int","default":0}`
	inUnion := func(fields string) string {
		return recordOf(`{"name":"u","type":["null",` + strings.Replace(recordOf(fields), `"R"`, `"I"`, 1) + `]}`)
	}
	for name, c := range map[string]struct{ older, newer, want string }{
		"nothing":                 {recordOf(a), recordOf(a), ""},
		"white space":             {`"int"`, ` {"type": "int"}`, ""},
		"field with default":      {recordOf(a), recordOf(a + "," + b), "FIELD_ADDED /fields/1 BF"},
		"field without default":   {recordOf(b), recordOf(b + "," + a), "FIELD_ADDED /fields/1 F"},
		"field with default gone": {recordOf(a + "," + b), recordOf(a), "FIELD_REMOVED /fields/1 BF"},
		"field without gone":      {recordOf(a + "," + b), recordOf(b), "FIELD_REMOVED /fields/0 B"},
		"fields change places":    {recordOf(a + "," + b), recordOf(b + "," + a), "FIELD_MOVED /fields/1 BF"},
		"renamed with alias":      {recordOf(a), recordOf(`{"name":"x","type":"int","aliases":["a"]}`), "ALIASES_CHANGED /fields/0 BF; FIELD_RENAMED /fields/0 B"},
		"doc of a field":          {recordOf(a), recordOf(`{"name":"a","type":"int","doc":"d"}`), "DOC_CHANGED /fields/0 BF"},
		"doc and namespace":       {recordOf(a), `{"type":"record","name":"R","namespace":"n","doc":"d","fields":[` + a + `]}`, "DOC_CHANGED / BF; NAMESPACE_CHANGED / BF"},
		"default":                 {recordOf(b), recordOf(`{"name":"b","type":"int","default":1}`), "FIELD_DEFAULT_CHANGED /fields/0 BF"},
		"default added":           {recordOf(a), recordOf(`{"name":"a","type":"int","default":1}`), "FIELD_DEFAULT_ADDED /fields/0 BF"},
		"default removed":         {recordOf(b), recordOf(`{"name":"b","type":"int"}`), "FIELD_DEFAULT_REMOVED /fields/0 BF"},
		"order":                   {recordOf(a), recordOf(`{"name":"a","type":"int","order":"ignore"}`), "FIELD_ORDER_CHANGED /fields/0 BF"},
		"order said outright":     {recordOf(a), recordOf(`{"name":"a","type":"int","order":"ascending"}`), ""},
		"promotion":               {recordOf(a), recordOf(`{"name":"a","type":"long"}`), "TYPE_CHANGED /fields/0/type B"},
		"other type":              {recordOf(a), recordOf(`{"name":"a","type":"string"}`), "TYPE_CHANGED /fields/0/type "},
		"name":                    {recordOf(a), strings.Replace(recordOf(a), "R", "S", 1), "NAME_CHANGED /name "},
		"size":                    {`{"type":"fixed","name":"F","size":4}`, `{"type":"fixed","name":"F","size":8}`, "SIZE_CHANGED /size "},
		"symbol added":            {`{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"E","symbols":["A","B"]}`, "SYMBOLS_ADDED /symbols B"},
		"symbol replaced":         {`{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"E","symbols":["B"],"default":"B"}`, "ENUM_DEFAULT_CHANGED / BF; SYMBOLS_ADDED /symbols B; SYMBOLS_REMOVED /symbols BF"},
		"symbols change places":   {`{"type":"enum","name":"E","symbols":["A","B"]}`, `{"type":"enum","name":"E","symbols":["B","A"]}`, "SYMBOLS_REORDERED /symbols BF"},
		"branch added":            {`["null","int"]`, `["null","int","string"]`, "UNION_BRANCH_ADDED /2 B"},
		"branch removed":          {`["null","int","string"]`, `["null","int"]`, "UNION_BRANCH_REMOVED /2 F"},
		"branches change places":  {`["null","int"]`, `["int","null"]`, "UNION_BRANCHES_REORDERED / BF"},
		"becomes a union":         {`"int"`, `["null","int"]`, "TYPE_CHANGED / B"},
		"field inside a union":    {inUnion(a), inUnion(a + "," + b), "FIELD_ADDED /fields/0/type/1/fields/1 BF"},
		"harm inside a union":     {inUnion(b), inUnion(b + "," + a), "FIELD_ADDED /fields/0/type/1/fields/1 F"},
		"logical type":            {`{"type":"long","logicalType":"timestamp-millis"}`, `{"type":"long","logicalType":"timestamp-micros"}`, "PROPERTY_CHANGED / BF"},
		"items":                   {`{"type":"array","items":"int"}`, `{"type":"array","items":"long"}`, "TYPE_CHANGED /items B"},
		"recursive":               {recordOf(`{"name":"n","type":["null","R"]}`), recordOf(`{"name":"n","type":["null","R"]},` + b), "FIELD_ADDED /fields/1 BF"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, change := range mustParse(t, c.newer).Changes(mustParse(t, c.older), compat.Options{}) {
				safe := ""
				if change.BackwardSafe {
					safe = "B"
				}
				if change.ForwardSafe {
					safe += "F"
				}
				got = append(got, fmt.Sprintf("%s %s %s", change.Rule, change.Path, safe))
			}
			slices.Sort(got)
			if s := strings.Join(got, "; "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

// TestChangesTellHarmAsDifferencesDoes: over random pairs, something is marked
// unsafe exactly where one cannot read the other.
func TestChangesTellHarmAsDifferencesDoes(t *testing.T) {
	types := []string{`"int"`, `"long"`, `"string"`, `["null","int"]`, `["null","string","int"]`, `{"type":"array","items":"int"}`,
		`{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"E","symbols":["A","B"]}`, `{"type":"fixed","name":"F","size":1}`,
		`{"type":"record","name":"I","fields":[]}`, `{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]}`,
		`["null",{"type":"record","name":"I","fields":[]}]`, `["null",{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]}]`}
	for _, x := range types {
		for _, y := range types {
			older, newer := mustParse(t, recordOf(`{"name":"a","type":`+x+`}`)), mustParse(t, recordOf(`{"name":"z","type":"int","default":1},{"name":"a","type":`+y+`}`))
			backward, forward := true, true
			for _, c := range newer.Changes(older, compat.Options{}) {
				backward, forward = backward && c.BackwardSafe, forward && c.ForwardSafe
			}
			if want := len(newer.Differences(older, compat.Options{})) == 0; backward != want {
				t.Errorf("%s became %s: backward safe %t, want %t", x, y, backward, want)
			}
			if want := len(older.Differences(newer, compat.Options{})) == 0; forward != want {
				t.Errorf("%s became %s: forward safe %t, want %t", x, y, forward, want)
			}
		}
	}
}

func TestCounterpart(t *testing.T) {
	writer := mustParse(t, recordOf(`{"name":"a","type":"int"},{"name":"b","type":{"type":"array","items":`+strings.Replace(recordOf(`{"name":"c","type":"string"}`), `"R"`, `"I"`, 1)+`}}`))
	reader := mustParse(t, recordOf(`{"name":"new","type":"int"},{"name":"x","aliases":["b"],"type":{"type":"array","items":`+strings.Replace(recordOf(`{"name":"d","type":"int"},{"name":"c","type":"int"}`), `"R"`, `"I"`, 1)+`}}`))
	for path, want := range map[string]string{
		"/":                              "/",
		"/name":                          "/name",
		"/fields/0":                      "/",
		"/fields/1":                      "/fields/1",
		"/fields/1/type":                 "/fields/1/type",
		"/fields/1/type/items/fields/1":  "/fields/1/type/items/fields/0",
		"/fields/1/type/items/fields/0":  "/fields/1/type/items",
		"/fields/1/type/items/fields/99": "/fields/1/type/items",
		"/fields/x":                      "/",
		"/3":                             "/",
		"":                               "/",
	} {
		if got := reader.Counterpart(writer, path); got != want {
			t.Errorf("%s is %s in the writer, want %s", path, got, want)
		}
	}
}
