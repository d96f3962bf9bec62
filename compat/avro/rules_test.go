package avro_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
)

func lenient(t testing.TB, text string) *avro.Schema {
	t.Helper()
	s, err := avro.Parse(compat.Source{Text: text})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func strict(t testing.TB, text string) *avro.Schema {
	t.Helper()
	s, err := avro.ParseText(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// findings returns the differences of a pair as lines: rule, path, detail.
func findings(reader, writer compat.Schema) (lines []string) {
	for _, d := range reader.Differences(writer, compat.Options{}) {
		lines = append(lines, d.Rule+" "+d.Path+" "+d.Detail)
	}
	return lines
}

func equalLines(a, b []string) bool {
	return len(a) == 0 && len(b) == 0 || slices.Equal(a, b)
}

func readFile(t *testing.T, elements ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRules runs testdata/rules/RULE/case: reader.avsc, writer.avsc and
// findings.txt with a line per expected difference. Every rule has a folder,
// and every finding has a place in the reader's text and a sentence.
func TestRules(t *testing.T) {
	dirs, err := filepath.Glob("testdata/rules/*/*")
	if err != nil || len(dirs) < 40 {
		t.Fatalf("%d cases, %v", len(dirs), err)
	}
	seen := map[string]bool{}
	for _, dir := range dirs {
		t.Run(strings.TrimPrefix(filepath.ToSlash(dir), "testdata/rules/"), func(t *testing.T) {
			reader, writer := strict(t, readFile(t, dir, "reader.avsc")), strict(t, readFile(t, dir, "writer.avsc"))
			var want []string
			if text := strings.TrimSpace(readFile(t, dir, "findings.txt")); text != "" {
				want = strings.Split(text, "\n")
			}
			if got := findings(reader, writer); !equalLines(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if (filepath.Base(filepath.Dir(dir)) == "COMPATIBLE") != (want == nil) {
				t.Error("the case is in the wrong folder")
			}
			for _, d := range reader.Differences(writer, compat.Options{}) {
				seen[d.Rule] = true
				if _, ok := reader.Position(d.Path); !ok {
					t.Errorf("no position for %s", d.Path)
				}
				if s := reader.Describe(d, compat.Backward); !strings.Contains(s, "description:'T") || !strings.Contains(s, d.Rule) {
					t.Errorf("description of %s: %s", d.Rule, s)
				}
			}
		})
	}
	for _, rule := range []string{avro.RuleName, avro.RuleFixedSize, avro.RuleEnumSymbols, avro.RuleFieldDefault, avro.RuleType, avro.RuleUnionBranch, avro.RuleFieldAmbiguous} {
		if !seen[rule] {
			t.Errorf("no case shows %s", rule)
		}
	}
}

func TestDescriptionsAreThoseOfTheReferenceServer(t *testing.T) {
	s := strict(t, `"int"`)
	for _, c := range []struct {
		rule, path, detail string
		roles              compat.Roles
		want               string
	}{
		{avro.RuleFieldDefault, "/fields/1", "f2", compat.Backward,
			"{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'f2' at path '/fields/1' in the new schema has no default value and is missing in the old schema', additionalInfo:'f2'}"},
		{avro.RuleFieldDefault, "/fields/1", "f2", compat.Forward,
			"{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'f2' at path '/fields/1' in the old schema has no default value and is missing in the new schema', additionalInfo:'f2'}"},
		{avro.RuleType, "/fields/0/type", "reader type: INT not compatible with writer type: STRING", compat.Backward,
			"{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the new schema does not match with the old schema', additionalInfo:'reader type: INT not compatible with writer type: STRING'}"},
		{avro.RuleName, "/name", "expected: A", compat.Backward,
			"{errorType:'NAME_MISMATCH', description:'The name of the schema has changed (path '/name')', additionalInfo:'expected: A'}"},
		{avro.RuleFixedSize, "/fields/0/type/size", "expected: 4, found: 5", compat.Backward,
			"{errorType:'FIXED_SIZE_MISMATCH', description:'The size of FIXED type field at path '/fields/0/type/size' in the new schema does not match with the old schema', additionalInfo:'expected: 4, found: 5'}"},
		{avro.RuleEnumSymbols, "/symbols", "[B]", compat.Forward,
			"{errorType:'MISSING_ENUM_SYMBOLS', description:'The old schema is missing enum symbols '[B]' at path '/symbols' in the new schema', additionalInfo:'[B]'}"},
		{avro.RuleUnionBranch, "/fields/0/type/1", "reader union lacking writer type: STRING", compat.Backward,
			"{errorType:'MISSING_UNION_BRANCH', description:'The new schema is missing a type inside a union field at path '/fields/0/type/1' in the old schema', additionalInfo:'reader union lacking writer type: STRING'}"},
	} {
		if got := s.Describe(compat.Incompatibility{Rule: c.rule, Path: c.path, Detail: c.detail}, c.roles); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.rule, got, c.want)
		}
	}
}
