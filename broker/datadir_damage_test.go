package broker

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// damagedDataDir is the data directory of a stopped broker: topic t of two partitions
// with a record in each. With clean unset it looks as after a kill.
func damagedDataDir(t *testing.T, clean bool) string {
	t.Helper()
	w := &metadataWorld{t: t, dir: filepath.Join(t.TempDir(), "data"), largest: -1}
	err := w.open()
	for _, step := range metadataSteps[:3] { // three partitions, one record
		if err == nil {
			err = step.do(w)
		}
	}
	if err == nil {
		err = w.b.checkpoint()
	}
	if err == nil {
		err = w.close(clean)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.dir
}

// TestNamedDamageOfTheDataDirectory: what is made again is made again; of the rest the
// start, or the log line of the partition, says which file it is and what to do. What
// the damage does not touch is served.
func TestNamedDamageOfTheDataDirectory(t *testing.T) {
	damages := map[string]func(content []byte) []byte{
		"removed":       nil,
		"empty":         func([]byte) []byte { return nil },
		"garbage":       func(content []byte) []byte { return bytes.Repeat([]byte{0xff}, len(content)) },
		"cut in half":   func(content []byte) []byte { return content[:len(content)/2] },
		"a flipped bit": func(content []byte) []byte { content[len(content)/3] ^= 0x10; return content },
		"another's":     nil, // of another broker, topic or partition; see others
	}
	others := map[string]string{
		"metadata.log":                     "", // nothing would be left of this broker
		"meta.properties":                  "version=1\ncluster.id=another\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAA\n",
		"recovery-point-offset-checkpoint": "0\n2\na 0 2000\na 1 7\n",
		"log-start-offset-checkpoint":      "0\n2\na 0 1\na 1 1\n",
		".kafka_cleanshutdown":             `{"version":0,"brokerEpoch":7}`,
		"a-0/partition.metadata":           "version: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAA",
		"a-0/leader-epoch-checkpoint":      "0\n2\n3 0\n7 1\n",
	}
	const (
		whole    = "whole"   // as if nothing had been
		refused  = "refused" // the start names file and remedy
		offline  = "offline" // partition 0 is offline, its log line names folder and remedy
		none     = "none"    // topics are not known; a log line says so
		anything = "anything but a panic"
	)
	for _, tt := range []struct {
		file  string
		clean bool
		want  map[string]string // by damage; else whole
		says  []string          // in the error or the log, if not whole
	}{
		{file: "metadata.log", want: map[string]string{"removed": none, "empty": none, "garbage": refused, "cut in half": anything, "a flipped bit": refused},
			says: []string{"metadata.log", "restore"}},
		{file: "meta.properties", want: map[string]string{"empty": refused, "garbage": refused, "cut in half": refused, "a flipped bit": anything},
			says: []string{"meta.properties", "restore the file from a copy", "node.id=1"}},
		{file: "recovery-point-offset-checkpoint"},
		{file: "log-start-offset-checkpoint"},
		{file: ".kafka_cleanshutdown", clean: true},
		{file: "a-0/partition.metadata", want: map[string]string{"empty": offline, "garbage": offline, "cut in half": offline, "a flipped bit": offline, "another's": offline},
			says: []string{"partition.metadata", "remove the file, and it is written anew", "a-0"}},
		{file: "a-0/leader-epoch-checkpoint"},
		{file: "a-0/log-state"},
		{file: "a-0/00000000000000000000.log", want: map[string]string{"removed": offline, "empty": offline, "garbage": offline, "cut in half": offline, "a flipped bit": offline, "another's": offline},
			says: []string{"a-0", "restore the folder", "dovetail log repair --data-dir ", " a-0 --yes"}},
	} {
		for damage, change := range damages {
			other, known := others[tt.file]
			if damage == "another's" && known && other == "" {
				continue
			}
			t.Run(tt.file+" "+damage, func(t *testing.T) {
				dir := damagedDataDir(t, tt.clean)
				path := filepath.Join(dir, tt.file)
				content, err := os.ReadFile(path)
				if damage == "another's" {
					another := []byte(other)
					if !known { // that of the partition beside it
						if another, err = os.ReadFile(filepath.Join(dir, "a-1", filepath.Base(tt.file))); err != nil {
							t.Fatal(err)
						}
					}
					change = func([]byte) []byte { return another }
				}
				if err == nil && change == nil {
					err = os.Remove(path)
				} else if err == nil {
					err = os.WriteFile(path, change(content), 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
				want := tt.want[damage]
				if want == "" {
					want = whole
				}
				got, said := startDamaged(t, dir)
				if want != anything && got != want {
					t.Errorf("it is %s, want %s: %s", got, want, said)
				}
				for _, words := range tt.says {
					if got != whole && got != anything && !strings.Contains(said, words) {
						t.Errorf("%q is not said: %s", words, said)
					}
				}
			})
		}
	}
}

// startDamaged starts and stops a broker and returns what is served, and what was said.
func startDamaged(t *testing.T, dir string) (state, said string) {
	t.Helper()
	var lines bytes.Buffer
	b, err := New(Options{DataDir: dir, Logger: slog.New(slog.NewTextHandler(&lines, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w := &metadataWorld{t: t, dir: dir, b: b}
	err = b.openData(t.Context())
	defer b.closeData(true)
	if err != nil {
		return "refused", err.Error()
	}
	topic := b.topics.byName("a")
	if topic == nil {
		return "none", lines.String()
	}
	if err := topic.partition(0).offline(); err != nil {
		for _, p := range topic.parts[1:] {
			if err := p.offline(); err != nil {
				t.Errorf("%s-%d is offline, too: %v", p.topic, p.index, err)
			}
		}
		return "offline", lines.String()
	}
	is, err := w.kept()
	if want := (keptTopic{3, "1000000", "x"}); err != nil || is.topics["a"] != want {
		return fmt.Sprintf("%+v, %v", is, err), lines.String()
	}
	return "whole", lines.String()
}

// TestAPartitionComesOnlineWhenItsFolderIsMended without a restart.
func TestAPartitionComesOnlineWhenItsFolderIsMended(t *testing.T) {
	dir := damagedDataDir(t, true)
	file := filepath.Join(dir, "a-0", "partition.metadata")
	if err := os.WriteFile(file, []byte("?"), 0o644); err != nil {
		t.Fatal(err)
	}
	b := startBroker(t, func(o *Options) { o.DataDir = dir })
	if b.topics.byName("a").partition(0).offline() == nil {
		t.Fatal("it is online")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	b.reopen()
	if got := consume(t, b, "a", 1); string(got[0].Value) != "x" {
		t.Errorf("read is %s", got[0].Value)
	}
}

// TestANewClusterIDIsSaid: a data directory that has lost meta.properties is no new one.
func TestANewClusterIDIsSaid(t *testing.T) {
	dir := damagedDataDir(t, true)
	if err := os.Remove(filepath.Join(dir, "meta.properties")); err != nil {
		t.Fatal(err)
	}
	const words = "meta.properties was missing"
	if got, said := startDamaged(t, dir); got != "whole" || !strings.Contains(said, words) {
		t.Errorf("it is %s: %s", got, said)
	}
	for _, dir := range []string{dir, filepath.Join(t.TempDir(), "new")} {
		if _, said := startDamaged(t, dir); strings.Contains(said, words) {
			t.Errorf("of a directory that has lost nothing: %s", said)
		}
	}
}

// TestAChangedClusterIDIsSaid: whoever changed it, and once.
func TestAChangedClusterIDIsSaid(t *testing.T) {
	dir := damagedDataDir(t, true)
	path := filepath.Join(dir, "meta.properties")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, id, _ := bytes.Cut(content, []byte("cluster.id="))
	id, _, _ = bytes.Cut(id, []byte("\n"))
	before := string(id)
	id[3] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		got, said := startDamaged(t, dir)
		if is := strings.Contains(said, "cluster_id="+string(id)+" cluster_id_before="+before); got != "whole" || is != want {
			t.Errorf("at start %d it is %s, said %v: %s", i, got, is, said)
		}
	}
}

// TestCheckpointsWithAnotherDigitAreSetAside: what they say is well-formed and wrong.
func TestCheckpointsWithAnotherDigitAreSetAside(t *testing.T) {
	for _, tt := range []struct{ file, from, to string }{
		{"recovery-point-offset-checkpoint", "a 0 1\n", "a 0 9\n"},
		{"recovery-point-offset-checkpoint", "a 0 1\n", "a 0 0\n"},
		{"log-start-offset-checkpoint", "0\n0\n", "0\n1\na 0 1\n"},
	} {
		for _, removed := range []string{"", "a-0/log-state", tt.file + ".crc32c"} {
			dir := damagedDataDir(t, false)
			path := filepath.Join(dir, tt.file)
			content, err := os.ReadFile(path)
			if err != nil || !bytes.Contains(content, []byte(tt.from)) {
				t.Fatalf("%s: %q, %v", tt.file, content, err)
			}
			if err := os.WriteFile(path, bytes.Replace(content, []byte(tt.from), []byte(tt.to), 1), 0o644); err != nil {
				t.Fatal(err)
			}
			if removed != "" {
				if err := os.Remove(filepath.Join(dir, removed)); err != nil {
					t.Fatal(err)
				}
			}
			got, said := startDamaged(t, dir)
			summed := removed != tt.file+".crc32c"
			if is := strings.Contains(said, "set aside"); is != summed {
				t.Errorf("%s %q without %q: set aside is %v: %s", tt.file, tt.to, removed, is, said)
			}
			// Without a sum, a recovery point beyond the end is what lost records look like.
			want := "whole"
			if !summed && tt.to == "a 0 9\n" {
				want = "offline"
			}
			if got != want {
				t.Errorf("%s %q without %q: it is %s, want %s: %s", tt.file, tt.to, removed, got, want, said)
			}
		}
	}
}
