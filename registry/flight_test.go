package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// oneByOne hides that a journal is a Starter.
type oneByOne struct{ journal.Journal }

// slowDisk is a Starter whose records become durable when it is told so, or a
// moment after they were started.
type slowDisk struct {
	journal.Memory // what is durable
	auto           bool

	mu      sync.Mutex
	started journal.Offset
	pending []*startedBatch
	refuse  error // of Start
}

type startedBatch struct {
	records []journal.Record
	done    chan error
}

func (d *slowDisk) Start(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, func(context.Context) error, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if at != d.started {
		return 0, nil, journal.ErrMoved
	}
	if d.refuse != nil {
		return 0, nil, d.refuse
	}
	b := &startedBatch{records, make(chan error, 1)}
	d.pending = append(d.pending, b)
	d.started += journal.Offset(len(records))
	if d.auto && len(d.pending) == 1 {
		time.AfterFunc(100*time.Microsecond, func() { d.sync(-1) })
	}
	return d.started, func(ctx context.Context) error {
		select {
		case err := <-b.done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}, nil
}

func (d *slowDisk) Append(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, error) {
	end, wait, err := d.Start(ctx, at, records)
	if err != nil {
		return 0, err
	}
	return end, wait(ctx)
}

// sync makes the first n of what is pending durable, all of it if n is negative.
func (d *slowDisk) sync(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ; n != 0 && len(d.pending) > 0; n-- {
		b := d.pending[0]
		d.pending = d.pending[1:]
		end, _ := d.Memory.End(context.Background())
		_, _, err := d.Memory.Start(context.Background(), end, b.records)
		b.done <- err
	}
}

// crash fails all that is pending; it is gone, or with written there all the same.
func (d *slowDisk) crash(err error, written bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.pending {
		end, _ := d.Memory.End(context.Background())
		if written {
			_, _, _ = d.Memory.Start(context.Background(), end, b.records)
		}
		b.done <- err
	}
	d.pending = nil
	d.started, _ = d.Memory.End(context.Background())
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (r *Registry) inFlight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flying
}

type outcome struct {
	Schema
	err error
}

// takesOff registers in the background and returns once that is decided.
func takesOff(t *testing.T, r *Registry, subject schema.Subject, req RegisterRequest) <-chan outcome {
	t.Helper()
	before := r.inFlight()
	c := make(chan outcome, 1)
	go func() {
		s, err := r.Register(context.Background(), subject, req)
		c <- outcome{s, err}
	}()
	until(t, "a registration is taken", func() bool { return r.inFlight() > before })
	r.turn <- struct{}{} // until it is decided and sent off
	<-r.turn
	return c
}

func referring(to schema.Subject) RegisterRequest {
	req := avro(`{"type":"array","items":"R"}`)
	req.Definition.References = []schema.Reference{{Name: "R", Subject: to, Version: 1}}
	return req
}

func TestReadersNeverSeeWhatIsNotDurable(t *testing.T) {
	d := &slowDisk{}
	r := open(t, Options{Journal: d})
	first := takesOff(t, r, "s", avro(record(fieldA)))
	again := takesOff(t, r, "s", avro(record(fieldA))) // decides nothing, on what is not durable
	refused := takesOff(t, r, "s", avro(record(fieldB)))
	onTop := takesOff(t, r, "t", referring("s"))
	unseen := func() {
		t.Helper()
		for what, err := range map[string]error{
			"version": second(r.Version("s", 1, false)),
			"id":      second(r.SchemaByID(1, "")),
			"lookup":  second(r.Lookup("s", avro(record(fieldA)), LookupOptions{})),
		} {
			if code := CodeOf(err); code != CodeSubjectNotFound && code != CodeSchemaNotFound {
				t.Errorf("%s sees what is not durable: %v", what, err)
			}
		}
		for _, c := range []<-chan outcome{first, again, refused, onTop} {
			select {
			case o := <-c:
				t.Fatalf("answered before it was durable: %+v", o)
			default:
			}
		}
	}
	unseen()
	if err := r.CatchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	unseen()

	d.sync(1)
	if o := <-first; o.err != nil || o.ID != 1 || o.Version != 1 {
		t.Errorf("first: %+v", o)
	}
	if o := <-again; o.err != nil || o.ID != 1 || o.Version != 1 {
		t.Errorf("again: %+v", o)
	}
	wantCode(t, (<-refused).err, CodeIncompatible)
	if _, err := r.Version("s", 1, false); err != nil {
		t.Errorf("durable and not seen: %v", err)
	}
	if _, err := r.Version("t", 1, false); CodeOf(err) != CodeSubjectNotFound {
		t.Errorf("seen before it was durable: %v", err)
	}
	d.sync(1)
	if o := <-onTop; o.err != nil || o.ID != 2 {
		t.Errorf("on top: %+v", o)
	}
}

func TestWhatWasDecidedOnAFailedAppendFailsWithIt(t *testing.T) {
	for _, written := range []bool{false, true} {
		t.Run(fmt.Sprintf("written=%t", written), func(t *testing.T) {
			d := &slowDisk{}
			r := open(t, Options{Journal: d})
			kept := takesOff(t, r, "kept", avro(`"string"`))
			failed := takesOff(t, r, "s", avro(record(fieldA)))
			onTop := takesOff(t, r, "t", referring("s"))
			nothing := takesOff(t, r, "s", avro(record(fieldA)))
			refused := takesOff(t, r, "s", avro(record(fieldB)))
			d.sync(1)
			if o := <-kept; o.err != nil || o.ID != 1 {
				t.Fatalf("what was durable before: %+v", o)
			}
			d.crash(errors.New("disk full"), written)
			for what, c := range map[string]<-chan outcome{"failed": failed, "on top": onTop, "nothing": nothing, "refused": refused} {
				if o := <-c; CodeOf(o.err) != CodeStore || !strings.Contains(o.err.Error(), "disk full") {
					t.Errorf("%s: %v, want the journal's error", what, o.err)
				}
			}
			until(t, "everything has landed", func() bool { return r.inFlight() == 0 })
			d.mu.Lock()
			d.auto = true
			d.mu.Unlock()
			_, err := r.Register(context.Background(), "u", referring("s"))
			if written {
				if err != nil {
					t.Errorf("the journal has it: %v", err)
				}
			} else if CodeOf(err) != CodeInvalidSchema {
				t.Errorf("refers to what never was: %v", err)
			}
			want := schema.ID(2)
			if written {
				want = 4
			}
			if s := mustRegister(t, r, "v", avro(`"long"`)); s.ID != want {
				t.Errorf("got ID %d, want %d", s.ID, want)
			}
			if live, replayed := dump(r.snap.Load()), dump(open(t, Options{Journal: &d.Memory}).snap.Load()); live != replayed {
				t.Error(firstDifference(live, replayed))
			}
		})
	}
}

func TestNothingIsDecidedOnWhatTheJournalRefused(t *testing.T) {
	d := &slowDisk{}
	r := open(t, Options{Journal: d})
	first := takesOff(t, r, "s", avro(`"string"`))
	d.mu.Lock()
	d.refuse = errors.New("disk full")
	d.mu.Unlock()
	refused := takesOff(t, r, "t", avro(`"int"`))
	d.mu.Lock()
	d.refuse, d.auto = nil, true
	d.mu.Unlock()
	later := make(chan outcome, 1)
	go func() { // cannot be decided before the others have landed
		s, err := r.Register(context.Background(), "u", avro(`"long"`))
		later <- outcome{s, err}
	}()
	d.sync(-1)
	if o := <-first; o.err != nil || o.ID != 1 {
		t.Errorf("first: %+v", o)
	}
	wantCode(t, (<-refused).err, CodeStore)
	if o := <-later; o.err != nil || o.ID != 2 {
		t.Errorf("later: %+v, %v", o.ID, o.err)
	}
}

func TestAPanicIsTheCallersAndTheRegistryGoesOn(t *testing.T) {
	r := open(t, Options{})
	func() {
		defer func() {
			if p := fmt.Sprint(recover()); !strings.Contains(p, "broken promise") {
				t.Errorf("recovered %s", p)
			}
		}()
		_ = r.write(context.Background(), "testing", func(*state) ([]journal.Record, error) { panic("broken promise") })
	}()
	mustRegister(t, r, "s", avro(`"int"`))
}

// TestInstancesOnASlowDiskAgree has instances that are often too late decide
// again, while others' records are on their way.
func TestInstancesOnASlowDiskAgree(t *testing.T) {
	d := &slowDisk{auto: true}
	ctx := context.Background()
	instances := []*Registry{open(t, Options{Journal: d}), open(t, Options{Journal: d}), open(t, Options{Journal: d})}
	var meaning sync.Map
	var wg sync.WaitGroup
	for k, r := range instances {
		for w := range 4 {
			wg.Go(func() {
				for i := range 30 {
					text := fmt.Sprintf(`{"type":"fixed","name":"F","size":%d}`, i*(w%2+1))
					s, err := r.Register(ctx, schema.Subject(fmt.Sprint("s", k, w, i)), avro(text))
					if err != nil {
						t.Error(err)
						return
					}
					if old, loaded := meaning.LoadOrStore(s.ID, text); loaded && old != text {
						t.Errorf("id %d is %s and %s", s.ID, old, text)
					}
				}
			})
		}
	}
	wg.Wait()
	want := dump(open(t, Options{Journal: &d.Memory}).snap.Load())
	for k, r := range instances {
		if err := r.CatchUp(ctx); err != nil {
			t.Fatal(err)
		}
		if got := dump(r.snap.Load()); got != want {
			t.Errorf("instance %d: %s", k, firstDifference(got, want))
		}
	}
}

// TestWhatWasAnsweredSurvivesAPowerCut copies what is durable at random moments
// of a busy registry: a registry on the copy knows whatever had been answered or
// seen by then.
func TestWhatWasAnsweredSurvivesAPowerCut(t *testing.T) {
	d := &slowDisk{auto: true}
	r := open(t, Options{Journal: d})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	var answered []Schema
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil && i < 2000; i++ {
				s, err := r.Register(ctx, schema.Subject(fmt.Sprint("s", w, "-", i%50)), avro(fmt.Sprintf(`{"type":"enum","name":"E","symbols":["A","B%d"]}`, i/50)))
				if CodeOf(err) == CodeIncompatible || ctx.Err() != nil {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				answered = append(answered, s)
				mu.Unlock()
			}
		})
	}
	for range 20 {
		mu.Lock()
		n := len(answered) + 1 + rand.IntN(20)
		mu.Unlock()
		until(t, "some more are answered", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(answered) >= n || len(answered) >= 200
		})
		mu.Lock()
		known := answered
		mu.Unlock()
		seen := r.snap.Load()
		records, _, err := d.Memory.Read(context.Background(), 0, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		copied := &journal.Memory{}
		if _, _, err := copied.Start(context.Background(), 0, records); err != nil {
			t.Fatal(err)
		}
		after := open(t, Options{Journal: copied})
		for _, s := range known {
			if got, err := after.Version(s.Subject, s.Version, false); err != nil || got.ID != s.ID || got.Text() != s.Text() {
				t.Fatalf("answered subject %q version %d id %d; after the cut: %+v, %v", s.Subject, s.Version, s.ID, got, err)
			}
		}
		if after.End() < seen.end {
			t.Fatalf("readers saw up to %d, durable is %d", seen.end, after.End())
		}
	}
	cancel()
	wg.Wait()
}
