package srclient_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/rest"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

// realRegistry is the registry of this module behind its own REST handler.
func realRegistry(t *testing.T) (*srclient.Client, *httptest.Server) {
	t.Helper()
	r, err := registry.Open(context.Background(), registry.Options{Journal: &journal.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(rest.Handler(r, rest.Options{Version: "test"}))
	t.Cleanup(func() {
		server.Close()
		r.Close()
	})
	c, err := srclient.New([]string{server.URL}, srclient.WithRetries(0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, server
}

const (
	v1 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"int"}]}`
	v2 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"note","type":"string","default":"none"}]}`
	v3 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"}]}`
)

func avroText(text string) schema.Definition {
	return schema.Definition{Type: schema.Avro, Text: text}
}

// TestAgainstTheRegistry goes through the life of a subject over HTTP.
func TestAgainstTheRegistry(t *testing.T) {
	ctx := context.Background()
	c, _ := realRegistry(t)
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	check("ping", c.Ping(ctx))
	first, err := c.RegisterSchema(ctx, "orders/€-value", srclient.Registration{Definition: avroText(v1)})
	check("register", err)
	second, err := c.RegisterSchema(ctx, "orders/€-value", srclient.Registration{Definition: avroText(v2)})
	check("register", err)
	if first.ID != 1 || first.Version != 1 || second.ID != 2 || second.Version != 2 || second.GUID == first.GUID || second.Type != schema.Avro {
		t.Errorf("registered %+v and %+v", first, second)
	}
	if _, err := c.RegisterSchema(ctx, "orders/€-value", srclient.Registration{Definition: avroText(v3)}); !errors.Is(err, srclient.IncompatibleSchema) || !errors.Is(err, serde.ErrRejected) {
		t.Errorf("incompatible: %v", err)
	}
	verdict, err := c.Compatible(ctx, "orders/€-value", schema.Latest, avroText(v3), false)
	check("compatible", err)
	if verdict.Compatible || len(verdict.Messages) == 0 {
		t.Errorf("verdict %+v", verdict)
	}
	again, err := c.LookupSchema(ctx, "orders/€-value", avroText(v1), srclient.SchemaLookupOptions{})
	check("lookup", err)
	byID, err := c.ByID(ctx, 1, srclient.IDOptions{FetchMaxID: true})
	check("by ID", err)
	byGUID, err := c.ByGUID(ctx, first.GUID, "")
	check("by GUID", err)
	if again.ID != 1 || byID.Text != first.Text || byID.MaxID != 2 || byGUID.Text != first.Text {
		t.Errorf("lookup %+v, by ID %+v, by GUID %+v", again, byID, byGUID)
	}
	ids, err := c.IDsByGUID(ctx, first.GUID)
	check("IDs by GUID", err)
	if len(ids) != 1 || ids[0].ID != 1 || ids[0].Context != schema.DefaultContext {
		t.Errorf("IDs %v", ids)
	}
	if _, err := c.ByID(ctx, 99, srclient.IDOptions{}); !errors.Is(err, srclient.SchemaNotFound) || !errors.Is(err, serde.ErrNotFound) {
		t.Errorf("unknown ID: %v", err)
	}
	if _, err := c.Config(ctx, "orders/€-value", false); !errors.Is(err, srclient.SubjectLevelConfigNotFound) {
		t.Errorf("no config: %v", err)
	}
	_, err = c.SetConfig(ctx, "orders/€-value", srclient.ConfigUpdate{Config: srclient.Config{Level: "NONE"}})
	check("set config", err)
	config, err := c.Config(ctx, "orders/€-value", false)
	check("config", err)
	if config.Level != "NONE" {
		t.Errorf("config %+v", config)
	}
	_, err = c.SetConfig(ctx, "orders/€-value", srclient.ConfigUpdate{Clear: []string{"compatibility"}})
	check("clear the level", err)
	mode, err := c.Mode(ctx, "orders/€-value", true)
	check("mode", err)
	if mode != srclient.ReadWrite {
		t.Errorf("mode %s", mode)
	}
	_, err = c.RegisterSchema(ctx, ":.lab:orders", srclient.Registration{Definition: avroText(v1)})
	check("register in a context", err)
	contexts, err := c.Contexts(ctx, "", srclient.Page{})
	check("contexts", err)
	if !slices.Contains(contexts, ".lab") {
		t.Errorf("contexts %v", contexts)
	}
	subjects, err := c.Subjects(ctx, srclient.SubjectsOptions{Prefix: ":*:"})
	check("subjects", err)
	if !slices.Equal(subjects, []schema.Subject{":.lab:orders", "orders/€-value"}) {
		t.Errorf("subjects %q", subjects)
	}
	all, err := c.Schemas(ctx, srclient.SchemasOptions{LatestOnly: true})
	check("schemas", err)
	if len(all) != 1 || all[0].Version != 2 {
		t.Errorf("schemas %+v", all)
	}
	text, err := c.VersionText(ctx, "orders/€-value", schema.Latest, "", false)
	check("text", err)
	if text != second.Text {
		t.Errorf("text %s", text)
	}
	deleted, err := c.DeleteSubject(ctx, "orders/€-value", false)
	check("delete", err)
	if !slices.Equal(deleted, []schema.Version{1, 2}) {
		t.Errorf("deleted %v", deleted)
	}
	if _, err := c.Versions(ctx, "orders/€-value", srclient.VersionsOptions{}); !errors.Is(err, srclient.SubjectNotFound) {
		t.Errorf("versions of a deleted subject: %v", err)
	}
	version, err := c.ServerVersion(ctx)
	check("version", err)
	if version.Version != "test" {
		t.Errorf("server version %+v", version)
	}
}

// TestSerdeOverHTTP writes with two versions of a schema, in both framings, and
// reads with the newer one.
func TestSerdeOverHTTP(t *testing.T) {
	ctx := context.Background()
	c, server := realRegistry(t)
	type orderV1 struct {
		ID int32 `avro:"id"`
	}
	type orderV2 struct {
		ID   int64  `avro:"id"`
		Note string `avro:"note"`
	}
	old, err := avro.NewSerializer[orderV1](c, v1)
	if err != nil {
		t.Fatal(err)
	}
	recent, err := avro.NewSerializer[orderV2](c, v2, serde.WithHeaderFraming(), serde.WithSubjectStrategy(serde.Associated(c, serde.AssociatedOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := avro.NewDeserializer[orderV2](c, v2)
	if err != nil {
		t.Fatal(err)
	}
	a, err := old.Append(ctx, nil, "orders", orderV1{7})
	if err != nil {
		t.Fatal(err)
	}
	b, header, err := recent.AppendRecord(ctx, nil, "orders", orderV2{8, "gift"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var x, y orderV2
		if err := errors.Join(reader.Decode(ctx, "orders", a, &x), reader.DecodeRecord(ctx, "orders", header, b, &y)); err != nil {
			t.Fatal(err)
		}
		if x != (orderV2{7, "none"}) || y != (orderV2{8, "gift"}) {
			t.Errorf("read %+v and %+v", x, y)
		}
		server.Close() // the second round does without the registry
	}
	var none orderV2
	if err := reader.Decode(ctx, "orders", []byte{0, 0, 0, 0, 99}, &none); !errors.Is(err, serde.ErrUnavailable) {
		t.Errorf("an unknown ID while the registry is down: %v", err)
	}
}
