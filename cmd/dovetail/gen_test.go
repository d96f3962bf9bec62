package main

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/rest"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// serveRegistry serves the records of a journal and returns a client and the URL.
func serveRegistry(t *testing.T, j journal.Journal) (*srclient.Client, string) {
	t.Helper()
	reg, err := registry.Open(context.Background(), registry.Options{Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(rest.Handler(reg, rest.Options{}))
	t.Cleanup(func() { server.Close(); reg.Close() })
	client, err := srclient.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, server.URL
}

func TestGenGoFromARegistry(t *testing.T) {
	ctx := context.Background()
	client, url := serveRegistry(t, &journal.Memory{})
	register := func(subject, text string, refs ...schema.Reference) {
		t.Helper()
		if _, err := client.Register(ctx, schema.Subject(subject), schema.Definition{Type: schema.Avro, Text: text, References: refs}, serde.RegisterOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	register("money", `{"type":"record","name":"Money","fields":[{"name":"cents","type":"long"}]}`)
	money := schema.Reference{Name: "Money", Subject: "money", Version: 1}
	register("orders-value", `{"type":"record","name":"Order","fields":[{"name":"total","type":"Money"}]}`, money)
	register("orders-value", `{"type":"record","name":"Order","fields":[{"name":"total","type":"Money"},{"name":"note","type":["null","string"],"default":null}]}`, money)

	out := filepath.Join(t.TempDir(), "orders.go")
	generated := func(args ...string) string {
		t.Helper()
		if status := run(ctx, append([]string{"gen", "go", "--registry", url, "--out", out}, args...)); status != 0 {
			t.Fatalf("exit status %d", status)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	latest := generated("--subject", "orders-value")
	for _, want := range []string{"// Source: orders-value version 2\n", "type Money struct", "Note ", `"name":"cents"`} {
		if !strings.Contains(latest, want) {
			t.Errorf("no %q in\n%s", want, latest)
		}
	}
	if first := generated("--subject", "orders-value", "--version", "1"); strings.Contains(first, "Note ") {
		t.Errorf("version 1 has a field of version 2:\n%s", first)
	}
	for _, args := range [][]string{{}, {"--subject", "nobody"}, {"--subject", "orders-value", "--version", "0"}, {"--subject", "orders-value", "--version", "3"}} {
		if status := run(ctx, append([]string{"gen", "go", "--registry", url}, args...)); status == 0 {
			t.Errorf("%q succeeds", args)
		}
	}
}
