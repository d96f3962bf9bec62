package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What serde/rules/jsonata is tested against is what the official evaluator says.
func TestJSONataIsAsRecorded(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "serde", "rules", "jsonata", "testdata")
	text := readFile(t, filepath.Join(dir, "documents.json"))
	var documents map[string]json.RawMessage
	if err := json.Unmarshal(text, &documents); err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		Result any
		Error  string
	}
	type row struct {
		Document, Expression string
		outcome
	}
	rows := decodeLines[row](t, readFile(t, filepath.Join(dir, "recorded.jsonl")))
	var asked bytes.Buffer
	for _, r := range rows {
		if err := json.NewEncoder(&asked).Encode(map[string]any{"document": documents[r.Document], "expression": r.Expression}); err != nil {
			t.Fatal(err)
		}
	}
	version, err := exec.Command("node", "node/jsonata.mjs", "version").Output()
	if err != nil {
		t.Fatalf("%v: run make deps", err)
	}
	cmd := exec.Command("node", "node/jsonata.mjs")
	cmd.Stdin = &asked
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(stderr.Bytes()))
	}
	answers := decodeLines[outcome](t, out)
	if len(answers) != len(rows) || len(rows) < 300 {
		t.Fatalf("%d answers to %d expressions", len(answers), len(rows))
	}
	for i, r := range rows {
		if !reflect.DeepEqual(answers[i], r.outcome) {
			t.Errorf("%s on %s: recorded %v, now %v", r.Expression, r.Document, r.outcome, answers[i])
		}
	}
	t.Logf("%s: %d expressions", strings.TrimSpace(string(version)), len(rows))
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodeLines decodes one JSON text a line.
func decodeLines[T any](t *testing.T, text []byte) (all []T) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("line %d: %v", len(all)+1, err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
