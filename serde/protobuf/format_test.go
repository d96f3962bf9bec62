package protobuf

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"cel.dev/expr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// memory is a registry that parses nothing: it numbers definitions.
type memory struct {
	mu       sync.Mutex
	byID     []serde.Registered
	versions map[schema.Subject][]serde.Registered
}

func newMemory() *memory { return &memory{versions: map[schema.Subject][]serde.Registered{}} }

func (m *memory) Register(_ context.Context, subject schema.Subject, def schema.Definition, _ serde.RegisterOptions) (serde.Registered, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, known := range m.versions[subject] {
		if known.Fingerprint() == def.Fingerprint() {
			return known, nil
		}
	}
	r := serde.Registered{ID: schema.ID(len(m.byID) + 1), GUID: def.Fingerprint().GUID(), Subject: subject, Definition: def}
	r.Version = schema.Version(len(m.versions[subject]) + 1)
	m.byID = append(m.byID, r)
	m.versions[subject] = append(m.versions[subject], r)
	return r, nil
}

func (m *memory) Lookup(_ context.Context, subject schema.Subject, def schema.Definition, _ serde.LookupOptions) (serde.Registered, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, known := range m.versions[subject] {
		if known.Fingerprint() == def.Fingerprint() {
			return known, nil
		}
	}
	return serde.Registered{}, serde.ErrNotFound
}

func (m *memory) SchemaByID(_ context.Context, id schema.ID, _ schema.Subject) (serde.Registered, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id < 1 || int(id) > len(m.byID) {
		return serde.Registered{}, serde.ErrNotFound
	}
	return m.byID[id-1], nil
}

func (m *memory) SchemaByGUID(_ context.Context, guid schema.GUID) (serde.Registered, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.byID {
		if r.GUID == guid {
			return r, nil
		}
	}
	return serde.Registered{}, serde.ErrNotFound
}

func (m *memory) Version(_ context.Context, subject schema.Subject, v schema.Version, _ bool) (serde.Registered, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.versions[subject]
	if v == schema.Latest {
		v = schema.Version(len(list))
	}
	if v < 1 || int(v) > len(list) {
		return serde.Registered{}, fmt.Errorf("%s %d: %w", subject, v, serde.ErrNotFound)
	}
	return list[v-1], nil
}

func (m *memory) LatestWithMetadata(context.Context, schema.Subject, map[string]string) (serde.Registered, error) {
	return serde.Registered{}, serde.ErrNotFound
}

func (m *memory) Associations(context.Context, serde.Resource) ([]serde.Association, error) {
	return nil, nil
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// checked is a generated message whose file imports another one.
func checked() *expr.CheckedExpr {
	return &expr.CheckedExpr{
		Expr:    &expr.Expr{Id: 7, ExprKind: &expr.Expr_IdentExpr{IdentExpr: &expr.Expr_Ident{Name: "x"}}},
		TypeMap: map[int64]*expr.Type{7: {TypeKind: &expr.Type_Primitive{Primitive: expr.Type_STRING}}},
	}
}

func TestGeneratedMessagesRegisterWithTheirImports(t *testing.T) {
	ctx, registry := t.Context(), newMemory()
	ser := must[*serde.Serializer[*expr.CheckedExpr]](t)(NewSerializer[*expr.CheckedExpr](registry))
	framed := must[[]byte](t)(ser.Append(ctx, nil, "exprs", checked()))

	dep := registry.versions["cel/expr/syntax.proto"]
	main := registry.versions["exprs-value"]
	if len(dep) != 1 || len(main) != 1 {
		t.Fatalf("registered: %v", registry.versions)
	}
	if got := fmt.Sprint(main[0].References); got != "[{cel/expr/syntax.proto cel/expr/syntax.proto 1}]" {
		t.Errorf("references %s", got)
	}
	if !strings.Contains(main[0].Text, "import \"cel/expr/syntax.proto\";\n") || !strings.Contains(main[0].Text, "message CheckedExpr {\n") {
		t.Error(main[0].Text)
	}

	t.Run("into the generated type", func(t *testing.T) {
		des := must[*serde.Deserializer[*expr.CheckedExpr]](t)(NewDeserializer[*expr.CheckedExpr](registry))
		var got *expr.CheckedExpr
		if err := des.Decode(ctx, "exprs", framed, &got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, checked()) {
			t.Errorf("got %v", got)
		}
		again := got
		if err := des.Decode(ctx, "exprs", framed, &got); err != nil || again != got || !proto.Equal(got, checked()) {
			t.Errorf("a message that is there is reused: %v %v", err, got)
		}
	})
	t.Run("into any message", func(t *testing.T) {
		des := must[*serde.Deserializer[proto.Message]](t)(NewDeserializer[proto.Message](registry))
		var got proto.Message
		if err := des.Decode(ctx, "exprs", framed, &got); err != nil {
			t.Fatal(err)
		}
		raw := must[[]byte](t)(proto.Marshal(got))
		back := &expr.CheckedExpr{}
		if err := proto.Unmarshal(raw, back); err != nil || !proto.Equal(back, checked()) {
			t.Errorf("%v: got %v", err, got)
		}
	})
	t.Run("into a message that can be changed", func(t *testing.T) {
		des := must[*serde.Deserializer[*dynamicpb.Message]](t)(NewDeserializer[*dynamicpb.Message](registry))
		var got *dynamicpb.Message
		if err := des.Decode(ctx, "exprs", framed, &got); err != nil {
			t.Fatal(err)
		}
		got.Clear(got.Descriptor().Fields().ByName("expr"))
	})
	t.Run("into another type", func(t *testing.T) {
		des := must[*serde.Deserializer[*expr.Expr]](t)(NewDeserializer[*expr.Expr](registry))
		var got *expr.Expr
		err := des.Decode(ctx, "exprs", framed, &got)
		if err == nil || !strings.Contains(err.Error(), "the record holds a cel.expr.CheckedExpr, not a cel.expr.Expr") {
			t.Errorf("got %v", err)
		}
	})
}

func TestMessageIndexesOfNestedMessages(t *testing.T) {
	ctx, registry := t.Context(), newMemory()
	ser := must[*serde.Serializer[proto.Message]](t)(NewSerializer[proto.Message](registry))
	des := must[*serde.Deserializer[proto.Message]](t)(NewDeserializer[proto.Message](registry))
	s := file(t, `syntax = "proto3"; package n;
		message A { message X { int32 a = 1; } message Y { message Z { int32 a = 1; } } map<int32, int32> m = 1; }
		message B { int32 a = 1; }`)
	for name, want := range map[protoreflect.FullName]string{
		"n.A":     "00",
		"n.B":     "0202",
		"n.A.X":   "040000",
		"n.A.Y":   "040002",
		"n.A.Y.Z": "06000200",
	} {
		m := dynamicpb.NewMessage(s.Message(name))
		framed := must[[]byte](t)(ser.Append(ctx, nil, "n", m))
		if got := fmt.Sprintf("%x", framed[5:]); got != want {
			t.Errorf("%s has the indexes %s, want %s", name, got, want)
		}
		var back proto.Message
		if err := des.Decode(ctx, "n", framed, &back); err != nil || back.ProtoReflect().Descriptor().FullName() != name {
			t.Errorf("%s came back as %v, %v", name, back, err)
		}
	}
	if n := len(registry.versions["n-value"]); n != 1 {
		t.Errorf("%d versions for messages of one file", n)
	}
	for payload, want := range map[string]string{
		"\x00\x00\x00\x00\x01\x02\x06":     "message 3, the schema has 2",
		"\x00\x00\x00\x00\x01\x04\x02\x00": "message 0, n.B has 0",
		"\x00\x00\x00\x00\x01\x02\x01":     "message",
		"\x00\x00\x00\x00\x01":             "indexes",
	} {
		var m proto.Message
		if err := des.Decode(ctx, "n", []byte(payload), &m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%x: got %v, want %s", payload, err, want)
		}
	}
}

func TestNothingToWrite(t *testing.T) {
	ctx, registry := t.Context(), newMemory()
	typed := must[*serde.Serializer[*expr.Expr]](t)(NewSerializer[*expr.Expr](registry))
	if _, err := typed.Append(ctx, nil, "e", nil); err == nil || !strings.Contains(err.Error(), "a nil cel.expr.Expr") {
		t.Error(err)
	}
	open := must[*serde.Serializer[proto.Message]](t)(NewSerializer[proto.Message](registry))
	if _, err := open.Append(ctx, nil, "e", nil); err == nil {
		t.Error("a nil message was written")
	}
}

func TestWarmSerializerDoesNotAllocate(t *testing.T) {
	ctx, registry := t.Context(), newMemory()
	ser := must[*serde.Serializer[*structpb.Value]](t)(NewSerializer[*structpb.Value](registry))
	v := structpb.NewStringValue("hello")
	buf := must[[]byte](t)(ser.Append(ctx, nil, "v", v))
	if n := testing.AllocsPerRun(100, func() { buf, _ = ser.Append(ctx, buf[:0], "v", v) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	open := must[*serde.Serializer[proto.Message]](t)(NewSerializer[proto.Message](registry))
	buf = must[[]byte](t)(open.Append(ctx, buf[:0], "v", v))
	if n := testing.AllocsPerRun(100, func() { buf, _ = open.Append(ctx, buf[:0], "v", v) }); n != 0 {
		t.Errorf("%v allocations for proto.Message", n)
	}
}

func TestLatestIsCheckedAgainstTheMessage(t *testing.T) {
	ctx, registry := t.Context(), newMemory()
	def := must[*serde.Local](t)(DefinitionOf(&expr.Expr{}))
	wider := def.Definition
	wider.Text += "message Later {}\n"
	if _, err := registry.Register(ctx, "e-value", wider, serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	ser := must[*serde.Serializer[*expr.Expr]](t)(NewSerializer[*expr.Expr](registry, serde.WithLatest()))
	if _, err := ser.Append(ctx, nil, "e", &expr.Expr{Id: 1}); err != nil {
		t.Error(err)
	}
	other := schema.Definition{Type: schema.Protobuf, Text: "syntax = \"proto3\";\npackage cel.expr;\n\nmessage Expr {\n  string id = 2;\n}\n"}
	if _, err := registry.Register(ctx, "f-value", other, serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	ser = must[*serde.Serializer[*expr.Expr]](t)(NewSerializer[*expr.Expr](registry, serde.WithLatest()))
	if _, err := ser.Append(ctx, nil, "f", &expr.Expr{Id: 1}); err == nil {
		t.Error("written with a schema that does not fit")
	}
}

func TestMetadataIsRegistered(t *testing.T) {
	f := NewFormat[*expr.Expr](FormatOptions{Metadata: &schema.Metadata{Properties: map[string]string{"owner": "me"}}})
	if got := f.Local(&expr.Expr{}); got.Metadata.Properties["owner"] != "me" || got.Name != "cel.expr.Expr" {
		t.Errorf("%+v", got)
	}
	if f.Local(&expr.Expr{}) != f.Local(&expr.Expr{Id: 2}) || f.Reader() != f.Local(nil) {
		t.Error("two schemas for one type")
	}
}

// TestDefinitionsAreCanonical registers what a registry would store anyway, so
// that a registration and a lookup by text agree.
func TestDefinitionsAreCanonical(t *testing.T) {
	for _, m := range []proto.Message{&expr.CheckedExpr{}, &expr.Expr{}, &structpb.Value{}} {
		local := must[*serde.Local](t)(DefinitionOf(m))
		var deps []compat.Dependency
		for _, d := range local.Dependencies {
			deps = append(deps, compat.Dependency{Name: d.Name, Text: d.Text})
		}
		if s := file(t, local.Text, deps...); s.Canonical() != local.Text {
			t.Errorf("%s:\n%s\ncanonical:\n%s", local.Name, local.Text, s.Canonical())
		}
	}
}

func TestConstructorsRefuseNothing(t *testing.T) {
	_, noRegistry := NewSerializer[proto.Message](nil)
	_, noRegistryEither := NewDeserializer[proto.Message](nil)
	_, noOption := NewSerializer[proto.Message](newMemory(), nil)
	_, noOptionEither := NewDeserializer[proto.Message](newMemory(), nil)
	for want, errs := range map[string][]error{
		"the registry is nil": {noRegistry, noRegistryEither},
		"option 1 is nil":     {noOption, noOptionEither},
	} {
		for _, err := range errs {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
}
