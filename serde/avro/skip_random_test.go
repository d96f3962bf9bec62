package avro_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	oracle "github.com/twmb/avro"

	compat "github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

// TestLackingAFieldIsDroppingIt: a Go type without some fields of the reader's
// schema reads what is read with a schema without them, by us and by the oracle,
// and refuses the same payloads. Readers here lack branches of the writer's unions.
func TestLackingAFieldIsDroppingIt(t *testing.T) {
	seed := rand.Uint64()
	var alike, refused, mattered, judged int
	for k := range 1000 {
		r := rand.New(rand.NewPCG(seed, uint64(k)))
		text := (&schemaMaker{r: r, logical: k%3 == 0}).record(4)
		readerText := changed(evolve(r, text), func(doc any) any { return fewerBranches(r, doc) })
		w, err := avro.Parse(text)
		if err != nil {
			t.Fatalf("seed %d/%d: %v\n%s", seed, k, err, text)
		}
		rd, err := avro.Parse(readerText)
		if err != nil || avro.Resolve(w, rd) != nil {
			continue
		}
		narrowText := withoutFields(r, readerText, heldByInterfaces(rd.Root()))
		if narrowText == readerText {
			continue
		}
		narrow := avro.MustParse(narrowText)
		typ := goTypeOf(narrow.Root(), map[*compat.Node]bool{})
		where := fmt.Sprintf("seed %d/%d\nwriter %s\nreader %s\nwithout %s", seed, k, text, readerText, narrowText)
		data := mustMarshal(w, randomValue(r, w.Root(), 0))
		for try := range 8 {
			payload := data
			if try > 0 && len(data) > 0 {
				payload = bytes.Clone(data)
				payload[r.IntN(len(payload))] ^= 1 << r.IntN(8)
			}
			into := reflect.New(typ).Interface()
			lacking := avro.UnmarshalResolved(w, rd, payload, into)
			var v any
			dropping := avro.UnmarshalResolved(w, narrow, payload, &v)
			if (lacking == nil) != (dropping == nil) {
				t.Fatalf("%s\n%x\nlacking: %v\ndropping: %v", where, payload, lacking, dropping)
			}
			if lacking != nil {
				refused++
			}
			if lacking != nil || try > 0 {
				continue // a wrong map may have two entries, which have no order
			}
			alike++
			ours := mustMarshal(narrow, into)
			if want := mustMarshal(narrow, v); !bytes.Equal(ours, want) {
				t.Fatalf("%s\n%x\nlacking: %+v\ndropping: %v", where, payload, into, v)
			}
			var whole any
			if avro.UnmarshalResolved(w, rd, payload, &whole) != nil {
				mattered++
			}
			if theirs, ok := byOracle(text, narrowText, payload); ok && k%3 != 0 {
				judged++
				if !bytes.Equal(theirs, ours) {
					t.Fatalf("%s\n%x\nours %x\noracle %x", where, payload, ours, theirs)
				}
			}
		}
	}
	t.Logf("%d alike, %d of them with something to refuse in what is lacking, %d judged, %d refused", alike, mattered, judged, refused)
	if alike < 200 || refused < 200 || mattered < 8 || judged < 100 {
		t.Errorf("%d alike, %d mattered, %d judged, %d refused", alike, mattered, judged, refused)
	}
}

// byOracle reads data of the writer and writes it as the reader, if the other
// implementation has it that the two go together.
func byOracle(writer, reader string, data []byte) ([]byte, bool) {
	w, err := oracle.Parse(writer)
	if err != nil {
		return nil, false
	}
	r, err := oracle.Parse(reader)
	if err != nil {
		return nil, false
	}
	resolved, err := oracle.Resolve(w, r)
	if err != nil {
		return nil, false
	}
	var v any
	if rest, err := resolved.Decode(data, &v, oracle.TaggedUnions()); err != nil || len(rest) > 0 {
		return []byte(fmt.Sprintf("refused: %v", err)), true
	}
	out, err := r.Encode(v, oracle.TaggedUnions())
	return out, err == nil
}

func changed(text string, change func(any) any) string {
	var doc any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		panic(err)
	}
	out, err := json.Marshal(change(doc))
	if err != nil {
		panic(err)
	}
	return string(out)
}

// fewerBranches takes a branch from every second union, and the union from what is
// left if that is one branch.
func fewerBranches(r *rand.Rand, doc any) any {
	switch x := doc.(type) {
	case []any:
		for i := range x {
			x[i] = fewerBranches(r, x[i])
		}
		if len(x) > 1 && r.IntN(2) == 0 {
			i := r.IntN(len(x))
			x = append(x[:i:i], x[i+1:]...)
		}
		if len(x) == 1 {
			return x[0]
		}
		return x
	case map[string]any:
		if fields, ok := x["fields"].([]any); ok {
			for _, f := range fields {
				field := f.(map[string]any)
				field["type"] = fewerBranches(r, field["type"])
			}
		}
		for _, of := range []string{"items", "values"} {
			if x[of] != nil {
				x[of] = fewerBranches(r, x[of])
			}
		}
	}
	return doc
}

// withoutFields takes fields from the records of a schema, but for those in kept.
func withoutFields(r *rand.Rand, text string, kept map[string]bool) string {
	var doc any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		panic(err)
	}
	written := func() string {
		out, err := json.Marshal(doc)
		if err != nil {
			panic(err)
		}
		return string(out)
	}
	var visit func(any)
	visit = func(d any) {
		switch x := d.(type) {
		case []any:
			for _, b := range x {
				visit(b)
			}
		case map[string]any:
			visit(x["items"])
			visit(x["values"])
			all, _ := x["fields"].([]any)
			name, _ := x["name"].(string)
			for i := len(all) - 1; i >= 0; i-- {
				visit(all[i].(map[string]any)["type"])
				if kept[name] || r.IntN(2) == 0 {
					continue
				}
				before := x["fields"].([]any)
				x["fields"] = append(before[:i:i], before[i+1:]...)
				if _, err := avro.Parse(written()); err != nil {
					x["fields"] = before // it defines what is used further on
				}
			}
		}
	}
	before := written()
	visit(doc)
	if after := written(); after != before {
		return after
	}
	return text
}

// heldByInterfaces are the names of the records that goTypeOf has no type for at
// one place at least.
func heldByInterfaces(root *compat.Node) map[string]bool {
	names := map[string]bool{}
	var all func(n *compat.Node)
	all = func(n *compat.Node) {
		if n == nil || names[n.FullName()] && n.Kind == compat.Record {
			return
		}
		if n.Kind == compat.Record {
			names[n.FullName()] = true
		}
		for _, f := range n.Fields {
			all(f.Type)
		}
		for _, b := range n.Branches {
			all(b)
		}
		all(n.Items)
	}
	var walk func(n *compat.Node, open map[*compat.Node]bool)
	walk = func(n *compat.Node, open map[*compat.Node]bool) {
		switch {
		case n == nil:
		case open[n] || n.Kind == compat.Union && optional(n) == nil:
			all(n)
		case n.Kind == compat.Union:
			walk(optional(n), open)
		default:
			if n.Kind == compat.Record {
				open[n] = true
				defer delete(open, n)
			}
			for _, f := range n.Fields {
				walk(f.Type, open)
			}
			walk(n.Items, open)
		}
	}
	walk(root, map[*compat.Node]bool{})
	return names
}

// optional returns the type of a union of it and null, or nil.
func optional(n *compat.Node) *compat.Node {
	if len(n.Branches) == 2 {
		for i, b := range n.Branches {
			if other := n.Branches[1-i]; b.Kind == compat.Null && other.Logical == "" {
				return other
			}
		}
	}
	return nil
}

// goTypeOf makes a Go type for n, of interfaces where there can be several types,
// and where a record holds itself.
func goTypeOf(n *compat.Node, open map[*compat.Node]bool) reflect.Type {
	anything := reflect.TypeFor[any]()
	if n.Logical != "" || open[n] {
		return anything
	}
	switch n.Kind {
	case compat.Boolean:
		return reflect.TypeFor[bool]()
	case compat.Int:
		return reflect.TypeFor[int32]()
	case compat.Long:
		return reflect.TypeFor[int64]()
	case compat.Float:
		return reflect.TypeFor[float32]()
	case compat.Double:
		return reflect.TypeFor[float64]()
	case compat.Bytes, compat.Fixed:
		return reflect.TypeFor[[]byte]()
	case compat.String, compat.Enum:
		return reflect.TypeFor[string]()
	case compat.Array:
		return reflect.SliceOf(goTypeOf(n.Items, open))
	case compat.Map:
		return reflect.MapOf(reflect.TypeFor[string](), goTypeOf(n.Items, open))
	case compat.Union:
		if of := optional(n); of != nil {
			if typ := goTypeOf(of, open); typ != anything {
				return reflect.PointerTo(typ)
			}
		}
		return anything
	case compat.Record:
		open[n] = true
		defer delete(open, n)
		fields := make([]reflect.StructField, len(n.Fields))
		for i, f := range n.Fields {
			fields[i] = reflect.StructField{
				Name: fmt.Sprintf("F%d", i),
				Type: goTypeOf(f.Type, open),
				Tag:  reflect.StructTag(fmt.Sprintf("avro:%q", f.Name)),
			}
		}
		return reflect.StructOf(fields)
	}
	return anything
}

// FuzzSkip: whether the schema or the Go type has no such field, a payload is
// taken alike.
func FuzzSkip(f *testing.F) {
	type only struct {
		B int32 `avro:"b"`
	}
	type schemas struct{ writer, has, hasNot *avro.Schema }
	var pairs []schemas
	for i := range skippedValues {
		w, has := skippedValues[i].pair(`{"name":"a","type":TYPE},`, "")
		_, hasNot := skippedValues[i].pair("", "")
		pairs = append(pairs, schemas{w, has, hasNot})
		f.Add(uint8(i), skippedValues[i].payload(w))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		p := pairs[int(which)%len(pairs)]
		var lacking, dropping only
		err := avro.UnmarshalResolved(p.writer, p.has, data, &lacking)
		if want := avro.UnmarshalResolved(p.writer, p.hasNot, data, &dropping); (err == nil) != (want == nil) || lacking != dropping {
			t.Fatalf("lacking: %v, %v\ndropping: %v, %v", lacking, err, dropping, want)
		}
		if walked := avro.Validate(p.writer, data, avro.ValidateOptions{SkipUTF8: true}); (err == nil) != (walked == nil) {
			t.Fatalf("read: %v, walked: %v", err, walked)
		}
	})
}
