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

// containerJudge reads the .avro files of a directory and writes each again, with
// its schema and codec, as .again; it prints files and records.
type containerJudge struct {
	name    string
	command []string
	logical bool // knows all logical types, and all of their values
}

var containerJudges = []containerJudge{
	{"fastavro", []string{".venv/bin/python", "python/files.py"}, false},
	{"Apache Avro for Python", []string{".venv/bin/python", "python/avro_files.py"}, false},
	{"Apache Avro for Java", java(avroClasspath, "dev.dovetail.interop.avro.Judge", "files"), true},
}

// Container files of every codec with random schemas and records: others read
// ours, we read theirs, and what comes back is what went.
func TestContainerFiles(t *testing.T) {
	t.Parallel()
	for _, judge := range containerJudges {
		t.Run(judge.name, func(t *testing.T) {
			t.Parallel()
			judge.test(t)
		})
	}
}

func (judge containerJudge) test(t *testing.T) {
	dir := t.TempDir()
	type file struct {
		schema string
		data   []any // as we read them from our own file
	}
	files, records := map[string]file{}, 0
	for seed := range uint64(20) {
		s := &shapes{r: rand.New(rand.NewPCG(seed, 7)), logical: judge.logical && seed%2 == 1, spaces: seed%3 == 1}
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
	out, err := exec.Command(judge.command[0], append(judge.command[1:], dir)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(out))
	}
	if got, want := strings.TrimSpace(string(out)), fmt.Sprint(len(files), " ", records); got != want {
		t.Errorf("files and records are %s, want %s", got, want)
	}
	for name, want := range files {
		theirs, err := os.ReadFile(name + ".again")
		if err != nil {
			t.Fatal(err)
		}
		got, codec := readContainer(t, theirs)
		if !reflect.DeepEqual(got, want.data) {
			t.Errorf("%s, %s: what came back is not what went\n%v\n%v", filepath.Base(name), want.schema, got, want.data)
		}
		if !strings.HasSuffix(name, "-"+codec) {
			t.Errorf("%s came back with codec %s", filepath.Base(name), codec)
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
