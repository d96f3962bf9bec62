package avro_test

import (
	"bufio"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
)

// readLines decodes a file of JSON objects, one a line.
func readLines[T any](t *testing.T, file string) []T {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []T
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: line %d: %v", file, len(list)+1, err)
		}
		list = append(list, v)
	}
	if err := lines.Err(); err != nil || len(list) < 20 {
		t.Fatalf("%s: %d lines, %v", file, len(list), err)
	}
	return list
}

func TestTextsAreThoseOfJava(t *testing.T) {
	type answer struct {
		Text, Canonical, Resolved, Parsing, CRC64 string
		Dependencies                              []string
	}
	for i, want := range readLines[answer](t, "testdata/java/canonical.jsonl") {
		src := compat.Source{Text: want.Text}
		for n, text := range want.Dependencies {
			src.Dependencies = append(src.Dependencies, compat.Dependency{Name: strconv.Itoa(n), Text: text})
		}
		s, err := avro.Parse(src)
		if err != nil {
			t.Errorf("line %d: %s: %v", i+1, want.Text, err)
			continue
		}
		resolved, _ := s.Format("resolved")
		for _, c := range []struct{ what, got, want string }{
			{"canonical", s.Canonical(), want.Canonical},
			{"resolved", resolved, want.Resolved},
			{"parsing canonical form", s.ParsingCanonicalForm(), want.Parsing},
			{"CRC-64-AVRO", strconv.FormatUint(s.Fingerprint64(), 10), want.CRC64},
		} {
			if c.got != c.want {
				t.Errorf("line %d: %s: %s\n got %s\nwant %s", i+1, want.Text, c.what, c.got, c.want)
			}
		}
	}
}

func TestDifferencesAreThoseOfJava(t *testing.T) {
	type answer struct {
		Reader, Writer string
		Findings       [][3]string
	}
	for i, want := range readLines[answer](t, "testdata/java/differences.jsonl") {
		got := findings(lenient(t, want.Reader), lenient(t, want.Writer))
		var list []string
		for _, f := range want.Findings {
			list = append(list, f[0]+" "+f[1]+" "+f[2])
		}
		if !equalLines(got, list) {
			t.Errorf("line %d:\nreader %s\nwriter %s\n got %q\nwant %q", i+1, want.Reader, want.Writer, got, list)
		}
	}
}
