package interop

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

// resolutionTypes are writers and readers: each is read as each. Data is JSON as
// the specification has it.
var resolutionTypes = []struct {
	schema string
	data   []string
}{
	{`"null"`, []string{`null`}},
	{`"boolean"`, []string{`true`, `false`}},
	{`"int"`, []string{`0`, `-1`, `2147483647`, `16777217`}},
	{`"long"`, []string{`0`, `-9223372036854775808`, `9007199254740993`, `7`}},
	{`"float"`, []string{`0`, `1.5`, `-3.4028235e38`}},
	{`"double"`, []string{`0.1`, `-1e300`}},
	{`"string"`, []string{`""`, `"grüße"`, `"abcd"`}},
	{`"bytes"`, []string{`""`, `"abcd"`, `"a\u0000b"`}},
	{`{"type":"fixed","name":"F","size":4}`, []string{`"abcd"`}},
	{`{"type":"fixed","name":"F","size":5}`, []string{`"abcde"`}},
	{`{"type":"fixed","name":"G","size":4,"aliases":["F"]}`, []string{`"wxyz"`}},
	{`{"type":"fixed","name":"F","namespace":"a","size":4}`, []string{`"abcd"`}},
	{`{"type":"enum","name":"E","symbols":["A","B"]}`, []string{`"A"`, `"B"`}},
	{`{"type":"enum","name":"E","symbols":["B","C","A"]}`, []string{`"A"`, `"B"`, `"C"`}},
	{`{"type":"enum","name":"E","symbols":["B","X"],"default":"X"}`, []string{`"X"`, `"B"`}},
	{`{"type":"enum","name":"E2","symbols":["A","B"],"aliases":["E","R"]}`, []string{`"B"`}},
	{`{"type":"enum","name":"E","symbols":["Y"]}`, []string{`"Y"`}},
	{`{"type":"array","items":"int"}`, []string{`[]`, `[1,2,3]`}},
	{`{"type":"array","items":"double"}`, []string{`[]`, `[0.5]`}},
	{`{"type":"array","items":["null","long"]}`, []string{`[null,{"long":4}]`}},
	{`{"type":"map","values":"int"}`, []string{`{}`, `{"a":1}`}},
	{`{"type":"map","values":"string"}`, []string{`{"a":"b"}`}},
	{`{"type":"map","values":["int","bytes"]}`, []string{`{"a":{"bytes":"b"}}`, `{"a":{"int":3}}`}},
	{`["null","int"]`, []string{`null`, `{"int":5}`}},
	{`["int","null"]`, []string{`null`, `{"int":5}`}},
	{`["null","long"]`, []string{`null`, `{"long":5}`}},
	{`["null","string","long"]`, []string{`null`, `{"string":"x"}`, `{"long":6}`}},
	{`["double","float"]`, []string{`{"double":1.5}`, `{"float":2.5}`}},
	{`["float","double"]`, []string{`{"double":1.5}`, `{"float":2.5}`}},
	{`["string","bytes"]`, []string{`{"string":"s"}`, `{"bytes":"b"}`}},
	{`["bytes"]`, []string{`{"bytes":"b"}`}},
	{`["null"]`, []string{`null`}},
	{`["long"]`, []string{`{"long":1}`}},
	{`["null",{"type":"enum","name":"E","symbols":["A","C"]}]`, []string{`{"E":"A"}`, `{"E":"C"}`}},
	{`["null",{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}]`, []string{`null`, `{"R":{"a":1}}`}},
	{`[{"type":"record","name":"S","fields":[{"name":"a","type":"long"}]},{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}]`, []string{`{"S":{"a":1}}`, `{"R":{"a":2}}`}},
	{`[{"type":"record","name":"x.R","fields":[{"name":"a","type":"int"}]},{"type":"array","items":"int"}]`, []string{`{"x.R":{"a":1}}`, `{"array":[4]}`}},
	{`{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`, []string{`{"a":1}`}},
	{`{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}`, []string{`{"a":1099511627776}`}},
	{`{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}`, []string{`{"a":"t"}`}},
	{`{"type":"record","name":"R","fields":[]}`, []string{`{}`}},
	{`{"type":"record","name":"R","fields":[{"name":"b","type":"string"},{"name":"a","type":"int"}]}`, []string{`{"b":"t","a":3}`}},
	{`{"type":"record","name":"R","fields":[{"name":"a","type":"double"},{"name":"b","type":"string","default":"dflt"}]}`, []string{`{"a":1,"b":"x"}`}},
	{`{"type":"record","name":"R","fields":[{"name":"c","type":["null","string"],"default":null},{"name":"a","type":"float"}]}`, []string{`{"c":{"string":"x"},"a":1}`}},
	{`{"type":"record","name":"R","fields":[{"name":"z","type":"int","aliases":["a"]}]}`, []string{`{"z":9}`}},
	{`{"type":"record","name":"R","fields":[{"name":"z","type":"long","aliases":["q","b"],"default":-5}]}`, []string{`{"z":9}`}},
	{`{"type":"record","name":"S","aliases":["R"],"fields":[{"name":"a","type":"long"}]}`, []string{`{"a":8}`}},
	{`{"type":"record","name":"y.R","fields":[{"name":"a","type":"int"}]}`, []string{`{"a":1}`}},
	{`{"type":"record","name":"y.S","aliases":["R","x.R"],"fields":[{"name":"a","type":"int"}]}`, []string{`{"a":1}`}},
	{`{"type":"record","name":"R","fields":[{"name":"a","type":["null","int"]}]}`, []string{`{"a":null}`, `{"a":{"int":4}}`}},
	{`{"type":"record","name":"R","fields":[{"name":"a","type":["string","long"]}]}`, []string{`{"a":{"string":"x"}}`, `{"a":{"long":4}}`}},
	{`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"I","fields":[{"name":"v","type":"int"}]}}]}`, []string{`{"a":{"v":4}}`}},
	{`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"I","fields":[{"name":"v","type":"long"},{"name":"w","type":{"type":"array","items":"int"},"default":[1,2]}]}}]}`, []string{`{"a":{"v":4,"w":[]}}`}},
	{`{"type":"record","name":"R","fields":[{"name":"n","type":"int","default":3},{"name":"m","type":{"type":"map","values":"double"},"default":{"k":1.5}},{"name":"y","type":"bytes","default":"\u00ff\u0001"},{"name":"f","type":{"type":"fixed","name":"F2","size":2},"default":"\u0080x"},{"name":"e","type":{"type":"enum","name":"E3","symbols":["P","Q"]},"default":"Q"},{"name":"r","type":{"type":"record","name":"D","fields":[{"name":"v","type":"int"},{"name":"u","type":["string","null"],"default":"in"}]},"default":{"v":7}}]}`,
		[]string{`{"n":1,"m":{},"y":"y","f":"ff","e":"P","r":{"v":1,"u":null}}`}},
	{`{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"],"default":null}]}`, []string{`{"next":null}`, `{"next":{"R":{"next":null}}}`}},
	{`{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"],"default":null},{"name":"v","type":"int","default":1}]}`, []string{`{"next":{"R":{"next":null,"v":2}},"v":3}`}},
	{`{"type":"record","name":"R","fields":[{"name":"next","type":{"type":"array","items":"R"}},{"name":"a","type":"int","default":0}]}`, []string{`{"next":[{"next":[],"a":1}],"a":2}`}},
}

// resolutionDifferences are what we and the judge say when only one of us reads.
// Each has to occur.
var resolutionDifferences = []struct{ ours, judge, reason string }{
	{`the writer's record \S+ is not the reader's`, `reads`, "Java reads a record as one of any name, the specification as one of its name or an alias"},
	{`the writer's record \S+ fits no branch`, `reads`, "the same in a union, where the fields fit"},
	{`reads`, `AvroTypeException: Found a\.F, expecting G$`, "an alias fits a name in another namespace, as a name does; in Java not"},
	{`reads`, `AvroTypeException: Found [xy]\.R, expecting R, missing required field z$`, "aliases of fields count in a record of another namespace; in Java not"},
	{`reads`, `AvroRuntimeException: Duplicate in union:S$`, "Java renames the writer's types by the reader's aliases, here two to one name"},
	{`resolve, (\S*(\[\]|\{\})\S*: )`, `reads`, "items that cannot be read are refused although there are none; in Java when one comes"},
	{`the writer's array fits no branch`, `reads`, "the same in a union"},
	{`reads`, `EOFException: Collection claims`, "Java measures what the writer wrote with what the reader would have: ints that become doubles seem to be cut off"},
}

// known counts the differences that were met.
type known struct{ seen map[int]int }

func (k *known) difference(ours, judge error) bool {
	said := func(err error) string {
		if err == nil {
			return "reads"
		}
		return err.Error()
	}
	for i, d := range resolutionDifferences {
		if regexp.MustCompile(d.ours).MatchString(said(ours)) && regexp.MustCompile(d.judge).MatchString(said(judge)) {
			k.seen[i]++
			return true
		}
	}
	return false
}

// resolution: each of the types is read as each other one. Where the judge
// refuses we refuse, and where it reads we read the same.
func (j avroJudge) resolution(t *testing.T) {
	k := known{seen: map[int]int{}}
	read, refused := 0, 0
	for _, w := range resolutionTypes {
		writer := avro.MustParse(w.schema)
		for _, r := range resolutionTypes {
			reader := avro.MustParse(r.schema)
			for _, text := range w.data {
				data, err := avro.FromJSON(nil, writer, []byte(text))
				if err != nil {
					t.Fatalf("%s of %s: %v", text, w.schema, err)
				}
				if j.sameResolution(t, &k, w.schema, r.schema, writer, reader, data) {
					read++
				} else {
					refused++
				}
			}
		}
	}
	t.Logf("%d pairs of types: %d values are read, %d refused", len(resolutionTypes)*len(resolutionTypes), read, refused)
	for i, d := range resolutionDifferences {
		t.Logf("%d times: %s", k.seen[i], d.reason)
		if k.seen[i] == 0 {
			t.Errorf("does not differ any more: %q, %q", d.ours, d.judge)
		}
	}
}

// sameResolution fails unless the judge and we read data of writer as reader
// alike, or both refuse, or differ in a way that is known.
func (j avroJudge) sameResolution(t *testing.T, k *known, writerText, readerText string, writer, reader *avro.Schema, data []byte) (readable bool) {
	t.Helper()
	want, refusal := j.ask(t, judgeRequest{Op: "resolve", Schema: writerText, Reader: readerText, Data: data})
	var v any
	err := avro.UnmarshalResolved(writer, reader, data, &v)
	var got []byte
	if err == nil {
		if got, err = avro.Marshal(reader, v); err != nil {
			t.Fatalf("%s\nas %s: what was read cannot be written: %v", writerText, readerText, err)
		}
	}
	switch {
	case (err == nil) != (refusal == nil):
		if k.difference(err, refusal) {
			return false
		}
		t.Errorf("%x of %s\nas %s: we say %v, the judge %v", data, writerText, readerText, err, refusal)
	case err == nil && !sameButMaps(reader, got, want.Data):
		t.Errorf("%x of %s\nas %s: we read %x, the judge %x", data, writerText, readerText, got, want.Data)
	}
	return err == nil
}

// changed makes a reader of a writer's schema as people do: types widen, fields
// come with a default, go, move, and are renamed with an alias.
func changed(r *rand.Rand, text string) string {
	widen := strings.NewReplacer(
		`"int"`, []string{`"int"`, `"long"`, `"double"`}[r.IntN(3)], `"long"`, []string{`"long"`, `"float"`}[r.IntN(2)],
		`"float"`, []string{`"float"`, `"double"`}[r.IntN(2)], `"string"`, []string{`"string"`, `"bytes"`}[r.IntN(2)],
		`"symbols":["A"`, []string{`"symbols":["A"`, `"default":"D","symbols":["D"`, `"symbols":["Z","A"`}[r.IntN(3)],
		`["null",`, []string{`["null",`, `["null","boolean",`}[r.IntN(2)],
	)
	text = widen.Replace(text)
	for range r.IntN(3) {
		name := fmt.Sprintf(`"name":"f%d"`, r.IntN(3))
		switch r.IntN(3) {
		case 0:
			text = strings.Replace(text, `{`+name, `{"name":"renamed","aliases":["`+name[8:10]+`"]`, 1)
		case 1:
			text = strings.Replace(text, `{`+name, fmt.Sprintf(`{"name":"added%d","type":["null","string"],"default":null},{%s`, r.IntN(1e6), name), 1)
		case 2:
			text = strings.Replace(text, `{`+name, `{"name":"other"`, 1) // goes, and another one comes without a default
		}
	}
	return text
}

func (j avroJudge) randomResolution(t *testing.T) {
	k := known{seen: map[int]int{}}
	read, refused := 0, 0
	for seed := range uint64(400) {
		s := &shapes{r: rand.New(rand.NewPCG(seed, 13)), spaces: seed%2 == 0}
		shape := s.record(3)
		readerText := changed(s.r, shape.schema)
		reader, err := avro.Parse(readerText)
		if err != nil {
			continue // a name came twice
		}
		writer := avro.MustParse(shape.schema)
		data, err := avro.Marshal(writer, shape.value())
		if err != nil {
			t.Fatal(err)
		}
		if j.sameResolution(t, &k, shape.schema, readerText, writer, reader, data) {
			read++
		} else {
			refused++
		}
	}
	t.Logf("%d readers read, %d refused", read, refused)
	if read < 100 || refused < 20 {
		t.Error("too few of one kind")
	}
}
