package kinds_test

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/cmd/dovetail/internal/gen/kinds"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/avro/avrobench"
)

// program is kinds.Kinds without its methods: what any codec has a program for.
type program kinds.Kinds

var kindsSchema = avro.MustParse(kinds.KindsSchema)

func registered() avro.Option {
	types := &avro.Types{}
	kinds.RegisterTypes(types)
	return avro.WithTypes(types)
}

func codec[T any](t testing.TB, s *avro.Schema, opts ...avro.Option) *avro.Codec[T] {
	t.Helper()
	c, err := avro.NewCodec[T](s, append(opts, avro.WithMethods())...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// filler makes random values. Maps have at most one entry, so that a payload
// has one form.
type filler struct{ *rand.Rand }

func (r filler) kinds() kinds.Kinds {
	var k kinds.Kinds
	r.fill(reflect.ValueOf(&k).Elem(), 0)
	k.Choice = []any{nil, "cash", int64(7), kinds.Inner{A: 1, Deep: kinds.Deep{Hues: []kinds.Color{}}}, kinds.ColorBlue, kinds.Hash{1}, []int64{3}}[r.IntN(7)]
	for i := range k.Choices {
		k.Choices[i] = []any{nil, "bare"}[r.IntN(2)]
	}
	for i := range k.Nulls {
		k.Nulls[i] = nil
	}
	if k.OnlyList == nil {
		k.OnlyList = []string{}
	}
	return k
}

func (r filler) fill(v reflect.Value, depth int) {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.UnixMicro(r.Int64N(1<<52) - 1<<51)
		return
	case *time.Duration:
		*p = time.Duration(r.Int64N(int64(24 * time.Hour)))
		return
	case **big.Rat:
		*p = big.NewRat(r.Int64N(1<<29)-1<<28, 100)
		return
	case *kinds.Color:
		*p = []kinds.Color{kinds.ColorRed, kinds.ColorGreen, kinds.ColorBlue}[r.IntN(3)]
		return
	case *any:
		return
	}
	few := r.IntN(3)
	if depth > 5 {
		few = 0
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(few == 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(int32(r.Uint64())) >> r.IntN(32))
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(r.Uint64() & 0xff)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(r.IntN(1000)) / 8)
	case reflect.String:
		v.SetString(strings.Repeat("x", r.IntN(12)))
	case reflect.Array, reflect.Slice:
		if v.Kind() == reflect.Slice {
			v.Set(reflect.MakeSlice(v.Type(), few, few))
		}
		for i := range v.Len() {
			r.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		if few > 0 {
			item := reflect.New(v.Type().Elem()).Elem()
			r.fill(item, depth+1)
			v.SetMapIndex(reflect.ValueOf("key"), item)
		}
	case reflect.Pointer:
		if few > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			r.fill(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			r.fill(v.Field(i), depth+1)
		}
	}
}

// same fails unless methods and program say the same of one payload: the same
// value, or the same error. It returns that.
func same(t *testing.T, methods *avro.Codec[kinds.Kinds], programs *avro.Codec[program], data []byte) error {
	t.Helper()
	var a, direct kinds.Kinds
	var b program
	errA, errB := methods.Decode(data, &a), programs.Decode(data, &b)
	if fmt.Sprint(errA) != fmt.Sprint(errB) {
		t.Fatalf("%x\nmethods: %v\nprogram: %v", data, errA, errB)
	}
	rest, err := direct.DecodeAvro(data)
	if err != nil && err.Error() != errA.Error() {
		t.Fatalf("%x\ncalled by hand: %v\nby the codec:  %v", data, err, errA)
	}
	if errA != nil {
		return errA
	}
	if err != nil || len(rest) != 0 {
		t.Fatalf("%x: called by hand: %v, %d bytes left", data, err, len(rest))
	}
	// A NaN is not equal to itself, so values are compared as they print.
	if x, y := show(a), show(kinds.Kinds(b)); x != y {
		t.Fatalf("%x\nmethods: %s\nprogram: %s", data, x, y)
	} else if z := show(direct); z != x {
		t.Fatalf("%x\nby the codec: %s\nby hand: %s", data, x, z)
	}
	return nil
}

func show(k kinds.Kinds) string {
	var out strings.Builder
	showValue(&out, reflect.ValueOf(k))
	return out.String()
}

// showValue prints what v holds, behind pointers too; nil is not empty.
func showValue(out *strings.Builder, v reflect.Value) {
	if v.IsValid() && v.CanInterface() {
		switch x := v.Interface().(type) {
		case *big.Rat:
			fmt.Fprint(out, x, " ")
			return
		case time.Time:
			fmt.Fprint(out, x, " ")
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fmt.Fprint(out, v.Type().Field(i).Name, ":")
			showValue(out, v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		fmt.Fprint(out, v.Type(), "[")
		if v.Kind() == reflect.Slice && v.IsNil() {
			fmt.Fprint(out, "nil")
		}
		for i := range v.Len() {
			showValue(out, v.Index(i))
		}
		fmt.Fprint(out, "]")
	case reflect.Map:
		fmt.Fprint(out, v.Len(), v.IsNil(), "{")
		for _, k := range sorted(v) {
			fmt.Fprintf(out, "%q:", k)
			showValue(out, v.MapIndex(reflect.ValueOf(k)))
		}
		fmt.Fprint(out, "}")
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			fmt.Fprint(out, "nil ")
			return
		}
		fmt.Fprint(out, "&", v.Elem().Type(), " ")
		showValue(out, v.Elem())
	default:
		fmt.Fprintf(out, "%#v ", v.Interface())
	}
}

func sorted(m reflect.Value) []string {
	keys := make([]string, 0, m.Len())
	for _, k := range m.MapKeys() {
		keys = append(keys, k.String())
	}
	for i := range keys {
		for j := i; j > 0 && keys[j] < keys[j-1]; j-- {
			keys[j], keys[j-1] = keys[j-1], keys[j]
		}
	}
	return keys
}

// TestMethodsAgreeWithPrograms writes random values both ways, and reads what
// was written, each prefix of it and damaged copies both ways.
func TestMethodsAgreeWithPrograms(t *testing.T) {
	seed := rand.Uint64()
	for name, opts := range map[string][]avro.Option{
		"plain": {registered()}, "arena": {registered(), avro.WithArena(), avro.WithCheckedText()}, "branches as maps": nil,
	} {
		methods, programs := codec[kinds.Kinds](t, kindsSchema, opts...), codec[program](t, kindsSchema, opts...)
		for k := range 20 {
			r := filler{rand.New(rand.NewPCG(seed, uint64(k)))}
			value := r.kinds()
			if len(opts) == 0 && value.Choice != nil {
				value.Choice = "bare"
			}
			other := program(value)
			data, err := methods.Append(nil, &value)
			if err != nil {
				t.Fatalf("%s, seed %d/%d: %v", name, seed, k, err)
			}
			if again, err := programs.Append(nil, &other); err != nil || !bytes.Equal(data, again) {
				t.Fatalf("%s, seed %d/%d: the program writes (%v)\n%x\n%x", name, seed, k, err, again, data)
			}
			if again, err := value.AppendAvro([]byte("x")); err != nil || !bytes.Equal(again[1:], data) {
				t.Fatalf("%s, seed %d/%d: called by hand: %v\n%x\n%x", name, seed, k, err, again, data)
			}
			var back kinds.Kinds
			if err := methods.Decode(data, &back); err != nil {
				t.Fatalf("%s, seed %d/%d: %v", name, seed, k, err)
			}
			if again, err := methods.Append(nil, &back); err != nil || !bytes.Equal(again, data) {
				t.Fatalf("%s, seed %d/%d: read and written again: %v\n%x\n%x", name, seed, k, err, again, data)
			}
			if len(opts) == 0 {
				continue // by hand, branches are of registered types
			}
			for end := range len(data) {
				if same(t, methods, programs, data[:end:end]) == nil && end < len(data)-1 {
					t.Fatalf("%s, seed %d/%d: %d of %d bytes were taken for a value", name, seed, k, end, len(data))
				}
			}
			for range 200 {
				damaged := bytes.Clone(data)
				for range 1 + r.IntN(3) {
					damaged[r.IntN(len(damaged))] = byte(r.Uint32())
				}
				if name == "plain" {
					_ = same(t, methods, programs, damaged)
				}
			}
		}
	}
}

// TestFaultsOfValues: what cannot be written is refused as a program does.
func TestFaultsOfValues(t *testing.T) {
	methods, programs := codec[kinds.Kinds](t, kindsSchema, registered()), codec[program](t, kindsSchema, registered())
	for want, spoil := range map[string]func(*kinds.Kinds){
		"color: expected enum kinds.Color":    func(k *kinds.Kinds) { k.Color = "PINK" },
		"inner.deep.hues[1]: expected enum":   func(k *kinds.Kinds) { k.Inner.Deep.Hues = []kinds.Color{"RED", "PINK"} },
		"price: expected bytes (decimal)":     func(k *kinds.Kinds) { k.Price = nil },
		"price: expected decimal(9, 2)":       func(k *kinds.Kinds) { k.Price = big.NewRat(1, 3) },
		"fee: expected decimal(12, 4)":        func(k *kinds.Kinds) { k.Fee = big.NewRat(1<<60, 1) },
		"any_size: expected bytes":            func(k *kinds.Kinds) { k.AnySize = big.NewRat(1, 3) },
		"ns: expected long (timestamp-nanos)": func(k *kinds.Kinds) { k.Ns = time.Unix(1<<40, 0) },
		"noon: expected int (time-millis)":    func(k *kinds.Kinds) { k.Noon = 1 << 62 },
		"only_list: expected union":           func(k *kinds.Kinds) { k.OnlyList = nil },
		"opt_price: expected decimal(9, 2)":   func(k *kinds.Kinds) { k.OptPrice = big.NewRat(1, 7) },
		`table["t"][0].deep.hues[0]: expected enum`: func(k *kinds.Kinds) {
			k.Table = map[string][]kinds.Inner{"t": {{Deep: kinds.Deep{Hues: []kinds.Color{"PINK"}}}}}
		},
		"choice: expected one of":            func(k *kinds.Kinds) { k.Choice = struct{}{} },
		"units: expected at most":            func(k *kinds.Kinds) { k.Units = make([]kinds.Unit, 1<<17) },
		"tree.left.left.left.left.left.left": func(k *kinds.Kinds) { k.Tree.Left = &k.Tree },
	} {
		value := filler{rand.New(rand.NewPCG(1, 1))}.kinds()
		spoil(&value)
		other := program(value)
		kept := []byte("kept")
		out, errA := methods.Append(kept, &value)
		if errA == nil || !strings.Contains(errA.Error(), want) || string(out) != "kept" {
			t.Errorf("%q, want %q", errA, want)
			continue
		}
		if _, errB := programs.Append(nil, &other); errB == nil || errA.Error() != errB.Error() {
			t.Errorf("methods: %v\nprogram: %v", errA, errB)
		}
		if out, err := value.AppendAvro(kept); err == nil || err.Error() != errA.Error() || string(out) != "kept" {
			t.Errorf("by hand: %v\nmethods: %v", err, errA)
		}
	}
	var none *kinds.Kinds
	if _, err := none.AppendAvro(nil); err == nil {
		t.Error("a nil value was written")
	}
	if _, err := none.DecodeAvro(nil); err == nil {
		t.Error("a nil value was read into")
	}
}

// TestHostileRecursion: a few bytes must not make a stack or a heap of levels.
func TestHostileRecursion(t *testing.T) {
	var tree kinds.Tree
	// A name of no bytes, a left; and so on.
	_, err := tree.DecodeAvro(bytes.Repeat([]byte{0, 2}, 5000))
	if err == nil || !strings.Contains(err.Error(), "levels of a recursive type") {
		t.Fatal(err)
	}
	var batch kinds.Batch
	_, err = batch.DecodeAvro([]byte{0, 0xfe, 0xff, 0xff, 0xff, 0x0f})
	if err == nil || !strings.Contains(err.Error(), "readings: expected a block of") {
		t.Fatal(err)
	}
}

// TestReferencesBetweenTypes: a record inside another has methods of its own,
// for the schema of its own.
func TestReferencesBetweenTypes(t *testing.T) {
	inner := kinds.Inner{A: 3, Deep: kinds.Deep{Hues: []kinds.Color{kinds.ColorBlue}}}
	data, err := inner.AppendAvro(nil)
	if err != nil {
		t.Fatal(err)
	}
	var back kinds.Inner
	rest, err := back.DecodeAvro(append(data, 9, 9))
	if err != nil || !reflect.DeepEqual(back, inner) || !bytes.Equal(rest, []byte{9, 9}) {
		t.Fatal(back, rest, err)
	}
}

// FuzzGenerated reads anything with methods and with a program.
func FuzzGenerated(f *testing.F) {
	methods, programs := codec[kinds.Kinds](f, kindsSchema, registered()), codec[program](f, kindsSchema, registered())
	for k := range uint64(4) {
		value := filler{rand.New(rand.NewPCG(3, k))}.kinds()
		data, err := value.AppendAvro(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { _ = same(t, methods, programs, data) })
}

// TestMethodsAllocateNoMoreThanPrograms: nothing at all to encode, and what the
// value itself needs to decode.
func TestMethodsAllocateNoMoreThanPrograms(t *testing.T) {
	if !pooled {
		t.Skip("the race detector empties pools")
	}
	allocate[kinds.Small, smallProgram](t, "small", kinds.SmallSchema, avrobench.NewSmall())
	allocate[kinds.Order, orderProgram](t, "order", kinds.OrderSchema, avrobench.NewOrder())
	allocate[kinds.Batch, batchProgram](t, "batch", kinds.BatchSchema, avrobench.NewBatch())
}

func allocate[M, P any](t *testing.T, name, text string, value any) {
	s := avro.MustParse(text)
	data, err := avro.Marshal(s, value)
	if err != nil {
		t.Fatal(err)
	}
	for _, arena := range [][]avro.Option{nil, {avro.WithArena()}} {
		appendM, decodeM := allocations(t, codec[M](t, s, arena...), data)
		appendP, decodeP := allocations(t, codec[P](t, s, arena...), data)
		if appendM != 0 || appendP != 0 {
			t.Errorf("%s: methods append with %v allocations, a program with %v, want none", name, appendM, appendP)
		}
		if decodeM > decodeP {
			t.Errorf("%s: methods decode with %v allocations, a program with %v", name, decodeM, decodeP)
		}
	}
	value = new(M)
	byHand := value.(interface {
		AppendAvro(dst []byte) ([]byte, error)
		DecodeAvro(src []byte) ([]byte, error)
	})
	if _, err := byHand.DecodeAvro(data); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 1<<17)
	if n := testing.AllocsPerRun(100, func() { _, _ = byHand.AppendAvro(buf) }); n != 0 {
		t.Errorf("%s: AppendAvro allocates %v times, want none", name, n)
	}
}

func allocations[T any](t *testing.T, c *avro.Codec[T], data []byte) (appending, decoding float64) {
	t.Helper()
	value, buf := new(T), make([]byte, 0, 1<<17)
	if err := c.Decode(data, value); err != nil {
		t.Fatal(err)
	}
	appending = testing.AllocsPerRun(100, func() { _, _ = c.Append(buf, value) })
	decoding = testing.AllocsPerRun(100, func() { _ = c.Decode(data, value) })
	return appending, decoding
}

type (
	smallProgram kinds.Small
	orderProgram kinds.Order
	batchProgram kinds.Batch
)

// BenchmarkGenerated measures the methods beside programs for the same fields.
func BenchmarkGenerated(b *testing.B) {
	bench[kinds.Small, smallProgram](b, "small", avro.MustParse(kinds.SmallSchema), avrobench.NewSmall())
	bench[kinds.Order, orderProgram](b, "order", avro.MustParse(kinds.OrderSchema), avrobench.NewOrder())
	bench[kinds.Batch, batchProgram](b, "batch", avro.MustParse(kinds.BatchSchema), avrobench.NewBatch())
}

func bench[M, P any](b *testing.B, name string, s *avro.Schema, value any) {
	data, err := avro.Marshal(s, value)
	if err != nil {
		b.Fatal(err)
	}
	for _, arena := range []string{"", "-arena"} {
		var opts []avro.Option
		if arena != "" {
			opts = append(opts, avro.WithArena())
		}
		methods, programs := codec[M](b, s, opts...), codec[P](b, s, opts...)
		run(b, name+"/methods"+arena, methods, data)
		run(b, name+"/program"+arena, programs, data)
	}
}

func run[T any](b *testing.B, name string, c *avro.Codec[T], data []byte) {
	value, buf := new(T), make([]byte, 0, 1<<17)
	if err := c.Decode(data, value); err != nil {
		b.Fatal(err)
	}
	b.Run(name+"/append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Append(buf, value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(name+"/decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := c.Decode(data, new(T)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
