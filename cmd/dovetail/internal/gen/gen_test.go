package gen_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/cmd/dovetail/internal/gen"
	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/avro/avrotest"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

func parse(t testing.TB, text string, deps ...compat.Dependency) *avro.Schema {
	t.Helper()
	s, err := avro.Parse(compat.Source{Type: schema.Avro, Text: text, Dependencies: deps})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestGolden compares with the package shop, whose own test uses it.
func TestGolden(t *testing.T) {
	money := read(t, "money.avsc")
	schemas := []gen.Schema{
		{Label: "order.avsc", Parsed: parse(t, read(t, "order.avsc"), compat.Dependency{Name: "shop.common.Money", Text: money})},
		{Label: "money.avsc", Parsed: parse(t, money)},
	}
	got, err := gen.Go(gen.Options{Package: "shop"}, schemas...)
	if err != nil {
		t.Fatal(err)
	}
	again, err := gen.Go(gen.Options{Package: "shop"}, schemas...)
	if err != nil || !bytes.Equal(got, again) {
		t.Fatalf("a second run gives something else (%v)", err)
	}
	golden := filepath.Join("shop", "shop.go")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s is not what is written now (go test -update):\n%s", golden, got)
	}
}

// TestAnySchemaGivesGo type-checks what is written for random schemas.
func TestAnySchemaGivesGo(t *testing.T) {
	imports := fakes(t)
	for seed := range uint64(300) {
		text := avrotest.Schema(rand.New(rand.NewPCG(seed, 7)), avrotest.Options{})
		source, err := gen.Go(gen.Options{}, gen.Schema{Label: "random", Parsed: parse(t, text)})
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		if err := check("schemas", source, imports); err != nil {
			t.Fatalf("seed %d: %v\n%s\n%s", seed, err, text, source)
		}
	}
}

// TestHardNames are those that Go cannot have as they are.
func TestHardNames(t *testing.T) {
	imports := fakes(t)
	for name, text := range map[string]string{
		"a record that holds itself":    `{"type":"record","name":"A","fields":[{"name":"b","type":{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}}]}`,
		"fields that differ in case":    `{"type":"record","name":"R","fields":[{"name":"a_b","type":"int"},{"name":"aB","type":"int"},{"name":"AB","type":"int"},{"name":"_","type":"int"},{"name":"_1","type":"int"}]}`,
		"names that Go has":             `{"type":"record","name":"go.int","fields":[{"name":"type","type":"int"},{"name":"func","type":{"type":"enum","name":"time","symbols":["range","Range"]}}]}`,
		"types named as constants":      `{"type":"record","name":"E","fields":[{"name":"e","type":{"type":"enum","name":"X","symbols":["Y","SCHEMA"]}},{"name":"y","type":{"type":"record","name":"XY","fields":[]}},{"name":"s","type":{"type":"record","name":"ESchema","fields":[]}}]}`,
		"one short name, two spaces":    `{"type":"record","name":"a.N","fields":[{"name":"x","type":{"type":"record","name":"b.N","fields":[]}},{"name":"y","type":{"type":"record","name":"c.b.N","fields":[]}}]}`,
		"comments that try to be code":  `{"type":"record","name":"R","doc":"*/ func init() {}\n//go:build never\r\u2028x` + "`" + `","fields":[{"name":"a","doc":"go:embed x\n\n\n","type":"int"}]}`,
		"a root that has no name":       `["null",{"type":"array","items":{"type":"map","values":["null","long"]}}]`,
		"unions of one, of none, of it": `{"type":"record","name":"R","fields":[{"name":"a","type":["R"]},{"name":"b","type":["null"]},{"name":"c","type":[]},{"name":"d","type":"null"}]}`,
	} {
		source, err := gen.Go(gen.Options{}, gen.Schema{Label: "some-subject", Parsed: parse(t, text)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := check("schemas", source, imports); err != nil {
			t.Errorf("%s: %v\n%s", name, err, source)
		}
	}
}

func TestRefuses(t *testing.T) {
	one := gen.Schema{Label: "one", Parsed: parse(t, `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`)}
	two := gen.Schema{Label: "two", Parsed: parse(t, `{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}`)}
	for _, c := range []struct {
		want    string
		options gen.Options
		schemas []gen.Schema
	}{
		{"two: R is defined differently by an earlier schema", gen.Options{}, []gen.Schema{one, two}},
		{"not a package name", gen.Options{Package: "my-pkg"}, []gen.Schema{one}},
		{"not a package name", gen.Options{Package: "func"}, []gen.Schema{one}},
		{"no schema", gen.Options{}, nil},
	} {
		if _, err := gen.Go(c.options, c.schemas...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// fakes are packages that have what generated code uses of the real ones, so
// that it can be checked without compiling those.
func fakes(t *testing.T) types.Importer {
	t.Helper()
	known := packages{}
	for path, text := range map[string]string{
		"time":     "package time; type Time struct{}; type Duration int64",
		"math/big": "package big; type Rat struct{}",
		"github.com/dovetail-dev/dovetail/serde/avro": "package avro; type LogicalDuration struct{}; type Types struct{}; func (*Types) Register(string, any) {}",
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "fake.go", text, 0)
		if err != nil {
			t.Fatal(err)
		}
		if known[path], err = new(types.Config).Check(path, fset, []*ast.File{f}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return known
}

type packages map[string]*types.Package

func (p packages) Import(path string) (*types.Package, error) {
	if known, ok := p[path]; ok {
		return known, nil
	}
	return importer.Default().Import(path)
}

func check(path string, source []byte, imports types.Importer) error {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "generated.go", source, parser.ParseComments)
	if err != nil {
		return err
	}
	_, err = (&types.Config{Importer: imports}).Check(path, fset, []*ast.File{f}, nil)
	return err
}
