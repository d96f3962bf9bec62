package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dovetail-dev/dovetail/broker"
)

// stoppedDataDir is the data directory of a broker that was stopped.
func stoppedDataDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	b, err := broker.New(broker.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureInternalTopic("_state", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func runLog(lock func(string) (io.Closer, error), args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd := newLogLocking(lock)
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(args)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err = cmd.Execute()
	return out.String(), errs.String(), err
}

// TestLogCheckReadsADirectoryThatCannotBeWritten and says that it has not locked it;
// repair refuses it.
func TestLogCheckReadsADirectoryThatCannotBeWritten(t *testing.T) {
	dir := stoppedDataDir(t)
	for _, cause := range []error{syscall.EROFS, syscall.EACCES, syscall.EPERM} {
		readOnly := func(dir string) (io.Closer, error) {
			return nil, &fs.PathError{Op: "open", Path: filepath.Join(dir, ".lock"), Err: cause}
		}
		stdout, stderr, err := runLog(readOnly, "check", "--data-dir", dir)
		if err != nil || !strings.Contains(stdout, "nothing is damaged") || !strings.Contains(stderr, "read without a lock") || !strings.Contains(stderr, cause.Error()) {
			t.Errorf("%v: %q, %q, %v", cause, stdout, stderr, err)
		}
		var status exitStatus
		if _, _, err := runLog(readOnly, "repair", "--data-dir", dir, "--yes"); !errors.As(err, &status) || status.code != 2 || !strings.Contains(err.Error(), cause.Error()) {
			t.Errorf("%v: repair: %v", cause, err)
		}
	}
	_, stderr, err := runLog(broker.LockDataDir, "check", "--data-dir", dir)
	if err != nil || stderr != "" {
		t.Errorf("%q, %v", stderr, err)
	}
}

// TestLogCheckGoesOnWithADamagedCheckpoint as the broker does.
func TestLogCheckGoesOnWithADamagedCheckpoint(t *testing.T) {
	dir := stoppedDataDir(t)
	for _, name := range []string{"recovery-point-offset-checkpoint", "log-start-offset-checkpoint"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stdout, _, err := runLog(broker.LockDataDir, "check", "--data-dir", dir)
	if err != nil || !strings.Contains(stdout, "recovery-point-offset-checkpoint") || !strings.Contains(stdout, "log-start-offset-checkpoint") || !strings.Contains(stdout, "nothing is damaged") {
		t.Errorf("%q, %v", stdout, err)
	}
}

// TestLogCheckFindsWhatAStartRefusesOrWarnsOf in the files that name topics and cluster.
func TestLogCheckFindsWhatAStartRefusesOrWarnsOf(t *testing.T) {
	emptied := func([]byte) []byte { return nil }
	for name, d := range map[string]struct {
		file   string
		change func([]byte) []byte
		says   string
	}{
		"another topic's ID":        {"_state-0/partition.metadata", func([]byte) []byte { return []byte("version: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAA") }, "belongs to topic ID 010203"},
		"meta.properties emptied":   {"meta.properties", emptied, "version \"\""},
		"meta.properties zeroed":    {"meta.properties", func(p []byte) []byte { return make([]byte, len(p)) }, "meta.properties"},
		"meta.properties cut":       {"meta.properties", func(p []byte) []byte { return p[:bytes.Index(p, []byte("node.id"))] }, "node.id"},
		"metadata.log emptied":      {"metadata.log", emptied, "_state-0: no entry of metadata.log names"},
		"metadata.log cut in entry": {"metadata.log", func(p []byte) []byte { return p[:10] }, "_state-0: no entry of metadata.log names"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := stoppedDataDir(t)
			path := filepath.Join(dir, d.file)
			content, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, d.change(content), 0o644)
			}
			if err == nil { // as after a kill
				err = os.Remove(filepath.Join(dir, ".kafka_cleanshutdown"))
			}
			if err != nil {
				t.Fatal(err)
			}
			stdout, _, err := runLog(broker.LockDataDir, "check", "--data-dir", dir)
			var status exitStatus
			if !errors.As(err, &status) || status.code != 1 || !strings.Contains(stdout, d.says) || !strings.Contains(stdout, "remedy: ") {
				t.Errorf("%q, %v", stdout, err)
			}
		})
	}
}
