package jsonschema

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
)

var rewrite = flag.Bool("rewrite", false, "write what is found as what is expected")

// TestRules compares the pairs under testdata/rules: a folder holds writer.json,
// reader.json, what they refer to, and the findings, one a line: rule, path,
// policies under which it does no harm, and the place in the reader.
func TestRules(t *testing.T) {
	folders, err := os.ReadDir("testdata/rules")
	if err != nil {
		t.Fatal(err)
	}
	met := map[string]bool{}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			dir := filepath.Join("testdata/rules", folder.Name())
			reader, writer := load(t, dir, "reader"), load(t, dir, "writer")
			got := describeAll(t, reader, writer, met)
			file := filepath.Join(dir, "findings.txt")
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("found\n%swant\n%s", got, want)
			}
			for _, s := range []*Schema{reader, writer} {
				if d := s.Differences(s, compat.Options{}); len(d) > 0 {
					t.Errorf("a schema differs from itself: %v", d)
				}
			}
		})
	}
	for _, rules := range []map[string]string{breaking, lenient} {
		for rule := range rules {
			if !met[rule] && rule != TooLarge {
				t.Errorf("no folder shows %s", rule)
			}
		}
	}
	for _, rule := range harmless {
		if !met[rule] {
			t.Errorf("no folder shows %s", rule)
		}
	}
}

// harmless are the rules that never break, and that a folder must show.
var harmless = []string{
	IDChanged, TitleChanged, DescriptionChanged, DefaultChanged, SchemaRemoved, TypeExtended,
	MaxLengthIncreased, MaxLengthRemoved, MinLengthDecreased, MinLengthRemoved, PatternRemoved,
	MaximumIncreased, MaximumRemoved, MinimumDecreased, MinimumRemoved,
	ExclusiveMaximumIncreased, ExclusiveMaximumRemoved, ExclusiveMinimumDecreased, ExclusiveMinimumRemoved,
	MultipleOfReduced, MultipleOfRemoved, RequiredAttributeRemoved, RequiredAttributeWithDefaultAdded,
	MaxPropertiesIncreased, MaxPropertiesRemoved, MinPropertiesDecreased, MinPropertiesRemoved,
	DependencyArrayNarrowed, DependencyArrayRemoved, DependencySchemaRemoved,
	AdditionalPropertiesAdded, AdditionalPropertiesExtended, UnevaluatedPropertiesAdded, UnevaluatedPropertiesExtended,
	EmptyPropertyAddedToOpen, OptionalPropertyAddedToUnopen, RequiredPropertyWithDefaultAddedToUnopen, PropertyAddedIsCovered,
	PropertyRemovedFromOpen, PropertyRemovedIsCovered, FalsePropertyRemovedFromClosed,
	MaxItemsIncreased, MaxItemsRemoved, MinItemsDecreased, MinItemsRemoved,
	MaxContainsIncreased, MaxContainsRemoved, MinContainsDecreased, MinContainsRemoved, UniqueItemsRemoved,
	AdditionalItemsAdded, AdditionalItemsExtended, UnevaluatedItemsAdded, UnevaluatedItemsExtended,
	EmptyItemAddedToOpen, ItemAddedToClosed, ItemAddedIsCovered, ItemRemovedFromOpen, ItemRemovedIsCovered, FalseItemRemovedFromClosed,
	EnumArrayExtended, ProductTypeNarrowed, SumTypeExtended, CombinedTypeExtended, NotTypeNarrowed,
}

func describeAll(t *testing.T, reader, writer *Schema, met map[string]bool) string {
	t.Helper()
	strict := reader.Differences(writer, compat.Options{})
	loose := reader.Differences(writer, compat.Options{Policy: compat.PolicyLenient})
	var out strings.Builder
	line := func(d compat.Incompatibility, policies string) {
		met[d.Rule] = true
		fmt.Fprintf(&out, "%s %s %s", d.Rule, d.Path, policies)
		if p, ok := reader.Position(d.Path); ok {
			fmt.Fprintf(&out, " %s", p)
		} else {
			t.Errorf("%s has no position", d.Path)
		}
		out.WriteByte('\n')
		if said := reader.Describe(d, compat.Backward); d.Compatible != strings.HasSuffix(said, `description:"'}`) {
			t.Errorf("%+v is put as %s", d, said)
		}
	}
	for _, d := range strict {
		policies := "never"
		if i := slices.IndexFunc(loose, func(e compat.Incompatibility) bool { return e.Rule == d.Rule && e.Path == d.Path }); i >= 0 && loose[i].Compatible {
			policies = "lenient"
		}
		if d.Compatible {
			policies = "ok"
		}
		line(d, policies)
	}
	for _, d := range loose {
		if !slices.ContainsFunc(strict, func(e compat.Incompatibility) bool { return e.Rule == d.Rule && e.Path == d.Path }) {
			policies := "only-lenient"
			if !d.Compatible {
				policies = "only-lenient-never"
			}
			line(d, policies)
		}
	}
	return out.String()
}

func load(t *testing.T, dir, side string) *Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, side+".json"))
	if err != nil {
		t.Fatal(err)
	}
	src := compat.Source{Text: string(text), Strict: true}
	others, err := os.ReadDir(filepath.Join(dir, side+".references"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, o := range others {
		text, err := os.ReadFile(filepath.Join(dir, side+".references", o.Name()))
		if err != nil {
			t.Fatal(err)
		}
		src.Dependencies = append(src.Dependencies, compat.Dependency{Name: o.Name(), Text: string(text)})
	}
	s, err := Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", side, err)
	}
	return s
}

// TestDescribeSwapsRoles shows the exact shape of a finding, both ways.
func TestDescribeSwapsRoles(t *testing.T) {
	s := parse(t, `true`)
	d := compat.Incompatibility{Rule: TypeChanged, Path: "#/properties/a"}
	for roles, want := range map[compat.Roles]string{
		compat.Backward: `{errorType:"TYPE_CHANGED", description:"A type at path '#/properties/a' is different between the new schema and the old schema'}`,
		compat.Forward:  `{errorType:"TYPE_CHANGED", description:"A type at path '#/properties/a' is different between the old schema and the new schema'}`,
	} {
		if got := s.Describe(d, roles); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// parse reads a text strictly.
func parse(t testing.TB, text string, deps ...compat.Dependency) *Schema {
	t.Helper()
	s, err := Parse(compat.Source{Text: text, Dependencies: deps, Strict: true})
	if err != nil {
		t.Fatalf("%v in\n%.300s", err, text)
	}
	return s
}
