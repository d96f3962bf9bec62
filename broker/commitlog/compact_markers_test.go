package commitlog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// abortedAlone appends a transaction of producer 1 that was aborted in the epoch given,
// in a segment of its own.
func abortedAlone(t *testing.T, l *Log, epoch int16) {
	t.Helper()
	put(t, l, record.BatchOptions{Producer: &record.Producer{ID: 1}, Transactional: true}, "a", "aborted") // 0
	mustAppend(t, l, record.AppendMarker(nil, 1, epoch, 1, record.Marker{Type: record.Abort}), AppendOptions{Origin: FromCoordinator})
	seal(t, l)
}

// compactUntilExpired runs rounds until every horizon is over.
func compactUntilExpired(t *testing.T, l *Log) {
	t.Helper()
	for i := range 4 {
		put(t, l, record.BatchOptions{}, fmt.Sprint("k", i), "1")
		seal(t, l)
		compact(t, l, int64(i)*20_000)
	}
}

// TestMarkerWithTheEpochOfAProducerStays: it is all that tells the epoch, which an end
// by timeout has raised.
func TestMarkerWithTheEpochOfAProducerStays(t *testing.T) {
	mem := vfs.NewMem()
	l := compactable(t, mem)
	abortedAlone(t, l, 3)
	compactUntilExpired(t, l)
	if got := contents(t, l); !strings.HasPrefix(got[0], "1-1 marker until ") {
		t.Errorf("%q", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range filesOf(t, mem, snapshotSuffix) { // so that the log is all there is
		mem.Remove("data/topic-0/" + name)
	}
	l = compactable(t, mem)
	defer l.Close()
	_, err := l.Append(background, idem(t, 1, 2, 0, 1, true), AppendOptions{TxnVerified: true})
	wantCode(t, err, CodeInvalidProducerEpoch)
}

// TestMarkerAtTheEndOfAGroupStays: something must tell where the group ends. One that is
// neither that nor a producer's last goes.
func TestMarkerAtTheEndOfAGroupStays(t *testing.T) {
	for _, alone := range []bool{true, false} {
		l := compactable(t, vfs.NewMem())
		abortedAlone(t, l, 0)
		put(t, l, record.BatchOptions{Producer: &record.Producer{ID: 1, BaseSequence: 1}}, "b", "1") // 2: its last
		seal(t, l)
		if alone {
			c := l.Config()
			c.SegmentBytes, c.MinDirtyRatio = 100, 0 // groups of one
			l.SetConfig(c)
		}
		compactUntilExpired(t, l)
		got := contents(t, l)
		if stays := strings.HasPrefix(got[0], "1-1 marker"); stays != alone {
			t.Errorf("in a group of its own %v: %q", alone, got)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnAbortedRecordReplacesNone: it is not the newest of its key, nor is what it
// replaced gone.
func TestAnAbortedRecordReplacesNone(t *testing.T) {
	l := compactable(t, vfs.NewMem())
	defer l.Close()
	put(t, l, record.BatchOptions{}, "a", "1")                                                             // 0
	put(t, l, record.BatchOptions{Producer: &record.Producer{ID: 1}, Transactional: true}, "a", "aborted") // 1
	mustAppend(t, l, record.AppendMarker(nil, 1, 0, 1, record.Marker{Type: record.Abort}), AppendOptions{Origin: FromCoordinator})
	put(t, l, record.BatchOptions{Producer: &record.Producer{ID: 1, BaseSequence: 1}}, "b", "1") // 3: its last
	seal(t, l)
	compact(t, l, 0)
	wantContents(t, l, "0-0 a=1", "2-2 marker", "3-3 b=1")
}
