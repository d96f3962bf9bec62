package protobuf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
)

// spellChanges is one line a change: rule, path, place in the newer and the older
// text, "B" if it is safe backward and "F" forward, and the words.
func spellChanges(newer, older *Schema) string {
	var lines []string
	for _, c := range newer.Changes(older, compat.Options{}) {
		safe := ""
		if c.BackwardSafe {
			safe += "B"
		}
		if c.ForwardSafe {
			safe += "F"
		}
		place := func(s *Schema, path string) string {
			if p, ok := s.Position(path); ok {
				return p.String()
			}
			return "-"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s [%s] %s", c.Rule, c.Path, place(newer, c.Path), place(older, c.OlderPath()), safe, c.Detail))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestChanges(t *testing.T) {
	in3 := func(body string) string { return "syntax = \"proto3\";\n" + body }
	for name, c := range map[string]struct{ older, newer, want string }{
		"nothing":     {in3("message M { int32 a = 1; }"), in3("message  M {\n int32 a=1; }"), ""},
		"field added": {in3("message M {}"), in3("message M {\n int32 a = 1;\n}"), "FIELD_ADDED #/M/1 3:2 - [BF] int32 a"},
		"field gone":  {in3("message M {\n int32 a = 1;\n}"), in3("message M {}"), "FIELD_REMOVED #/M/1 - 3:2 [BF] int32 a"},
		"required":    {"message M {}", "message M {\n required int32 a = 1;\n}", "REQUIRED_FIELD_ADDED #/M/1 2:2 - [] required int32 a"},
		"type":        {in3("message M { int32 a = 1; }"), in3("message M { string a = 1; }"), "FIELD_SCALAR_KIND_CHANGED #/M/1 2:13 2:13 [] int32 became string"},
		"same bytes":  {in3("message M { int32 a = 1; }"), in3("message M { int64 a = 1; }"), "FIELD_TYPE_CHANGED #/M/1 2:13 2:13 [BF] int32 became int64"},
		"enum type": {in3("enum E { Z = 0; } message M { E a = 1; }"), in3("enum E { Z = 0; } message M { int32 a = 1; }"),
			"FIELD_TYPE_CHANGED #/M/1 2:31 2:31 [BF] .E became int32"},
		"map value": {in3("message M { map<string, int32> a = 1; }"), in3("message M { map<string, uint32> a = 1; }"),
			"FIELD_TYPE_CHANGED #/M/1 2:13 2:13 [BF] map<string, int32> became map<string, uint32>"},
		"label":       {in3("message M { int32 a = 1; }"), in3("message M { optional int32 a = 1; }"), "FIELD_LABEL_CHANGED #/M/1 2:13 2:13 [BF] none became optional"},
		"name":        {in3("message M { int32 a_b = 1; }"), in3("message M { int32 c = 1; }"), "FIELD_NAME_CHANGED #/M/1 2:13 2:13 [BF] a_b became c"},
		"json_name":   {in3("message M { int32 a_b = 1; }"), in3(`message M { int32 a_b = 1 [json_name = "x"]; }`), `FIELD_JSON_NAME_CHANGED #/M/1 2:13 2:13 [BF] "aB" became "x"`},
		"default":     {"message M { optional int32 a = 1; }", "message M { optional int32 a = 1 [default = 3]; }", "FIELD_DEFAULT_CHANGED #/M/1 1:13 1:13 [BF] none became 3"},
		"option":      {in3("message M { int32 a = 1; }"), in3("message M { int32 a = 1 [deprecated = true]; }"), "OPTION_ADDED #/M/1 2:13 2:13 [BF] deprecated = true"},
		"file option": {in3(`option java_package = "a";`), in3(`option java_package = "b";`), `OPTION_CHANGED #/ 1:1 1:1 [BF] java_package = "a" became "b"`},
		"custom option": {
			in3(`import "google/protobuf/descriptor.proto"; extend google.protobuf.MessageOptions { string o = 50000; } message M { option (o) = "x"; }`),
			in3(`import "google/protobuf/descriptor.proto"; extend google.protobuf.MessageOptions { string o = 50000; } message M {}`),
			`OPTION_REMOVED #/M 2:104 2:104 [BF] (o) = "x"`},
		"reserved": {in3("message M { reserved 4, 5; reserved \"x\"; }"), in3("message M {\n reserved 5 to 7; reserved \"y\"; }"),
			"RESERVED_ADDED #/M 2:1 2:1 [BF] \"y\"\nRESERVED_ADDED #/M 2:1 2:1 [BF] 5 to 7\nRESERVED_REMOVED #/M 2:1 2:1 [BF] \"x\"\nRESERVED_REMOVED #/M 2:1 2:1 [BF] 4\nRESERVED_REMOVED #/M 2:1 2:1 [BF] 5"},
		"reserved of an enum": {in3("enum E { Z = 0; }"), in3("enum E { Z = 0; reserved 9; }"), "RESERVED_ADDED #/E 2:1 2:1 [BF] 9"},
		"constant":            {in3("enum E { Z = 0; A = 1; }"), in3("enum E { Z = 0; B = 1; C = 2; }"), "ENUM_CONST_ADDED #/E/2 2:24 - [BF] C\nENUM_CONST_CHANGED #/E/1 2:17 2:17 [BF] A became B"},
		"alias":               {in3("enum E { option allow_alias = true; Z = 0; X = 0; }"), in3("enum E { option allow_alias = true; Z = 0; X = 0; Y = 0; }"), "ENUM_CONST_CHANGED #/E/0 2:51 2:44 [BF] Y"},
		"constant option":     {in3("enum E { Z = 0; }"), in3("enum E { Z = 0 [deprecated = true]; }"), "OPTION_ADDED #/E/0 2:10 2:10 [BF] deprecated = true"},
		"syntax":              {"message M { optional int32 a = 1; }", in3("message M { optional int32 a = 1; }"), "SYNTAX_CHANGED #/ 1:1 1:1 [BF] proto2 became proto3"},
		"package": {in3("package a; message N {} message M { N n = 1; map<string, N> m = 2; }"), in3("package b; message N {} message M { N n = 1; map<string, N> m = 2; }"),
			"PACKAGE_CHANGED #/ 2:1 2:1 [] a became b"},
		"import":     {in3(`import "google/protobuf/any.proto"; message M {}`), in3("message M {}"), `IMPORT_REMOVED #/ 1:1 1:1 [BF] "google/protobuf/any.proto"`},
		"service":    {in3("message M {}"), in3("message M {} service S {}"), "SERVICE_ADDED #/S 2:14 - [BF] "},
		"rpc":        {in3("message M {} service S { rpc A (M) returns (M); }"), in3("message M {} service S { rpc A (stream M) returns (M); rpc B (M) returns (M); }"), "RPC_ADDED #/S/B 2:56 - [BF] (.M) returns (.M)\nRPC_CHANGED #/S/A 2:26 2:26 [BF] (.M) returns (.M) became (stream .M) returns (.M)"},
		"into oneof": {in3("message M { int32 a = 1; }"), in3("message M { oneof o { int32 a = 1; } }"), "FIELD_ONEOF_CHANGED #/M/o/1 2:23 - [BF] none became o\nONEOF_ADDED #/M/o 2:13 - [BF] "},
		"out of oneof": {in3("message M { oneof o { int32 a = 1; int32 b = 2; } }"), in3("message M { oneof o { int32 a = 1; } int32 b = 2; }"),
			"FIELD_MOVED_TO_EXISTING_ONEOF #/M/o 2:13 2:13 [B] \nONEOF_FIELD_MOVED_TO_TOP_LEVEL #/M/2 2:38 - [BF] o became none"},
		"extension": {"message M { extensions 100 to 200; }", "message M {\n extensions 100 to 300; }\nextend M {\n optional int32 x = 150;\n}",
			"EXTENSION_ADDED #/extend M/150 4:2 - [BF] optional int32 x\nEXTENSION_RANGE_ADDED #/M 1:1 1:1 [BF] 100 to 300\nEXTENSION_RANGE_REMOVED #/M 1:1 1:1 [BF] 100 to 200"},
		"inside a nested message": {in3("message A { message B { int32 c = 1; } }"), in3("message A { message B { int32 c = 1 [deprecated = true]; } }"), "OPTION_ADDED #/A/B/1 2:25 2:25 [BF] deprecated = true"},
		"group":                   {"message M { optional group G = 1 { optional int32 a = 1; } }", "message M { optional group G = 1 { optional int32 a = 1 [deprecated = true]; } }", "OPTION_ADDED #/M/G/1 1:36 1:36 [BF] deprecated = true"},
		"message gone":            {in3("message M {} message N {}"), in3("message M {}"), "MESSAGE_REMOVED #/N - 2:14 [F] "},
	} {
		t.Run(name, func(t *testing.T) {
			if got := spellChanges(mustParse(t, c.newer), mustParse(t, c.older)); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestChangesOfRules: for each pair of the rules, something is marked unsafe
// exactly where one cannot read the other, and nothing is left out where the
// normal forms differ.
func TestChangesOfRules(t *testing.T) {
	folders, err := os.ReadDir("testdata/rules")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			dir := filepath.Join("testdata/rules", folder.Name())
			reader, writer := load(t, dir, "reader"), load(t, dir, "writer")
			changes := reader.Changes(writer, compat.Options{})
			backward, forward := true, true
			for _, c := range changes {
				backward, forward = backward && c.BackwardSafe, forward && c.ForwardSafe
			}
			harms := func(d compat.Incompatibility) bool { return !d.Compatible }
			if want := !slices.ContainsFunc(reader.Differences(writer, compat.Options{}), harms); backward != want {
				t.Errorf("backward safe %t, want %t", backward, want)
			}
			if want := !slices.ContainsFunc(writer.Differences(reader, compat.Options{}), harms); forward != want {
				t.Errorf("forward safe %t, want %t", forward, want)
			}
			if differ := reader.Normalized() != writer.Normalized(); differ && len(changes) == 0 {
				t.Error("no changes")
			}
			if self := reader.Changes(reader, compat.Options{}); len(self) > 0 {
				t.Errorf("changes from itself: %v", self)
			}
		})
	}
}

func mustParse(t *testing.T, text string) *Schema {
	t.Helper()
	s, err := Parse(compat.Source{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
