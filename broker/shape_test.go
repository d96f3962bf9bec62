package broker

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestShapesAreThoseOfTheCodec encodes random requests of every version with
// the codec and walks them: the walk must end with the last byte.
func TestShapesAreThoseOfTheCodec(t *testing.T) {
	if len(shapes) != len(apis) {
		t.Errorf("%d shapes of %d APIs", len(shapes), len(apis))
	}
	for _, a := range apis {
		for version := max(a.min, a.served); version <= a.max; version++ {
			for seed := range uint64(20) {
				rng := rand.New(rand.NewPCG(seed, uint64(version)))
				req := a.key.Request()
				randomize(rng, reflect.ValueOf(req).Elem(), 3)
				req.SetVersion(version)
				body := req.AppendTo(nil)
				w := shapeWalk{src: body, version: version, flexible: req.IsFlexible()}
				w.run(shapePrograms[a.key])
				if w.err != nil || len(w.src) != 0 {
					t.Fatalf("%s version %d, seed %d: %v, %d bytes left of %d", a.key.Name(), version, seed, w.err, len(w.src), len(body))
				}
				if decoded := a.key.Request(); true {
					decoded.SetVersion(version)
					if err := decoded.ReadFrom(body); err != nil {
						t.Fatalf("%s version %d: %v", a.key.Name(), version, err)
					}
				}
			}
		}
	}
}

// randomize gives every field a random value.
func randomize(rng *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() && v.Type().Field(i).Name != "UnknownTags" {
				randomize(rng, f, depth)
			}
		}
	case reflect.Slice:
		if depth == 0 || rng.IntN(5) == 0 {
			return
		}
		n := rng.IntN(4)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			randomize(rng, v.Index(i), depth-1)
		}
	case reflect.Array:
		for i := range v.Len() {
			randomize(rng, v.Index(i), depth)
		}
	case reflect.Pointer:
		if rng.IntN(3) == 0 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		randomize(rng, v.Elem(), depth)
	case reflect.String:
		v.SetString("some words of text, and more"[:rng.IntN(28)])
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(rng.Int64N(100))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(rng.Uint64N(100))
	case reflect.Float64:
		v.SetFloat(rng.Float64())
	}
}

func TestArraysThatAreNotThereAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		req  kmsg.Request
		body []byte
	}{
		"count beyond the body":       {kmsg.NewPtrMetadataRequest(), append([]byte{0, 0, 0x10, 0}, make([]byte, 100)...)},
		"a million empty names":       {kmsg.NewPtrMetadataRequest(), append([]byte{0, 0x0f, 0x42, 0x40}, make([]byte, 2_000_000)...)},
		"2 billion topics to produce": {kmsg.NewPtrProduceRequest(), []byte{0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}},
	} {
		if _, err := checkShape(c.req, c.body); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzRequest decodes whatever comes as a frame: it must end in a request or an
// error, and with few bytes take little memory.
func FuzzRequest(f *testing.F) {
	for _, a := range apis {
		for _, version := range []int16{max(a.min, a.served), a.max} {
			req := a.key.Request()
			randomize(rand.New(rand.NewPCG(1, 1)), reflect.ValueOf(req).Elem(), 2)
			req.SetVersion(version)
			f.Add(frameOf(req, 1)[4:])
		}
	}
	b, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	b.auth, b.quotas = &authorizer{}, &quotas{} // as Start makes them of an empty directory
	b.auth.rules.Store(&[]acl{})
	b.quotas.entries.Store(&[]quotaEntry{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		r, err := b.decode(t.Context(), &frame{data: append([]byte(nil), data...)}, "")
		if err == nil && !r.unsupported {
			r.body.AppendTo(nil)
		}
		if err == nil {
			r.letGo()
			r.lease.release()
		}
	})
}
