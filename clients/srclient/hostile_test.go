package srclient_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// answers returns a client whose registry answers everything with status and
// body.
func answers(t testing.TB, status int, body string) *srclient.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	client, err := srclient.New([]string{server.URL}, srclient.WithRetries(0, 0, 0), srclient.WithMaxResponseBytes(4<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

const versionAnswer = `{"subject":"orders-value","version":3,"id":7,"guid":"15eaac06-9136-0db3-18e4-e637d3725572","schemaType":"AVRO","schema":"\"long\"",` +
	`"references":[{"name":"n","subject":"s","version":1}],"metadata":{"tags":{"a":["PII"]},"properties":{"k":"v"},"sensitive":["k"]},` +
	`"ruleSet":{"domainRules":[{"name":"r","kind":"CONDITION","mode":"WRITE","type":"CEL","expr":"true"}]},"ts":1,"deleted":false}`

// TestEveryPrefixOfAnAnswerIsRefused: an answer that was cut is no answer,
// whatever it is an answer to.
func TestEveryPrefixOfAnAnswerIsRefused(t *testing.T) {
	ctx := t.Context()
	for name, c := range map[string]struct {
		answer string
		ask    func(c *srclient.Client) error
	}{
		"version": {versionAnswer, func(c *srclient.Client) error {
			_, err := c.SchemaVersion(ctx, "orders-value", schema.Latest, srclient.VersionOptions{})
			return err
		}},
		"subjects": {`["a","b"]`, func(c *srclient.Client) error {
			_, err := c.Subjects(ctx, srclient.SubjectsOptions{})
			return err
		}},
		"level": {`{"compatibilityLevel":"FULL"}`, func(c *srclient.Client) error {
			_, err := c.Config(ctx, "orders-value", true)
			return err
		}},
	} {
		if err := c.ask(answers(t, http.StatusOK, c.answer)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range c.answer {
			if c.ask(answers(t, http.StatusOK, c.answer[:n])) == nil {
				t.Fatalf("%s: the first %d of %d bytes are taken", name, n, len(c.answer))
			}
		}
	}
}

// TestHostileAnswers: whatever a server says, every method comes back, with
// bounded memory.
func TestHostileAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                  "",
		"no JSON":                  "<html>",
		"null":                     "null",
		"a million arrays":         strings.Repeat("[", 1_000_000),
		"a million objects":        strings.Repeat(`{"schema":`, 100_000),
		"numbers for texts":        `{"subject":1,"version":"x","schema":[]}`,
		"an ID past 31 bits":       `{"id":4294967296,"version":4294967297,"schema":"\"int\""}`,
		"a negative ID":            `{"id":-1,"version":-1,"schema":"\"int\""}`,
		"a number of a megabyte":   `{"id":` + strings.Repeat("9", 1<<20) + `}`,
		"a GUID that is none":      `{"guid":"zz","schema":""}`,
		"not UTF-8":                "{\"subject\":\"\xff\"}",
		"more than the bound":      `["` + strings.Repeat("a", 5<<20) + `"]`,
		"an error without a code":  `{"message":"m"}`,
		"a code past any integer":  `{"error_code":1e400,"message":"m"}`,
		"a message of a megabyte":  `{"error_code":40401,"message":"` + strings.Repeat("m", 1<<20) + `"}`,
		"a reference to itself":    `{"id":1,"schema":"\"S\"","references":[{"name":"S","subject":"x","version":1}]}`,
		"text behind the document": `{} {}`,
	} {
		for _, status := range []int{http.StatusOK, http.StatusNotFound, http.StatusInternalServerError, 299} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				client := answers(t, status, body)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := client.SchemaVersion(t.Context(), "x", 1, srclient.VersionOptions{})
				runtime.ReadMemStats(&after)
				if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 {
					t.Errorf("%d bytes were allocated", taken)
				}
				if status != http.StatusOK && err == nil {
					t.Error("an error is taken for an answer")
				}
				if len(body) < 1<<16 {
					callAll(t.Context(), client, "x", 1)
				}
			})
		}
	}
}

// FuzzAnswers: every method comes back from whatever a server says.
func FuzzAnswers(f *testing.F) {
	f.Add(200, versionAnswer)
	f.Add(200, `["a"]`)
	f.Add(404, `{"error_code":40401,"message":"m"}`)
	f.Add(200, `{"is_compatible":false,"messages":["m"],"explanations":[{"rule":"r"}]}`)
	var status int
	var body string
	transport := roundTripper(func(*http.Request) *http.Response {
		rw := httptest.NewRecorder()
		rw.WriteHeader(status)
		_, _ = rw.WriteString(body)
		return rw.Result()
	})
	client, err := srclient.New([]string{"http://registry"}, srclient.WithRetries(0, 0, 0), srclient.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, s int, b string) {
		if s < 200 || s > 599 || s/100 == 3 {
			s = 200
		}
		status, body = s, b
		callAll(context.Background(), client, "x", 1)
	})
}

type roundTripper func(*http.Request) *http.Response

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
