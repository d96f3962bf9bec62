package broker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
)

// FaultKind is what is wrong, out of a fixed list.
type FaultKind string

// All kinds there are.
const (
	FaultOffline     FaultKind = "partition-offline" // its log cannot be opened or written
	FaultDamaged     FaultKind = "log-damaged"       // bytes are not what was written
	FaultDisk        FaultKind = "disk-full"         // writes are refused
	FaultDeadLetters FaultKind = "dead-letters"      // bad records cannot be put aside, and their batches are refused
	FaultUpkeep      FaultKind = "log-upkeep"        // retention or compaction fails, and the log grows
	FaultCoordinator FaultKind = "coordinator"       // offsets, transactions or share states cannot be kept
)

var faultKinds = []FaultKind{FaultCoordinator, FaultDeadLetters, FaultDisk, FaultOffline, FaultDamaged, FaultUpkeep}

// Fault is something that is wrong now and that somebody must do something about.
type Fault struct {
	Kind      FaultKind
	Topic     string    // "" if it is not about one
	Partition int32     // -1 if it is not about one
	What      string    // what the system said
	Remedy    string    // what to do
	Since     time.Time // zero: since the start
}

// Faults returns what is wrong now: all that the log's warnings, the metrics, the
// console and `dovetail doctor` tell of, from one place. The worst come first.
func (b *Broker) Faults(v Viewer) []Fault {
	if !b.isRunning() {
		return nil
	}
	out := []Fault{}
	for _, t := range b.topics.all() {
		if !b.shows(v, kmsg.ACLResourceTypeTopic, t.Name) {
			continue
		}
		for _, p := range t.parts {
			if err := p.offline(); err != nil {
				out = append(out, b.offlineFault(p, err))
			}
			out = append(out, gapFaults(p)...)
		}
	}
	for _, f := range b.troubles.now(b.opts.Now()) {
		if f.Topic == "" && !b.shows(v, kmsg.ACLResourceTypeCluster, clusterName) {
			continue
		}
		if f.Topic != "" && (f.Kind != FaultCoordinator && b.topics.byName(f.Topic) == nil || !b.shows(v, kmsg.ACLResourceTypeTopic, f.Topic)) {
			continue
		}
		out = append(out, f)
	}
	if total, free := diskSpace(b.opts.DataDir); total > 0 && free < leastFreeBytes && b.shows(v, kmsg.ACLResourceTypeCluster, clusterName) &&
		!slices.ContainsFunc(out, func(f Fault) bool { return f.Kind == FaultDisk }) {
		out = append(out, Fault{Kind: FaultDisk, Partition: -1, What: fmt.Sprintf("%d of %d bytes are free on the disk of %s", free, total, b.opts.DataDir), Remedy: remedies[FaultDisk]})
	}
	order := []FaultKind{FaultDisk, FaultDamaged, FaultOffline, FaultCoordinator, FaultDeadLetters, FaultUpkeep}
	slices.SortStableFunc(out, func(x, y Fault) int {
		return cmp.Or(cmp.Compare(slices.Index(order, x.Kind), slices.Index(order, y.Kind)), cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	return out
}

// leastFreeBytes is what must be free of the disk, or it counts as full.
const leastFreeBytes = 1 << 20

func (b *Broker) offlineFault(p *Partition, err error) Fault {
	f := Fault{Kind: FaultOffline, Topic: p.topic, Partition: p.index, What: err.Error(), Remedy: "restart: what an fsync has failed on must be read again; nothing that was acknowledged is lost unless the disk lost it"}
	if p.log == nil {
		f.Remedy = b.remedy(p.topic, p.index, err)
	}
	var damage *commitlog.DamageError
	if errors.As(err, &damage) {
		f.Kind = FaultDamaged
	}
	return f
}

// gapFaults tells of the segments that were gone when a log was opened, as long as the
// log begins before them: the rest of it is served.
func gapFaults(p *Partition) []Fault {
	if p.log == nil {
		return nil
	}
	gaps := p.log.Recovered().Gaps
	if len(gaps) == 0 {
		return nil
	}
	start := p.log.StartOffset()
	missing, first, end := 0, commitlog.Gap{}, int64(0)
	for _, g := range gaps {
		if g.EndOffset <= start {
			continue
		}
		if missing == 0 {
			first = g
		}
		missing++
		end = max(end, g.EndOffset)
	}
	if missing == 0 {
		return nil
	}
	what := fmt.Sprintf("offsets %d to %d are missing: the segment that held them is gone; the rest of the log is served", first.FirstOffset, first.EndOffset-1)
	if missing > 1 {
		what += fmt.Sprintf("; and so in %d more places, up to offset %d", missing-1, end-1)
	}
	return []Fault{{Kind: FaultDamaged, Topic: p.topic, Partition: p.index, What: what,
		Remedy: fmt.Sprintf("stop, and restore the partition's folder from a copy, if these records are needed; if not, deleting the records before offset %d ends this", end)}}
}

var remedies = map[FaultKind]string{
	FaultDamaged:     "restore the partition's folder from a copy, or stop and see what can be saved: dovetail log check, dovetail log repair",
	FaultDisk:        "make room: delete records or topics, shorten retention (files go after file.delete.delay.ms, a minute), or enlarge the disk; writes go on by themselves, and reads never stopped",
	FaultDeadLetters: "mend what the error says about the dead-letter topic, or set schema.validation.mode=reject; until then batches with bad records are refused",
	FaultUpkeep:      "mend what the error says; it is tried again by itself, and until then the log grows",
	FaultCoordinator: "mend what the error says; clients try again by themselves",
}

// troubles are the faults that are known from something that did not work. One is over
// when the same thing works again, or has not been tried for troubleLasts. The zero
// value is ready for use.
type troubles struct {
	open atomic.Int32 // how many are not over

	mu  sync.Mutex
	all map[troubleKey]*trouble
}

type troubleKey struct {
	kind      FaultKind
	topic     string
	partition int32
}

type trouble struct {
	what        string
	since, last time.Time
	told        time.Time // when it was last logged
	silent      int       // times since then
	over        bool
}

const (
	troubleLasts = 10 * time.Minute
	maxTroubles  = 10_000
)

// note says that something did not work. It returns whether a line may be logged about
// it, at most one in rejectionsPause for each key, and how often it was silent since.
func (t *troubles) note(k troubleKey, err error, now time.Time) (before int, tell bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[troubleKey]*trouble{}
	}
	one := t.all[k]
	if one == nil {
		if len(t.all) >= maxTroubles {
			return 0, false
		}
		one = &trouble{over: true}
		t.all[k] = one
	}
	if one.over {
		one.over, one.since = false, now
		t.open.Add(1)
	}
	one.what, one.last = err.Error(), now
	if now.Sub(one.told) < rejectionsPause && !now.Before(one.told) {
		one.silent++
		return 0, false
	}
	before, one.silent, one.told = one.silent, 0, now
	return before, true
}

// fine says that something worked, and returns whether it had not before.
func (t *troubles) fine(k troubleKey) bool {
	if t.open.Load() == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.all[k]
	if one == nil || one.over {
		return false
	}
	one.over = true
	t.open.Add(-1)
	return true
}

// forget drops what is known of a topic that is gone.
func (t *troubles) forget(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, one := range t.all {
		if k.topic == topic {
			if !one.over {
				t.open.Add(-1)
			}
			delete(t.all, k)
		}
	}
}

// now returns what is not over.
func (t *troubles) now(now time.Time) []Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Fault
	for k, one := range t.all {
		if one.over || k.kind != FaultDamaged && now.Sub(one.last) > troubleLasts {
			continue
		}
		out = append(out, Fault{Kind: k.kind, Topic: k.topic, Partition: k.partition, What: one.what, Remedy: remedies[k.kind], Since: one.since})
	}
	return out
}

// written notes how a write to the disk went. It costs nothing while all is well.
func (b *Broker) written(err error) {
	k := troubleKey{kind: FaultDisk, partition: -1}
	switch {
	case err == nil:
		if b.troubles.fine(k) {
			b.log.Info("the disk has room again")
		}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		b.metrics.diskFull.Inc()
		if before, ok := b.troubles.note(k, err, b.opts.Now()); ok {
			b.log.Error("the disk is full: writes are refused until there is room, reads go on", "data", b.opts.DataDir, "err", err, "more_before", before)
		}
	}
}

// noted notes how something that is tried again and again went with a partition, and
// logs it rarely.
func (b *Broker) noted(kind FaultKind, topic string, partition int32, line string, err error) {
	k := troubleKey{kind, topic, partition}
	if err == nil {
		b.troubles.fine(k)
		return
	}
	if before, ok := b.troubles.note(k, err, b.opts.Now()); ok {
		b.log.Error(line, "topic", topic, "partition", partition, "err", err, "more_before", before)
	}
}

// readFault notes damage that a read has come across.
func (b *Broker) readFault(p *Partition, err error) {
	var damage *commitlog.DamageError
	if errors.As(err, &damage) {
		b.noted(FaultDamaged, p.topic, p.index, "a log is damaged: records cannot be read", err)
	}
}
