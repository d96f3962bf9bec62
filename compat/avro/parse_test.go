package avro_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// TestRefusals: what no parser takes, and the place and sentence of the error.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty text":          {"", "1:1: the text ends where a value is expected"},
		"unquoted name":       {"string", `1:1: a JSON value cannot start with 's'`},
		"half a record":       {`{"type":"record"`, "1:17: the text ends inside an object"},
		"trailing comma":      {`["int",]`, "1:8: a JSON value cannot start with ']'"},
		"missing comma":       {"{\"type\":\"fixed\"\n \"name\":\"F\"}", "2:2: expected ',' or '}'"},
		"missing colon":       {`{"type" "int"}`, "1:9: expected ':'"},
		"key without quotes":  {`{type:"int"}`, "1:2: expected an attribute name in double quotes"},
		"second value":        {`"int" "int"`, "1:7: the schema ended before this"},
		"open string":         {`"int`, "1:1: the string that starts here is not closed"},
		"control character":   {"\"a\tb\"", "1:3: a control character"},
		"bad escape":          {`"\q"`, "1:2: not an escape of JSON"},
		"half a surrogate":    {`{"type":"int","x":"\ud800"}`, "1:20: not an escape"},
		"not UTF-8":           {"\"a\xff\"", "1:3: not UTF-8"},
		"open comment":        {`/* "int"`, "1:1: the comment"},
		"lone slash":          {`/ "int"`, "1:1: '/' starts a comment"},
		"bad number":          {`{"type":"int","x":-}`, "1:19: a number needs a digit"},
		"bad fraction":        {`{"type":"int","x":1.}`, "1:19: a number needs a digit after its decimal point"},
		"bad exponent":        {`{"type":"int","x":1e}`, "1:19: a number needs a digit in its exponent"},
		"number as type":      {"5", "1:1: a type is a name"},
		"no type":             {`{"name":"A"}`, `1:1: a type without the attribute "type"`},
		"type in type":        {`{"type":{"type":"int"}}`, `1:9: /type: the "type" of a type is a name; put the inner type`},
		"type is a number":    {`{"type":1}`, `1:9: /type: the attribute "type" is a name`},
		"unknown name":        {`["null","Foo"]`, `1:9: /1: no type is called "Foo"; define it, or register the schema that does`},
		"unknown in space":    {`{"type":"record","name":"A","namespace":"n","fields":[{"name":"f","type":"B"}]}`, `1:74: /fields/0/type: no type is called "n.B"`},
		"record nameless":     {`{"type":"record","fields":[]}`, "a record without a name"},
		"enum nameless":       {`{"type":"enum","symbols":[]}`, "an enum without a name"},
		"record fieldless":    {`{"type":"record","name":"A"}`, `the record "A" has no array "fields"`},
		"field is a name":     {`{"type":"record","name":"A","fields":["f"]}`, "1:39: /fields/0: a field is an object"},
		"field nameless":      {`{"type":"record","name":"A","fields":[{"type":"int"}]}`, "/fields/0: a field without a name"},
		"field typeless":      {`{"type":"record","name":"A","fields":[{"name":"f"}]}`, `/fields/0: the field "f" has no type`},
		"two fields":          {`{"type":"record","name":"A","fields":[{"name":"f","type":"int"},{"name":"f","type":"int"}]}`, `1:65: /fields/1: the record "A" has two fields called "f"`},
		"bad order":           {`{"type":"record","name":"A","fields":[{"name":"f","type":"int","order":"up"}]}`, `/fields/0/order: "order" is`},
		"text for a double":   {`{"type":"record","name":"A","fields":[{"name":"f","type":"double","default":"x"}]}`, `/fields/0/default: the default of the field "f" is the text "x"`},
		"array without items": {`{"type":"array"}`, `an array without the attribute "items"`},
		"map without values":  {`{"type":"map"}`, `a map without the attribute "values"`},
		"enum symbolless":     {`{"type":"enum","name":"E"}`, `the enum "E" has no array "symbols"`},
		"symbol is a number":  {`{"type":"enum","name":"E","symbols":[1]}`, "/symbols/0: a symbol is a name"},
		"symbol twice":        {`{"type":"enum","name":"E","symbols":["A","A"]}`, `/symbols/1: the enum "E" has the symbol "A" twice`},
		"enum default":        {`{"type":"enum","name":"E","symbols":["A"],"default":"B"}`, `/default: the default "B" is not a symbol`},
		"fixed sizeless":      {`{"type":"fixed","name":"F"}`, `the fixed "F" needs an integer "size"`},
		"fixed size 1.0":      {`{"type":"fixed","name":"F","size":1.0}`, `/size: the fixed "F" needs an integer`},
		"fixed size -1":       {`{"type":"fixed","name":"F","size":-1}`, `/size: the size of the fixed "F" is -1`},
		"union in union":      {`["null",["int"]]`, "/1: a union inside a union"},
		"branch twice":        {`["int","null",{"type":"int","logicalType":"date"}]`, "/2: int occurs twice in the union"},
		"name of a primitive": {`{"type":"record","name":"int","fields":[]}`, `/name: "int" is the name of a primitive type`},
		"empty name":          {`{"type":"record","name":"","fields":[]}`, "/name: the name is empty"},
		"defined twice":       {`[{"type":"record","name":"A","fields":[]},{"type":"record","name":"A","fields":[]}]`, `/1/name: "A" is defined twice`},
		"other enum":          {`[{"type":"enum","name":"A","symbols":["X"]},{"type":"array","items":{"type":"enum","name":"A","symbols":["Y"]}}]`, `"A" is defined twice`},
		"aliases no list":     {`{"type":"fixed","name":"F","size":1,"aliases":"G"}`, `/aliases: "aliases" is an array`},
		"alias no name":       {`{"type":"fixed","name":"F","size":1,"aliases":[1]}`, "/aliases/0: an alias is a name"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, strict := range []bool{true, false} {
				s, err := avro.Parse(compat.Source{Text: c.text, Strict: strict})
				var syntax *compat.SyntaxError
				if !errors.As(err, &syntax) || s != nil {
					t.Fatalf("got %v, %v", s, err)
				}
				if syntax.Type != schema.Avro || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %q, want %q in it", err, c.want)
				}
				if syntax.Position == (compat.Position{}) {
					t.Error("no position")
				}
			}
		})
	}
}

// field returns a record with one field of the type and default.
func field(typ, dflt string) string {
	return `{"type":"record","name":"A","fields":[{"name":"f","type":` + typ + `,"default":` + dflt + `}]}`
}

// TestStrictness: what is refused in a new schema and read in a stored one.
func TestStrictness(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"name with a dash":          {`{"type":"record","name":"A-b","fields":[]}`, `/name: the name "A-b" contains '-'`},
		"name with a digit first":   {`{"type":"record","name":"1A","fields":[]}`, `the name "1A" starts with '1'`},
		"name beyond the plane":     {`{"type":"record","name":"A𐐀","fields":[]}`, "contains"},
		"namespace with a dash":     {`{"type":"record","name":"A","namespace":"x-y","fields":[]}`, `the namespace part "x-y" contains`},
		"namespace with a gap":      {`{"type":"record","name":"a..A","fields":[]}`, "the namespace part is empty"},
		"field with a blank":        {`{"type":"record","name":"A","fields":[{"name":"a b","type":"int"}]}`, `/fields/0/name: the name "a b" contains ' '`},
		"symbol with a dash":        {`{"type":"enum","name":"E","symbols":["a-b"]}`, `/symbols/0: the symbol "a-b"`},
		"alias with a dash":         {`{"type":"fixed","name":"E","size":1,"aliases":["a-b"]}`, `the alias "a-b"`},
		"int default 1.0":           {field(`"int"`, `1.0`), `/fields/0/default: the default of the field "f" is not of type int`},
		"long default 1.0":          {field(`"long"`, `1.0`), "is not of type long, whose defaults are integers"},
		"long default 1e2":          {field(`"long"`, `1e2`), "is not of type long"},
		"int default 2^31":          {field(`"int"`, `2147483648`), "is not of type int"},
		"long default 2^63":         {field(`"long"`, `9223372036854775808`), "is not of type long"},
		"string default 1":          {field(`"string"`, `1`), "is not of type string"},
		"bytes default 1":           {field(`"bytes"`, `1`), "is not of type bytes"},
		"null default 1":            {field(`"null"`, `1`), "is not of type null"},
		"boolean default 1":         {field(`"boolean"`, `1`), "is not of type boolean"},
		"float default null":        {field(`"float"`, `null`), "is not of type float"},
		"union default":             {field(`["null","int"]`, `"x"`), "fits no type of the union [null, int]"},
		"NaN inside a union":        {field(`["double","null"]`, `"NaN"`), "fits no type of the union [double, null]"},
		"null for a union":          {field(`["int","string"]`, `null`), "fits no type of the union [int, string]"},
		"array default":             {field(`{"type":"array","items":"int"}`, `[1,"x"]`), "is not of type int"},
		"map default":               {field(`{"type":"map","values":"int"}`, `{"a":null}`), "is not of type int"},
		"record default, missing":   {field(`{"type":"record","name":"B","fields":[{"name":"x","type":"int"}]}`, `{}`), `leaves out the field "x", which has no default`},
		"record default, wrong":     {field(`{"type":"record","name":"B","fields":[{"name":"x","type":"int"}]}`, `{"x":"y"}`), `has a field "x" that is not of type int`},
		"record default, extra":     {field(`{"type":"record","name":"B","fields":[]}`, `{"z":1}`), `has a member "z" that is no field of B`},
		"default without end":       {field(`"A"`, `{}`), "holds itself without end"},
		"decimal of 10^9 digits":    {`{"type":"bytes","logicalType":"decimal","precision":1000000000,"scale":1000000000}`, "at most 10000 are possible"},
		"default of two halves too": {`{"type":"record","name":"A","fields":[{"name":"f","type":{"type":"record","name":"B","fields":[{"name":"x","type":"A","default":{}}]},"default":{}}]}`, "without end"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := avro.ParseText(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if _, err := avro.Parse(compat.Source{Text: c.text}); err != nil {
				t.Errorf("a stored schema is refused: %v", err)
			}
		})
	}
}

func TestStrictAcceptsWhatJavaAccepts(t *testing.T) {
	for name, text := range map[string]string{
		"default of a later branch":    field(`["null","int","string"]`, `"x"`),
		"number for a double":          field(`"double"`, `1`),
		"NaN in text":                  field(`"double"`, `"NaN"`),
		"a number in text":             field(`"float"`, `" 1.5f "`),
		"a default of other length":    field(`{"type":"fixed","name":"F","size":2}`, `"abc"`),
		"letters of any script":        `{"type":"record","name":"Ключ","fields":[{"name":"é١","type":"int"}]}`,
		"a name before its definition": `{"type":"record","name":"A","fields":[{"name":"x","type":"B"},{"name":"y","type":{"type":"fixed","name":"B","size":1}}]}`,
		"an enum twice":                `[{"type":"enum","name":"A","symbols":["X"]},{"type":"array","items":{"type":"enum","name":"A","symbols":["X"]}}]`,
		"an attribute twice":           `{"type":"enum","type":"fixed","name":"F","size":3}`,
		"comments":                     "// a\n/* b */ \"int\" // c",
		"a union of nothing":           `[]`,
		"namespaced primitive name":    `{"type":"fixed","name":"n.int","size":1}`,
		"an invalid logical type":      `{"type":"string","logicalType":"date"}`,
		"mixed case order":             `{"type":"record","name":"A","fields":[{"name":"f","type":"int","order":"Ignore"}]}`,
		"a default through a default":  `{"type":"record","name":"A","fields":[{"name":"f","type":{"type":"record","name":"B","fields":[{"name":"x","type":"int","default":1}]},"default":{}}]}`,
	} {
		if _, err := avro.ParseText(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHostileSchemas: each is refused quickly and by the right bound.
func TestHostileSchemas(t *testing.T) {
	deep := func(open, end string) string {
		return strings.Repeat(open, 100_000) + `"int"` + strings.Repeat(end, 100_000)
	}
	doubling := func() string { // record n has two fields of record n+1, each with the default {}
		var b strings.Builder
		b.WriteString("[")
		for i := 40; i >= 0; i-- {
			if i == 40 {
				b.WriteString(`{"type":"record","name":"R40","fields":[]}`)
				continue
			}
			name, inner := "R"+strconv.Itoa(i), "R"+strconv.Itoa(i+1)
			b.WriteString(`,{"type":"record","name":"` + name + `","fields":[{"name":"a","type":"` + inner + `","default":{}},{"name":"b","type":"` + inner + `","default":{}}]}`)
		}
		return b.String() + "]"
	}
	chain := func() string { // each record uses the next before it is defined
		var b strings.Builder
		b.WriteString("[")
		for i := range 20_000 {
			b.WriteString(`{"type":"record","name":"R` + strconv.Itoa(i) + `","fields":[{"name":"f","type":"R` + strconv.Itoa(i+1) + `"}]},`)
		}
		return b.String() + `{"type":"fixed","name":"R20000","size":1}]`
	}
	for name, c := range map[string]struct{ text, want string }{
		"arrays 100,000 deep":    {deep(`{"type":"array","items":`, `}`), "nested deeper than 1000"},
		"unions 100,000 deep":    {deep(`[`, `]`), "nested deeper than 1000"},
		"attributes deep":        {`{"type":"int","x":` + deep(`[`, `]`) + `}`, "nested deeper than 1000"},
		"open brackets only":     {strings.Repeat("[", 100_000), "nested deeper than 1000"},
		"fixed of 2^40":          {`{"type":"fixed","name":"F","size":1099511627776}`, "it is between 0 and"},
		"fixed of 10^30":         {`{"type":"fixed","name":"F","size":1000000000000000000000000000000}`, "it is between 0 and"},
		"decimal of scale 10^9":  {`{"type":"bytes","logicalType":"decimal","precision":1000000000,"scale":1000000000}`, "at most 10000"},
		"default of 2^40 values": {doubling(), "more than 1048576 values"},
		"forward chain":          {chain(), "nest deeper than 1000"},
		"name of 1 MB":           {`{"type":"fixed","name":"` + strings.Repeat("a", 1<<20) + `","size":1}`, "a name of more than 4096"},
		"field name of 1 MB":     {`{"type":"record","name":"A","fields":[{"name":"` + strings.Repeat("a", 1<<20) + `","type":"int"}]}`, "a name of more than 4096"},
		"number of 1 MB":         {`{"type":"int","x":` + strings.Repeat("1", 1<<20) + `}`, "a number of more than 4096"},
		"100,000 types":          {`{"type":"record","name":"A","fields":[` + strings.Repeat(`{"name":"f","type":[]},`, 100_000) + `{}]}`, "more than 100000 types"},
		"2 million values":       {`{"type":"int","x":[` + strings.Repeat("0,", 2_000_000) + `0]}`, "more than 1048576 JSON values"},
		"17 MB":                  {`"` + strings.Repeat("a", 17<<20) + `"`, "at most 16777216 are read"},
	} {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			_, err := avro.ParseText(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			t.Logf("%v", time.Since(started).Round(time.Microsecond))
		})
	}
}

func TestDependencies(t *testing.T) {
	address := `{"type":"record","name":"Address","namespace":"com.acme","fields":[{"name":"country","type":{"type":"enum","name":"Country","symbols":["DE","US"]}}]}`
	src := compat.Source{
		Text:         `{"type":"record","name":"Order","namespace":"com.acme","fields":[{"name":"to","type":"Address"},{"name":"from","type":"com.acme.Country"}]}`,
		Dependencies: []compat.Dependency{{Name: "com.acme.Address", Text: address}},
		Strict:       true,
	}
	s, err := avro.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"type":"record","name":"Order","namespace":"com.acme","fields":[{"name":"to","type":"Address"},{"name":"from","type":"Country"}]}`; s.Canonical() != want {
		t.Errorf("canonical text %s", s.Canonical())
	}
	resolved, err := s.Format("resolved")
	want := `{"type":"record","name":"Order","namespace":"com.acme","fields":[{"name":"to","type":{"type":"record","name":"Address","fields":[{"name":"country","type":{"type":"enum","name":"Country","symbols":["DE","US"]}}]}},{"name":"from","type":"Country"}]}`
	if err != nil || resolved != want {
		t.Errorf("resolved text %s, %v", resolved, err)
	}
	if alone := strict(t, resolved); alone.ParsingCanonicalForm() != s.ParsingCanonicalForm() {
		t.Error("the resolved text has another parsing canonical form")
	}
	if s.Root().Fields[0].Type.Fields[0].Type != s.Root().Fields[1].Type {
		t.Error("one named type is two nodes")
	}
	for _, name := range []string{"", "default", "anything"} {
		if got, err := s.Format(name); err != nil || got != s.Canonical() {
			t.Errorf("format %q: %s, %v", name, got, err)
		}
	}

	src.Dependencies = nil
	if _, err := avro.Parse(src); err == nil || !strings.Contains(err.Error(), `no type is called "com.acme.Address"`) {
		t.Errorf("without the dependency: %v", err)
	}
	src.Dependencies = []compat.Dependency{{Name: "com.acme.Address", Text: `{"type":"record"}`}}
	if _, err := avro.Parse(src); err == nil || !strings.Contains(err.Error(), `in reference "com.acme.Address": 1:1: a record without a name`) {
		t.Errorf("with a broken dependency: %v", err)
	}
	src.Text, src.Dependencies = address, []compat.Dependency{{Name: "a", Text: address}}
	if _, err := avro.Parse(src); err == nil || !strings.Contains(err.Error(), "is defined by a reference already") {
		t.Errorf("defined again: %v", err)
	}
	src.Text, src.Dependencies = `"com.acme.Address"`, []compat.Dependency{{Name: "a", Text: address}, {Name: "a", Text: "broken"}}
	if s, err := avro.Parse(src); err != nil || s.Canonical() != `"com.acme.Address"` || s.Name() != "com.acme.Address" {
		t.Errorf("a name alone, and a second dependency of one name: %v", err)
	}
}

// TestCallsShareNothing: a name that one text defines is unknown to the next.
func TestCallsShareNothing(t *testing.T) {
	strict(t, `{"type":"fixed","name":"Seen","size":1}`)
	if _, err := avro.ParseText(`"Seen"`); err == nil {
		t.Error("a name of an earlier call is known")
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ text, name string }{
		{`"int"`, ""},
		{`["null",{"type":"fixed","name":"F","size":1}]`, ""},
		{`{"type":"fixed","name":"F","size":1}`, "F"},
		{`{"type":"enum","name":"a.E","symbols":[]}`, "a.E"},
		{`{"type":"record","name":"R","namespace":"n","fields":[]}`, "n.R"},
		{`{"type":"record","name":"x.R","namespace":"n","fields":[]}`, "x.R"},
	} {
		if got := strict(t, c.text).Name(); got != c.name {
			t.Errorf("%s: %q", c.text, got)
		}
	}
}

// TestNameThatIsAmbiguousOnceDefined: printing this schema would change what
// "q" means.
func TestNameThatIsAmbiguousOnceDefined(t *testing.T) {
	text := `[{"type":"fixed","name":"q","size":1},{"type":"record","name":"n.A","fields":[{"name":"y","type":"q"}]},{"type":"fixed","name":"n.q","size":2}]`
	if _, err := avro.ParseText(text); err == nil || !strings.Contains(err.Error(), `could also mean "n.q"`) {
		t.Errorf("got %v", err)
	}
}

func TestNodes(t *testing.T) {
	root := strict(t, `{"type":"error","name":"E","namespace":"n","doc":"","aliases":["Old","m.Old","Old"],"p":{"b":1.0,"a":"\u00e9"},"fields":[
		{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},"default":"\u0001","order":"ignore","aliases":["e"],"doc":"x","q":null},
		{"name":"l","type":["null","E"],"default":null},
		{"name":"m","type":{"type":"map","values":"long"}}]}`).Root()
	switch f := root.Fields[0]; {
	case root.Kind != avro.Record || !root.IsError || root.FullName() != "n.E" || !root.HasDoc || root.Doc != "":
		t.Errorf("root %+v", root)
	case strings.Join(root.Aliases, " ") != "n.Old m.Old":
		t.Errorf("aliases %q", root.Aliases)
	case len(root.Props) != 1 || root.Props[0].Key != "p" || string(root.Props[0].Value) != `{"b":1.0,"a":"é"}`:
		t.Errorf("attributes %s", root.Props)
	case f.Type.Kind != avro.Bytes || f.Type.Logical != avro.Decimal || f.Type.Precision != 9 || f.Type.Scale != 2 || len(f.Type.Props) != 3:
		t.Errorf("decimal %+v", f.Type)
	case string(f.Default) != `"\u0001"` || f.Order != "ignore" || f.Aliases[0] != "e" || f.Doc != "x" || len(f.Props) != 1 || string(f.Props[0].Value) != "null":
		t.Errorf("field %+v", f)
	case string(root.Fields[1].Default) != "null" || root.Fields[2].Default != nil:
		t.Error("a null default and none are the same")
	case root.Fields[1].Type.Branches[1] != root:
		t.Error("the recursion is another node")
	case root.Fields[2].Type.Items.Kind != avro.Long || root.Fields[2].Index != 2:
		t.Errorf("map %+v", root.Fields[2])
	}
}

func TestLogicalTypes(t *testing.T) {
	for _, c := range []struct {
		text string
		want avro.Logical
	}{
		{`{"type":"int","logicalType":"date"}`, avro.Date},
		{`{"type":"int","logicalType":"time-millis"}`, avro.TimeMillis},
		{`{"type":"long","logicalType":"time-micros"}`, avro.TimeMicros},
		{`{"type":"long","logicalType":"timestamp-millis"}`, avro.TimestampMillis},
		{`{"type":"long","logicalType":"timestamp-micros"}`, avro.TimestampMicros},
		{`{"type":"long","logicalType":"timestamp-nanos"}`, avro.TimestampNanos},
		{`{"type":"long","logicalType":"local-timestamp-millis"}`, avro.LocalTimestampMillis},
		{`{"type":"long","logicalType":"local-timestamp-micros"}`, avro.LocalTimestampMicros},
		{`{"type":"long","logicalType":"local-timestamp-nanos"}`, avro.LocalTimestampNanos},
		{`{"type":"string","logicalType":"uuid"}`, avro.UUID},
		{`{"type":"fixed","name":"F","size":16,"logicalType":"uuid"}`, avro.UUID},
		{`{"type":"fixed","name":"F","size":12,"logicalType":"duration"}`, avro.Duration},
		{`{"type":"bytes","logicalType":"big-decimal"}`, avro.BigDecimal},
		{`{"type":"bytes","logicalType":"decimal","precision":4}`, avro.Decimal},
		{`{"type":"fixed","name":"F","size":8,"logicalType":"decimal","precision":18,"scale":18}`, avro.Decimal},

		{`{"type":"fixed","name":"F","size":8,"logicalType":"decimal","precision":19}`, ""},
		{`{"type":"fixed","name":"F","size":0,"logicalType":"decimal","precision":1}`, ""},
		{`{"type":"fixed","name":"F","size":15,"logicalType":"uuid"}`, ""},
		{`{"type":"fixed","name":"F","size":11,"logicalType":"duration"}`, ""},
		{`{"type":"bytes","logicalType":"decimal"}`, ""},
		{`{"type":"bytes","logicalType":"decimal","precision":0}`, ""},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":5}`, ""},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":-1}`, ""},
		{`{"type":"bytes","logicalType":"decimal","precision":"4"}`, ""},
		{`{"type":"string","logicalType":"decimal","precision":4}`, ""},
		{`{"type":"string","logicalType":"date"}`, ""},
		{`{"type":"int","logicalType":"timestamp-millis"}`, ""},
		{`{"type":"int","logicalType":"my-own"}`, ""},
		{`{"type":"int","logicalType":7}`, ""},
	} {
		if got := strict(t, c.text).Root().Logical; got != c.want {
			t.Errorf("%s: %q", c.text, got)
		}
	}
}
