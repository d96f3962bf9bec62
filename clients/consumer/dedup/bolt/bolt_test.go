package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/dovetail-dev/dovetail/clients/consumer/dedup"
	"github.com/dovetail-dev/dovetail/clients/consumer/dedup/bolt"
	"github.com/dovetail-dev/dovetail/clients/consumer/dedup/deduptest"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) forward(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

func open(t *testing.T, path string) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestStore(t *testing.T) {
	deduptest.Store(t, func(t *testing.T) (dedup.Store, func(time.Duration)) {
		c := &clock{now: time.Unix(1_700_000_000, 0)}
		s, err := bolt.New(open(t, filepath.Join(t.TempDir(), "ids")), "handled", c.time)
		if err != nil {
			t.Fatal(err)
		}
		return s, c.forward
	})
}

func TestIDsSurviveTheProcess(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "ids")
	db := open(t, path)
	s, err := bolt.New(db, "handled", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Done(ctx, "id", "a", time.Hour); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if s, err = bolt.New(open(t, path), "handled", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Claim(ctx, "id", "b", time.Hour); err != nil || got != dedup.Handled {
		t.Errorf("state %d, %v", got, err)
	}
}

func TestWorkAndMarkAreOne(t *testing.T) {
	ctx := context.Background()
	db := open(t, filepath.Join(t.TempDir(), "ids"))
	s, err := bolt.New(db, "handled", nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for _, fail := range []error{broken, nil, nil} {
		err := s.Update(ctx, "id", time.Hour, func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("work"))
			if err != nil {
				return err
			}
			return errors.Join(b.Put([]byte("n"), append(b.Get([]byte("n")), '|')), fail)
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
	}
	db.View(func(tx *bbolt.Tx) error {
		if got := string(tx.Bucket([]byte("work")).Get([]byte("n"))); got != "|" {
			t.Errorf("the work was done as %q, want once", got)
		}
		return nil
	})
}

func TestSweep(t *testing.T) {
	ctx := context.Background()
	c := &clock{now: time.Unix(1_700_000_000, 0)}
	s, err := bolt.New(open(t, filepath.Join(t.TempDir(), "ids")), "handled", c.time)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		s.Done(ctx, fmt.Sprint(i), "a", time.Duration(1+i%2)*time.Hour)
	}
	c.forward(90 * time.Minute)
	for _, want := range []int{7, 3, 0} {
		if n, err := s.Sweep(ctx, 7); err != nil || n != want {
			t.Errorf("swept %d, %v, want %d", n, err, want)
		}
	}
	if got, _ := s.Claim(ctx, "1", "a", time.Hour); got != dedup.Handled {
		t.Error("an ID that still counts was swept")
	}
}

func TestADamagedMarkIsNoPanic(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "ids"))
	s, err := bolt.New(db, "handled", nil)
	if err != nil {
		t.Fatal(err)
	}
	db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("handled")).Put([]byte("id"), []byte{9}) })
	if _, err := s.Claim(context.Background(), "id", "a", time.Hour); err == nil {
		t.Error("no error")
	}
}
