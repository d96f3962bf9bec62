package jsonschema_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
)

// shelf is a registry in memory: IDs in order of registration.
type shelf struct {
	mu  sync.Mutex
	all []serde.Registered
}

func (r *shelf) Register(_ context.Context, s schema.Subject, d schema.Definition, _ serde.RegisterOptions) (serde.Registered, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.all {
		if known.Subject == s && known.Text == d.Text {
			return known, nil
		}
	}
	reg := serde.Registered{ID: schema.ID(len(r.all) + 1), GUID: md5.Sum([]byte(d.Text)), Subject: s, Version: schema.Version(len(r.all) + 1), Definition: d}
	r.all = append(r.all, reg)
	return reg, nil
}

func (r *shelf) find(match func(serde.Registered) bool) (serde.Registered, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
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

const personText = `{"title":"Person","type":"object","properties":{"name":{"type":"string","minLength":1},"age":{"type":"integer","minimum":0}},"required":["name"]}`

type person struct {
	Name string `json:"name"`
	Age  int64  `json:"age,omitempty"`
}

func TestValuesComeBack(t *testing.T) {
	registry, ctx := &shelf{}, context.Background()
	write, err := jsonschema.NewSerializer[person](registry, personText)
	if err != nil {
		t.Fatal(err)
	}
	read, err := jsonschema.NewDeserializer[person](registry, personText)
	if err != nil {
		t.Fatal(err)
	}
	in := person{"Ada <Lovelace> & Co", 36}
	payload, err := write.Append(ctx, nil, "people", in)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(payload[5:]); got != `{"name":"Ada <Lovelace> & Co","age":36}` {
		t.Errorf("payload %s", got)
	}
	var out person
	err = read.Decode(ctx, "people", payload, &out)
	if err != nil || out != in {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := write.Append(ctx, nil, "people", person{Age: 3}); err == nil || !strings.Contains(err.Error(), `/name (byte 8): want a string of at least 1 characters, found ""`) {
		t.Errorf("a value that the schema refuses: %v", err)
	}
	bad := append(append([]byte{}, payload[:5]...), `{"name":"x","age":-1}`...)
	if err := read.Decode(ctx, "people", bad, &out); err == nil || !strings.Contains(err.Error(), `/age (byte 18): want a number from 0, found -1`) {
		t.Errorf("a payload that the schema refuses: %v", err)
	}
	var place *jsonschema.Error
	if err := read.Decode(ctx, "people", append(bad[:5:5], `{"name":"x"`...), &out); !errors.As(err, &place) || place.Pos != 11 {
		t.Errorf("half a payload: %v", err)
	}
}

func TestWithoutSchemaOfOnesOwn(t *testing.T) {
	registry, ctx := &shelf{}, context.Background()
	reg, _ := registry.Register(ctx, "people-value", schema.Definition{Type: schema.JSON, Text: personText}, serde.RegisterOptions{})
	write, err := jsonschema.NewSerializer[map[string]any](registry, "", serde.WithLatest())
	if err != nil {
		t.Fatal(err)
	}
	payload, err := write.Append(ctx, nil, "people", map[string]any{"name": "Ada"})
	if err != nil || string(payload) != "\x00\x00\x00\x00"+string(rune(reg.ID))+`{"name":"Ada"}` {
		t.Fatalf("%q, %v", payload, err)
	}
	if _, err := write.Append(ctx, nil, "people", map[string]any{}); err == nil || !strings.Contains(err.Error(), `want a member "name"`) {
		t.Errorf("without a name: %v", err)
	}
	format, err := jsonschema.NewFormat[any](jsonschema.FormatOptions{UseNumber: true, Unvalidated: true})
	if err != nil {
		t.Fatal(err)
	}
	read, err := serde.NewDeserializer(registry, format)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	err = read.Decode(ctx, "people", append(payload[:5:5], `{"age":12345678901234567890}`...), &out)
	if want := any(map[string]any{"age": json.Number("12345678901234567890")}); err != nil || !reflect.DeepEqual(out, want) {
		t.Errorf("%v, %v", out, err)
	}
	if err := read.Decode(ctx, "people", append(payload[:5:5], `{} {}`...), &out); err == nil {
		t.Error("two values are read as one")
	}
}

func TestFormatsCheckAndTranscode(t *testing.T) {
	format, err := jsonschema.NewFormat[any](jsonschema.FormatOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) *serde.Schema {
		return &serde.Schema{Registered: serde.Registered{Definition: schema.Definition{Type: schema.JSON, Text: s}}}
	}
	if err := format.Check(text(`{"type":"number"}`), text(`{"type":"integer"}`)); err != nil {
		t.Error(err)
	}
	if err := format.Check(text(`{"type":"integer"}`), text(`{"type":"number"}`)); err == nil || !strings.Contains(err.Error(), "TYPE_NARROWED") {
		t.Error(err)
	}
	c, err := format.Transcoder(text(personText))
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.AppendPayload([]byte("x"), nil, []byte(` {"name" : "Ada"} `))
	if err != nil || string(out) != `x{"name":"Ada"}` {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := c.AppendPayload([]byte("x"), nil, []byte(`{"name":3}`)); err == nil || string(out) != "x" {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := c.AppendJSON([]byte("x"), nil, []byte("{\n}")); err != nil || string(out) != "x{}" {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := c.AppendJSON([]byte("x"), nil, []byte("{")); err == nil || string(out) != "x" {
		t.Errorf("%s, %v", out, err)
	}
}

func TestFormatOfWhatCannotWork(t *testing.T) {
	for _, o := range []jsonschema.FormatOptions{
		{Text: `{"type":"strin"}`},
		{Text: `{"$ref":"elsewhere"}`},
		{Text: `{"pattern":"(?=a)"}`},
		{Text: `{"anyOf":[{"$ref":"#"}]}`},
		{Metadata: &schema.Metadata{}},
	} {
		if _, err := jsonschema.NewFormat[any](o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestConstructorsRefuseNothing(t *testing.T) {
	r := &shelf{}
	_, noRegistry := jsonschema.NewSerializer[any](nil, `{}`)
	_, noRegistryEither := jsonschema.NewDeserializer[any](nil, "")
	_, noOption := jsonschema.NewSerializer[any](r, `{}`, nil)
	_, noOptionEither := jsonschema.NewDeserializer[any](r, "", nil)
	_, noSchema := jsonschema.NewSerializer[any](r, "")
	for want, errs := range map[string][]error{
		"the registry is nil":     {noRegistry, noRegistryEither},
		"option 1 is nil":         {noOption, noOptionEither},
		"no schema to write with": {noSchema},
	} {
		for _, err := range errs {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
}
