package interop

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const kafkaJars = "kafka/target/lib/*"

// complaint is what kafka-dump-log says of a file that Kafka would not have
// written. It ends with 0 all the same.
var complaint = regexp.MustCompile(`isvalid: false|^Found |^Mismatches in|^Non-consecutive|Index timestamp:|Indexed offset:|invalid bytes|Unknown record type|Error at offset|rror reading|Exception|^Ignoring unknown file|Invalid snapshot`)

// verdict is what kafka-dump-log said.
type verdict struct {
	files, records int
	complaints     []string
}

// dumpLog lets Kafka's own tool read every file of a data directory whose format
// is Kafka's: segments down to their records, indexes against the segments,
// snapshots, and the coordinators' records in their own terms.
func dumpLog(t *testing.T, dir string) verdict {
	t.Helper()
	byDecoder := map[string][][]string{} // in calls
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Dir(path) == filepath.Clean(dir) {
			return err
		}
		switch filepath.Ext(path) {
		case ".log", ".index", ".timeindex", ".txnindex", ".snapshot":
			decoder := "--deep-iteration" // which all get anyway
			switch topic := filepath.Base(filepath.Dir(path)); {
			case strings.HasPrefix(topic, "__consumer_offsets-"):
				decoder = "--offsets-decoder"
			case strings.HasPrefix(topic, "__transaction_state-"):
				decoder = "--transaction-log-decoder"
			case strings.HasPrefix(topic, "__share_group_state-"):
				decoder = "--share-group-state-decoder"
			}
			// An argument may have 128 KiB.
			if n := len(byDecoder[decoder]); n == 0 || len(byDecoder[decoder][n-1]) == 200 {
				byDecoder[decoder] = append(byDecoder[decoder], nil)
			}
			last := &byDecoder[decoder][len(byDecoder[decoder])-1]
			*last = append(*last, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var v verdict
	for decoder, calls := range byDecoder {
		for _, files := range calls {
			command := java(kafkaJars, "kafka.tools.DumpLogSegments", "--deep-iteration", decoder, "--files", strings.Join(files, ","))
			out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
			v.add(out)
			if err != nil {
				v.complaints = append(v.complaints, fmt.Sprintf("kafka-dump-log %s: %v\n%s", decoder, err, tail(out)))
				continue
			}
			for _, f := range files {
				if !bytes.Contains(out, []byte("Dumping "+f+"\n")) {
					t.Errorf("kafka-dump-log passed over %s", f)
				}
			}
		}
	}
	return v
}

func (v *verdict) add(out []byte) {
	file := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if f, ok := strings.CutPrefix(line, "Dumping "); ok {
			file = f
			v.files++
			continue
		}
		// What follows is text of the records, which may say anything.
		before, _, isRecord := strings.Cut(line, "headerKeys:")
		if isRecord {
			v.records++
			line = before
		}
		if complaint.MatchString(line) && len(v.complaints) < 20 {
			v.complaints = append(v.complaints, filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file))+": "+line)
		}
	}
}

// judgeFiles fails unless kafka-dump-log finds nothing wrong in a data
// directory.
func judgeFiles(t *testing.T, dir string) {
	v := dumpLog(t, dir)
	for _, c := range v.complaints {
		t.Error(c)
	}
	if v.records == 0 {
		t.Error("kafka-dump-log found no records")
	}
	t.Logf("kafka-dump-log read %d files with %d records, complaints: %d", v.files, v.records, len(v.complaints))
}

// The judge itself: damage that a broker could do is told.
func TestDumpLogTellsDamage(t *testing.T) {
	t.Parallel()
	buildClients(t)
	s := startServer(t)
	franz := client{name: "franz", command: []string{"build/franz"}}
	s.createTopic(t, "damaged", 1)
	// Several requests, so that there are several batches, and enough bytes for
	// entries in the indexes.
	for range 3 {
		if out, err := s.run(franz, "produce", "damaged", "1000", "none"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	s.stop(t)
	judgeFiles(t, s.dir)
	for ext, at := range map[string]int64{".log": 200, ".index": 7, ".timeindex": 2} {
		t.Run(ext, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(s.dir, "damaged-0", "*"+ext))
			if err != nil || len(files) == 0 {
				t.Fatalf("no %s: %v", ext, err)
			}
			whole, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(whole)) <= at {
				t.Fatalf("%s has only %d bytes", files[0], len(whole))
			}
			damaged := bytes.Clone(whole)
			damaged[at] ^= 0x10
			if err := os.WriteFile(files[0], damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			if v := dumpLog(t, s.dir); len(v.complaints) == 0 {
				t.Errorf("a flipped bit at byte %d was not told", at)
			} else {
				t.Log(v.complaints[0])
			}
			if err := os.WriteFile(files[0], whole, 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}
