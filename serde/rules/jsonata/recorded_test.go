package jsonata

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// differently are expressions that we answer otherwise than the official
// evaluator, on purpose.
var differently = map[string]string{
	"function($x) { $x }":         "the result: it holds a function", // there a circular value
	"customer.name ~> /Ada (.*)/": "the result: it holds a function", // there left out of the JSON
	"1 / 0":                       "which JSON has no number for",    // there null in the JSON
}

// TestOfficialEvaluator runs the expressions whose results testdata/record.js
// took from the official evaluator in Node.
func TestOfficialEvaluator(t *testing.T) {
	var documents map[string]json.RawMessage
	if err := json.Unmarshal(read(t, "documents.json"), &documents); err != nil {
		t.Fatal(err)
	}
	e := New(nil)
	n := 0
	lines := bufio.NewScanner(bytes.NewReader(read(t, "recorded.jsonl")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row struct {
			Document, Expression, Error string
			Result                      any
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		n++
		if !sweeping && n%8 != 0 && differently[row.Expression] == "" {
			continue
		}
		got, err := e.Eval(t.Context(), row.Expression, documents[row.Document], Limits{})
		if want, ok := differently[row.Expression]; ok {
			row.Error = want
		}
		if row.Error != "" {
			if err == nil || !strings.Contains(err.Error(), row.Error) {
				t.Errorf("%s on %s: %s, %v; want error %s", row.Expression, row.Document, got, err, row.Error)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s on %s: %v", row.Expression, row.Document, err)
			continue
		}
		var result any
		if err := json.Unmarshal(got, &result); err != nil {
			t.Errorf("%s on %s: %s: %v", row.Expression, row.Document, got, err)
			continue
		}
		if !reflect.DeepEqual(result, row.Result) {
			want, _ := json.Marshal(row.Result)
			t.Errorf("%s on %s:\n got %s\nwant %s", row.Expression, row.Document, got, want)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if n < 350 {
		t.Fatalf("only %d expressions were recorded", n)
	}
}
