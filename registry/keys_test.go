package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// xorKMS wraps by flipping bits, and can be closed.
type xorKMS struct {
	closed bool
	before func() // runs in each call
}

func (x *xorKMS) flip(b []byte) ([]byte, error) {
	if x.before != nil {
		x.before()
	}
	if x.closed {
		return nil, errors.New("closed")
	}
	out := make([]byte, len(b))
	for i := range b {
		out[i] = b[i] ^ 0x5a
	}
	return out, nil
}

func (x *xorKMS) Wrap(_ context.Context, _ string, _ map[string]string, key []byte) ([]byte, error) {
	return x.flip(key)
}

func (x *xorKMS) Unwrap(_ context.Context, _ string, _ map[string]string, wrapped []byte) ([]byte, error) {
	return x.flip(wrapped)
}

// TestKeysSurviveReplayAndCompaction does random operations and compares the
// state with that of a registry that starts from the journal.
func TestKeysSurviveReplayAndCompaction(t *testing.T) {
	for seed := range uint64(5) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		ctx := context.Background()
		m := &journal.Memory{}
		tick := int64(0)
		now := func() time.Time { tick++; return time.UnixMilli(tick) }
		m.Now = now
		r := open(t, Options{Journal: m, Now: now, KMS: map[string]KMS{"xor": &xorKMS{}}})
		done := 0
		for range 400 {
			kek := fmt.Sprintf("k%d", rnd.IntN(3))
			q := DEKQuery{KEK: kek, Subject: schema.Subject(fmt.Sprintf("s%d", rnd.IntN(3))), Algorithm: AES256GCM, Version: schema.Version(rnd.IntN(3))}
			var err error
			switch rnd.IntN(9) {
			case 0, 1:
				_, err = r.CreateKEK(ctx, KEK{Name: kek, KMSType: "xor", KMSKeyID: "id", Shared: rnd.IntN(2) == 0}, rnd.IntN(2) == 0)
			case 2:
				_, err = r.UpdateKEK(ctx, kek, KEKPatch{Doc: Patch[string]{Set: true, Value: fmt.Sprint(rnd.IntN(3))}}, false)
			case 3:
				err = r.DeleteKEK(ctx, kek, rnd.IntN(2) == 0)
			case 4:
				err = r.UndeleteKEK(ctx, kek)
			case 5, 6:
				d := DEK{KEK: kek, Subject: q.Subject, Version: q.Version}
				if rnd.IntN(2) == 0 {
					d.Wrapped = "AAEC"
				}
				_, err = r.CreateDEK(ctx, d, rnd.IntN(2) == 0)
			case 7:
				err = r.DeleteDEK(ctx, q, rnd.IntN(2) == 0)
			case 8:
				err = r.UndeleteDEK(ctx, q)
			}
			if err == nil {
				done++
			} else if CodeOf(err) == 0 {
				t.Fatalf("seed %d: an error without a code: %v", seed, err)
			}
		}
		if done < 100 {
			t.Fatalf("seed %d: only %d of 400 operations did anything", seed, done)
		}
		live := dump(r.snap.Load())
		for _, compact := range []func(){func() {}, func() { m.Compact(false) }, func() { m.Compact(true) }} {
			compact()
			if replayed := dump(open(t, Options{Journal: m, Now: now}).snap.Load()); replayed != live {
				t.Fatalf("seed %d: replayed differs\n%s", seed, firstDifference(live, replayed))
			}
		}
	}
}

// TestGeneratedKeysAreTinkMessages compares with the encoding of Tink's key
// messages: field 3 (AES-GCM) or 2 (AES-SIV), length-delimited.
func TestGeneratedKeysAreTinkMessages(t *testing.T) {
	for a, want := range map[Algorithm]struct {
		head [2]byte
		size int
	}{AES128GCM: {[2]byte{0x1a, 16}, 18}, AES256GCM: {[2]byte{0x1a, 32}, 34}, AES256SIV: {[2]byte{0x12, 64}, 66}} {
		one, err := a.generate()
		two, err2 := a.generate()
		if err != nil || err2 != nil || len(one) != want.size || [2]byte(one) != want.head {
			t.Errorf("%s: % x, %v", a, one, err)
		}
		if string(one) == string(two) {
			t.Errorf("%s: the same key twice", a)
		}
	}
}

// A KMS that hangs holds up nobody but who asked for it.
func TestSlowKMSDoesNotHoldUpWrites(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	kms := &xorKMS{before: func() {
		once.Do(func() { close(entered) })
		<-leave
	}}
	r := open(t, Options{KMS: map[string]KMS{"xor": kms}})
	ctx := context.Background()
	if _, err := r.CreateKEK(ctx, KEK{Name: "k", KMSType: "xor", KMSKeyID: "id", Shared: true}, false); err != nil {
		t.Fatal(err)
	}
	created := make(chan error, 1)
	go func() {
		_, err := r.CreateDEK(ctx, DEK{KEK: "k", Subject: "s"}, false)
		created <- err
	}()
	<-entered
	mustRegister(t, r, "other", avro(`"int"`))
	close(leave)
	if err := <-created; err != nil {
		t.Fatal(err)
	}
}

// Two that ask for one DEK of a shared KEK at once get one key.
func TestConcurrentCreatesAgreeOnOneKey(t *testing.T) {
	r := open(t, Options{KMS: map[string]KMS{"xor": &xorKMS{}}})
	ctx := context.Background()
	if _, err := r.CreateKEK(ctx, KEK{Name: "k", KMSType: "xor", KMSKeyID: "id", Shared: true}, false); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	keys := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			d, err := r.CreateDEK(ctx, DEK{KEK: "k", Subject: "s"}, false)
			if CodeOf(err) == CodeKeyExists { // what clients do then
				d, err = r.DEK(ctx, DEKQuery{KEK: "k", Subject: "s", Algorithm: AES256GCM, Version: 1})
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			keys[d.Clear] = true
		})
	}
	wg.Wait()
	if len(keys) != 1 {
		t.Errorf("%d keys", len(keys))
	}
}

func TestKeysAreBounded(t *testing.T) {
	r := open(t, Options{MaxKeys: 1})
	ctx := context.Background()
	k := KEK{Name: "k", KMSType: "t", KMSKeyID: "id"}
	if _, err := r.CreateKEK(ctx, k, false); err != nil {
		t.Fatal(err)
	}
	k.Name = "l"
	_, err := r.CreateKEK(ctx, k, false)
	wantCode(t, err, CodeTooManyKeys)
	if _, err := r.CreateDEK(ctx, DEK{KEK: "k", Subject: "s", Wrapped: "AAEC"}, false); err != nil {
		t.Fatal(err)
	}
	_, err = r.CreateDEK(ctx, DEK{KEK: "k", Subject: "s", Version: 2, Wrapped: "AAEC"}, false)
	wantCode(t, err, CodeTooManyKeys)
	_, err = r.CreateDEK(ctx, DEK{KEK: "k", Subject: "s", Version: 2, Wrapped: string(make([]byte, maxWrappedBytes+1))}, false)
	wantCode(t, err, CodeInvalidKey)
}
