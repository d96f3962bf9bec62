package commitlog

import (
	"slices"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// FuzzStoredFiles: no content of any file makes a decoder panic, and what is
// accepted is written back the same.
func FuzzStoredFiles(f *testing.F) {
	table := newProducerTable()
	table.apply(record.Batch(idem(f, 1, 2, 3, 4, true)))
	f.Add(table.appendSnapshot(nil))
	f.Add(formatEpochs([]epochStart{{1, 2}, {3, 4}}))
	f.Add(FormatCheckpoint(map[TopicPartition]int64{{"a", 1}: 2}))
	f.Add(formatSums([]uint32{1, 1 << 31}))
	f.Add(formatPartitionMetadata([16]byte{1}))
	f.Add([]byte("#\ncluster.id=a\nnode.id=1\nversion=1\n"))
	f.Add(formatSeals(map[int64][]segmentSeal{0: {{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}}}))
	f.Add(logState{1, 2, 3, checkpointMark{4, 5, 6, 7, 8}}.append(nil, ""))
	f.Fuzz(func(t *testing.T, p []byte) {
		if table, err := parseSnapshot(p); err == nil {
			if again, err := parseSnapshot(table.appendSnapshot(nil)); err != nil || len(again.producers) != len(table.producers) {
				t.Fatalf("an accepted snapshot is not read again: %v", err)
			}
		}
		if epochs, err := parseEpochs(p); err == nil {
			if again, err := parseEpochs(formatEpochs(epochs)); err != nil || !slices.Equal(again, epochs) {
				t.Fatalf("%v: %v", epochs, err)
			}
		}
		if offsets, err := ParseCheckpoint(p); err == nil {
			if again, err := ParseCheckpoint(FormatCheckpoint(offsets)); err != nil || len(again) != len(offsets) {
				t.Fatalf("%v: %v", offsets, err)
			}
		}
		if sums := parseSums(p); !slices.Equal(parseSums(formatSums(sums)), sums) {
			t.Fatalf("%08x is not read again", sums)
		}
		if id, err := parsePartitionMetadata(p); err == nil {
			if again, err := parsePartitionMetadata(formatPartitionMetadata(id)); err != nil || again != id {
				t.Fatal(id, err)
			}
		}
		if all, err := parseSeals(p); err == nil {
			if again, err := parseSeals(formatSeals(all)); err != nil || len(again) != len(all) {
				t.Fatalf("%v: %v", all, err)
			}
		}
		if ranges, err := parseGivenUp(p); err == nil {
			if again, err := parseGivenUp(formatGivenUp(ranges)); err != nil || !slices.Equal(again, ranges) {
				t.Fatalf("%v: %v", ranges, err)
			}
		}
		_, _ = ParseMetaProperties(p)
		if s, ok := parseLogState(p, ""); ok {
			if again, ok := parseLogState(s.append(nil, ""), ""); !ok || again != s {
				t.Fatal(s)
			}
		}
	})
}

// FuzzFolder opens a folder whose files are anything: it opens, or says what is wrong.
func FuzzFolder(f *testing.F) {
	mem := vfs.NewMem()
	l := openMem(f, mem)
	mustAppend(f, l, idem(f, 1, 0, 0, 2, true), AppendOptions{TxnVerified: true})
	mustAppend(f, l, record.AppendMarker(nil, 1, 0, 1, record.Marker{Type: record.Abort}), AppendOptions{Origin: FromCoordinator})
	l.Close()
	read := func(name string) []byte { p, _ := vfs.ReadFile(mem, "data/topic-0/"+name, 1<<20); return p }
	f.Add(read(fileName(0, logSuffix)), read(fileName(0, indexSuffix)), read(fileName(0, timeSuffix)), read(fileName(0, txnSuffix)), read(fileName(3, snapshotSuffix)), read(stateFile), uint8(3), false)
	f.Fuzz(func(t *testing.T, log, index, times, txns, snapshot, state []byte, at uint8, clean bool) {
		mem := vfs.NewMem()
		mem.MkdirAll("data/topic-0")
		for name, content := range map[string][]byte{fileName(0, logSuffix): log, fileName(0, indexSuffix): index, fileName(0, timeSuffix): times, fileName(0, txnSuffix): txns, fileName(int64(at), snapshotSuffix): snapshot, stateFile: state} {
			file, _ := mem.Create("data/topic-0/" + name)
			file.WriteAt(content, 0)
		}
		l, err := Open(Options{FS: mem, Dir: "data/topic-0", CleanShutdown: clean, Committer: &manualCommitter{}, Now: func() time.Time { return noon }})
		if err != nil {
			return
		}
		o := l.Offsets()
		for next := o.Start; next < o.End; {
			r, err := l.Read(ReadOptions{Offset: next, MaxBytes: 100, MinOneBatch: true, UpTo: UpToEnd})
			if err != nil || len(r.Records) == 0 {
				break
			}
			next = r.NextOffset
			r.Release()
		}
		l.AbortedTransactions(o.Start, o.End)
		l.OffsetForTimestamp(0, nil)
		if a, err := l.Append(background, batchOf(t, record.BatchOptions{}, "x"), AppendOptions{}); err == nil && a.BaseOffset != o.End {
			t.Fatalf("appended at %d, the log ended at %d", a.BaseOffset, o.End)
		}
		l.Close()
	})
}
