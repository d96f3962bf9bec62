package avro_test

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

// shelf is a registry in memory: one subject per name, IDs in order.
type shelf struct {
	mu    sync.Mutex
	all   []serde.Registered
	calls int
}

func (r *shelf) Register(_ context.Context, s schema.Subject, d schema.Definition, _ serde.RegisterOptions) (serde.Registered, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	version := schema.Version(1)
	for _, known := range r.all {
		if known.Subject == s {
			if known.Text == d.Text {
				return known, nil
			}
			version++
		}
	}
	reg := serde.Registered{ID: schema.ID(len(r.all) + 1), GUID: md5.Sum([]byte(d.Text)), Subject: s, Version: version, Definition: d}
	r.all = append(r.all, reg)
	return reg, nil
}

func (r *shelf) find(match func(serde.Registered) bool) (serde.Registered, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	for i := len(r.all) - 1; i >= 0; i-- {
		if match(r.all[i]) {
			return r.all[i], nil
		}
	}
	return serde.Registered{}, serde.ErrNotFound
}

func (r *shelf) Lookup(_ context.Context, s schema.Subject, d schema.Definition, _ serde.LookupOptions) (serde.Registered, error) {
	return r.find(func(k serde.Registered) bool { return k.Subject == s && k.Text == d.Text })
}

func (r *shelf) SchemaByID(_ context.Context, id schema.ID, _ schema.Subject) (serde.Registered, error) {
	return r.find(func(k serde.Registered) bool { return k.ID == id })
}

func (r *shelf) SchemaByGUID(_ context.Context, g schema.GUID) (serde.Registered, error) {
	return r.find(func(k serde.Registered) bool { return k.GUID == g })
}

func (r *shelf) Version(_ context.Context, s schema.Subject, v schema.Version, _ bool) (serde.Registered, error) {
	return r.find(func(k serde.Registered) bool { return k.Subject == s && (v == schema.Latest || k.Version == v) })
}

func (r *shelf) LatestWithMetadata(context.Context, schema.Subject, map[string]string) (serde.Registered, error) {
	return serde.Registered{}, serde.ErrNotFound
}

func (r *shelf) Associations(context.Context, serde.Resource) ([]serde.Association, error) {
	return nil, nil
}

const (
	orderV1 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"int"},{"name":"old","type":"string"}]}`
	orderV2 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"note","type":"string","default":"none"}]}`
)

type shopOrderV1 struct {
	ID  int32  `avro:"id"`
	Old string `avro:"old"`
}

type shopOrderV2 struct {
	ID   int64  `avro:"id"`
	Note string `avro:"note"`
}

func serializer[T any](t testing.TB, r serde.Registry, text string, opts ...serde.Option) *serde.Serializer[T] {
	t.Helper()
	s, err := avro.NewSerializer[T](r, text, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func deserializer[T any](t testing.TB, r serde.Registry, text string, opts ...serde.Option) *serde.Deserializer[T] {
	t.Helper()
	d, err := avro.NewDeserializer[T](r, text, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSerializedValuesComeBack(t *testing.T) {
	ctx := context.Background()
	for _, opts := range [][]serde.Option{nil, {serde.WithHeaderFraming()}} {
		r := &shelf{}
		payload, header, err := serializer[order](t, r, orderText, opts...).AppendRecord(ctx, nil, "orders", newOrder())
		if err != nil {
			t.Fatal(err)
		}
		var got order
		if err := deserializer[order](t, r, orderText).DecodeRecord(ctx, "orders", header, payload, &got); err != nil {
			t.Fatal(err)
		}
		if want := newOrder(); !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, want %+v", got, want)
		}
	}
}

func TestReadersOfBothAges(t *testing.T) {
	ctx := context.Background()
	r := &shelf{}
	old, err := serializer[shopOrderV1](t, r, orderV1).Append(ctx, nil, "orders", shopOrderV1{7, "x"})
	if err != nil {
		t.Fatal(err)
	}
	recent, err := serializer[shopOrderV2](t, r, orderV2).Append(ctx, nil, "orders", shopOrderV2{8, "gift"})
	if err != nil {
		t.Fatal(err)
	}
	d := deserializer[shopOrderV2](t, r, orderV2)
	var a, b shopOrderV2
	for range 3 {
		if err := errors.Join(d.Decode(ctx, "orders", old, &a), d.Decode(ctx, "orders", recent, &b)); err != nil {
			t.Fatal(err)
		}
	}
	if a != (shopOrderV2{7, "none"}) || b != (shopOrderV2{8, "gift"}) {
		t.Errorf("read %+v and %+v", a, b)
	}
	if r.calls != 4 {
		t.Errorf("%d calls of the registry, want 4: two registrations, two IDs", r.calls)
	}
	// Without a schema of its own a reader takes what was written.
	var any1 any
	if err := deserializer[any](t, r, "").Decode(ctx, "orders", old, &any1); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(any1); got != "map[id:7 old:x]" {
		t.Errorf("generic read %s", got)
	}
	// A struct with some of the fields reads them, whatever writers have beside.
	type id struct {
		ID int64 `avro:"id"`
	}
	some := deserializer[id](t, r, "")
	for want, payload := range map[int64][]byte{7: old, 8: recent} {
		var got id
		if err := some.Decode(ctx, "orders", payload, &got); err != nil || got.ID != want {
			t.Errorf("a struct with one field: %+v, %v", got, err)
		}
	}
	// A reader that cannot be reconciled says so.
	var none shopOrderV1
	if err := deserializer[shopOrderV1](t, r, orderV1).Decode(ctx, "orders", recent, &none); err == nil || !strings.Contains(err.Error(), "long cannot be read as int") {
		t.Errorf("a wider writer: %v", err)
	}
}

func TestWritingWithTheRegistrysSchema(t *testing.T) {
	ctx := context.Background()
	r := &shelf{}
	serializer[shopOrderV2](t, r, orderV2).Append(ctx, nil, "orders", shopOrderV2{})
	// Generic values, schema from the registry alone.
	b, err := serializer[any](t, r, "", serde.WithLatest()).Append(ctx, nil, "orders", any(map[string]any{"id": int64(3), "note": "n"}))
	if err != nil {
		t.Fatal(err)
	}
	var got shopOrderV2
	if err := deserializer[shopOrderV2](t, r, orderV2).Decode(ctx, "orders", b, &got); err != nil || got != (shopOrderV2{3, "n"}) {
		t.Errorf("read %+v, %v", got, err)
	}
	// A local schema that the latest one cannot read.
	bad := `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"}]}`
	type stringID struct {
		ID string `avro:"id"`
	}
	if _, err := serializer[stringID](t, r, bad, serde.WithLatest()).Append(ctx, nil, "orders", stringID{"x"}); !errors.Is(err, serde.ErrNotCompatible) {
		t.Errorf("incompatible with the latest: %v", err)
	}
	for name, opts := range map[string][]serde.Option{"no option": nil, "an option that names none": {serde.WithLookup()}} {
		if _, err := avro.NewSerializer[any](r, "", opts...); !errors.Is(err, serde.ErrNoSchema) {
			t.Errorf("no schema at all, %s: %v", name, err)
		}
	}
}

func TestReferencedTypes(t *testing.T) {
	ctx := context.Background()
	r := &shelf{}
	const address = `{"type":"record","name":"Address","namespace":"shop","fields":[{"name":"city","type":"string"}]}`
	reg, _ := r.Register(ctx, "address", schema.Definition{Type: schema.Avro, Text: address}, serde.RegisterOptions{})
	type addr struct {
		City string `avro:"city"`
	}
	type customer struct {
		Home addr `avro:"home"`
	}
	f, err := avro.NewFormat[customer](avro.FormatOptions{
		Text:         `{"type":"record","name":"Customer","namespace":"shop","fields":[{"name":"home","type":"shop.Address"}]}`,
		References:   []schema.Reference{{Name: "shop.Address", Subject: "address", Version: reg.Version}},
		Dependencies: []serde.Dependency{{Name: "shop.Address", Text: address}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(r, f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Append(ctx, nil, "customers", customer{addr{"Bern"}})
	if err != nil {
		t.Fatal(err)
	}
	// The reader knows nothing but the registry.
	var got any
	if err := deserializer[any](t, r, "").Decode(ctx, "customers", b, &got); err != nil || fmt.Sprint(got) != "map[home:map[city:Bern]]" {
		t.Errorf("read %v, %v", got, err)
	}
}

func TestRootBytesHaveNoLength(t *testing.T) {
	ctx := context.Background()
	r := &shelf{}
	for _, v := range []string{"", "abc", strings.Repeat("x", 300)} {
		b, err := serializer[[]byte](t, r, `"bytes"`).Append(ctx, nil, "blobs", []byte(v))
		if err != nil || string(b[5:]) != v {
			t.Errorf("%d bytes became %d, %v: want the bytes behind the frame", len(v), len(b)-5, err)
		}
		var got []byte
		if err := deserializer[[]byte](t, r, `"bytes"`).Decode(ctx, "blobs", b, &got); err != nil || string(got) != v {
			t.Errorf("read %q, %v", got, err)
		}
	}
}

func TestPayloadsAreUsedUp(t *testing.T) {
	ctx := context.Background()
	r := &shelf{}
	b, err := serializer[shopOrderV2](t, r, orderV2).Append(ctx, nil, "orders", shopOrderV2{1, "x"})
	if err != nil {
		t.Fatal(err)
	}
	d := deserializer[shopOrderV2](t, r, orderV2)
	var got shopOrderV2
	var data *avro.DataError
	if err := d.Decode(ctx, "orders", append(b, 0), &got); !errors.As(err, &data) {
		t.Errorf("a trailing byte: %v", err)
	}
	for n := 5; n < len(b); n++ {
		if err := d.Decode(ctx, "orders", b[:n], &got); !errors.As(err, &data) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
}

func TestFormatRefusesEarly(t *testing.T) {
	r := &shelf{}
	if _, err := avro.NewSerializer[shopOrderV2](r, `{"type":"record"`); err == nil {
		t.Error("half a schema was taken")
	}
	if _, err := avro.NewSerializer[chan int](r, orderV2); err == nil {
		t.Error("a channel was taken for a record")
	}
	if _, err := avro.NewFormat[any](avro.FormatOptions{References: []schema.Reference{{Name: "x"}}}); err == nil {
		t.Error("references without a text were taken")
	}
}

func TestTranscoderForMigrations(t *testing.T) {
	f, err := avro.NewFormat[any](avro.FormatOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := f.Transcoder(&serde.Schema{Registered: serde.Registered{Definition: schema.Definition{Text: orderV2}}})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := tr.AppendPayload(nil, nil, []byte(`{"id":5,"note":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := tr.AppendJSON(nil, nil, payload)
	if err != nil || string(text) != `{"id":5,"note":"x"}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestWarmSerializerAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	r := &shelf{}
	sm, or := serializer[small](t, r, smallText), serializer[order](t, r, orderText)
	smallValue, orderValue := newSmall(), newOrder()
	buf := make([]byte, 0, 4096)
	if got := testing.AllocsPerRun(200, func() { sm.Append(ctx, buf, "small", smallValue) }); got != 0 {
		t.Errorf("small: %v allocations, want none", got)
	}
	if got := testing.AllocsPerRun(200, func() { or.Append(ctx, buf, "orders", orderValue) }); got != 0 {
		t.Errorf("order: %v allocations, want none", got)
	}
	if got := testing.AllocsPerRun(200, func() { or.AppendPointer(ctx, buf, "orders", &orderValue) }); got != 0 {
		t.Errorf("order by pointer: %v allocations, want none", got)
	}
	a, errA := or.Append(ctx, nil, "orders", orderValue)
	b, _, errB := or.AppendPointer(ctx, nil, "orders", &orderValue)
	if errA != nil || errB != nil || len(a) != len(b) { // the map's order is free
		t.Errorf("by value %x, %v; by pointer %x, %v", a, errA, b, errB)
	}
}

func benchmarkSerialize[T any](b *testing.B, text string, v T) {
	ctx := context.Background()
	s := serializer[T](b, &shelf{}, text)
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Append(ctx, buf, "topic", v); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkDeserialize[T any](b *testing.B, writer, reader string, v any) {
	ctx := context.Background()
	r := &shelf{}
	payload, err := serializer[any](b, r, writer).Append(ctx, nil, "topic", v)
	if err != nil {
		b.Fatal(err)
	}
	d := deserializer[T](b, r, reader)
	b.ReportAllocs()
	for b.Loop() {
		var got T
		if err := d.Decode(ctx, "topic", payload, &got); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSerialize(b *testing.B) {
	b.Run("small", func(b *testing.B) { benchmarkSerialize(b, smallText, newSmall()) })
	b.Run("order", func(b *testing.B) { benchmarkSerialize(b, orderText, newOrder()) })
	b.Run("order-pointer", func(b *testing.B) {
		ctx := context.Background()
		s := serializer[order](b, &shelf{}, orderText)
		v := newOrder()
		buf := make([]byte, 0, 4096)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := s.AppendPointer(ctx, buf, "topic", &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDeserialize(b *testing.B) {
	evolved := strings.Replace(orderText, `{"name":"notes","type":"string"}`, `{"name":"notes","type":"string"},{"name":"score","type":"double","default":1}`, 1)
	b.Run("small", func(b *testing.B) { benchmarkDeserialize[small](b, smallText, smallText, newSmall()) })
	b.Run("order", func(b *testing.B) { benchmarkDeserialize[order](b, orderText, orderText, newOrder()) })
	b.Run("order-evolved", func(b *testing.B) { benchmarkDeserialize[order](b, orderText, evolved, newOrder()) })
}

func ExampleNewSerializer() {
	ctx := context.Background()
	registry := &shelf{} // in an application: a srclient.Client
	s, err := avro.NewSerializer[shopOrderV2](registry, orderV2)
	if err != nil {
		panic(err)
	}
	b, err := s.Append(ctx, nil, "orders", shopOrderV2{ID: 7, Note: "gift"})
	fmt.Printf("% x %v", b, err)
	// Output: 00 00 00 00 01 0e 08 67 69 66 74 <nil>
}

func ExampleNewDeserializer() {
	ctx := context.Background()
	registry := &shelf{}
	writer, _ := avro.NewSerializer[shopOrderV1](registry, orderV1)
	b, _ := writer.Append(ctx, nil, "orders", shopOrderV1{ID: 7, Old: "x"})

	// The application has moved on; what was written stays readable.
	reader, err := avro.NewDeserializer[shopOrderV2](registry, orderV2)
	if err != nil {
		panic(err)
	}
	var order shopOrderV2
	err = reader.Decode(ctx, "orders", b, &order)
	fmt.Printf("%+v %v", order, err)
	// Output: {ID:7 Note:none} <nil>
}

func TestConstructorsRefuseNothing(t *testing.T) {
	_, noRegistry := avro.NewSerializer[any](nil, `"int"`)
	wantError(t, noRegistry, "serde: the registry is nil: give a client of one, such as srclient.New returns")
	_, noRegistry = avro.NewDeserializer[any](nil, "")
	wantError(t, noRegistry, "serde: the registry is nil: give a client of one, such as srclient.New returns")
	_, noOption := avro.NewSerializer[any](&shelf{}, `"int"`, serde.ForKey(), nil)
	wantError(t, noOption, "serde: option 2 is nil")
	_, noOption = avro.NewDeserializer[any](&shelf{}, "", nil)
	wantError(t, noOption, "serde: option 1 is nil")
}
