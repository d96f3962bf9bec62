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
	"github.com/dovetail-dev/dovetail/serde/avro/avrobench"
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

// TestGolden compares with the packages shop and kinds, whose own tests use them,
// and with the example of serde/avro.
func TestGolden(t *testing.T) {
	money := read(t, "money.avsc")
	for _, c := range []struct {
		name, file string
		schemas    []gen.Schema
	}{
		{"avro_test", "../../../../serde/avro/visit_test.go", []gen.Schema{{Label: "visit.avsc", Parsed: parse(t, read(t, "visit.avsc"))}}},
		{"shop", "shop/shop.go", []gen.Schema{
			{Label: "order.avsc", Parsed: parse(t, read(t, "order.avsc"), compat.Dependency{Name: "shop.common.Money", Text: money})},
			{Label: "money.avsc", Parsed: parse(t, money)},
		}},
		{"kinds", "kinds/kinds.go", []gen.Schema{
			{Label: "kinds.avsc", Parsed: parse(t, read(t, "kinds.avsc"))},
			{Label: "bench.Small", Parsed: parse(t, avrobench.SmallText)},
			{Label: "bench.Order", Parsed: parse(t, avrobench.OrderText)},
			{Label: "bench.Batch", Parsed: parse(t, avrobench.BatchText)},
		}},
	} {
		got, err := gen.Go(gen.Options{Package: c.name}, c.schemas...)
		if err != nil {
			t.Fatal(err)
		}
		again, err := gen.Go(gen.Options{Package: c.name}, c.schemas...)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("%s: a second run gives something else (%v)", c.name, err)
		}
		golden := filepath.FromSlash(c.file)
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
		{"micros: R is defined differently by an earlier schema", gen.Options{}, []gen.Schema{
			{Label: "millis", Parsed: parse(t, `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"long","logicalType":"timestamp-millis"}}]}`)},
			{Label: "micros", Parsed: parse(t, `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"long","logicalType":"timestamp-micros"}}]}`)},
		}},
	} {
		if _, err := gen.Go(c.options, c.schemas...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// fakeAvro declares what generated code uses of serde/avro. The package shop is
// compiled with the real one.
const fakeAvro = `package avro
import ("math/big"; "time")
type LogicalDuration struct{}
type Types struct{}
func (*Types) Register(string, any) {}
type Generated struct{}
type GeneratedType struct{}
func NewGenerated(string, func(*Types)) *Generated
func (*Generated) T(int) *GeneratedType
func (*GeneratedType) NilValue() error
func (*GeneratedType) NilTarget() error
func (*GeneratedType) Encoding() *Encoding
func (*GeneratedType) Decoding([]byte) *Decoding
type Encoding struct{}
func (*Encoding) Done(dst, out []byte) ([]byte, error)
func (*Encoding) Enter() bool
func (*Encoding) Leave()
func (*Encoding) Failed() bool
func (*Encoding) At([]byte, string) []byte
func (*Encoding) Boolean([]byte, bool) []byte
func (*Encoding) Int([]byte, int32) []byte
func (*Encoding) Long([]byte, int64) []byte
func (*Encoding) Float([]byte, float32) []byte
func (*Encoding) Double([]byte, float64) []byte
func (*Encoding) String([]byte, string) []byte
func (*Encoding) Bytes(dst, v []byte) []byte
func (*Encoding) Fixed(dst, v []byte) []byte
func (*Encoding) Symbol([]byte, string, *GeneratedType) []byte
func (*Encoding) Time([]byte, time.Time, *GeneratedType) []byte
func (*Encoding) Clock([]byte, time.Duration, *GeneratedType) []byte
func (*Encoding) Rat([]byte, *big.Rat, *GeneratedType) []byte
func (*Encoding) Duration([]byte, LogicalDuration) []byte
func (*Encoding) Any([]byte, any, *GeneratedType) []byte
func (*Encoding) Longs([]byte, []int64) []byte
func (*Encoding) Doubles([]byte, []float64) []byte
func (*Encoding) Strings([]byte, []string) []byte
func (*Encoding) StringMap([]byte, map[string]string) []byte
func EncodeSlice[T any](*Encoding, []byte, []T, *GeneratedType, func(*T, *Encoding, []byte) []byte) []byte { panic(0) }
func EncodeMap[T any](*Encoding, []byte, map[string]T, func(*T, *Encoding, []byte) []byte) []byte { panic(0) }
func EncodePointer[T any](*Encoding, []byte, *T, *GeneratedType, func(*T, *Encoding, []byte) []byte) []byte { panic(0) }
func EncodeOptional[T any](*Encoding, []byte, *T, *GeneratedType, func(*T, *Encoding, []byte) []byte) []byte { panic(0) }
func EncodeNullable[T any](*Encoding, []byte, *T, bool, *GeneratedType, func(*T, *Encoding, []byte) []byte) []byte { panic(0) }
type Decoding struct{}
func (*Decoding) Done(*GeneratedType, []byte, int) ([]byte, error)
func (*Decoding) Enter(int) bool
func (*Decoding) Leave()
func (*Decoding) At(string) int
func (*Decoding) Boolean(int, *bool) int
func (*Decoding) Int(int, *int32) int
func (*Decoding) Long(int, *int64) int
func (*Decoding) Float(int, *float32) int
func (*Decoding) Double(int, *float64) int
func (*Decoding) String(int, *string) int
func (*Decoding) Bytes(int, *[]byte) int
func (*Decoding) Fixed(int, []byte, *GeneratedType) int
func (*Decoding) Symbol(int, *string, *GeneratedType) int
func (*Decoding) Time(int, *time.Time, *GeneratedType) int
func (*Decoding) Clock(int, *time.Duration, *GeneratedType) int
func (*Decoding) Rat(int, **big.Rat, *GeneratedType) int
func (*Decoding) Duration(int, *LogicalDuration, *GeneratedType) int
func (*Decoding) Any(int, *any, *GeneratedType) int
func (*Decoding) Longs(int, *[]int64) int
func (*Decoding) Doubles(int, *[]float64) int
func (*Decoding) Strings(int, *[]string) int
func (*Decoding) StringMap(int, *map[string]string) int
func DecodeSlice[T any](*Decoding, int, *[]T, *GeneratedType, func(*T, *Decoding, int) int) int { panic(0) }
func DecodeMap[T any](*Decoding, int, *map[string]T, *GeneratedType, func(*T, *Decoding, int) int) int { panic(0) }
func DecodeAny[T any](*Decoding, int, *T, *GeneratedType) int { panic(0) }
func DecodePointer[T any](*Decoding, int, **T, func(*T, *Decoding, int) int) int { panic(0) }
func DecodeOptional[T any](*Decoding, int, **T, *GeneratedType, func(*T, *Decoding, int) int) int { panic(0) }
func DecodeNullable[T any](*Decoding, int, *T, *GeneratedType, func(*T, *Decoding, int) int) int { panic(0) }
`

// fakes are packages that have what generated code uses of the real ones, so
// that it can be checked without compiling those.
func fakes(t *testing.T) types.Importer {
	t.Helper()
	known := packages{}
	for _, fake := range []struct{ path, text string }{
		{"time", "package time; type Time struct{}; type Duration int64"},
		{"math/big", "package big; type Rat struct{}"},
		{"github.com/dovetail-dev/dovetail/serde/avro", fakeAvro},
	} {
		path, text := fake.path, fake.text
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "fake.go", text, 0)
		if err != nil {
			t.Fatal(err)
		}
		if known[path], err = (&types.Config{Importer: known, IgnoreFuncBodies: true}).Check(path, fset, []*ast.File{f}, nil); err != nil {
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
