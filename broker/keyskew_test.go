package broker

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// keyedBatch is a batch with a record per key; "" is none.
func keyedBatch(t testing.TB, codec record.Codec, keys ...string) record.Batch {
	t.Helper()
	builder := record.NewBuilder(record.BatchOptions{Codec: codec})
	for _, k := range keys {
		key := []byte(k)
		if k == "" {
			key = nil
		}
		builder.Add(1, key, []byte("v"))
	}
	batch, err := builder.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// TestHotKeysAreFoundAmongMany gives two keys 30 % and 10 % of the records, and the
// rest to a hundred thousand others, at a rate at which most are not looked at.
func TestHotKeysAreFoundAmongMany(t *testing.T) {
	for _, codec := range []record.Codec{record.None, record.LZ4} {
		t.Run(codec.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			k := newKeySkew()
			var unseen atomic.Int64
			now := time.Unix(1_000_000, 0)
			for range 2000 {
				keys := make([]string, 500)
				for i := range keys {
					switch d := r.IntN(100); {
					case d < 30:
						keys[i] = "hot"
					case d < 40:
						keys[i] = "warm"
					case d < 45:
						keys[i] = ""
					default:
						keys[i] = fmt.Sprint(r.IntN(100_000))
					}
				}
				k.appended(now, 3, &unseen, keyedBatch(t, codec, keys...).Open(record.OpenOptions{}))
				now = now.Add(2 * time.Millisecond) // 250,000 records per second
			}
			got, noKey := k.hottest(3)
			if len(got) != 3 || string(got[0].Key) != "hot" || string(got[1].Key) != "warm" || got[0].Partition != 3 {
				t.Fatalf("%+v", got)
			}
			if near := func(v, want float64) bool { return math.Abs(v-want) < 0.03 }; !near(got[0].Share, .3) || !near(got[0].AtLeast, .3) || !near(noKey, .05) || got[2].AtLeast > .01 {
				t.Errorf("%+v, no key %f", got, noKey)
			}
			if len(k.slots) != keySlots || len(k.bySum) != keySlots {
				t.Errorf("%d slots, %d known", len(k.slots), len(k.bySum))
			}
		})
	}
}

// TestHotKeysOfLargeBatches gives one key 40 % of the records. Its partition has
// few large batches for many small ones of the others, and more comes than is
// looked at.
func TestHotKeysOfLargeBatches(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	k := newKeySkew()
	now := time.Unix(1_000_000, 0)
	const parts = 6
	var unseen [parts]atomic.Int64
	for range 400 {
		var keys [parts][]string
		for range 5000 {
			if p := r.IntN(parts); r.IntN(10) < 4 {
				keys[3] = append(keys[3], "hot")
			} else {
				keys[p] = append(keys[p], fmt.Sprintf("%d of %d", r.IntN(50), p))
			}
		}
		for _, p := range r.Perm(parts) {
			k.appended(now, int32(p), &unseen[p], keyedBatch(t, record.None, keys[p]...).Open(record.OpenOptions{}))
		}
		now = now.Add(20 * time.Millisecond) // 250,000 records per second
	}
	got, _ := k.hottest(2)
	if string(got[0].Key) != "hot" || got[0].Partition != 3 || math.Abs(got[0].Share-.4) > .03 || got[1].Share > .05 {
		t.Errorf("%+v", got)
	}
}

func TestHotKeysFade(t *testing.T) {
	k := newKeySkew()
	var unseen atomic.Int64
	now := time.Unix(1_000_000, 0)
	k.appended(now, 0, &unseen, keyedBatch(t, record.None, "old", "old", "old", "old").Open(record.OpenOptions{}))
	now = now.Add(2 * keyHalfLife)
	k.appended(now, 0, &unseen, keyedBatch(t, record.None, "new").Open(record.OpenOptions{}))
	got, _ := k.hottest(2)
	if math.Abs(got[0].Share-.5) > 1e-9 || math.Abs(got[1].Share-.5) > 1e-9 {
		t.Errorf("four records of two half-lives ago weigh as much as one of now: %+v", got)
	}
	now = now.Add(1000 * keyHalfLife) // beyond what a float64 could hold
	k.appended(now, 0, &unseen, keyedBatch(t, record.None, "newest").Open(record.OpenOptions{}))
	if got, _ = k.hottest(1); string(got[0].Key) != "newest" || got[0].Share < 0.999 || math.IsNaN(got[0].Share) {
		t.Errorf("%+v", got)
	}
}

func TestLongKeysAreCutAndTold(t *testing.T) {
	k := newKeySkew()
	var unseen atomic.Int64
	long := make([]byte, 1000)
	k.appended(time.Unix(1, 0), 0, &unseen, keyedBatch(t, record.None, string(long)+"a", string(long)+"a", string(long)+"b").Open(record.OpenOptions{}))
	got, _ := k.hottest(5)
	if len(got) != 2 || len(got[0].Key) != maxKeyBytes || !got[0].Truncated || math.Abs(got[0].Share-2./3) > 1e-9 {
		t.Errorf("%+v", got)
	}
}

func TestRateIsTheMeanAtFirstAndForgetsLater(t *testing.T) {
	var m meter
	now := time.Unix(1_000_000, 0)
	m.start(now)
	tick := func(n int) {
		m.add(n)
		now = now.Add(meterEvery)
		m.tick(now)
	}
	tick(500)
	if got := m.perSecond(); got != 100 {
		t.Errorf("after one tick %f per second, want 100", got)
	}
	tick(0)
	if got := m.perSecond(); math.Abs(got-50) > 1e-9 {
		t.Errorf("after two ticks %f per second, want 50", got)
	}
	for range 60 {
		tick(1000)
	}
	if got := m.perSecond(); math.Abs(got-200) > 2 {
		t.Errorf("after five minutes %f per second, want 200", got)
	}
	m.add(1)
	m.tick(now.Add(-time.Hour)) // the clock was set back
	if got := m.perSecond(); math.Abs(got-200) > 2 || math.IsInf(got, 0) {
		t.Errorf("%f per second", got)
	}
	for range 400 {
		tick(0)
	}
	if got := m.perSecond(); got != 0 {
		t.Errorf("%g per second after half an hour of nothing", got)
	}
}

func BenchmarkKeySkew(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = fmt.Sprint("customer-", i*7919%100_000)
		}
		batch := keyedBatch(b, record.None, keys...)
		b.Run(fmt.Sprintf("%d-records", n), func(b *testing.B) {
			k := newKeySkew()
			var unseen atomic.Int64
			b.SetBytes(int64(len(batch)))
			for b.Loop() {
				k.appended(time.Now(), 0, &unseen, batch.Open(record.OpenOptions{}))
			}
		})
	}
}
