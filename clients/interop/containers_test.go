package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

// shapes makes random Avro types with values that fit them.
type shapes struct {
	r     *rand.Rand
	names int
}

// shape is a type: its schema, and how to make a value.
type shape struct {
	schema string
	value  func() any
}

func (s *shapes) named(kind string) string {
	s.names++
	return fmt.Sprintf("%s%d", kind, s.names)
}

func (s *shapes) text() string {
	letters := []rune("abc xyz\"\\\n\x00äß漢😀")
	out := make([]rune, s.r.IntN(12))
	for i := range out {
		out[i] = letters[s.r.IntN(len(letters))]
	}
	return string(out)
}

func (s *shapes) bytes(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(s.r.Uint32())
	}
	return out
}

func (s *shapes) primitive() shape {
	return []shape{
		{`"boolean"`, func() any { return s.r.IntN(2) == 0 }},
		{`"int"`, func() any { return int(int32(s.r.Uint32()) >> s.r.IntN(32)) }},
		{`"long"`, func() any { return int64(s.r.Uint64()) >> s.r.IntN(64) }},
		{`"float"`, func() any { return float32(s.r.NormFloat64()) }},
		{`"double"`, func() any { return s.r.NormFloat64() * 1e9 }},
		{`"string"`, func() any { return s.text() }},
		{`"bytes"`, func() any { return s.bytes(s.r.IntN(12)) }},
	}[s.r.IntN(7)]
}

func (s *shapes) any(depth int) shape {
	if depth == 0 {
		return s.primitive()
	}
	switch s.r.IntN(7) {
	case 0, 1:
		return s.record(depth)
	case 2:
		items := s.any(depth - 1)
		return shape{`{"type":"array","items":` + items.schema + `}`, func() any {
			out := []any{}
			for range s.r.IntN(4) {
				out = append(out, items.value())
			}
			return out
		}}
	case 3:
		values := s.any(depth - 1)
		return shape{`{"type":"map","values":` + values.schema + `}`, func() any {
			out := map[string]any{}
			for range s.r.IntN(4) {
				out[s.text()] = values.value()
			}
			return out
		}}
	case 4:
		symbols := []string{"A", "B", "C"}[:1+s.r.IntN(3)]
		return shape{fmt.Sprintf(`{"type":"enum","name":%q,"symbols":["%s"]}`, s.named("E"), strings.Join(symbols, `","`)), func() any {
			return symbols[s.r.IntN(len(symbols))]
		}}
	case 5:
		size := 1 + s.r.IntN(9)
		return shape{fmt.Sprintf(`{"type":"fixed","name":%q,"size":%d}`, s.named("F"), size), func() any { return s.bytes(size) }}
	}
	some := s.primitive()
	branch := strings.Trim(some.schema, `"`)
	return shape{`["null",` + some.schema + `]`, func() any {
		if s.r.IntN(3) == 0 {
			return nil
		}
		return map[string]any{branch: some.value()}
	}}
}

func (s *shapes) record(depth int) shape {
	fields := make([]shape, 1+s.r.IntN(5))
	texts := make([]string, len(fields))
	for i := range fields {
		fields[i] = s.any(depth - 1)
		texts[i] = fmt.Sprintf(`{"name":"f%d","type":%s}`, i, fields[i].schema)
	}
	return shape{fmt.Sprintf(`{"type":"record","name":%q,"fields":[%s]}`, s.named("R"), strings.Join(texts, ",")), func() any {
		out := map[string]any{}
		for i, f := range fields {
			out[fmt.Sprintf("f%d", i)] = f.value()
		}
		return out
	}}
}

// Container files of every codec with random schemas and records: fastavro reads
// ours, we read fastavro's, and what comes back is what went.
func TestContainerFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	type file struct {
		schema string
		data   []any // as we read them from our own file
	}
	files, records := map[string]file{}, 0
	for seed := range uint64(20) {
		s := &shapes{r: rand.New(rand.NewPCG(seed, 7))}
		shape := s.record(3)
		for _, codec := range []string{"null", "deflate", "snappy", "zstandard"} {
			var out bytes.Buffer
			w, err := avro.NewOCFWriter(&out, avro.MustParse(shape.schema), avro.OCFWriterOptions{Codec: codec, BlockBytes: 400})
			if err != nil {
				t.Fatal(err)
			}
			count := s.r.IntN(60)
			for range count {
				if err := w.Write(shape.value()); err != nil {
					t.Fatalf("%s: %v", shape.schema, err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			data, _ := readContainer(t, out.Bytes())
			if len(data) != count {
				t.Fatalf("%d of %d records came back from %s", len(data), count, shape.schema)
			}
			name := filepath.Join(dir, fmt.Sprintf("%02d-%s", seed, codec))
			if err := os.WriteFile(name+".avro", out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			files[name] = file{shape.schema, data}
			records += count
		}
	}
	out, err := exec.Command(".venv/bin/python", "python/files.py", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("fastavro: %v\n%s", err, tail(out))
	}
	if got, want := strings.TrimSpace(string(out)), fmt.Sprint(len(files), " ", records); got != want {
		t.Errorf("fastavro read files and records %s, want %s", got, want)
	}
	for name, want := range files {
		theirs, err := os.ReadFile(name + ".again")
		if err != nil {
			t.Fatal(err)
		}
		got, codec := readContainer(t, theirs)
		if !reflect.DeepEqual(got, want.data) {
			t.Errorf("%s, %s: fastavro's records are not ours\n%v\n%v", filepath.Base(name), want.schema, got, want.data)
		}
		if !strings.HasSuffix(name, "-"+codec) {
			t.Errorf("%s: fastavro wrote with codec %s", filepath.Base(name), codec)
		}
	}
}

func readContainer(t *testing.T, file []byte) (records []any, codec string) {
	t.Helper()
	r, err := avro.NewOCFReader(bytes.NewReader(file), avro.OCFReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for r.Next() {
		var v any
		if err := r.Decode(&v); err != nil {
			t.Fatal(err)
		}
		records = append(records, v)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if codec = string(r.Metadata()["avro.codec"]); codec == "" {
		codec = "null"
	}
	return records, codec
}
