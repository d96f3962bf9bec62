package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

// keptTopic is a topic as a crash must leave it.
type keptTopic struct {
	partitions int
	retention  string
	records    string // of partition 0, joined
}

// kept is what a broker keeps beside and in its logs.
type kept struct {
	topics map[string]keptTopic
	fact   string
}

func (k kept) with(name string, change func(*keptTopic)) kept {
	k.topics = maps.Clone(k.topics)
	t := k.topics[name]
	change(&t)
	k.topics[name] = t
	return k
}

func (k kept) without(name string) kept {
	k.topics = maps.Clone(k.topics)
	delete(k.topics, name)
	return k
}

// metadataStep is an operation, and what is kept once it is acknowledged.
type metadataStep struct {
	name  string
	do    func(w *metadataWorld) error
	after func(kept) kept
}

// metadataWorld is a broker without listeners on a file system of a test.
type metadataWorld struct {
	t         *testing.T
	fs        vfs.FS
	dir       string
	b         *Broker
	producers *producerIDs
	largest   int64 // producer ID that was handed out
}

// open starts what a broker does to its data directory.
func (w *metadataWorld) open() error {
	b, err := New(Options{DataDir: w.dir, fs: w.fs})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := b.openData(context.Background()); err != nil {
		_ = b.closeData(false)
		return err
	}
	w.b, w.producers = b, &producerIDs{store: b.store}
	return nil
}

func (w *metadataWorld) close(clean bool) error {
	err := w.b.closeData(clean)
	w.b = nil
	return err
}

func (w *metadataWorld) restart() error {
	if w.b != nil {
		_ = w.close(true) // a start copes with whatever a stop could not write
	}
	return w.open()
}

func (w *metadataWorld) write(topic, value string) error {
	p, err := w.b.partition(topic, 0)
	if err != nil {
		return err
	}
	_, err = p.AppendRecords(context.Background(), AnyEnd, Record{Value: []byte(value)})
	return err
}

func (w *metadataWorld) takeProducerID() error {
	w.producers = &producerIDs{store: w.b.store} // every one takes a block
	id, err := w.producers.take()
	if err != nil {
		return err
	}
	if id <= w.largest {
		w.t.Errorf("producer ID %d was handed out after %d", id, w.largest)
	}
	w.largest = max(w.largest, id)
	return nil
}

// kept is what the broker shows.
func (w *metadataWorld) kept() (kept, error) {
	k := kept{topics: map[string]keptTopic{}, fact: string(w.b.store.Fact("test", "fact"))}
	if len(w.b.store.All()) != len(w.b.topics.all()) {
		return k, fmt.Errorf("%d topics are stored and %d are open", len(w.b.store.All()), len(w.b.topics.all()))
	}
	for _, t := range w.b.topics.all() {
		stored, _ := w.b.store.Topic(t.Name)
		if stored == nil || stored.ID != t.ID || int(stored.Partitions) != len(t.parts) {
			return k, fmt.Errorf("topic %s is open as %v, stored as %v", t.Name, t.Topic, stored)
		}
		for _, p := range t.parts {
			if err := p.offline(); err != nil {
				return k, fmt.Errorf("%s-%d is offline: %w", t.Name, p.index, err)
			}
		}
		records, _, err := t.parts[0].ReadRecords(context.Background(), 0, 100)
		if err != nil {
			return k, err
		}
		values := ""
		for _, r := range records {
			values += string(r.Value)
		}
		k.topics[t.Name] = keptTopic{len(t.parts), t.Configs["retention.ms"], values}
	}
	return k, nil
}

// tidy checks that no folder is left that is nobody's.
func (w *metadataWorld) tidy() error {
	names, err := w.fs.List(w.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := w.fs.Stat(filepath.Join(w.dir, name))
		if err != nil {
			return err
		}
		topic := name[:max(strings.LastIndexByte(name, '-'), 0)]
		if _, live := w.b.store.Topic(topic); info.IsDir && !live {
			return fmt.Errorf("folder %s is left", name)
		}
	}
	return nil
}

var metadataSteps = []metadataStep{
	{"create", func(w *metadataWorld) error {
		_, err := w.b.createTopic(topics.Topic{Name: "a", Partitions: 2, ReplicationFactor: 1, Configs: map[string]string{"retention.ms": "1000000"}})
		return err
	}, func(k kept) kept {
		return k.with("a", func(t *keptTopic) { t.partitions, t.retention = 2, "1000000" })
	}},
	{"write", func(w *metadataWorld) error { return w.write("a", "x") }, func(k kept) kept {
		return k.with("a", func(t *keptTopic) { t.records += "x" })
	}},
	{"add partitions", func(w *metadataWorld) error { return w.b.addPartitions("a", 3) }, func(k kept) kept {
		return k.with("a", func(t *keptTopic) { t.partitions = 3 })
	}},
	{"alter configs", func(w *metadataWorld) error {
		return w.b.changeConfigs("a", false, func(c map[string]string) error { c["retention.ms"] = "-1"; return nil })
	}, func(k kept) kept { return k.with("a", func(t *keptTopic) { t.retention = "-1" }) }},
	{"take a block of producer IDs", (*metadataWorld).takeProducerID, func(k kept) kept { return k }},
	{"set a fact", func(w *metadataWorld) error {
		return w.b.store.SetFacts("test", []topics.Fact{{Key: "fact", Value: json.RawMessage(`1`)}})
	}, func(k kept) kept { k.fact = "1"; return k }},
	{"checkpoint", func(w *metadataWorld) error { return w.b.checkpoint() }, func(k kept) kept { return k }},
	{"restart", (*metadataWorld).restart, func(k kept) kept { return k }},
	{"write again", func(w *metadataWorld) error { return w.write("a", "y") }, func(k kept) kept {
		return k.with("a", func(t *keptTopic) { t.records += "y" })
	}},
	{"delete", func(w *metadataWorld) error { return w.b.deleteTopic("a") }, func(k kept) kept { return k.without("a") }},
	{"create again", func(w *metadataWorld) error {
		_, err := w.b.createTopic(topics.Topic{Name: "a", Partitions: 1, ReplicationFactor: 1})
		return err
	}, func(k kept) kept { return k.with("a", func(t *keptTopic) { t.partitions = 1 }) }},
	{"write to its successor", func(w *metadataWorld) error { return w.write("a", "z") }, func(k kept) kept {
		return k.with("a", func(t *keptTopic) { t.records += "z" })
	}},
	{"take another block of producer IDs", (*metadataWorld).takeProducerID, func(k kept) kept { return k }},
	{"restart once more", (*metadataWorld).restart, func(k kept) kept { return k }},
	{"delete the successor", func(w *metadataWorld) error { return w.b.deleteTopic("a") }, func(k kept) kept { return k.without("a") }},
}

func (k kept) equal(other kept) bool {
	return k.fact == other.fact && maps.Equal(k.topics, other.topics)
}

// newMetadataWorld returns a world whose file system fails as faulty says. The folder
// is a real one, too, for the lock.
func newMetadataWorld(t *testing.T, dir string, faulty *vfs.Faulty) (*metadataWorld, *vfs.Mem) {
	mem := vfs.NewMem()
	if err := vfs.MakeFolder(mem, filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	faulty.FS = mem
	return &metadataWorld{t: t, fs: faulty, dir: dir, largest: -1}, mem
}

// recovers opens what a crash left and compares it with what may be there.
func (w *metadataWorld) recovers(mem *vfs.Mem, may ...kept) error {
	after := &metadataWorld{t: w.t, fs: mem, dir: w.dir, largest: w.largest}
	if err := after.open(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() {
		if after.b != nil {
			_ = after.close(true)
		}
	}()
	is, err := after.kept()
	if err != nil {
		return err
	}
	found := false
	for _, k := range may {
		found = found || is.equal(k)
	}
	if !found {
		return fmt.Errorf("it is %+v, and may be one of %+v", is, may)
	}
	if err := after.tidy(); err != nil {
		return err
	}
	if err := after.takeProducerID(); err != nil {
		return err
	}
	// It goes on as if nothing had been, and what it says now is true as well.
	if _, ok := is.topics["a"]; ok {
		if err := after.b.deleteTopic("a"); err != nil {
			return err
		}
	}
	if _, err := after.b.createTopic(topics.Topic{Name: "a", Partitions: 4, ReplicationFactor: 1}); err != nil {
		return err
	}
	if err := after.write("a", "!"); err != nil {
		return err
	}
	again := &metadataWorld{t: w.t, fs: mem.CrashCopy(uint64(len(may))), dir: w.dir}
	if err := after.close(false); err != nil {
		return err
	}
	if err := again.open(); err != nil {
		return fmt.Errorf("another start: %w", err)
	}
	defer again.close(true)
	is, err = again.kept()
	if want := (keptTopic{4, "", "!"}); err != nil || is.topics["a"] != want {
		return fmt.Errorf("after another crash: %+v, %w", is, err)
	}
	return again.tidy()
}

// TestMetadataAndPowerCutAtEveryOperation takes the power away at the n-th change of
// the file system, for every n of a life of a data directory, and starts on several
// versions of what the disk may hold then: unsynced bytes and names kept, lost and torn.
func TestMetadataAndPowerCutAtEveryOperation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	stride := 1
	if !sweeping {
		stride = 37
	}
	for n := 1; ; n += stride {
		w, mem := newMetadataWorld(t, dir, &vfs.Faulty{Ops: vfs.OpChange, N: n, Sticky: true})
		now, next, at := kept{topics: map[string]keptTopic{}}, kept{topics: map[string]keptTopic{}}, "start"
		err := w.open()
		for _, step := range metadataSteps {
			if err != nil {
				break
			}
			at, next = step.name, step.after(now)
			if err = step.do(w); err == nil {
				now = next
			}
		}
		copies := []*vfs.Mem{mem.CrashCopy(1), mem.CrashCopy(2), mem.CrashCopy(3), mem.Clone()}
		if w.b != nil {
			_ = w.close(true)
		}
		for i, after := range copies {
			if err := w.recovers(after, now, next); err != nil {
				t.Fatalf("power cut at operation %d, in step %q, crash copy %d: %v", n, at, i, err)
			}
		}
		if err == nil {
			t.Logf("%d operations", n-1)
			return
		}
	}
}

// TestMetadataAndFaultAtEveryOperation fails the n-th operation only, of any kind. An
// operation that is refused has happened or has not; what an error leaves in memory,
// a restart mends.
func TestMetadataAndFaultAtEveryOperation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	stride := 1
	if !sweeping {
		stride = 37
	}
	for n := 1; ; n += stride {
		faulty := &vfs.Faulty{Ops: vfs.OpChange | vfs.OpOpen | vfs.OpRead, N: n}
		w, mem := newMetadataWorld(t, dir, faulty)
		now := kept{topics: map[string]keptTopic{}}
		if err := w.open(); err != nil {
			if !errors.Is(err, vfs.ErrInjected) {
				t.Fatalf("fault at operation %d: the start says %v", n, err)
			}
			if err = w.open(); err != nil {
				t.Fatalf("fault at operation %d: the second start says %v", n, err)
			}
		}
		for _, step := range metadataSteps {
			next := step.after(now)
			err := step.do(w)
			if err == nil {
				w.b.reopen() // what could not be opened
				is, err := w.kept()
				if errors.Is(err, vfs.ErrInjected) { // the fault was in looking
					is, err = w.kept()
				}
				if errors.Is(err, vfs.ErrInjected) { // or in a checkpoint behind the scenes
					if err = w.restart(); err == nil {
						is, err = w.kept()
					}
				}
				if err != nil || !is.equal(next) {
					t.Fatalf("fault at operation %d, step %q: %+v, %v; acknowledged was %+v", n, step.name, is, err, next)
				}
				now = next
				continue
			}
			if faulty.Count() < n {
				t.Fatalf("before a fault at operation %d, step %q: %v", n, step.name, err)
			}
			if err := w.restart(); err != nil {
				t.Fatalf("fault at operation %d, step %q: the restart says %v", n, step.name, err)
			}
			is, err := w.kept()
			if err != nil || !is.equal(now) && !is.equal(next) {
				t.Fatalf("fault at operation %d, step %q: %+v, %v; before was %+v, after %+v", n, step.name, is, err, now, next)
			}
			if !is.equal(next) {
				err = step.do(w)
			}
			if err != nil {
				t.Fatalf("fault at operation %d, step %q, done again: %v", n, step.name, err)
			}
			now = next
		}
		count := faulty.Count()
		if err := w.close(true); err != nil && !errors.Is(err, vfs.ErrInjected) {
			t.Fatalf("fault at operation %d: %v", n, err)
		}
		for i, after := range []*vfs.Mem{mem.Clone(), mem.CrashCopy(uint64(n))} {
			if err := w.recovers(after, now); err != nil {
				t.Fatalf("fault at operation %d, copy %d: %v", n, i, err)
			}
		}
		if count < n {
			t.Logf("%d operations", count)
			return
		}
	}
}

// TestFailedSyncOfTheMetadataLogRefusesChangesUntilARestart: nobody knows what is on
// the disk, so nothing is acknowledged any more, and what was is there.
func TestFailedSyncOfTheMetadataLogRefusesChangesUntilARestart(t *testing.T) {
	faulty := &vfs.Faulty{}
	w, _ := newMetadataWorld(t, filepath.Join(t.TempDir(), "data"), faulty)
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	set := func(value string) error {
		return w.b.store.SetFacts("test", []topics.Fact{{Key: "fact", Value: json.RawMessage(value)}})
	}
	if err := set("1"); err != nil {
		t.Fatal(err)
	}
	faulty.Arm(vfs.OpSync, 1, false, nil)
	for range 2 {
		if err := set("2"); err == nil || !strings.Contains(err.Error(), "restart the broker") {
			t.Fatalf("the error is %v", err)
		}
	}
	if got := string(w.b.store.Fact("test", "fact")); got != "1" {
		t.Errorf("the fact is %s before the restart", got)
	}
	if err := w.restart(); err != nil {
		t.Fatal(err)
	}
	if err := set("3"); err != nil {
		t.Fatal(err)
	}
	if err := w.close(true); err != nil && !errors.Is(err, fs.ErrClosed) {
		t.Fatal(err)
	}
}
