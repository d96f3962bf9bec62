package interop

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	compat "github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

const avroClasspath = "avro/target/classes:avro/target/lib/*"

// judgeRequest is what Apache Avro for Java is asked.
type judgeRequest struct {
	// Op is version (answer: Text), describe (Text: the Parsing Canonical Form of
	// Schema; Prints: its fingerprints), resolve (Data: that of Schema read as Reader),
	// to-json (Text), from-json (Data), to-single (Data as a single object), from-single
	// (Data: a single object of Schema read as Reader) or logical (Fields: those of a
	// record as Java prints them; Data: the record written from what Java had).
	Op     string `json:"op"`
	Schema string `json:"schema,omitempty"`
	Reader string `json:"reader,omitempty"`
	Data   []byte `json:"data"`
	Text   string `json:"text,omitempty"`
}

type judgeAnswer struct {
	Error  string            `json:"error"`
	Text   string            `json:"text"`
	Data   []byte            `json:"data"`
	Prints map[string][]byte `json:"prints"`
	Fields map[string]string `json:"fields"`
}

type avroJudge struct{ *lineClient }

// ask returns the judge's answer; that it refuses is an error.
func (j avroJudge) ask(t *testing.T, r judgeRequest) (a judgeAnswer, err error) {
	t.Helper()
	if r.Data == nil {
		r.Data = []byte{} // null is no base64
	}
	if err := j.exchange(r, &a); err != nil {
		t.Fatal(err)
	}
	if a.Error != "" {
		err = errors.New(a.Error)
	}
	return a, err
}

// must asks for what the judge has to know.
func (j avroJudge) must(t *testing.T, r judgeRequest) judgeAnswer {
	t.Helper()
	a, err := j.ask(t, r)
	if err != nil {
		t.Fatalf("%s of %s: %v", r.Op, r.Schema, err)
	}
	return a
}

// What Apache Avro for Java says of schemas and data, we say too.
func TestApacheAvro(t *testing.T) {
	t.Parallel()
	j := avroJudge{startLineClient(t, "", java(avroClasspath, "dev.dovetail.interop.avro.Judge"))}
	t.Log(j.must(t, judgeRequest{Op: "version"}).Text)
	t.Run("canonical form and fingerprints", j.prints)
	t.Run("JSON and single objects", j.forms)
	t.Run("special floats", j.specialFloats)
	t.Run("logical types", j.logicalTypes)
	t.Run("resolution", j.resolution)
	t.Run("resolution of random schemas", j.randomResolution)
}

// randomSchemas calls back with random schemas and a value of each.
func randomSchemas(t *testing.T, count int, each func(text string, s *avro.Schema, data []byte)) {
	t.Helper()
	for seed := range uint64(count) {
		shapes := &shapes{r: rand.New(rand.NewPCG(seed, 11)), logical: seed%2 == 0, spaces: seed%3 == 0}
		shape := shapes.record(3)
		s, err := avro.Parse(shape.schema)
		if err != nil {
			t.Fatalf("seed %d: %v in %s", seed, err, shape.schema)
		}
		for range 3 {
			data, err := avro.Marshal(s, shape.value())
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			each(shape.schema, s, data)
		}
	}
}

func (j avroJudge) prints(t *testing.T) {
	check := func(text string, s *compat.Schema) {
		want := j.must(t, judgeRequest{Op: "describe", Schema: text})
		if got := s.ParsingCanonicalForm(); got != want.Text {
			t.Errorf("%s\nhas the canonical form %s\nwant %s", text, got, want.Text)
		}
		md5, sha := s.FingerprintMD5(), s.FingerprintSHA256()
		crc := make([]byte, 8) // Java has the lowest byte first
		for i := range crc {
			crc[i] = byte(s.Fingerprint64() >> (8 * i))
		}
		for name, got := range map[string][]byte{"CRC-64-AVRO": crc, "MD5": md5[:], "SHA-256": sha[:]} {
			if !bytes.Equal(got, want.Prints[name]) {
				t.Errorf("%s\nhas %s %x, want %x", text, name, got, want.Prints[name])
			}
		}
	}
	randomSchemas(t, 150, func(text string, s *avro.Schema, _ []byte) { check(text, s) })
	for _, c := range resolutionTypes {
		check(c.schema, avro.MustParse(c.schema))
	}
}

// forms: what we write as JSON, as the specification has it, and as a single
// object, the judge reads back to the same bytes, and the other way round.
func (j avroJudge) forms(t *testing.T) {
	count := 0
	randomSchemas(t, 150, func(text string, s *avro.Schema, data []byte) {
		count++
		ours, err := avro.AppendJSON(nil, s, data)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if back := j.must(t, judgeRequest{Op: "from-json", Schema: text, Text: string(ours)}).Data; !sameButMaps(s, back, data) {
			t.Errorf("%s\nour JSON %s is %x to the judge, %x to us", text, ours, back, data)
		}
		theirs := j.must(t, judgeRequest{Op: "to-json", Schema: text, Data: data}).Text
		if back, err := avro.FromJSON(nil, s, []byte(theirs)); err != nil || !sameButMaps(s, back, data) {
			t.Errorf("%s\nthe judge's JSON %s is %x to us, %x to it (%v)", text, theirs, back, data, err)
		}
		single := j.must(t, judgeRequest{Op: "to-single", Schema: text, Data: data}).Data
		var v any
		if err := avro.NewSingles(s).Unmarshal(single, &v); err != nil {
			t.Fatalf("%s: the judge's single object %x: %v", text, single, err)
		}
		own, err := avro.AppendSingle(nil, s, v)
		if err != nil || !bytes.Equal(own[:10], single[:10]) {
			t.Errorf("%s: our single object begins with %x, the judge's with %x (%v)", text, own[:10], single[:10], err)
		}
		if back := j.must(t, judgeRequest{Op: "from-single", Schema: text, Reader: text, Data: own}).Data; !sameButMaps(s, back, data) {
			t.Errorf("%s\nour single object %x is %x to the judge, %x to us", text, own, back, data)
		}
	})
	t.Logf("%d values", count)
}

// sameButMaps compares two payloads; the entries of maps may be in any order.
func sameButMaps(s *avro.Schema, a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	if len(a) != len(b) || avro.Unmarshal(s, a, &x) != nil || avro.Unmarshal(s, b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// specialFloats: infinities stand in JSON as text; so does what is no number, which
// has many bit patterns.
func (j avroJudge) specialFloats(t *testing.T) {
	same := func(s *avro.Schema, a, b []byte) bool {
		var x, y float64
		return avro.Unmarshal(s, a, &x) == nil && avro.Unmarshal(s, b, &y) == nil && (bytes.Equal(a, b) || math.IsNaN(x) && math.IsNaN(y))
	}
	for _, kind := range []string{"float", "double"} {
		s := avro.MustParse(fmt.Sprintf("%q", kind))
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.SmallestNonzeroFloat32, math.MaxFloat32} {
			data, err := avro.Marshal(s, v)
			if kind == "float" {
				data, err = avro.Marshal(s, float32(v))
			}
			if err != nil {
				t.Fatal(err)
			}
			theirs := j.must(t, judgeRequest{Op: "to-json", Schema: fmt.Sprintf("%q", kind), Data: data}).Text
			if back, err := avro.FromJSON(nil, s, []byte(theirs)); err != nil || !same(s, back, data) {
				t.Errorf("%s %v: the judge's JSON %s is %x, not %x (%v)", kind, v, theirs, back, data, err)
			}
			ours, err := avro.AppendJSON(nil, s, data)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := j.ask(t, judgeRequest{Op: "from-json", Schema: fmt.Sprintf("%q", kind), Text: string(ours)}); err != nil || !same(s, back.Data, data) {
				t.Errorf("%s %v: our JSON %s is %x to the judge, not %x (%v)", kind, v, ours, back.Data, data, err)
			}
		}
	}
}
