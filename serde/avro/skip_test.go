package avro_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

// skipped is a field "a" of a writer, with a value of which the reader has no
// place for something. Behind it, "b" is the number 7.
type skipped struct {
	name           string
	writer, reader string // the types of a
	value          any
	path           string // of the fault, from a on, where a is wanted
}

const (
	longText = "a text that is longer than any number, so that nothing which begins inside of it is taken for what follows"
	aRecord  = `{"type":"record","name":"In","fields":[{"name":"x","type":["string","int"]},{"name":"y","type":"int"}]}`
	aReader  = `{"type":"record","name":"In","fields":[{"name":"x","type":"int"},{"name":"y","type":"int"}]}`
)

var skippedValues = []skipped{
	{"a branch of two, null the first", `["null","string"]`, `["null","int"]`, map[string]any{"string": longText}, ""},
	{"a branch of two, null the last", `["string","null"]`, `["int","null"]`, map[string]any{"string": longText}, ""},
	{"a branch of a few bytes", `["null","double"]`, `["null","string"]`, map[string]any{"double": 1.5}, ""},
	{"a branch of three", `["null","string","int"]`, `["null","int"]`, map[string]any{"string": longText}, ""},
	{"a branch of a reader that has no union", `["string","int"]`, `"int"`, map[string]any{"string": longText}, ""},
	{"null where the reader has no union", `["null","int"]`, `"int"`, nil, ""},
	{"a record of another name", `["null",{"type":"record","name":"One","fields":[{"name":"x","type":"string"}]}]`,
		`["null",{"type":"record","name":"Two","fields":[{"name":"x","type":"string"}]}]`, map[string]any{"One": map[string]any{"x": longText}}, ""},
	{"a symbol", `{"type":"enum","name":"E","symbols":["A","B"]}`, `{"type":"enum","name":"E","symbols":["A"]}`, "B", ""},
	{"a field of a record", aRecord, aReader, map[string]any{"x": map[string]any{"string": longText}, "y": 3}, ".x"},
	{"a record in a union", `["null",` + aRecord + `]`, `["null",` + aReader + `]`,
		map[string]any{"In": map[string]any{"x": map[string]any{"string": longText}, "y": 3}}, ".x"},
	{"a union in a record in a union", `["int",{"type":"record","name":"Mid","fields":[{"name":"in","type":["null",` + aRecord + `]}]}]`,
		`["int",{"type":"record","name":"Mid","fields":[{"name":"in","type":["null",` + aReader + `]}]}]`,
		map[string]any{"Mid": map[string]any{"in": map[string]any{"In": map[string]any{"x": map[string]any{"string": longText}, "y": 3}}}}, ".in.x"},
	{"items of an array", `{"type":"array","items":["null","string"]}`, `{"type":"array","items":["null","int"]}`,
		[]any{nil, map[string]any{"string": longText}, nil}, "[1]"},
	{"items of an array of a reader that has no union", `{"type":"array","items":["int","string"]}`, `{"type":"array","items":"int"}`,
		[]any{map[string]any{"int": 1}, map[string]any{"string": longText}}, "[1]"},
	{"values of a map", `{"type":"map","values":["null","string"]}`, `{"type":"map","values":["null","int"]}`,
		map[string]any{"k": map[string]any{"string": longText}}, `["k"]`},
	{"maps in arrays", `{"type":"array","items":{"type":"map","values":["int","string"]}}`, `{"type":"array","items":{"type":"map","values":"int"}}`,
		[]any{map[string]any{"k": map[string]any{"string": longText}}}, `[0]["k"]`},
	{"records in arrays", `{"type":"array","items":` + aRecord + `}`, `{"type":"array","items":` + aReader + `}`,
		[]any{map[string]any{"x": map[string]any{"int": 1}, "y": 2}, map[string]any{"x": map[string]any{"string": longText}, "y": 3}}, "[1].x"},
	{"a record that holds itself", `{"type":"record","name":"Node","fields":[{"name":"v","type":["int","string"]},{"name":"next","type":["null","Node"]}]}`,
		`{"type":"record","name":"Node","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","Node"]}]}`,
		map[string]any{"v": map[string]any{"int": 1}, "next": map[string]any{"Node": map[string]any{"v": map[string]any{"string": longText}, "next": nil}}}, ".next.v"},
}

// pair returns the schemas of records which hold a and b. The reader's first
// field is field, its second more.
func (c *skipped) pair(field, more string) (w, r *avro.Schema) {
	record := `{"type":"record","name":"R","fields":[%s%s{"name":"b","type":"int"}]}`
	w = avro.MustParse(fmt.Sprintf(record, `{"name":"a","type":`+c.writer+`},`, ""))
	r = avro.MustParse(fmt.Sprintf(record, strings.ReplaceAll(field, "TYPE", c.reader), more))
	return w, r
}

func (c *skipped) payload(w *avro.Schema) []byte {
	return mustMarshal(w, map[string]any{"a": c.value, "b": 7})
}

// TestASkippedValueIsTheWriters: what nobody takes ends where the writer ended it,
// whether the reader's schema has no such field or only its Go type.
func TestASkippedValueIsTheWriters(t *testing.T) {
	type only struct {
		B int32 `avro:"b"`
	}
	type Only only
	type embedded struct{ *Only }
	type two struct {
		A2 any   `avro:"a2"`
		B  int32 `avro:"b"`
	}
	for _, c := range skippedValues {
		t.Run(c.name, func(t *testing.T) {
			dropped := func(w, r *avro.Schema) {
				data := c.payload(w)
				for n := range data {
					if err := avro.UnmarshalResolved(w, r, data[:n], new(only)); err == nil {
						t.Errorf("the first %d of %d bytes are taken", n, len(data))
					}
				}
				var got only
				if err := avro.UnmarshalResolved(w, r, data, &got); err != nil || got.B != 7 {
					t.Errorf("read %+v, %v", got, err)
				}
				var held embedded
				if err := avro.UnmarshalResolved(w, r, data, &held); err != nil || held.B != 7 {
					t.Errorf("read behind an embedded pointer %+v, %v", held.Only, err)
				}
			}
			// The schema has no such field.
			w, r := c.pair("", "")
			dropped(w, r)
			var v any
			if err := avro.UnmarshalResolved(w, r, c.payload(w), &v); err != nil || !reflect.DeepEqual(v, map[string]any{"b": 7}) {
				t.Errorf("read %v, %v", v, err)
			}
			// The Go type has none.
			w, r = c.pair(`{"name":"a","type":TYPE},`, "")
			if err := avro.Resolve(w, r); err != nil {
				t.Fatal(err)
			}
			dropped(w, r)
			// Whoever wants it is told where it is.
			err := avro.UnmarshalResolved(w, r, c.payload(w), &v)
			if err == nil || !strings.Contains(err.Error(), ", a"+c.path+": ") {
				t.Errorf("wanted: %v", err)
			}
			var typed struct {
				A any   `avro:"a"`
				B int32 `avro:"b"`
			}
			err = avro.UnmarshalResolved(w, r, c.payload(w), &typed)
			if err == nil || !strings.Contains(err.Error(), ", a"+c.path+": ") {
				t.Errorf("wanted: %v", err)
			}
			// Two fields of the reader are the one of the writer.
			w, r = c.pair(`{"name":"a1","aliases":["a"],"type":TYPE},`, strings.ReplaceAll(`{"name":"a2","aliases":["a"],"type":TYPE},`, "TYPE", reference(c.reader)))
			dropped(w, r)
			if err := avro.UnmarshalResolved(w, r, c.payload(w), new(two)); err == nil || !strings.Contains(err.Error(), ", a2"+c.path+": ") {
				t.Errorf("the second is wanted: %v", err)
			}
		})
	}
}

// reference is the text of a type whose named types are defined elsewhere.
func reference(text string) string {
	var doc any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		panic(err)
	}
	out, err := json.Marshal(referenced(doc))
	if err != nil {
		panic(err)
	}
	return string(out)
}

func referenced(doc any) any {
	switch x := doc.(type) {
	case []any:
		for i := range x {
			x[i] = referenced(x[i])
		}
	case map[string]any:
		if name, ok := x["name"]; ok {
			return name
		}
		for _, of := range []string{"items", "values"} {
			if x[of] != nil {
				x[of] = referenced(x[of])
			}
		}
	}
	return doc
}

// TestASkippedValueIsTheWritersEverywhere: in items of arrays and maps, behind
// pointers, in branches of unions and in records that hold themselves.
func TestASkippedValueIsTheWritersEverywhere(t *testing.T) {
	type only struct {
		B int32 `avro:"b"`
	}
	type chain struct {
		B    int32  `avro:"b"`
		Next *chain `avro:"next"`
	}
	type held struct {
		V any `avro:"v"`
	}
	types := new(avro.Types)
	types.Register("R", only{})
	seven := map[string]any{"R": nil}
	for _, c := range skippedValues {
		r := map[string]any{"a": c.value, "b": 7}
		seven["R"] = r
		for _, place := range []struct {
			name  string
			text  string // of the schema, with RECORD for what holds a and b
			value any
			into  any
			want  any
		}{
			{"items", `{"type":"array","items":RECORD}`, []any{r, r}, new([]only), &[]only{{7}, {7}}},
			{"items of a Go array", `{"type":"array","items":RECORD}`, []any{r, r}, new([2]only), &[2]only{{7}, {7}}},
			{"items with nothing to take", `{"type":"array","items":RECORD}`, []any{r, r}, new([]struct{}), &[]struct{}{{}, {}}},
			{"items behind pointers", `{"type":"array","items":["null",RECORD]}`, []any{seven, nil, seven}, new([]*only), &[]*only{{7}, nil, {7}}},
			{"values", `{"type":"map","values":RECORD}`, map[string]any{"k": r}, new(map[string]only), &map[string]only{"k": {7}}},
			{"lists of values", `{"type":"map","values":{"type":"array","items":RECORD}}`, map[string]any{"k": []any{r, r}}, new(map[string][]only), &map[string][]only{"k": {{7}, {7}}}},
			{"a branch of a union", `["null",RECORD]`, seven, new(only), &only{7}},
			{"a branch in an interface", `{"type":"record","name":"H","fields":[{"name":"v","type":["null","string",RECORD]}]}`,
				map[string]any{"v": seven}, new(held), &held{only{7}}},
			{"a record in itself", `{"type":"record","name":"C","fields":[{"name":"a","type":TYPE},{"name":"next","type":["null","C"]},{"name":"b","type":"int"}]}`,
				map[string]any{"a": c.value, "b": 7, "next": map[string]any{"C": map[string]any{"a": c.value, "b": 8, "next": nil}}},
				new(chain), &chain{7, &chain{8, nil}}},
		} {
			t.Run(c.name+"/"+place.name, func(t *testing.T) {
				schema := func(a string) *avro.Schema {
					record := `{"type":"record","name":"R","fields":[{"name":"a","type":` + a + `},{"name":"b","type":"int"}]}`
					return avro.MustParse(strings.NewReplacer("RECORD", record, "TYPE", a).Replace(place.text))
				}
				w, r := schema(c.writer), schema(c.reader)
				data := mustMarshal(w, place.value)
				read := func(data []byte) (any, error) {
					into := reflect.New(reflect.TypeOf(place.into).Elem()).Interface()
					if into, ok := into.(*held); ok {
						codec, err := avro.NewResolvingCodec[held](w, r, avro.WithTypes(types))
						if err != nil {
							t.Fatal(err)
						}
						return into, codec.Decode(data, into)
					}
					return into, avro.UnmarshalResolved(w, r, data, into)
				}
				if got, err := read(data); err != nil || !reflect.DeepEqual(got, place.want) {
					t.Errorf("read %+v, %v", got, err)
				}
				for n := range data {
					if _, err := read(data[:n]); err == nil {
						t.Errorf("the first %d of %d bytes are taken", n, len(data))
					}
				}
			})
		}
	}
}

// TestRecordsThatHoldEachOtherHaveBytes: the one that is met while the other is
// being looked at, whichever comes first.
func TestRecordsThatHoldEachOtherHaveBytes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		value      any
	}{
		{"a union between", `{"type":"record","name":"Outer","fields":[{"name":"u","type":["null","long",{"type":"record","name":"Inner","fields":[{"name":"o","type":"Outer"}]}]}]}`,
			map[string]any{"u": map[string]any{"Inner": map[string]any{"o": map[string]any{"u": map[string]any{"long": int64(300)}}}}}},
		{"an array between", `{"type":"record","name":"Outer","fields":[{"name":"u","type":{"type":"array","items":{"type":"record","name":"Inner","fields":[{"name":"o","type":"Outer"}]}}}]}`,
			map[string]any{"u": []any{map[string]any{"o": map[string]any{"u": []any{}}}, map[string]any{"o": map[string]any{"u": []any{}}}}}},
		{"a map between", `{"type":"record","name":"Outer","fields":[{"name":"u","type":{"type":"map","values":{"type":"record","name":"Inner","fields":[{"name":"o","type":"Outer"},{"name":"n","type":"null"}]}}}]}`,
			map[string]any{"u": map[string]any{"k": map[string]any{"o": map[string]any{"u": map[string]any{}}, "n": nil}}}},
	} {
		s := avro.MustParse(c.text)
		data := mustMarshal(s, c.value)
		if !walkAlike(t, s, data) {
			t.Errorf("%s: %v", c.name, avro.Validate(s, data, avro.ValidateOptions{}))
		}
		for n := range data {
			if walkAlike(t, s, data[:n]) {
				t.Errorf("%s: the first %d of %d bytes are taken", c.name, n, len(data))
			}
		}
		around := avro.MustParse(`{"type":"record","name":"Around","fields":[{"name":"gone","type":` + c.text + `},{"name":"kept","type":"int"}]}`)
		var got struct {
			Kept int32 `avro:"kept"`
		}
		if err := avro.Unmarshal(around, append(data, 14), &got); err != nil || got.Kept != 7 {
			t.Errorf("%s, skipped: %+v, %v", c.name, got, err)
		}
	}
	// Nothing is a value of a record that holds itself with nothing between.
	if s, err := avro.Parse(`{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}`); err == nil && walkAlike(t, s, nil) {
		t.Error("no bytes are a record without end")
	}
}
