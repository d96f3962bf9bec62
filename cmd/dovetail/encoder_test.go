package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal/seal"
	"github.com/dovetail-dev/dovetail/serde"
)

const sensitiveOwner = "kim@example.org"

// sealedServer runs a broker over dir with a registry in it, as serve does with
// the secrets.
func sealedServer(t *testing.T, dir string, encoders encoderSettings) (client *srclient.Client, kafka string, stop func(), err error) {
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
	j, err := openJournal(ctx, "embedded", encoders, b, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, "", stop, err
	}
	reg, err := registry.Open(ctx, registry.Options{Journal: j})
	if err != nil {
		return nil, "", stop, err
	}
	reg.Close()
	client, _ = serveRegistry(t, j)
	return client, "kafka://" + b.Addr("").String(), stop, nil
}

func mustSealedServer(t *testing.T, dir string, encoders encoderSettings) (client *srclient.Client, kafka string, stop func()) {
	t.Helper()
	client, kafka, stop, err := sealedServer(t, dir, encoders)
	if err != nil {
		t.Fatal(err)
	}
	return client, kafka, stop
}

func sensitiveDefinition() schema.Definition {
	return schema.Definition{Type: schema.Avro, Text: `"int"`, Metadata: &schema.Metadata{
		Properties: map[string]string{"owner": sensitiveOwner}, Sensitive: []string{"owner"},
	}}
}

func wantSensitiveOwner(t *testing.T, client *srclient.Client) {
	t.Helper()
	s, err := client.Version(context.Background(), "a", 1, false)
	if err != nil || s.Definition.Metadata == nil || len(s.Definition.Metadata.Properties) != 1 || s.Definition.Metadata.Properties["owner"] != sensitiveOwner {
		t.Fatalf("got %+v, %v", s, err)
	}
}

// inFiles reports whether a text stands in a file below dir.
func inFiles(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		found = found || bytes.Contains(b, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSensitiveMetadataIsEncryptedOnTheDisk(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	client, _, stop := mustSealedServer(t, dir, encoderSettings{secret: "one"})
	if _, err := client.Register(ctx, "a", sensitiveDefinition(), serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	wantSensitiveOwner(t, client)
	stop()
	if inFiles(t, dir, sensitiveOwner) || !inFiles(t, dir, "__enc__") {
		t.Error("the data directory holds the value in clear")
	}
	for want, encoders := range map[string]encoderSettings{
		"give --metadata-encoder-secret":                  {},
		"--metadata-encoder-secret does not open the key": {secret: "two"},
	} {
		_, _, stop, err := sealedServer(t, dir, encoders)
		stop()
		if !errors.Is(err, seal.ErrSecret) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, encoders := range []encoderSettings{{secret: "one"}, {secret: "two", oldSecret: "one"}, {secret: "two"}} {
		client, _, stop := mustSealedServer(t, dir, encoders)
		wantSensitiveOwner(t, client)
		if again, err := client.Register(ctx, "a", sensitiveDefinition(), serde.RegisterOptions{}); err != nil || again.ID != 1 {
			t.Errorf("again: id %d, %v", again.ID, err)
		}
		stop()
	}
}

func TestExportAndImportKeepEncryptedMetadata(t *testing.T) {
	dir := t.TempDir()
	client, kafka, _ := mustSealedServer(t, dir, encoderSettings{secret: "one"})
	if _, err := client.Register(context.Background(), "a", sensitiveDefinition(), serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	files := t.TempDir()
	schemas, keys := filepath.Join(files, "schemas.ndjson"), filepath.Join(files, "keys.ndjson")
	target := t.TempDir()
	for _, args := range [][]string{
		{"export", "--from", kafka, schemas},
		{"export", "--from", kafka, "--encoders", keys},
		{"import", keys, "--data-dir", target, "--encoders"},
		{"import", schemas, "--data-dir", target},
	} {
		out, err := schemaCommandLine(args...)
		if err != nil || !strings.HasPrefix(out, "1 records") {
			t.Fatalf("%q: %s%v", args, out, err)
		}
	}
	if inFiles(t, files, sensitiveOwner) || inFiles(t, target, sensitiveOwner) {
		t.Error("the value is in clear in what was exported or imported")
	}
	copied, _, _ := mustSealedServer(t, target, encoderSettings{secret: "one"})
	wantSensitiveOwner(t, copied)
}

func TestEncoderSecretsComeFromTheEnvironmentToo(t *testing.T) {
	env := environment(map[string]string{"METADATA_ENCODER_SECRET": "a", "METADATA_ENCODER_OLD_SECRET": "b"})
	for _, c := range []struct{ set, want encoderSettings }{
		{encoderSettings{}, encoderSettings{"a", "b"}},
		{encoderSettings{secret: "x", oldSecret: "y"}, encoderSettings{"x", "y"}},
	} {
		if c.set.fallBack(env); c.set != c.want {
			t.Errorf("got %+v, want %+v", c.set, c.want)
		}
	}
	if err := (&encoderSettings{oldSecret: "x"}).validate(); err == nil || !strings.Contains(err.Error(), "without --metadata-encoder-secret") {
		t.Errorf("an old secret alone: %v", err)
	}
}
