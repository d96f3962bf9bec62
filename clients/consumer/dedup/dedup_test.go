package dedup_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/clients/consumer"
	"github.com/dovetail-dev/dovetail/clients/consumer/dedup"
	"github.com/dovetail-dev/dovetail/clients/consumer/dedup/deduptest"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) forward(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

func TestMemory(t *testing.T) {
	deduptest.Store(t, func(*testing.T) (dedup.Store, func(time.Duration)) {
		c := &clock{now: time.Unix(1_700_000_000, 0)}
		return dedup.NewMemory(100, c.time), c.forward
	})
}

func TestMemoryIsBounded(t *testing.T) {
	ctx := context.Background()
	m := dedup.NewMemory(3, nil)
	for i := range 10 {
		m.Done(ctx, fmt.Sprint(i), "a", time.Hour)
	}
	for i := 9; i >= 6; i-- {
		want := dedup.Handled
		if i == 6 { // the three after it took the room
			want = dedup.Fresh
		}
		if got, _ := m.Claim(ctx, fmt.Sprint(i), "a", time.Hour); got != want {
			t.Errorf("ID %d: state %d, want %d", i, got, want)
		}
	}
}

type record = consumer.Record[string, string]

var errWork = errors.New("no luck")

func TestHandlerRunsOnce(t *testing.T) {
	ctx := context.Background()
	runs, fail := 0, true
	h := dedup.Handler(dedup.NewMemory(100, nil), dedup.ByOffset[string, string], dedup.Options{}, func(context.Context, *record) error {
		if runs++; fail {
			return errWork
		}
		return nil
	})
	r := &record{Topic: "t", Partition: 1, Offset: 7}
	if err := h(ctx, r); !errors.Is(err, errWork) {
		t.Fatal(err)
	}
	fail = false
	for range 3 {
		if err := h(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if runs != 2 {
		t.Errorf("%d runs, want 2: one that failed, one that worked", runs)
	}
	if err := h(ctx, &record{Topic: "t", Partition: 1, Offset: 8}); err != nil || runs != 3 {
		t.Errorf("another record: %d runs, %v", runs, err)
	}
}

func TestHandlerMeetsAnother(t *testing.T) {
	ctx := context.Background()
	m := dedup.NewMemory(100, nil)
	m.Claim(ctx, "t/0/0", "other", time.Hour)
	h := dedup.Handler(m, dedup.ByOffset[string, string], dedup.Options{}, func(context.Context, *record) error {
		t.Error("handled what another worker has")
		return nil
	})
	if err := h(ctx, &record{Topic: "t"}); !errors.Is(err, dedup.ErrClaimed) {
		t.Errorf("got %v", err)
	}
}

func TestAPanicGivesTheClaimUp(t *testing.T) {
	ctx := context.Background()
	m := dedup.NewMemory(100, nil)
	h := dedup.Handler(m, dedup.ByOffset[string, string], dedup.Options{}, func(context.Context, *record) error { panic("boom") })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		h(ctx, &record{Topic: "t"})
	}()
	if got, _ := m.Claim(ctx, "t/0/0", "a", time.Hour); got != dedup.Fresh {
		t.Errorf("state %d, want Fresh", got)
	}
}

// broken is a store that fails.
type broken struct{ dedup.Store }

func (broken) Claim(context.Context, string, string, time.Duration) (dedup.State, error) {
	return 0, errWork
}

func TestAStoreThatFailsStopsTheRecord(t *testing.T) {
	h := dedup.Handler(broken{}, dedup.ByOffset[string, string], dedup.Options{}, func(context.Context, *record) error {
		t.Error("handled without a claim")
		return nil
	})
	if err := h(context.Background(), &record{}); !errors.Is(err, errWork) {
		t.Errorf("got %v", err)
	}
}

func TestByHeader(t *testing.T) {
	id := dedup.ByHeader[string, string]("id")
	if got := id(&record{Headers: []consumer.Header{{Key: "id", Value: []byte("a")}, {Key: "id", Value: []byte("b")}}}); got != "b" {
		t.Errorf("ID %q, want the last", got)
	}
	runs := 0
	h := dedup.Handler(broken{}, id, dedup.Options{}, func(context.Context, *record) error { runs++; return nil })
	if err := h(context.Background(), &record{}); err != nil || runs != 1 {
		t.Errorf("a record without an ID: %d runs, %v", runs, err)
	}
}

func ExampleHandler() {
	charge := func(_ context.Context, r *consumer.Record[string, string]) error {
		fmt.Println("charging", r.Value)
		return nil
	}
	once := dedup.Handler(dedup.NewMemory(1_000_000, nil), dedup.ByOffset[string, string], dedup.Options{}, charge)

	r := &consumer.Record[string, string]{Topic: "payments", Offset: 7, Value: "12.50"}
	fmt.Println(once(context.Background(), r))
	fmt.Println(once(context.Background(), r)) // delivered again after a crash
	// Output:
	// charging 12.50
	// <nil>
	// <nil>
}
