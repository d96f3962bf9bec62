package commitlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// stored is a record that the model appended.
type stored struct{ key, value string }

// model is what a log must hold, kept beside it by whoever appends.
type model struct {
	records  map[int64]stored // by offset, all that were ever appended
	batches  map[int64]string // by base offset: the bytes as appended
	markers  map[int64]record.Marker
	end      int64 // of what was appended
	acked    int64 // of what WaitDurable confirmed
	deleted  int64 // log start offset that DeleteRecordsBefore confirmed
	compacts bool
	last     map[int64]idempotent // by producer ID: its last confirmed batch
	seq      map[int64]int32
	open     map[int64]bool
	inTxn    map[int64][]int64 // offsets in a producer's open transaction
	aborted  map[int64]bool    // offsets whose transaction was, or may have been, aborted
}

type idempotent struct {
	batch  []byte
	offset int64
}

func newModel() *model {
	return &model{records: map[int64]stored{}, batches: map[int64]string{}, markers: map[int64]record.Marker{}, last: map[int64]idempotent{}, seq: map[int64]int32{}, open: map[int64]bool{}, inTxn: map[int64][]int64{}, aborted: map[int64]bool{}}
}

// note takes over what an append may have written, whether it was confirmed or not.
func (m *model) note(base int64, p []byte) {
	b := record.Batch(p)
	b.SetBaseOffset(base)
	for offset := base; offset < m.end; offset++ { // of an append that was refused
		delete(m.records, offset)
		delete(m.batches, offset)
	}
	m.batches[base] = string(p)
	it, err := b.Records(0)
	if err != nil {
		panic(err)
	}
	defer it.Close()
	for it.Next() {
		if !b.IsControl() {
			offset := base + int64(it.Record().OffsetDelta)
			m.records[offset] = stored{string(it.Record().Key), string(it.Record().Value)}
			if b.IsTransactional() {
				m.inTxn[b.ProducerID()] = append(m.inTxn[b.ProducerID()], offset)
			}
		}
	}
	if b.IsControl() {
		marker, _, _ := b.Control()
		for _, offset := range m.inTxn[b.ProducerID()] {
			m.aborted[offset] = marker.Type == record.Abort
		}
		m.inTxn[b.ProducerID()] = nil
	}
	m.end = b.NextOffset()
}

// step does one random thing to the log; an error is the end of the scenario.
func (m *model) step(l *Log, random *rand.Rand, now time.Time) error {
	switch what := random.IntN(100); {
	case what < 70:
		return m.append(l, random)
	case what < 78:
		return l.Checkpoint()
	case what < 82 && !m.compacts:
		offset := random.Int64N(l.HighWatermark() + 1)
		if random.IntN(4) > 0 {
			offset = min(offset, m.deleted+3)
		}
		start, err := l.DeleteRecordsBefore(offset)
		if err == nil {
			m.deleted = max(m.deleted, start)
		}
		return err
	case what < 90:
		if _, err := l.RemoveDeleted(now); err != nil {
			return err
		}
		_, err := l.Retain(now)
		return err
	case what < 96 && m.compacts:
		_, err := l.Compact(now)
		return err
	}
	return nil
}

func (m *model) append(l *Log, random *rand.Rand) error {
	o := record.BatchOptions{Codec: record.Codec(random.IntN(5))}
	id := int64(random.IntN(5))
	txn := id >= 3
	switch {
	case id > 0:
		o.Producer = &record.Producer{ID: id, BaseSequence: m.seq[id]}
		o.Transactional = txn
	}
	b := record.NewBuilder(o)
	var p []byte
	n := 1 + random.IntN(4)
	if txn && m.open[id] && random.IntN(3) == 0 {
		p = record.AppendMarker(nil, id, 0, 1000, record.Marker{Type: record.ControlType(random.IntN(2))})
	} else {
		for range n {
			value := []byte(fmt.Sprintf("%d:%x", m.end, random.Uint64()))
			if m.compacts && random.IntN(6) == 0 {
				value = nil
			}
			b.Add(1000+m.end/3+random.Int64N(5), fmt.Appendf(nil, "key%d", random.IntN(9)), append(value, make([]byte, random.IntN(60)*len(value)/20)...))
		}
		var err error
		if p, err = b.Append(nil); err != nil {
			return err
		}
	}
	control := record.Batch(p).IsControl()
	origin := FromClient
	if control {
		origin = FromCoordinator
	}
	end := l.EndOffset()
	a, err := l.Append(background, p, AppendOptions{Origin: origin, TxnVerified: true})
	if err != nil {
		if l.Err() != nil {
			m.note(end, p) // it may be there after a crash
		}
		return err
	}
	m.note(a.BaseOffset, p)
	if err := l.WaitDurable(background, a.EndOffset()); err != nil {
		return err
	}
	m.acked = a.EndOffset()
	switch {
	case control:
		m.open[id] = false
	case id > 0:
		m.seq[id] += int32(n)
		m.open[id] = txn
		m.last[id] = idempotent{slices.Clone(p), a.BaseOffset}
	}
	return nil
}

// check compares the log with the model: everything confirmed is there, nothing is
// there that was not appended, in order, and every way of looking agrees.
func (m *model) check(l *Log) error {
	o := l.Offsets()
	if o.End < m.acked {
		return fmt.Errorf("the log ends at %d, %d was confirmed", o.End, m.acked)
	}
	if o.Start < m.deleted {
		return fmt.Errorf("the log starts at %d, records below %d were deleted", o.Start, m.deleted)
	}
	if o.HighWatermark != o.End {
		return fmt.Errorf("after recovery the high watermark is %d, the end %d", o.HighWatermark, o.End)
	}
	replayed := newProducerTable()
	var aborted []AbortedTxn
	present := map[string]int64{} // newest offset by key
	seen := map[int64]bool{}
	next := o.Start
	for next < o.End {
		r, err := l.Read(ReadOptions{Offset: next, MaxBytes: 300, MinOneBatch: true, UpTo: UpToEnd})
		if err != nil {
			return fmt.Errorf("read at %d: %w", next, err)
		}
		if len(r.Records) == 0 {
			return fmt.Errorf("nothing at %d, the log ends at %d", next, o.End)
		}
		for b, err := range record.All(r.Records) {
			if err := errors.Join(err, b.CheckHeader(), b.CheckCRC()); err != nil {
				return err
			}
			if !m.compacts && m.batches[b.BaseOffset()] != string(b) {
				return fmt.Errorf("the batch at %d is not the one appended", b.BaseOffset())
			}
			if t, ok, err := replayed.replay(b); err != nil {
				return err
			} else if ok {
				aborted = append(aborted, t)
			}
			it, err := b.Records(0)
			if err != nil {
				return err
			}
			for it.Next() && !b.IsControl() {
				offset := b.BaseOffset() + int64(it.Record().OffsetDelta)
				got := stored{string(it.Record().Key), string(it.Record().Value)}
				if m.records[offset] != got {
					return fmt.Errorf("offset %d holds %v, appended was %v", offset, got, m.records[offset])
				}
				seen[offset] = true
				present[got.key] = offset
			}
			it.Close()
		}
		next = r.NextOffset
		r.Release()
	}
	if err := m.checkComplete(o, seen, present); err != nil {
		return err
	}
	if m.compacts {
		return nil // what compaction took is not in the replay
	}
	return m.checkLookups(l, o, seen, replayed, aborted)
}

func (m *model) checkComplete(o Offsets, seen map[int64]bool, present map[string]int64) error {
	for offset, r := range m.records {
		if offset < o.Start || offset >= m.acked || seen[offset] {
			continue
		}
		if !m.compacts {
			return fmt.Errorf("offset %d was confirmed and is gone", offset)
		}
		if m.aborted[offset] {
			continue
		}
		// Only because a newer record of the key, or a tombstone's end, came.
		newest := offset
		for later, other := range m.records {
			if other.key == r.key && later > newest && later < o.End && !m.aborted[later] {
				newest = later
			}
		}
		if newest == offset && r.value != "" {
			return fmt.Errorf("offset %d held the newest record of %q and is gone", offset, r.key)
		}
	}
	return nil
}

func (m *model) checkLookups(l *Log, o Offsets, seen map[int64]bool, replayed *producerTable, aborted []AbortedTxn) error {
	for offset := range seen {
		if offset < o.Start {
			continue
		}
		r, err := l.Read(ReadOptions{Offset: offset, MaxBytes: 1, MinOneBatch: true, UpTo: UpToEnd})
		if err != nil {
			return err
		}
		b := record.Batch(r.Records)
		if offset < b.BaseOffset() || offset > b.LastOffset() || r.NextOffset != b.NextOffset() {
			return fmt.Errorf("offset %d is read as %d to %d", offset, b.BaseOffset(), b.LastOffset())
		}
		r.Release()
	}
	if o.Start > 0 {
		return nil // a replay of the rest knows less
	}
	stable := o.End
	if first := replayed.firstOpen(); first >= 0 {
		stable = first
	}
	if o.LastStable != stable {
		return fmt.Errorf("last stable offset %d, the log says %d", o.LastStable, stable)
	}
	got, err := l.AbortedTransactions(0, o.End)
	if err != nil {
		return err
	}
	for i := range got {
		got[i].LastStableOffset = 0
	}
	for i := range aborted {
		aborted[i].LastStableOffset = 0
	}
	if !slices.Equal(got, aborted) {
		return fmt.Errorf("aborted transactions %v, the log says %v", got, aborted)
	}
	for id, p := range replayed.producers {
		own := l.producers.producers[id]
		a, okA := p.last()
		if own == nil {
			return fmt.Errorf("producer %d is not known", id)
		}
		if b, okB := own.last(); okA != okB || a.lastSequence != b.lastSequence || a.lastOffset != b.lastOffset || p.txnFirstOffset != own.txnFirstOffset {
			return fmt.Errorf("producer %d is %+v, the log says %+v", id, *own, *p)
		}
	}
	for id, last := range m.last {
		a, err := l.Append(background, slices.Clone(last.batch), AppendOptions{TxnVerified: true})
		p := l.producers.producers[id]
		if newest, ok := p.last(); ok && newest.lastOffset != record.Batch(last.batch).LastOffset()-record.Batch(last.batch).BaseOffset()+last.offset {
			continue // an unconfirmed batch came after it
		}
		if err != nil || !a.Duplicate || a.BaseOffset != last.offset {
			return fmt.Errorf("the retry of producer %d's batch at %d: %+v, %v", id, last.offset, a, err)
		}
	}
	return nil
}

func crashConfig(compacts bool) Config {
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes = 900, 100
	c.TimestampAfterMax = forever
	c.RetentionBytes = -1
	c.RetentionAge = -1
	c.DeleteDelay = 300 * time.Millisecond // three steps
	if compacts {
		c.Compact, c.Delete, c.MinDirtyRatio, c.DeleteRetention = true, false, 0.01, time.Second
	}
	return c
}

func openOn(fsys vfs.FS, compacts bool, committer Committer) (*Log, error) {
	return Open(Options{FS: fsys, Dir: "data/topic-0", Config: crashConfig(compacts), Committer: committer, CheckpointBytes: 1 << 40, TailBytes: -1, Now: func() time.Time { return time.UnixMilli(5000) }})
}

// play runs a scenario until its end or the first error that is not a refusal.
func play(fsys vfs.FS, m *model, seed uint64, steps int, goOn bool) error {
	committer := NewGroupCommitter(CommitterOptions{Parallel: 1, CheckpointAge: time.Hour})
	defer committer.Close()
	l, err := openOn(fsys, m.compacts, committer)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, 7))
	for i := range steps {
		err := m.step(l, random, time.UnixMilli(5000+int64(i)*100))
		if err != nil && (!goOn || l.Err() != nil) {
			l.abandon()
			return err
		}
	}
	return l.Close()
}

// abandon is what a crash does: nothing is written any more.
func (l *Log) abandon() {
	l.committer.Forget(l)
	l.closeFiles()
}

// TestPowerCutAtEveryOperation takes the power away at the n-th change of the file
// system, for every n, and makes several versions of what the disk may hold then.
func TestPowerCutAtEveryOperation(t *testing.T) {
	steps, crashes := 70, uint64(3)
	if !sweeping {
		steps = 12
	}
	for _, compacts := range []bool{false, true} {
		for seed := range uint64(2) {
			for n := 1; ; n++ {
				m := newModel()
				m.compacts = compacts
				mem := vfs.NewMem()
				mem.MkdirAll("data")
				mem.SyncDir(".")
				faulty := &vfs.Faulty{FS: mem, Ops: vfs.OpChange, N: n, Sticky: true}
				err := play(faulty, m, seed, steps, false)
				for crash := range crashes {
					after := mem.CrashCopy(crash)
					if crash == 2 {
						after = mem.Clone() // the process is killed, not the machine
					}
					if err := recoverAndCheck(after, m, uint64(n)*10+crash); err != nil {
						t.Fatalf("compaction %v, seed %d, power cut at operation %d, crash copy %d: %v", compacts, seed, n, crash, err)
					}
				}
				if err == nil {
					t.Logf("compaction %v, seed %d: %d operations", compacts, seed, n-1)
					break
				}
			}
		}
	}
}

// recoverAndCheck opens what a crash left, sometimes crashing again on the way.
func recoverAndCheck(mem *vfs.Mem, m *model, seed uint64) error {
	committer := NewGroupCommitter(CommitterOptions{Parallel: 1, CheckpointAge: time.Hour})
	defer committer.Close()
	if seed%3 == 0 {
		l, err := openOn(&vfs.Faulty{FS: mem, Ops: vfs.OpChange, N: 1 + int(seed/3)%8, Sticky: true}, m.compacts, committer)
		if err == nil {
			l.abandon()
		}
		mem = mem.CrashCopy(seed)
	}
	l, err := openOn(mem, m.compacts, committer)
	if err != nil {
		return err
	}
	defer l.Close()
	if gaps := l.Recovered().Gaps; len(gaps) > 0 {
		return fmt.Errorf("recovery misses %v, which nobody took away", gaps)
	}
	if err := m.check(l); err != nil {
		return err
	}
	a, err := l.Append(background, batchOf(nil2{}, record.BatchOptions{}, "after the crash"), AppendOptions{})
	if err != nil {
		return err
	}
	if err := l.WaitDurable(background, a.EndOffset()); err != nil {
		return err
	}
	// All that recovery found counts as durable now, also what was never confirmed.
	for crash := range uint64(2) {
		again, err := openOn(mem.CrashCopy(seed+crash), m.compacts, committer)
		if err != nil {
			return fmt.Errorf("after another crash: %w", err)
		}
		was, _ := readAll(nil2{}, l, l.StartOffset(), UpToEnd)
		is, _ := readAll(nil2{}, again, l.StartOffset(), UpToEnd)
		if again.EndOffset() != a.EndOffset() || again.StartOffset() != l.StartOffset() || !slices.Equal(is, was) {
			err = fmt.Errorf("after another crash the log holds %d records, %d to %d; it was %d, %d to %d", len(is), again.StartOffset(), again.EndOffset(), len(was), l.StartOffset(), a.EndOffset())
		}
		again.abandon()
		if err != nil {
			return err
		}
	}
	return nil
}

// nil2 is a testing.TB for helpers outside of a test function: it panics.
type nil2 struct{ testing.TB }

func (nil2) Helper()           {}
func (nil2) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// TestFaultAtEveryOperation fails the n-th change only, and goes on if the log does.
func TestFaultAtEveryOperation(t *testing.T) {
	steps := 60
	if !sweeping {
		steps = 12
	}
	for _, compacts := range []bool{false, true} {
		for seed := range uint64(2) {
			for n := 1; ; n++ {
				m := newModel()
				m.compacts = compacts
				mem := vfs.NewMem()
				mem.MkdirAll("data")
				mem.SyncDir(".")
				faulty := &vfs.Faulty{FS: mem, Ops: vfs.OpChange, N: n}
				err := play(faulty, m, 100+seed, steps, true)
				for crash, after := range []*vfs.Mem{mem.Clone(), mem.CrashCopy(uint64(n))} {
					if err := recoverAndCheck(after, m, 1); err != nil {
						t.Fatalf("compaction %v, seed %d, fault at operation %d, copy %d: %v", compacts, seed, n, crash, err)
					}
				}
				if err == nil && faulty.Count() < n {
					break
				}
			}
		}
	}
}

// TestRandomOperationsAgainstModel reopens and kills a log in between.
func TestRandomOperationsAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		m := newModel()
		m.compacts = seed%2 == 1
		mem := vfs.NewMem()
		mem.MkdirAll("data")
		mem.SyncDir(".")
		for round := range uint64(6) {
			if err := play(mem, m, seed*100+round, 60, false); err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
			committer := NewGroupCommitter(CommitterOptions{Parallel: 1})
			l, err := openOn(mem, m.compacts, committer)
			if err == nil {
				if l.recovery.ScannedBytes > 0 || l.recovery.RebuiltIndexes > 0 {
					err = fmt.Errorf("after a clean shutdown recovery had work: %+v", l.recovery)
				}
			}
			if err == nil {
				err = m.check(l)
			}
			if err == nil {
				err = l.Close()
			}
			committer.Close()
			if err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
		}
	}
}
