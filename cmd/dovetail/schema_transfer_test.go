package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/cmd/dovetail/internal/transfer"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/serde"
)

// lived fills a registry as years would: references, contexts, deletes, levels
// and modes. It returns its records as a file.
func lived(t *testing.T) (*srclient.Client, string) {
	t.Helper()
	ctx := context.Background()
	j := &journal.Memory{}
	client, _ := serveRegistry(t, j)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	register := func(subject, text string, refs ...schema.Reference) {
		t.Helper()
		_, err := client.Register(ctx, schema.Subject(subject), schema.Definition{Type: schema.Avro, Text: text, References: refs}, serde.RegisterOptions{})
		must(err)
	}
	register("money", `{"type":"record","name":"Money","fields":[{"name":"cents","type":"long"}]}`)
	register("orders-value", `{"type":"record","name":"Order","fields":[{"name":"total","type":"Money"}]}`, schema.Reference{Name: "Money", Subject: "money", Version: 1})
	for i := range 30 {
		register(fmt.Sprintf("s%d", i%7), fmt.Sprintf(`{"type":"record","name":"S","fields":[{"name":"f%d","type":"int","default":0}]}`, i))
	}
	register(":.staging:orders-value", `"string"`)
	_, err := client.DeleteVersion(ctx, "s1", 2, false)
	must(err)
	_, err = client.DeleteSubject(ctx, "s2", false)
	must(err)
	_, err = client.DeleteSubject(ctx, "s3", false)
	must(err)
	_, err = client.DeleteSubject(ctx, "s3", true)
	must(err)
	_, err = client.SetConfig(ctx, "s4", srclient.ConfigUpdate{Config: srclient.Config{Level: "FULL"}})
	must(err)
	_, err = client.SetMode(ctx, "s5", srclient.Mode("READONLY"), false)
	must(err)

	records, _, err := j.Read(ctx, 0, 10_000)
	must(err)
	var file bytes.Buffer
	sink := transfer.NewFile(&file)
	for _, r := range records {
		must(sink.Append(ctx, transfer.Record{Offset: int64(r.Offset), Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}))
	}
	must(sink.Flush(ctx))
	name := filepath.Join(t.TempDir(), "schemas.ndjson")
	must(os.WriteFile(name, file.Bytes(), 0o600))
	return client, name
}

// describe returns all that a registry says about its schemas and settings.
func describeRegistry(t *testing.T, c *srclient.Client) string {
	t.Helper()
	ctx := context.Background()
	var out strings.Builder
	for _, prefix := range []string{"", ":*:"} {
		all, err := c.Schemas(ctx, srclient.SchemasOptions{Prefix: prefix, Deleted: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			fmt.Fprintf(&out, "%+v\n", s)
		}
	}
	for i := range 7 {
		subject := schema.Subject(fmt.Sprintf("s%d", i))
		config, err := c.Config(ctx, subject, true)
		mode, err2 := c.Mode(ctx, subject, true)
		fmt.Fprintf(&out, "%s: %+v %v, %v %v\n", subject, config, err, mode, err2)
	}
	return out.String()
}

// startServer runs a broker with a registry in it, as serve does.
func startServer(t *testing.T, dir string) (client *srclient.Client, kafka string, stop func()) {
	t.Helper()
	ctx := context.Background()
	b, err := broker.New(broker.Options{DataDir: dir, Listeners: []broker.Listener{{Addr: "127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(ctx); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			b.Close(ctx)
		}
	}
	t.Cleanup(stop)
	j, err := openBrokerJournal(b, schemasTopic)
	if err != nil {
		t.Fatal(err)
	}
	client, _ = serveRegistry(t, j)
	return client, "kafka://" + b.Addr("").String(), stop
}

// command runs a command of schema and returns what it prints and its error.
func schemaCommandLine(args ...string) (string, error) {
	cmd := newSchemaImport(&credentials{}, &output{})
	if args[0] == "export" {
		cmd = newSchemaExport(&credentials{}, &output{})
	}
	var out bytes.Buffer
	cmd.SetArgs(args[1:])
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(context.Background())
	return out.String(), err
}

func TestImportIntoAStoppedServer(t *testing.T) {
	source, file := lived(t)
	dir := t.TempDir()
	for range 2 { // the second time there is nothing left to do
		if out, err := schemaCommandLine("import", file, "--data-dir", dir); err != nil {
			t.Fatalf("%s%v", out, err)
		}
	}
	client, _, _ := startServer(t, dir)
	if got, want := describeRegistry(t, client), describeRegistry(t, source); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	// The next schema gets the ID that the source would have given.
	for _, c := range []*srclient.Client{source, client} {
		made, err := c.Register(context.Background(), "next", schema.Definition{Type: schema.Avro, Text: `"double"`}, serde.RegisterOptions{})
		if err != nil || made.ID != 33 {
			t.Fatalf("id %d, %v", made.ID, err)
		}
	}
}

func TestImportIntoARunningServerAndExportFromIt(t *testing.T) {
	source, file := lived(t)
	client, kafka, _ := startServer(t, t.TempDir())
	out, err := schemaCommandLine("import", file, "--to", kafka)
	if err != nil {
		t.Fatalf("%s%v", out, err)
	}
	want := describeRegistry(t, source)
	for end := time.Now().Add(30 * time.Second); describeRegistry(t, client) != want; {
		if time.Now().After(end) {
			t.Fatalf("got\n%s\nwant\n%s", describeRegistry(t, client), want)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if out, err = schemaCommandLine("import", file, "--to", kafka); err != nil || !strings.HasPrefix(out, "0 records imported") {
		t.Fatalf("%q, %v", out, err)
	}

	exported := filepath.Join(t.TempDir(), "exported.ndjson")
	if out, err = schemaCommandLine("export", "--from", kafka, exported); err != nil {
		t.Fatalf("%s%v", out, err)
	}
	whole, _ := os.ReadFile(exported)
	original, _ := os.ReadFile(file)
	if !bytes.Equal(whole, original) {
		t.Fatalf("exported\n%s\nimported\n%s", whole, original)
	}
	// An export that was cut off goes on.
	if err := os.Truncate(exported, int64(len(whole)*2/3)); err != nil {
		t.Fatal(err)
	}
	if out, err = schemaCommandLine("export", "--from", kafka, exported); err != nil {
		t.Fatalf("%s%v", out, err)
	}
	if again, _ := os.ReadFile(exported); !bytes.Equal(whole, again) {
		t.Fatalf("the rest of the export is something else:\n%s", again)
	}
	// From cluster to cluster.
	client2, kafka2, _ := startServer(t, t.TempDir())
	if out, err = schemaCommandLine("import", "--from", kafka, "--to", kafka2); err != nil {
		t.Fatalf("%s%v", out, err)
	}
	for end := time.Now().Add(30 * time.Second); describeRegistry(t, client2) != want; {
		if time.Now().After(end) {
			t.Fatal("the second server does not say the same")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestImportRefuses(t *testing.T) {
	_, file := lived(t)
	client, kafka, _ := startServer(t, t.TempDir())
	if _, err := client.Register(context.Background(), "own", schema.Definition{Type: schema.Avro, Text: `"int"`}, serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"the target has records that the source does not have", []string{"import", file, "--to", kafka}},
		{"one of them", []string{"import", "--to", kafka}},
		{"one of them", []string{"import", file, "--from", kafka}},
		{"exclude each other", []string{"import", file, "--to", kafka, "--data-dir", "x"}},
		{"want kafka://", []string{"import", file, "--to", "http://localhost"}},
		{"no such file", []string{"import", file + "x", "--to", kafka}},
		{"there is no such topic", []string{"import", "--from", kafka + "/nothing", "--to", kafka}},
		{"no such file", []string{"export", "--data-dir", file + "x"}},
		{"not a line of an export", []string{"export", "--from", kafka, "schema_transfer_test.go"}},
	} {
		if _, err := schemaCommandLine(c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.args, err, c.want)
		}
	}
}
