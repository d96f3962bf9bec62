package commitlog

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// idem builds a batch of n records of an idempotent producer.
func idem(t testing.TB, id int64, epoch int16, sequence int32, n int, transactional bool) []byte {
	t.Helper()
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%d/%d/%d", id, epoch, int(sequence)+i)
	}
	return batchOf(t, record.BatchOptions{Producer: &record.Producer{ID: id, Epoch: epoch, BaseSequence: sequence}, Transactional: transactional}, values...)
}

func wantCode(t testing.TB, err error, code Code) {
	t.Helper()
	if got := KafkaCode(err); got != code {
		t.Fatalf("code %d (%v), want %d", got, err, code)
	}
}

func TestRetriesGetTheOffsetOfTheFirstTry(t *testing.T) {
	mem := vfs.NewMem()
	l := openMem(t, mem)
	for i := range int32(7) {
		if a := mustAppend(t, l, idem(t, 1, 0, i*2, 2, false), AppendOptions{}); a.BaseOffset != int64(i*2) || a.Duplicate {
			t.Fatalf("%+v", a)
		}
	}
	for i := range int32(7) {
		a, err := l.Append(background, idem(t, 1, 0, i*2, 2, false), AppendOptions{})
		if i < 2 { // more than five batches ago: nobody can tell any more
			wantCode(t, err, CodeOutOfOrderSequence)
			continue
		}
		if err != nil || !a.Duplicate || a.BaseOffset != int64(i*2) || a.LastOffset != int64(i*2+1) {
			t.Fatalf("retry %d: %+v, %v", i, a, err)
		}
	}
	if l.EndOffset() != 14 {
		t.Fatalf("log end %d", l.EndOffset())
	}
	// Half of a batch is not a retry of it.
	_, err := l.Append(background, idem(t, 1, 0, 12, 1, false), AppendOptions{})
	wantCode(t, err, CodeOutOfOrderSequence)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// The last batch is known after a restart, as in Kafka.
	l = openMem(t, mem)
	defer l.Close()
	if a := mustAppend(t, l, idem(t, 1, 0, 12, 2, false), AppendOptions{}); !a.Duplicate || a.BaseOffset != 12 {
		t.Fatalf("after a restart: %+v", a)
	}
}

func TestSequencesAndEpochs(t *testing.T) {
	l := openMem(t, vfs.NewMem())
	defer l.Close()
	try := func(code Code, batch []byte) {
		t.Helper()
		_, err := l.Append(background, batch, AppendOptions{TxnVerified: true})
		wantCode(t, err, code)
	}
	try(0, idem(t, 1, 3, 17, 2, false)) // nothing is known of the producer: any sequence will do
	try(CodeOutOfOrderSequence, idem(t, 1, 3, 20, 1, false))
	try(0, idem(t, 1, 3, 19, 1, false))
	try(CodeInvalidProducerEpoch, idem(t, 1, 2, 20, 1, false))
	try(CodeOutOfOrderSequence, idem(t, 1, 4, 20, 1, false)) // a new epoch begins at 0
	try(0, idem(t, 1, 4, 0, 1, false))
	try(CodeInvalidProducerEpoch, idem(t, 1, 3, 20, 1, false))

	try(0, idem(t, 2, 0, math.MaxInt32-1, 3, false)) // to 0
	try(0, idem(t, 2, 0, 1, 1, false))
	try(CodeOutOfOrderSequence, idem(t, 2, 0, 3, 1, false))

	try(0, idem(t, 3, 0, 0, 1, true))
	try(CodeInvalidTxnState, idem(t, 3, 0, 1, 1, false)) // outside of its transaction
	infos := l.ActiveProducers()
	if len(infos) != 3 || infos[0].ProducerEpoch != 4 || infos[0].LastSequence != 0 || infos[1].LastSequence != 1 || infos[2].TxnFirstOffset < 0 {
		t.Errorf("%+v", infos)
	}
}

func TestTransactionsNeedVerification(t *testing.T) {
	l := openMem(t, vfs.NewMem())
	defer l.Close()
	_, err := l.Append(background, idem(t, 1, 0, 0, 1, true), AppendOptions{})
	wantCode(t, err, CodeInvalidTxnState)
	mustAppend(t, l, idem(t, 1, 0, 0, 1, true), AppendOptions{TxnVerified: true})
	if !l.HasOpenTransaction(1, 0) || l.HasOpenTransaction(1, 1) {
		t.Error("the open transaction is not known")
	}
	mustAppend(t, l, idem(t, 1, 0, 1, 1, true), AppendOptions{}) // it is open here
	mustAppend(t, l, record.AppendMarker(nil, 1, 0, 1, record.Marker{Type: record.Commit}), AppendOptions{Origin: FromCoordinator})
	// A late batch of the ended transaction must not open another one.
	_, err = l.Append(background, idem(t, 1, 0, 2, 1, true), AppendOptions{})
	wantCode(t, err, CodeInvalidTxnState)
}

func TestMarkersAreFenced(t *testing.T) {
	l := openMem(t, vfs.NewMem())
	defer l.Close()
	marker := func(epoch int16, coordinator int32) error {
		_, err := l.Append(background, record.AppendMarker(nil, 1, epoch, 1, record.Marker{Type: record.Abort, CoordinatorEpoch: coordinator}), AppendOptions{Origin: FromCoordinator})
		return err
	}
	mustAppend(t, l, idem(t, 1, 5, 0, 1, true), AppendOptions{TxnVerified: true})
	wantCode(t, marker(4, 7), CodeInvalidProducerEpoch)
	wantCode(t, marker(6, 7), 0)
	wantCode(t, marker(6, 6), CodeCoordinatorFenced)
	// The marker of the coordinator that bumped the epoch lets any sequence begin it.
	mustAppend(t, l, idem(t, 1, 6, 0, 1, true), AppendOptions{TxnVerified: true})
	_, err := l.Append(background, record.AppendMarker(nil, 1, 6, 1, record.Marker{}), AppendOptions{})
	wantCode(t, err, CodeInvalidRecord) // from a client
}

func TestReadCommittedStopsAtTheOldestOpenTransaction(t *testing.T) {
	mem := vfs.NewMem()
	l := openMem(t, mem)
	verified := AppendOptions{TxnVerified: true}
	mustAppend(t, l, batchOf(t, record.BatchOptions{}, "plain"), AppendOptions{}) // 0
	mustAppend(t, l, idem(t, 1, 0, 0, 2, true), verified)                         // 1, 2
	mustAppend(t, l, idem(t, 2, 0, 0, 1, true), verified)                         // 3
	a := mustAppend(t, l, record.AppendMarker(nil, 2, 0, 1, record.Marker{Type: record.Abort}), AppendOptions{Origin: FromCoordinator})
	if err := l.WaitDurable(background, a.EndOffset()); err != nil {
		t.Fatal(err)
	}
	if got := l.Offsets(); got != (Offsets{Start: 0, LastStable: 1, HighWatermark: 5, End: 5}) {
		t.Fatalf("%+v", got)
	}
	r, err := l.Read(ReadOptions{Offset: 0, MaxBytes: 1 << 20, UpTo: UpToLastStable})
	if err != nil || r.NextOffset != 1 || len(r.Aborted) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	r.Release()
	// An ongoing transaction survives a restart.
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openMem(t, mem)
	defer l.Close()
	if open := l.OpenTransactions(); len(open) != 1 || open[0].ProducerID != 1 || open[0].TxnFirstOffset != 1 || l.LastStableOffset() != 1 {
		t.Fatalf("after a restart: %+v, last stable %d", open, l.LastStableOffset())
	}
	a = mustAppend(t, l, record.AppendMarker(nil, 1, 0, 1, record.Marker{Type: record.Commit}), AppendOptions{Origin: FromCoordinator})
	if err := l.WaitDurable(background, a.EndOffset()); err != nil {
		t.Fatal(err)
	}
	r, err = l.Read(ReadOptions{Offset: 0, MaxBytes: 1 << 20, UpTo: UpToLastStable})
	want := []AbortedTxn{{ProducerID: 2, FirstOffset: 3, LastOffset: 4, LastStableOffset: 1}}
	if err != nil || r.NextOffset != 6 || !slices.Equal(r.Aborted, want) {
		t.Fatalf("%+v, %v", r.Aborted, err)
	}
	r.Release()
	// Only with read_committed.
	r, err = l.Read(ReadOptions{Offset: 0, MaxBytes: 1 << 20})
	if err != nil || r.Aborted != nil {
		t.Fatalf("%+v, %v", r.Aborted, err)
	}
	r.Release()
}

// TestEndedTransactionWaitsForItsMarker: between append and fsync of the marker its
// transaction is not stable, however far the high watermark is.
func TestEndedTransactionWaitsForItsMarker(t *testing.T) {
	c := &manualCommitter{}
	l := openMem(t, vfs.NewMem(), func(o *Options) { o.Committer = c })
	defer l.Close()
	mustAppend(t, l, idem(t, 1, 0, 0, 1, true), AppendOptions{TxnVerified: true})
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, record.AppendMarker(nil, 1, 0, 1, record.Marker{Type: record.Abort}), AppendOptions{Origin: FromCoordinator})
	if got := l.Offsets(); got != (Offsets{LastStable: 0, HighWatermark: 1, End: 2}) {
		t.Fatalf("%+v", got)
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := l.LastStableOffset(); got != 2 {
		t.Fatalf("last stable offset %d", got)
	}
}

// manualCommitter does nothing by itself.
type manualCommitter struct{ policy Policy }

func (c *manualCommitter) Policy() Policy            { return c.policy }
func (c *manualCommitter) Appended(*Log, bool, bool) {}
func (c *manualCommitter) Forget(*Log)               {}

func TestSilentProducersAreForgotten(t *testing.T) {
	l := openMem(t, vfs.NewMem())
	defer l.Close()
	mustAppend(t, l, idem(t, 1, 0, 0, 1, false), AppendOptions{})
	mustAppend(t, l, idem(t, 2, 0, 0, 1, true), AppendOptions{TxnVerified: true})
	if _, err := l.Retain(l.options.Now()); err != nil {
		t.Fatal(err)
	}
	// The batches are of 2023; only an open transaction is kept.
	if infos := l.ActiveProducers(); len(infos) != 1 || infos[0].ProducerID != 2 {
		t.Errorf("%+v", infos)
	}
}

func TestSnapshotBytesAreFrozen(t *testing.T) {
	table := newProducerTable()
	table.apply(record.Batch(func() []byte {
		b := record.Batch(idem(t, 0x0102, 3, 4, 2, true))
		b.SetBaseOffset(9)
		return b
	}()))
	const want = "0001" + "CRC32CCC" + "00000001" + "0000000000000102" + "0003" + "00000005" + "000000000000000a" + "00000001" + "0000018bcfe56801" + "ffffffff" + "0000000000000009"
	got := fmt.Sprintf("%x", table.appendSnapshot(nil))
	if got[:4] != want[:4] || got[12:] != want[12:] {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	back, err := parseSnapshot(table.appendSnapshot(nil))
	if err != nil || *back.producers[0x0102] != *table.producers[0x0102] || !slices.Equal(back.open, table.open) {
		t.Errorf("%+v, %v", back, err)
	}
	p := table.appendSnapshot(nil)
	for i := range p {
		p[i] ^= 0x40
		if _, err := parseSnapshot(p); err == nil {
			t.Errorf("a flipped bit in byte %d is not noticed", i)
		}
		p[i] ^= 0x40
	}
}

func TestAppendAtRefusesWhenSomebodyWasFaster(t *testing.T) {
	l := openMem(t, vfs.NewMem())
	defer l.Close()
	if _, err := l.AppendAt(background, 0, batchOf(t, record.BatchOptions{}, "a", "b"), AppendOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := l.AppendAt(background, 1, batchOf(t, record.BatchOptions{}, "c"), AppendOptions{})
	if !errors.Is(err, ErrMoved) || l.EndOffset() != 2 {
		t.Fatalf("%v, end %d", err, l.EndOffset())
	}
}

// TestSequencesWrap to 0 after 2³¹−1, between batches and inside of one.
func TestSequencesWrap(t *testing.T) {
	const largest = 1<<31 - 1
	for name, inside := range map[string]bool{"between batches": false, "inside of a batch": true} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			l := openMem(t, mem)
			first, next := int32(largest-1), int32(0) // of two records, and of what follows
			if inside {
				first, next = largest, 1
			}
			mustAppend(t, l, idem(t, 7, 0, first, 2, false), AppendOptions{})
			for _, wrong := range []int32{next + 1, next + 2, largest} {
				if wrong == first {
					continue // a retry of another length
				}
				_, err := l.Append(background, idem(t, 7, 0, wrong, 1, false), AppendOptions{})
				wantCode(t, err, CodeOutOfOrderSequence)
			}
			mustAppend(t, l, idem(t, 7, 0, next, 1, false), AppendOptions{})
			if a := mustAppend(t, l, idem(t, 7, 0, first, 2, false), AppendOptions{}); !a.Duplicate || a.BaseOffset != 0 {
				t.Errorf("a retry gets %+v", a)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openMem(t, mem)
			defer l.Close()
			if a := mustAppend(t, l, idem(t, 7, 0, next, 1, false), AppendOptions{}); !a.Duplicate || a.BaseOffset != 2 {
				t.Errorf("after a restart a retry gets %+v", a)
			}
			if a := mustAppend(t, l, idem(t, 7, 0, next+1, 1, false), AppendOptions{}); a.Duplicate || a.BaseOffset != 3 {
				t.Errorf("after a restart the next one gets %+v", a)
			}
		})
	}
}
