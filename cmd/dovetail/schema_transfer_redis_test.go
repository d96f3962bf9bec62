package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/journal/redis"
	"github.com/dovetail-dev/dovetail/registry/journal/seal"
	"github.com/dovetail-dev/dovetail/serde"
)

// realRedis runs redis-server, which `make deps` installs, and returns its URL.
func realRedis(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("no redis-server on PATH: make deps installs it")
	}
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	defer client.Close()
	for end := time.Now().Add(time.Minute); client.Ping(context.Background()).Err() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("redis-server does not answer")
		}
	}
	return "redis://" + addr
}

func redisJournal(t *testing.T, url, topic string) journal.Journal {
	t.Helper()
	j, err := redis.Open(context.Background(), redis.Options{URL: url, Key: redisKey(topic)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func transferred(t *testing.T, want string, args ...string) {
	t.Helper()
	if out, err := schemaCommandLine(args...); err != nil || !strings.HasPrefix(out, want) {
		t.Fatalf("%q: %s%v, want %q", args, out, err, want)
	}
}

func TestImportIntoRedisAndExportFromIt(t *testing.T) {
	source, file := lived(t)
	url := realRedis(t)
	original, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(original, []byte("\n")), []byte("\n"))
	half := filepath.Join(t.TempDir(), "half.ndjson")
	if err := os.WriteFile(half, bytes.Join(lines[:len(lines)/2], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	// An import that was cut off goes on, and one that is through does nothing.
	transferred(t, fmt.Sprintf("%d records imported, 0 were there", len(lines)/2), "import", half, "--to", url)
	transferred(t, fmt.Sprintf("%d records imported, %d were there", len(lines)-len(lines)/2, len(lines)/2), "import", file, "--to", url)
	transferred(t, "0 records imported", "import", file, "--to", url)

	client, _ := serveRegistry(t, redisJournal(t, url, schemasTopic))
	if got, want := describeRegistry(t, client), describeRegistry(t, source); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}

	exported := filepath.Join(t.TempDir(), "exported.ndjson")
	transferred(t, fmt.Sprintf("%d records exported", len(lines)), "export", "--from", url, exported)
	whole, _ := os.ReadFile(exported)
	if !bytes.Equal(whole, original) {
		t.Fatalf("exported\n%s\nimported\n%s", whole, original)
	}
	if err := os.Truncate(exported, int64(len(whole)*2/3)); err != nil {
		t.Fatal(err)
	}
	if out, err := schemaCommandLine("export", "--from", url, exported); err != nil {
		t.Fatalf("%s%v", out, err)
	}
	if again, _ := os.ReadFile(exported); !bytes.Equal(whole, again) {
		t.Fatalf("the rest of the export is something else:\n%s", again)
	}

	// From one Redis to another, several batches long.
	for i := range 600 {
		if _, err := client.SetConfig(context.Background(), schema.Subject(fmt.Sprintf("c%d", i)), srclient.ConfigUpdate{Config: srclient.Config{Level: "FULL"}}); err != nil {
			t.Fatal(err)
		}
	}
	second := realRedis(t)
	transferred(t, fmt.Sprintf("%d records imported", len(lines)+600), "import", "--from", url, "--to", second)
	copied, _ := serveRegistry(t, redisJournal(t, second, schemasTopic))
	if got, want := describeRegistry(t, copied), describeRegistry(t, client); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}

	// What is somebody else's stays.
	if _, err := copied.Register(context.Background(), "own", schema.Definition{Type: schema.Avro, Text: `"bytes"`}, serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"the target has records that the source does not have": {"import", file, "--to", second},
		"there is no such stream":                              {"export", "--from", url + "/3"},
		"redis journal: URL":                                   {"import", file, "--to", url + "/nine"},
	} {
		if _, err := schemaCommandLine(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

func TestRedisKeepsSensitiveMetadataEncrypted(t *testing.T) {
	ctx := context.Background()
	url := realRedis(t)
	sealed := func(url string) journal.Journal {
		j, err := seal.New(ctx, redisJournal(t, url, schemasTopic), seal.Options{Secret: "s", Keysets: redisJournal(t, url, encodersTopic)})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	first, _ := serveRegistry(t, sealed(url))
	second, _ := serveRegistry(t, sealed(url))
	if _, err := first.Register(ctx, "a", sensitiveDefinition(), serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	wantSensitiveOwner(t, second)
	target := realRedis(t)
	transferred(t, "1 records imported", "import", "--from", url, "--to", target, "--encoders")
	transferred(t, "1 records imported", "import", "--from", url, "--to", target)
	copied, _ := serveRegistry(t, sealed(target))
	wantSensitiveOwner(t, copied)
	records, _, err := redisJournal(t, target, schemasTopic).Read(ctx, 0, 10)
	if err != nil || len(records) != 1 || bytes.Contains(records[0].Value, []byte(sensitiveOwner)) {
		t.Errorf("stored: %v, %v", records, err)
	}
}
