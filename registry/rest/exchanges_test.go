package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

var rewrite = flag.Bool("rewrite", false, "write the answers of this build into testdata/exchanges")

// TestExchanges replays testdata/exchanges: every file starts with an empty
// registry, every step is a request and its whole answer.
//
//	# comment
//	POST /subjects/s/versions
//	Accept: application/json
//	AVRO "int"
//	+ "version":1
//	=> 200
//	{"id":"#1","version":1,…,"ts":"<ts>","deleted":false}
//
// A body is JSON, or a schema text after AVRO, JSON or PROTOBUF with further
// members of the request after "+". IDs are symbolic, in the order in which
// they first occur; "#1" in a request stands for the ID that was called that.
// The status is followed by the content type if it is not the usual one.
func TestExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/exchanges/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges: %v", err)
	}
	total := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e := newExchange(t)
			out := e.replay(t, file, string(b))
			total += e.steps
			if *rewrite {
				if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	t.Logf("%d steps in %d files", total, len(files))
}

type exchange struct {
	handler http.Handler
	ids     map[string]string // number → name
	numbers map[string]string // name → number
	steps   int
}

func newExchange(t *testing.T) *exchange {
	now := func() time.Time { return time.UnixMilli(1_700_000_000_000) }
	reg, err := registry.Open(context.Background(), registry.Options{Journal: &journal.Memory{Now: now}, Now: now,
		KMS: map[string]registry.KMS{"reverse": reverseKMS{}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	return &exchange{
		handler: Handler(reg, Options{Version: "1.2.3", Commit: "abc", KafkaClusterID: "kafka-1", Deployment: []string{"test"}}),
		ids:     map[string]string{}, numbers: map[string]string{},
	}
}

// reverseKMS wraps a key as its bytes backwards behind the name of its own.
// Keys named "closed…" it does not have. What it makes up is random, so what
// exchanges show of a DEK is masked.
type reverseKMS struct{}

func (reverseKMS) Wrap(_ context.Context, id string, _ map[string]string, key []byte) ([]byte, error) {
	if strings.HasPrefix(id, "closed") {
		return nil, errors.New("no such key")
	}
	key = slices.Clone(key)
	slices.Reverse(key)
	return append([]byte(id+"|"), key...), nil
}

func (reverseKMS) Unwrap(_ context.Context, id string, _ map[string]string, wrapped []byte) ([]byte, error) {
	key, ok := bytes.CutPrefix(wrapped, []byte(id+"|"))
	if !ok {
		return nil, errors.New("wrapped by another key")
	}
	key = slices.Clone(key)
	slices.Reverse(key)
	return key, nil
}

func (e *exchange) replay(t *testing.T, file, text string) string {
	var out strings.Builder
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		line := lines[i]
		if line == "" || strings.HasPrefix(line, "#") {
			if i < len(lines)-1 {
				fmt.Fprintln(&out, line)
			}
			i++
			continue
		}
		at := i + 1
		method, target, ok := strings.Cut(line, " ")
		if !ok {
			t.Fatalf("%s:%d: %q is no request", file, at, line)
		}
		fmt.Fprintln(&out, line)
		i++
		header := http.Header{}
		var body []string
		for ; i < len(lines) && !strings.HasPrefix(lines[i], "=>") && lines[i] != ""; i++ {
			fmt.Fprintln(&out, lines[i])
			if name, value, ok := strings.Cut(lines[i], ": "); ok && len(body) == 0 && headerName.MatchString(name) {
				header.Add(name, value)
				continue
			}
			body = append(body, lines[i])
		}
		var want []string
		for ; i < len(lines) && lines[i] != ""; i++ {
			want = append(want, lines[i])
		}
		got := e.do(t, method, target, header, body)
		if w := strings.Join(want, "\n"); w != got && !*rewrite {
			t.Errorf("%s:%d: %s %s\n got %s\nwant %s", file, at, method, target, got, w)
		}
		fmt.Fprintln(&out, got)
		e.steps++
	}
	return out.String()
}

var (
	headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z-]*$`)
	numberedID = regexp.MustCompile(`"(id|maxId)":(\d+)`)
	namedID    = regexp.MustCompile(`"?#(\d+)"?`)
	randomGUID = regexp.MustCompile(`"guid":"[0-9a-f-]{36}",("resourceName")`)
	generated  = regexp.MustCompile(`"(encryptedKeyMaterial|keyMaterial)":"[^"]{16,}"`)
	timestamp  = regexp.MustCompile(`"(ts|createTs|updateTs)":\d+`)
)

func (e *exchange) do(t *testing.T, method, target string, header http.Header, body []string) string {
	text := namedID.ReplaceAllStringFunc(requestBody(t, body), func(s string) string { return e.number(s) })
	target = namedID.ReplaceAllStringFunc(target, func(s string) string { return e.number(s) })
	r := httptest.NewRequest(method, target, strings.NewReader(text))
	r.Header = header
	if text == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, r)
	head := fmt.Sprintf("=> %d", w.Code)
	if typ := w.Header().Get("Content-Type"); typ != typeV1 && w.Code != http.StatusNoContent {
		head += " " + typ
	}
	if w.Header().Get("X-Request-Id") == "" {
		t.Errorf("%s %s: no request ID in the answer", method, target)
	}
	answer := w.Body.String()
	if answer == "" {
		return head
	}
	if strings.Contains(answer, "\n") {
		return head + "\n" + strconv.Quote(answer) // text of several lines
	}
	answer = numberedID.ReplaceAllStringFunc(answer, func(s string) string {
		m := numberedID.FindStringSubmatch(s)
		return `"` + m[1] + `":"` + e.name(m[2]) + `"`
	})
	answer = randomGUID.ReplaceAllString(answer, `"guid":"<random>",$1`)
	answer = generated.ReplaceAllString(answer, `"$1":"<random>"`)
	return head + "\n" + timestamp.ReplaceAllString(answer, `"$1":"<ts>"`)
}

func (e *exchange) name(number string) string {
	if _, ok := e.ids[number]; !ok {
		name := fmt.Sprintf("#%d", len(e.ids)+1)
		e.ids[number], e.numbers[name] = name, number
	}
	return e.ids[number]
}

func (e *exchange) number(name string) string {
	if n, ok := e.numbers[strings.Trim(name, `"`)]; ok {
		return n
	}
	return name
}

// requestBody expands the short form of a schema.
func requestBody(t *testing.T, lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	typ, text, _ := strings.Cut(lines[0], " ")
	var more []string
	switch typ {
	case "AVRO":
	case "JSON", "PROTOBUF":
		more = append(more, `"schemaType":"`+typ+`"`)
	default:
		return strings.Join(lines, "\n")
	}
	for _, l := range lines[1:] {
		if extra, ok := strings.CutPrefix(l, "+ "); ok {
			more = append(more, extra)
			continue
		}
		text += "\n" + l
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return "{" + strings.Join(append([]string{`"schema":` + string(quoted)}, more...), ",") + "}"
}
