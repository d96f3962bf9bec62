package srclient

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// exchange is what a client sent.
type exchange struct {
	method, uri, body string
	header            http.Header
}

// fake answers every request alike and remembers it.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []exchange
	status int
	answer string
	extra  http.Header
}

func newFake(t *testing.T, status int, answer string) *fake {
	t.Helper()
	f := &fake{status: status, answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, exchange{r.Method, r.RequestURI, string(body), r.Header.Clone()})
	for k, v := range f.extra {
		w.Header()[k] = v
	}
	w.WriteHeader(f.status)
	io.WriteString(w, f.answer)
}

func (f *fake) set(status int, answer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status, f.answer = status, answer
}

func (f *fake) requests() []exchange {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]exchange(nil), f.seen...)
}

func (f *fake) lastRequest(t *testing.T) exchange {
	t.Helper()
	seen := f.requests()
	if len(seen) == 0 {
		t.Fatal("no request arrived")
	}
	return seen[len(seen)-1]
}

// naps replaces the waits between rounds.
type naps struct{ slept []time.Duration }

func (n *naps) sleep(_ context.Context, d time.Duration) error {
	n.slept = append(n.slept, d)
	return nil
}

func newClient(t *testing.T, urls []string, opts ...Option) *Client {
	t.Helper()
	c, err := New(urls, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestEveryEndpoint pins method, path, query and body of each call, and that
// its answer arrives.
func TestEveryEndpoint(t *testing.T) {
	ctx := context.Background()
	guid, _ := schema.ParseGUID("00112233-4455-6677-8899-aabbccddeeff")
	const g = "00112233-4455-6677-8899-aabbccddeeff"
	def := schema.Definition{Type: schema.Protobuf, Text: `syntax = "proto3";`, References: []schema.Reference{{Name: "a.proto", Subject: "a", Version: 2}}}
	const defBody = `{"schema":"syntax = \"proto3\";","schemaType":"PROTOBUF","references":[{"name":"a.proto","subject":"a","version":2}]}`
	page := Page{Offset: 5, Limit: 10}
	yes := true

	for _, c := range []struct {
		name   string
		call   func(c *Client) (any, error)
		sent   string // method and URI
		body   string
		answer string
		want   any
	}{
		{"root", func(c *Client) (any, error) { return nil, c.Ping(ctx) }, "GET /", "", `{}`, nil},
		{"subjects", func(c *Client) (any, error) {
			return c.Subjects(ctx, SubjectsOptions{Prefix: ":*:", Deleted: true, DeletedOnly: true, Page: page})
		}, "GET /subjects?deleted=true&deletedOnly=true&limit=10&offset=5&subjectPrefix=%3A%2A%3A", "", `["a",":.x:b"]`, []schema.Subject{"a", ":.x:b"}},
		{"delete subject", func(c *Client) (any, error) { return c.DeleteSubject(ctx, "a/b c", true) }, "DELETE /subjects/a%2Fb%20c?permanent=true", "", `[1,2]`, []schema.Version{1, 2}},
		{"versions", func(c *Client) (any, error) {
			return c.Versions(ctx, ":.x:a", VersionsOptions{DeletedAsNegative: true})
		}, "GET /subjects/:.x:a/versions?deletedAsNegative=true", "", `[-1,2]`, []schema.Version{-1, 2}},
		{"version text", func(c *Client) (any, error) { return c.VersionText(ctx, "a", schema.Latest, "resolved", true) }, "GET /subjects/a/versions/latest/schema?deleted=true&format=resolved", "", `"string"`, `"string"`},
		{"referenced by", func(c *Client) (any, error) { return c.ReferencedBy(ctx, "a", 3, true, page) }, "GET /subjects/a/versions/3/referencedby?deleted=true&limit=10&offset=5", "", `[7]`, []schema.ID{7}},
		{"delete version", func(c *Client) (any, error) { return c.DeleteVersion(ctx, "a", 3, false) }, "DELETE /subjects/a/versions/3", "", `3`, schema.Version(3)},
		{"types", func(c *Client) (any, error) { return c.Types(ctx) }, "GET /schemas/types", "", `["JSON","PROTOBUF","AVRO"]`, []schema.Type{schema.JSON, schema.Protobuf, schema.Avro}},
		{"text by ID", func(c *Client) (any, error) { return c.TextByID(ctx, 7, "a", "serialized") }, "GET /schemas/ids/7/schema?format=serialized&subject=a", "", `syntax`, `syntax`},
		{"subjects by ID", func(c *Client) (any, error) { return c.SubjectsByID(ctx, 7, "a", true, Page{}) }, "GET /schemas/ids/7/subjects?deleted=true&subject=a", "", `["a"]`, []schema.Subject{"a"}},
		{"versions by ID", func(c *Client) (any, error) { return c.VersionsByID(ctx, 7, "", false, Page{}) }, "GET /schemas/ids/7/versions", "", `[{"subject":"a","version":2}]`, []SubjectVersion{{"a", 2}}},
		{"IDs by GUID", func(c *Client) (any, error) { return c.IDsByGUID(ctx, guid) }, "GET /schemas/guids/" + g + "/ids", "", `[{"context":".","id":7}]`, []ContextID{{".", 7}}},
		{"compatible", func(c *Client) (any, error) { return c.Compatible(ctx, "a", 2, def, true) }, "POST /compatibility/subjects/a/versions/2?normalize=true&verbose=true", defBody, `{"is_compatible":false,"messages":["m"]}`, Compatibility{false, []string{"m"}}},
		{"compatible with all", func(c *Client) (any, error) { return c.Compatible(ctx, "a", 0, def, false) }, "POST /compatibility/subjects/a/versions?verbose=true", defBody, `{"is_compatible":true}`, Compatibility{Compatible: true}},
		{"config", func(c *Client) (any, error) { return c.Config(ctx, "", true) }, "GET /config?defaultToGlobal=true", "", `{"compatibilityLevel":"FULL","normalize":true}`, Config{Level: "FULL", Normalize: &yes}},
		{"config of subject", func(c *Client) (any, error) { return c.Config(ctx, "a", false) }, "GET /config/a", "", `{"compatibilityLevel":"NONE"}`, Config{Level: "NONE"}},
		{"set config", func(c *Client) (any, error) {
			return c.SetConfig(ctx, "a", ConfigUpdate{Config: Config{Level: "FULL", Normalize: &yes}, Clear: []string{"alias"}})
		}, "PUT /config/a", `{"alias":null,"compatibility":"FULL","normalize":true}`, `{"compatibility":"FULL"}`, Config{Level: "FULL"}},
		{"delete config", func(c *Client) (any, error) { return c.DeleteConfig(ctx, "") }, "DELETE /config", "", `{"compatibilityLevel":"FULL"}`, Config{Level: "FULL"}},
		{"mode", func(c *Client) (any, error) { return c.Mode(ctx, "", false) }, "GET /mode", "", `{"mode":"READWRITE"}`, ReadWrite},
		{"set mode", func(c *Client) (any, error) { return c.SetMode(ctx, "a", Import, true) }, "PUT /mode/a?force=true", `{"mode":"IMPORT"}`, `{"mode":"IMPORT"}`, Import},
		{"delete mode", func(c *Client) (any, error) { return c.DeleteMode(ctx, "a", true) }, "DELETE /mode/a?recursive=true", "", `{}`, Mode("")},
		{"contexts", func(c *Client) (any, error) { return c.Contexts(ctx, ".x", page) }, "GET /contexts?contextPrefix=.x&limit=10&offset=5", "", `[".",".x"]`, []schema.Context{".", ".x"}},
		{"delete context", func(c *Client) (any, error) { return nil, c.DeleteContext(ctx, ".x") }, "DELETE /contexts/.x", "", ``, nil},
		{"the default context", func(c *Client) (any, error) { return nil, c.DeleteContext(ctx, ".") }, "DELETE /contexts/%2E", "", ``, nil},
		{"cluster IDs", func(c *Client) (any, error) { return c.ClusterIDs(ctx) }, "GET /v1/metadata/id", "", `{"scope":{"path":[],"clusters":{"kafka-cluster":"k","schema-registry-cluster":"g"}}}`, ClusterIDs{"k", "g"}},
		{"server version", func(c *Client) (any, error) { return c.ServerVersion(ctx) }, "GET /v1/metadata/version", "", `{"version":"8.1.0","commitId":"c"}`, ServerVersion{"8.1.0", "c"}},
		{"deployment", func(c *Client) (any, error) { return c.Deployment(ctx) }, "GET /v1/metadata/deployment", "", `{"attributes":["x"]}`, []string{"x"}},
		{"associations of subject", func(c *Client) (any, error) {
			return c.AssociationsBySubject(ctx, "a", AssociationsOptions{Types: []string{"key", "value"}, Lifecycle: "WEAK"})
		}, "GET /associations/subjects/a?associationType=key&associationType=value&lifecycle=WEAK", "", `[{"subject":"a","resourceName":"t"}]`, []Association{{Subject: "a", ResourceName: "t"}}},
		{"associations of resource ID", func(c *Client) (any, error) {
			return c.AssociationsByResourceID(ctx, "r", AssociationsOptions{})
		}, "GET /associations/resources/r", "", `[]`, []Association{}},
		{"associations of resource", func(c *Client) (any, error) {
			return c.AssociationsByResource(ctx, "", "t", AssociationsOptions{ResourceType: "topic"})
		}, "GET /associations/resources/-/t?resourceType=topic", "", `[]`, []Association{}},
		{"create associations", func(c *Client) (any, error) {
			return c.CreateAssociations(ctx, ResourceAssociations{ResourceID: "r", Associations: []SubjectAssociation{{Subject: "a", Frozen: &yes}}}, AssociationWrite{Context: ".x", DryRun: true})
		}, "POST /associations?context=.x&dryRun=true", `{"resourceId":"r","associations":[{"subject":"a","frozen":true}]}`, `{"resourceId":"r"}`, ResourceAssociations{ResourceID: "r"}},
		{"upsert associations", func(c *Client) (any, error) {
			return c.UpsertAssociations(ctx, ResourceAssociations{ResourceID: "r"}, AssociationWrite{})
		}, "PUT /associations/resources/r", `{"resourceId":"r"}`, `{"resourceId":"r"}`, ResourceAssociations{ResourceID: "r"}},
		{"delete associations", func(c *Client) (any, error) {
			return nil, c.DeleteAssociations(ctx, "r", DeleteAssociationsOptions{Types: []string{"key"}, Cascade: true})
		}, "DELETE /associations/resources/r?associationType=key&cascadeLifecycle=true", "", ``, nil},
		{"batch get associations", func(c *Client) (any, error) {
			return c.BatchGetAssociations(ctx, []json.RawMessage{json.RawMessage(`{"resourceName":"t"}`)}, true)
		}, "POST /associations:batchGet?includeSchemas=true", `{"requests":[{"resourceName":"t"}]}`, `{"results":[{"error":{"error_code":40410,"message":"no"}}]}`, []BatchResult{{Error: &BatchError{40410, "no"}}}},
		{"batch mutate associations", func(c *Client) (any, error) {
			return c.BatchMutateAssociations(ctx, []json.RawMessage{json.RawMessage(`{"create":{}}`)}, AssociationWrite{})
		}, "POST /associations:batchMutate", `{"requests":[{"create":{}}]}`, `{"results":[]}`, []BatchResult{}},
		{"KEKs", func(c *Client) (any, error) { return c.KEKs(ctx, []string{"a", "b"}, true, Page{}) }, "GET /dek-registry/v1/keks?deleted=true&subjectPrefix=a&subjectPrefix=b", "", `["k"]`, []string{"k"}},
		{"KEK", func(c *Client) (any, error) { return c.KEK(ctx, "k", false) }, "GET /dek-registry/v1/keks/k", "", `{"name":"k","kmsType":"local-kms","shared":true}`, KEK{Name: "k", KMSType: "local-kms", Shared: true}},
		{"create KEK", func(c *Client) (any, error) {
			return c.CreateKEK(ctx, KEK{Name: "k", KMSType: "hcvault", KMSKeyID: "id"}, true)
		}, "POST /dek-registry/v1/keks?testSharing=true", `{"name":"k","kmsType":"hcvault","kmsKeyId":"id","shared":false}`, `{"name":"k"}`, KEK{Name: "k"}},
		{"update KEK", func(c *Client) (any, error) { return c.UpdateKEK(ctx, "k", KEKUpdate{Shared: &yes}, false) }, "PUT /dek-registry/v1/keks/k", `{"shared":true}`, `{"name":"k","shared":true}`, KEK{Name: "k", Shared: true}},
		{"test KEK", func(c *Client) (any, error) { return c.TestKEK(ctx, "k") }, "POST /dek-registry/v1/keks/k/test", "", `{"name":"k"}`, KEK{Name: "k"}},
		{"delete KEK", func(c *Client) (any, error) { return nil, c.DeleteKEK(ctx, "k", true) }, "DELETE /dek-registry/v1/keks/k?permanent=true", "", ``, nil},
		{"undelete KEK", func(c *Client) (any, error) { return nil, c.UndeleteKEK(ctx, "k") }, "POST /dek-registry/v1/keks/k/undelete", "", ``, nil},
		{"DEK subjects", func(c *Client) (any, error) { return c.DEKSubjects(ctx, "k", false, page) }, "GET /dek-registry/v1/keks/k/deks?limit=10&offset=5", "", `["a"]`, []schema.Subject{"a"}},
		{"DEK", func(c *Client) (any, error) { return c.DEK(ctx, "k", "a", DEKOptions{Algorithm: AES256SIV}) }, "GET /dek-registry/v1/keks/k/deks/a?algorithm=AES256_SIV", "", `{"kekName":"k","version":1}`, DEK{KEKName: "k", Version: 1}},
		{"DEK versions", func(c *Client) (any, error) { return c.DEKVersions(ctx, "k", "a", DEKOptions{Deleted: true}, Page{}) }, "GET /dek-registry/v1/keks/k/deks/a/versions?deleted=true", "", `[1,2]`, []int{1, 2}},
		{"DEK version", func(c *Client) (any, error) { return c.DEKVersion(ctx, "k", "a", -1, DEKOptions{}) }, "GET /dek-registry/v1/keks/k/deks/a/versions/latest", "", `{"version":2}`, DEK{Version: 2}},
		{"create DEK", func(c *Client) (any, error) {
			return c.CreateDEK(ctx, "k", DEK{Subject: "a", Algorithm: AES256GCM, EncryptedKeyMaterial: "eA=="}, true)
		}, "POST /dek-registry/v1/keks/k/deks/a?rewrap=true", `{"subject":"a","algorithm":"AES256_GCM","encryptedKeyMaterial":"eA=="}`, `{"version":1}`, DEK{Version: 1}},
		{"delete DEK", func(c *Client) (any, error) { return nil, c.DeleteDEK(ctx, "k", "a", 0, AES128GCM, false) }, "DELETE /dek-registry/v1/keks/k/deks/a?algorithm=AES128_GCM", "", ``, nil},
		{"delete DEK version", func(c *Client) (any, error) { return nil, c.DeleteDEK(ctx, "k", "a", 2, "", true) }, "DELETE /dek-registry/v1/keks/k/deks/a/versions/2?permanent=true", "", ``, nil},
		{"undelete DEK version", func(c *Client) (any, error) { return nil, c.UndeleteDEK(ctx, "k", "a", 2, "") }, "POST /dek-registry/v1/keks/k/deks/a/versions/2/undelete", "", ``, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := http.StatusOK
			if c.answer == "" {
				status = http.StatusNoContent
			}
			f := newFake(t, status, c.answer)
			got, err := c.call(newClient(t, []string{f.URL + "/"}))
			if err != nil {
				t.Fatal(err)
			}
			sent := f.lastRequest(t)
			if s := sent.method + " " + sent.uri; s != c.sent {
				t.Errorf("sent %s, want %s", s, c.sent)
			}
			if sent.body != c.body {
				t.Errorf("sent body %s, want %s", sent.body, c.body)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v, want %#v", got, c.want)
			}
		})
	}
}

// TestSchemaAnswers covers the calls that answer a Schema.
func TestSchemaAnswers(t *testing.T) {
	ctx := context.Background()
	const answer = `{"subject":"a","version":2,"id":7,"guid":"00112233-4455-6677-8899-aabbccddeeff","schema":"\"int\"",
		"references":[{"name":"r","subject":"s","version":1}],"metadata":{"properties":{"k":"v"}},"ruleSet":{"domainRules":[{"name":"n","disabled":false}]},
		"schemaTags":[{"schemaEntity":{"entityPath":"p","entityType":"sr_field"},"tags":["PII"]}],"maxId":9,"ts":12,"deleted":true,"unheardOf":1}`
	guid, _ := schema.ParseGUID("00112233-4455-6677-8899-aabbccddeeff")
	want := Schema{
		Registered: serde.Registered{ID: 7, GUID: guid, Subject: "a", Version: 2, Definition: schema.Definition{
			Type: schema.Avro, Text: `"int"`, References: []schema.Reference{{Name: "r", Subject: "s", Version: 1}},
			Metadata: &schema.Metadata{Properties: map[string]string{"k": "v"}}, RuleSet: &schema.RuleSet{DomainRules: []schema.Rule{{Name: "n"}}},
		}},
		Tags: []EntityTags{{Entity{"p", "sr_field"}, []string{"PII"}}}, MaxID: 9, Timestamp: 12, Deleted: true,
	}
	def := schema.Definition{Type: schema.Avro, Text: `"int"`}
	for _, c := range []struct {
		name, sent, body string
		call             func(c *Client) (Schema, error)
	}{
		{"version", "GET /subjects/a/versions/2?deleted=true&findTags=PII&findTags=X&format=f&referenceFormat=qualified", "", func(c *Client) (Schema, error) {
			return c.SchemaVersion(ctx, "a", 2, VersionOptions{Format: "f", QualifiedReference: true, Deleted: true, FindTags: []string{"PII", "X"}})
		}},
		{"by ID", "GET /schemas/ids/7?fetchMaxId=true&subject=a", "", func(c *Client) (Schema, error) { return c.ByID(ctx, 7, IDOptions{Subject: "a", FetchMaxID: true}) }},
		{"by GUID", "GET /schemas/guids/00112233-4455-6677-8899-aabbccddeeff?format=f", "", func(c *Client) (Schema, error) { return c.ByGUID(ctx, guid, "f") }},
		{"lookup", "POST /subjects/a?deleted=true&normalize=true", `{"schema":"\"int\""}`, func(c *Client) (Schema, error) {
			return c.LookupSchema(ctx, "a", def, SchemaLookupOptions{Normalize: true, Deleted: true})
		}},
		{"register", "POST /subjects/a/versions?force=true", `{"schema":"\"int\"","version":2,"id":7}`, func(c *Client) (Schema, error) {
			return c.RegisterSchema(ctx, "a", Registration{Definition: def, ID: 7, Version: 2, Force: true})
		}},
		{"metadata", "GET /subjects/a/metadata?deleted=true&key=k&value=v", "", func(c *Client) (Schema, error) {
			return c.SubjectMetadata(ctx, "a", map[string]string{"k": "v"}, "", true)
		}},
		{"tag", "POST /subjects/a/versions/2/tags", `{"newVersion":3,"rulesToRemove":["r"]}`, func(c *Client) (Schema, error) {
			return c.Tag(ctx, "a", 2, TagRequest{NewVersion: 3, RulesToRemove: []string{"r"}})
		}},
	} {
		f := newFake(t, 200, answer)
		got, err := c.call(newClient(t, []string{f.URL}))
		sent := f.lastRequest(t)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
		if s := sent.method + " " + sent.uri; s != c.sent || sent.body != c.body {
			t.Errorf("%s: sent %s %s, want %s %s", c.name, s, sent.body, c.sent, c.body)
		}
	}
	f := newFake(t, 200, "["+answer+"]")
	list, err := newClient(t, []string{f.URL}).Schemas(ctx, SchemasOptions{Prefix: ":*:", LatestOnly: true, RuleType: "CEL", Lifecycles: []string{"NONE"}})
	if err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], want) {
		t.Errorf("list: %+v, %v", list, err)
	}
	if s := f.lastRequest(t).uri; s != "/schemas?latestOnly=true&lifecycle=NONE&ruleType=CEL&subjectPrefix=%3A%2A%3A" {
		t.Errorf("list: sent %s", s)
	}
}

func TestErrorsSayWhichCode(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		status int
		body   string
		is     []error
		not    []error
	}{
		{404, `{"error_code":40401,"message":"Subject 'a' not found."}`, []error{SubjectNotFound, serde.ErrNotFound}, []error{SchemaNotFound, serde.ErrRejected, serde.ErrUnavailable}},
		{409, `{"error_code":40901,"message":"m"}`, []error{IncompatibleSchema, serde.ErrRejected}, []error{serde.ErrNotFound}},
		{422, `{"error_code":42201,"message":"m"}`, []error{InvalidSchema, serde.ErrRejected}, []error{serde.ErrUnavailable}},
		{401, `{"error_code":401,"message":"m"}`, []error{Code(401)}, []error{serde.ErrRejected, serde.ErrNotFound, serde.ErrUnavailable}},
		{503, `<html>`, []error{UnreadableAnswer, serde.ErrUnavailable}, []error{serde.ErrNotFound}},
		{201, `{"id":1}`, []error{UnreadableAnswer}, []error{serde.ErrUnavailable}},
	} {
		f := newFake(t, c.status, c.body)
		_, err := newClient(t, []string{f.URL}, WithRetries(0, 0, 0)).SchemaVersion(ctx, "a", 1, VersionOptions{})
		var typed *Error
		if !errors.As(err, &typed) || typed.Status != c.status {
			t.Errorf("%d: %v", c.status, err)
			continue
		}
		for _, is := range c.is {
			if !errors.Is(err, is) {
				t.Errorf("%v is not %v", err, is)
			}
		}
		for _, not := range c.not {
			if errors.Is(err, not) {
				t.Errorf("%v is %v", err, not)
			}
		}
	}
}

func TestFailover(t *testing.T) {
	ctx := context.Background()
	sick := newFake(t, 503, `{"error_code":50003,"message":"m"}`)
	well := newFake(t, 200, `{}`)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	n := &naps{}
	c := newClient(t, []string{"http://" + dead.Addr().String() + "," + sick.URL, well.URL}, WithSleep(n.sleep))
	for range 3 {
		if err := c.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(sick.requests()); got != 1 {
		t.Errorf("the sick server got %d requests, want 1: later ones go where an answer came from", got)
	}
	if got := len(well.requests()); got != 3 {
		t.Errorf("the well server got %d requests, want 3", got)
	}
	if len(n.slept) != 0 {
		t.Errorf("waited %v although an address was left to try", n.slept)
	}
}

// TestAnAddressThatHangsIsPassedOver: without WithTimeout only the context would
// end the wait for it.
func TestAnAddressThatHangsIsPassedOver(t *testing.T) {
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer hung.Close()
	well := newFake(t, 200, `{}`)
	c := newClient(t, []string{hung.URL, well.URL}, WithTimeout(50*time.Millisecond), WithRetries(1000, 0, 0))
	for range 3 {
		if err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(well.requests()) < 3 {
		t.Errorf("the well server got %d requests, want 3", len(well.requests()))
	}
	if _, err := New([]string{well.URL}, WithTimeout(-1)); err == nil {
		t.Error("a negative timeout is taken")
	}
}

func TestWhichStatusesAreRetried(t *testing.T) {
	ctx := context.Background()
	for status, again := range map[int]bool{
		408: true, 429: true, 500: true, 502: true, 503: true, 504: true,
		400: false, 401: false, 403: false, 404: false, 409: false, 413: false, 422: false, 501: false,
	} {
		f := newFake(t, status, `{"error_code":1,"message":"m"}`)
		n := &naps{}
		c := newClient(t, []string{f.URL}, WithRetries(2, 100*time.Millisecond, 150*time.Millisecond), WithSleep(n.sleep))
		var typed *Error
		if err := c.Ping(ctx); !errors.As(err, &typed) {
			t.Errorf("%d: %v", status, err)
		}
		want := 1
		if again {
			want = 3
		}
		if got := len(f.requests()); got != want {
			t.Errorf("%d: %d requests, want %d", status, got, want)
		}
		if again && (len(n.slept) != 2 || n.slept[0] < 50*time.Millisecond || n.slept[0] > 100*time.Millisecond || n.slept[1] < 75*time.Millisecond || n.slept[1] > 150*time.Millisecond) {
			t.Errorf("%d: waits %v: want up to 100ms, then up to 150ms, half of it jitter", status, n.slept)
		}
	}
}

func TestRetryAfterIsHeeded(t *testing.T) {
	f := newFake(t, 429, `{"error_code":429,"message":"slow down"}`)
	f.extra = http.Header{"Retry-After": {"2"}}
	n := &naps{}
	c := newClient(t, []string{f.URL}, WithRetries(1, time.Millisecond, 10*time.Second), WithSleep(n.sleep))
	if err := c.Ping(context.Background()); err == nil {
		t.Fatal("no error")
	}
	if len(n.slept) != 1 || n.slept[0] != 2*time.Second {
		t.Errorf("waited %v, want 2s", n.slept)
	}
}

func TestRecoversBetweenRounds(t *testing.T) {
	f := newFake(t, 500, `{"error_code":50001,"message":"m"}`)
	c := newClient(t, []string{f.URL}, WithSleep(func(context.Context, time.Duration) error {
		f.set(200, `{}`)
		return nil
	}))
	if err := c.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c := newClient(t, []string{"http://user:secret@" + l.Addr().String()}, WithRetries(0, 0, 0))
	err = c.Ping(context.Background())
	if !errors.Is(err, serde.ErrUnavailable) {
		t.Errorf("%v is not ErrUnavailable", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password: %v", err)
	}
}

func TestContextEndsARequest(t *testing.T) {
	stuck := make(chan struct{})
	f := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	}))
	defer f.Close()
	defer close(stuck)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	c := newClient(t, []string{f.URL})
	go func() { done <- c.Ping(ctx) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	f := newFake(t, 200, `["`+strings.Repeat("x", 1000)+`"]`)
	_, err := newClient(t, []string{f.URL}, WithMaxResponseBytes(100)).Subjects(context.Background(), SubjectsOptions{})
	if err == nil || !strings.Contains(err.Error(), "exceeds 100 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestUnreadableAnswers(t *testing.T) {
	ctx := context.Background()
	for _, body := range []string{``, `<html>`, `{"schema":1}`, `{"guid":"nonsense"}`, `[`} {
		f := newFake(t, 200, body)
		if _, err := newClient(t, []string{f.URL}).SchemaVersion(ctx, "a", 1, VersionOptions{}); err == nil {
			t.Errorf("%q was read as a schema", body)
		}
	}
}

func TestCredentials(t *testing.T) {
	ctx := context.Background()
	f := newFake(t, 200, `{}`)
	authorization := func(url string, opts ...Option) string {
		t.Helper()
		if err := newClient(t, []string{url}, opts...).Ping(ctx); err != nil {
			t.Fatal(err)
		}
		return f.lastRequest(t).header.Get("Authorization")
	}
	host := strings.TrimPrefix(f.URL, "http://")
	if got := authorization(f.URL); got != "" {
		t.Errorf("without credentials: %q", got)
	}
	if got := authorization("http://u:p%40ss@" + host); got != "Basic dTpwQHNz" {
		t.Errorf("from the URL: %q", got)
	}
	if got := authorization("http://u:x@"+host, WithBasicAuth("u", "p@ss")); got != "Basic dTpwQHNz" {
		t.Errorf("an option goes before the URL: %q", got)
	}
	var calls atomic.Int32
	token := func(context.Context) (string, error) { return fmt.Sprint("t", calls.Add(1)), nil }
	if got := authorization(f.URL, WithBearer(token)); got != "Bearer t1" {
		t.Errorf("bearer: %q", got)
	}
	refused := errors.New("no token")
	c := newClient(t, []string{f.URL}, WithBearer(func(context.Context) (string, error) { return "", refused }))
	if err := c.Ping(ctx); !errors.Is(err, refused) {
		t.Errorf("a token source's error: %v", err)
	}
	authorization(f.URL, WithHeader("X-Team", "blue"))
	if got := f.lastRequest(t).header.Get("X-Team"); got != "blue" {
		t.Errorf("X-Team: %q", got)
	}
}

// TestMutualTLS has a server that lets in only who shows a certificate that it
// trusts.
func TestMutualTLS(t *testing.T) {
	var seen atomic.Int32
	f := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(int32(len(r.TLS.PeerCertificates)))
		io.WriteString(w, `{}`)
	}))
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	trusted := x509.NewCertPool()
	f.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, VerifyConnection: func(s tls.ConnectionState) error {
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: trusted, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		return err
	}}
	f.StartTLS()
	defer f.Close()
	trusted.AddCert(f.Certificate())
	roots := x509.NewCertPool()
	roots.AddCert(f.Certificate())
	with := &tls.Config{RootCAs: roots, Certificates: f.TLS.Certificates}
	if err := newClient(t, []string{f.URL}, WithTLS(with)).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen.Load() != 1 {
		t.Errorf("the server saw %d client certificates, want 1", seen.Load())
	}
	for name, refused := range map[string]*tls.Config{
		"no certificate":       {RootCAs: roots},
		"a stranger's":         {RootCAs: roots, Certificates: []tls.Certificate{selfSigned(t)}},
		"a server not trusted": {Certificates: f.TLS.Certificates},
	} {
		if err := newClient(t, []string{f.URL}, WithTLS(refused), WithRetries(0, 0, 0)).Ping(t.Context()); !errors.Is(err, serde.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if seen.Load() != 1 {
		t.Errorf("somebody was let in who should not have been")
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestConnectionsAreReused(t *testing.T) {
	var opened atomic.Int32
	f := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		io.WriteString(w, `{"error_code":40401,"message":"m"}`)
	}))
	f.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	f.Start()
	defer f.Close()
	c := newClient(t, []string{f.URL})
	for range 20 {
		if err := c.Ping(context.Background()); !errors.Is(err, SubjectNotFound) {
			t.Fatal(err)
		}
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("%d connections for 20 requests one after the other, want 1", got)
	}
}

func TestContextPathPrefix(t *testing.T) {
	f := newFake(t, 200, `[]`)
	if _, err := newClient(t, []string{f.URL + "/contexts/.staging/"}).Subjects(context.Background(), SubjectsOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := f.lastRequest(t).uri; got != "/contexts/.staging/subjects" {
		t.Errorf("sent %s", got)
	}
}

func TestOlderServers(t *testing.T) {
	ctx := context.Background()
	f := newFake(t, 200, `{"id":7}`)
	c := newClient(t, []string{f.URL})
	got, err := c.Register(ctx, "a", schema.Definition{Text: `"int"`}, serde.RegisterOptions{})
	if err != nil || got.ID != 7 || got.Subject != "a" || got.Text != "" || got.Type != "" {
		t.Errorf("an answer with the ID alone: %+v, %v", got, err)
	}
	f.set(404, `<h1>Not Found</h1>`)
	if list, err := c.Associations(ctx, serde.Resource{Name: "t"}); err != nil || len(list) != 0 {
		t.Errorf("a server without associations: %v, %v", list, err)
	}
	f.set(200, `[{"subject":"s"}]`)
	list, err := c.Associations(ctx, serde.Resource{Name: "t", Key: true})
	if err != nil || len(list) != 1 || list[0].Subject != "s" {
		t.Errorf("associations: %v, %v", list, err)
	}
	if got := f.lastRequest(t).uri; got != "/associations/resources/-/t?associationType=key&resourceType=topic" {
		t.Errorf("sent %s", got)
	}
}

func TestBadAddresses(t *testing.T) {
	for _, u := range []string{"", "localhost:8081", "ftp://x", "http://", "http://a b"} {
		if _, err := New([]string{u}); err == nil {
			t.Errorf("New(%q): no error", u)
		}
	}
	if _, err := New(nil); err == nil {
		t.Error("New without addresses: no error")
	}
	if _, err := New([]string{"http://x"}, WithRetries(-1, 0, 0), WithMaxResponseBytes(0)); err == nil {
		t.Error("impossible options: no error")
	}
}

// Methods whose path would name nothing say so and send nothing.
func TestEmptyNamesAreRefusedHere(t *testing.T) {
	var sent atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sent.Add(1)
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	c := newClient(t, []string{server.URL})
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"subject":      func() error { _, err := c.Versions(ctx, "", VersionsOptions{}); return err },
		"created KEK":  func() error { _, err := c.CreateKEK(ctx, KEK{}, false); return err },
		"\"keks\"":     func() error { _, err := c.KEK(ctx, "", false); return err },
		"after \"keks": func() error { return c.DeleteKEK(ctx, "", true) },
		"keks//deks":   func() error { _, err := c.CreateDEK(ctx, "", DEK{Subject: "s"}, false); return err },
		"after \"deks": func() error { _, err := c.DEK(ctx, "k", "", DEKOptions{}); return err },
		"deks//vers":   func() error { return c.DeleteDEK(ctx, "k", "", 2, "", false) },
		"\"contexts\"": func() error { return c.DeleteContext(ctx, "") },
		"\"resources":  func() error { return c.DeleteAssociations(ctx, "", DeleteAssociationsOptions{}) },
	} {
		err := call()
		if !errors.Is(err, ErrEmptyName) {
			t.Errorf("%s: got %v", name, err)
		} else if name = strings.TrimPrefix(name, "created "); !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not say %s", err, name)
		}
	}
	if n := sent.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}
