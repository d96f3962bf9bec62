package main

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSettingsOutOfRangeAreNamed(t *testing.T) {
	s := serveSettings{
		dataDir: "d", journal: "memory", httpAddr: "127.0.0.1:0", kafkaAddr: "127.0.0.1:0", durability: "fsync", level: "BACKWARD",
		shutdownTimeout: -time.Second, groupMigration: "sideways",
	}
	_, _, err := s.validate()
	for _, flag := range []string{"--shutdown-timeout -1s", "--default-partitions 0", `--group-migration "sideways": want bidirectional, upgrade, downgrade, disabled`} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%v does not name %s", err, flag)
		}
	}
}

// TestNonsenseJournalIsRefusedBeforeAnythingIsOpened: the addresses are taken
// and the data directory cannot be created, so whatever else were tried first
// would be what the error says.
func TestNonsenseJournalIsRefusedBeforeAnythingIsOpened(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct{ journal, want string }{
		{"foo", "want embedded, memory, redis://"},
		{"", "want embedded, memory, redis://"},
		{"kafka://", "is no broker"},
		{"kafka://a:9092,b", `"b" is no broker`},
		{"redis://host/nine", "redis journal: URL"},
	} {
		s := serveSettings{
			dataDir: filepath.Join(t.TempDir(), "none"), journal: c.journal, httpAddr: taken.Addr().String(), kafkaAddr: taken.Addr().String(),
			durability: "fsync", level: "BACKWARD", partitions: 1, groupMigration: "disabled", logLevel: "info", logFormat: "text",
		}
		err := serve(context.Background(), s, io.Discard)
		var status exitStatus
		if !errors.As(err, &status) || status.code != exitUsage || !strings.Contains(err.Error(), "--journal") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("--journal %q: %v, want exit status 2 and %q", c.journal, err, c.want)
		}
	}
}
