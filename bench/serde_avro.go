package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	hamba "github.com/hamba/avro/v2"
	"github.com/linkedin/goavro/v2"
	twmb "github.com/twmb/avro"

	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/avro/avrobench"
)

// shape is one of the records that codecs are measured with. The older version
// of its schema lacks the field late and has a field that the newer one dropped.
type shape[T any] struct {
	name, text        string
	value             T
	late, lateDefault string

	encode, decode, evolved float64 // how many times as fast as hamba
}

// versions returns the older schema's text, and the newer one's with a default
// for the late field.
func (s shape[T]) versions() (older, newer string, err error) {
	var doc map[string]any
	if err := json.Unmarshal([]byte(s.text), &doc); err != nil {
		return "", "", err
	}
	fields := doc["fields"].([]any)
	var kept []any
	for _, f := range fields {
		f := f.(map[string]any)
		if f["name"] == s.late {
			f["default"] = json.RawMessage(s.lateDefault)
			continue
		}
		kept = append(kept, f)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return "", "", err
	}
	newer = string(b)
	doc["fields"] = append(kept, map[string]any{"name": "legacy", "type": "string"})
	b, err = json.Marshal(doc)
	return string(b), newer, err
}

const hambaName, twmbName, goavroName = "hamba/avro v2.31.0", "twmb/avro v1.9.0", "linkedin/goavro v2.15.0"

// benchShape measures encoding, decoding and decoding what an older writer wrote.
func benchShape[T any](ctx context.Context, o options, r *report, s shape[T]) error {
	ours, err := avro.Parse(s.text)
	if err != nil {
		return err
	}
	codec, err := avro.NewCodec[T](ours, avro.WithArena())
	if err != nil {
		return err
	}
	copying, err := avro.NewCodec[T](ours)
	if err != nil {
		return err
	}
	theirs, err := hamba.Parse(s.text)
	if err != nil {
		return err
	}
	// goavro knows no structs: it decodes to maps and encodes them.
	third, err := goavro.NewCodec(s.text)
	if err != nil {
		return err
	}
	other, err := twmb.Parse(s.text)
	if err != nil {
		return err
	}
	data, err := codec.Append(nil, &s.value)
	if err != nil {
		return err
	}
	var a, b, c T
	if err := codec.Decode(data, &a); err != nil {
		return err
	}
	if err := hamba.Unmarshal(theirs, data, &b); err != nil {
		return fmt.Errorf("hamba: %w", err)
	}
	if _, err := other.Decode(data, &c); err != nil {
		return fmt.Errorf("twmb: %w", err)
	}
	for _, got := range []T{a, b, c} {
		if err := equal(got, s.value); err != nil {
			return err
		}
	}
	rounds, turn := o.codecRounds()
	if err := benchEncode(ctx, o, r, s, codec, theirs, other, third, data); err != nil {
		return err
	}

	t, err := interleaveCPU(ctx, rounds, turn,
		repeat("ours", func() error { return codec.Decode(data, new(T)) }),
		repeat(hambaName, func() error { return hamba.Unmarshal(theirs, data, new(T)) }),
		repeat("ours, no arena", func() error { return copying.Decode(data, new(T)) }),
		repeat(twmbName, func() error { _, err := other.Decode(data, new(T)); return err }),
		repeat(goavroName+" (maps)", func() error { _, _, err := third.NativeFromBinary(data); return err }))
	if err != nil {
		return err
	}
	name := "Avro decode, new struct, " + s.name
	r.faster(name, t, "ours", hambaName, atLeast(s.decode))
	r.faster(name+", no arena", t, "ours, no arena", hambaName, target{})
	r.faster(name, t, "ours", twmbName, target{})
	r.faster(name, t, "ours", goavroName+" (maps)", target{})
	return benchEvolved(ctx, o, r, s)
}

func benchEncode[T any](ctx context.Context, o options, r *report, s shape[T], codec *avro.Codec[T], theirs hamba.Schema, other *twmb.Schema, third *goavro.Codec, data []byte) error {
	native, _, err := third.NativeFromBinary(data)
	if err != nil {
		return fmt.Errorf("goavro: %w", err)
	}
	buf := make([]byte, 0, 1<<17)
	writer := hamba.NewEncoderForSchema(theirs, &reused{buf: buf})
	append1 := func() error { _, err := codec.Append(buf, &s.value); return err }
	rounds, turn := o.codecRounds()
	t, err := interleaveCPU(ctx, rounds, turn,
		repeat("ours", append1),
		repeat(hambaName, func() error { return writer.Encode(&s.value) }),
		repeat(twmbName, func() error { _, err := other.AppendEncode(buf, &s.value); return err }),
		repeat(goavroName+" (maps)", func() error { _, err := third.BinaryFromNative(buf, native); return err }))
	if err != nil {
		return err
	}
	name := "Avro encode into a reused buffer, " + s.name
	r.faster(name, t, "ours", hambaName, atLeast(s.encode))
	r.faster(name, t, "ours", twmbName, target{})
	r.faster(name, t, "ours", goavroName+" (maps)", target{})
	allocs := testing.AllocsPerRun(100, func() { _ = append1() })
	w := r.add(row{Name: name + ", allocations", Unit: "allocs/op", Ours: &allocs}, target{})
	w.Target, w.Met = "0", ptr(allocs == 0)
	return nil
}

// reused is a writer that keeps the last record.
type reused struct{ buf []byte }

func (w *reused) Write(p []byte) (int, error) {
	w.buf = append(w.buf[:0], p...)
	return len(p), nil
}

func benchEvolved[T any](ctx context.Context, o options, r *report, s shape[T]) error {
	older, newer, err := s.versions()
	if err != nil {
		return err
	}
	w, err := avro.Parse(older)
	if err != nil {
		return err
	}
	rd, err := avro.Parse(newer)
	if err != nil {
		return err
	}
	codec, err := avro.NewResolvingCodec[T](w, rd, avro.WithArena())
	if err != nil {
		return err
	}
	hw, err := hamba.Parse(older)
	if err != nil {
		return err
	}
	hr, err := hamba.Parse(newer)
	if err != nil {
		return err
	}
	resolved, err := hamba.NewSchemaCompatibility().Resolve(hr, hw)
	if err != nil {
		return fmt.Errorf("hamba: %w", err)
	}
	data, err := olderPayload(s, older)
	if err != nil {
		return err
	}
	tr, err := twmb.Resolve(twmb.MustParse(older), twmb.MustParse(newer))
	if err != nil {
		return fmt.Errorf("twmb: %w", err)
	}
	var a, b, c T
	if err := codec.Decode(data, &a); err != nil {
		return err
	}
	if err := hamba.Unmarshal(resolved, data, &b); err != nil {
		return fmt.Errorf("hamba: %w", err)
	}
	if _, err := tr.Decode(data, &c); err != nil {
		return fmt.Errorf("twmb: %w", err)
	}
	for _, got := range []T{b, c} {
		if err := equal(a, got); err != nil {
			return err
		}
	}
	rounds, turn := o.codecRounds()
	t, err := interleaveCPU(ctx, rounds, turn,
		repeat("ours", func() error { return codec.Decode(data, new(T)) }),
		repeat(hambaName, func() error { return hamba.Unmarshal(resolved, data, new(T)) }),
		repeat(twmbName, func() error { _, err := tr.Decode(data, new(T)); return err }))
	if err != nil {
		return err
	}
	r.faster("Avro decode, older writer, "+s.name, t, "ours", hambaName, atLeast(s.evolved))
	r.faster("Avro decode, older writer, "+s.name, t, "ours", twmbName, target{})
	return nil
}

// olderPayload is the value as a writer of the older schema would have written it.
func olderPayload[T any](shape shape[T], older string) ([]byte, error) {
	s, err := avro.Parse(shape.text)
	if err != nil {
		return nil, err
	}
	data, err := avro.Marshal(s, &shape.value)
	if err != nil {
		return nil, err
	}
	var generic any
	if err := avro.Unmarshal(s, data, &generic); err != nil {
		return nil, err
	}
	delete(generic.(map[string]any), shape.late)
	generic.(map[string]any)["legacy"] = "what nobody reads any more"
	w, err := avro.Parse(older)
	if err != nil {
		return nil, err
	}
	return avro.Marshal(w, generic)
}

// benchWalk measures validation without decoding, and Avro to JSON.
func benchWalk(ctx context.Context, o options, r *report) error {
	s, err := avro.Parse(avrobench.OrderText)
	if err != nil {
		return err
	}
	theirs, err := hamba.Parse(avrobench.OrderText)
	if err != nil {
		return err
	}
	v := avrobench.NewOrder()
	data, err := avro.Marshal(s, &v)
	if err != nil {
		return err
	}
	strict, err := avro.NewValidator(s, avro.ValidateOptions{})
	if err != nil {
		return err
	}
	lax, err := avro.NewValidator(s, avro.ValidateOptions{SkipUTF8: true})
	if err != nil {
		return err
	}
	buf := make([]byte, 0, 1<<16)
	text, err := avro.AppendJSON(buf, s, data)
	if err != nil {
		return err
	}
	if !json.Valid(text) || !strings.Contains(string(text), v.ID) {
		return fmt.Errorf("not the order as JSON: %s", text)
	}
	typed, generic := hambaName+" decode to a struct", hambaName+" map, encoding/json"
	rounds, turn := o.codecRounds()
	t, err := interleaveCPU(ctx, rounds, turn,
		repeat("walk", func() error { return strict.Validate(data) }),
		repeat("walk, no UTF-8", func() error { return lax.Validate(data) }),
		repeat(typed, func() error { return hamba.Unmarshal(theirs, data, new(avrobench.Order)) }),
		repeat("json", func() error { _, err := avro.AppendJSON(buf, s, data); return err }),
		repeat(generic, func() error {
			var m map[string]any
			if err := hamba.Unmarshal(theirs, data, &m); err != nil {
				return err
			}
			_, err := json.Marshal(m)
			return err
		}))
	if err != nil {
		return err
	}
	r.faster("validate-only walk, order, without UTF-8", t, "walk, no UTF-8", typed, atLeast(8))
	r.faster("validate-only walk, order, with UTF-8", t, "walk", typed, atLeast(4))
	r.faster("Avro to JSON, order", t, "json", generic, atLeast(15))
	return nil
}
