package broker

import (
	"cmp"
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// keySkew estimates which keys have most of a topic's records: the Space-Saving
// sketch of Metwally, Agrawal and El Abbadi, with two changes.
//
// Not every record is looked at. A topic may cost so many looks per second; what
// comes beyond that is represented by the next batch of its partition that is
// looked at, whose records weigh more for it. So shares are right at any rate, and
// the produce path pays the same few microseconds per batch whatever is in it. It
// has to be the same partition: a hot key makes large batches in one, and as many
// small ones in each of the others.
//
// The past fades: a record weighs half after keyHalfLife. Instead of shrinking
// all counts, new records weigh more (forward decay), and counts are scaled back
// before they overflow.
type keySkew struct {
	mu       sync.Mutex
	seed     maphash.Seed
	epoch    time.Time // when weight was 1
	refilled time.Time
	looks    float64 // may still be taken now

	total, null float64
	slots       []keySlot
	bySum       map[uint64]int
}

// keySlot is one key that may be frequent: its count is at most over too high.
type keySlot struct {
	sum         uint64
	count, over float64
	partition   int32 // where it was last seen
	key         []byte
	truncated   bool
}

const (
	keySlots    = 128
	maxKeyBytes = 64 // of a key are kept
	keyHalfLife = 10 * time.Minute
	// looksPerSecond bounds the records looked at per topic, looksPerBatch those
	// of one batch.
	looksPerSecond = 10_000
	looksPerBatch  = 256
)

func newKeySkew() *keySkew { return &keySkew{seed: maphash.MakeSeed()} }

// appended takes note of a batch that was appended and is still open for the
// checks. unseenThere are the records of
// its partition that were not looked at yet. If somebody else is at it, or the looks
// are used up, the batch only counts.
func (k *keySkew) appended(now time.Time, partition int32, unseenThere *atomic.Int64, batch *record.Opened) {
	count := int64(batch.Batch().Count())
	unseen := unseenThere.Add(count)
	if count <= 0 || !k.mu.TryLock() {
		return
	}
	defer k.mu.Unlock()
	if !k.mayLook(now) {
		return
	}
	it, err := batch.Records()
	if err != nil {
		return
	}
	defer it.Close()
	step := int(count+looksPerBatch-1) / looksPerBatch
	looked := (int(count) + step - 1) / step
	weight := float64(unseen) / float64(looked) * math.Exp2(float64(now.Sub(k.epoch))/float64(keyHalfLife))
	unseenThere.Add(-unseen)
	for i := 0; it.Next(); i++ {
		if i%step == 0 {
			k.see(it.Record().Key, partition, weight)
		}
	}
	k.looks -= float64(looked)
}

// mayLook refills what may be used, and says whether anything is left. It requires mu.
func (k *keySkew) mayLook(now time.Time) bool {
	switch since := now.Sub(k.refilled); {
	case k.refilled.IsZero():
		k.epoch, k.refilled, k.looks = now, now, looksPerSecond
	case since > 0:
		k.looks = min(k.looks+looksPerSecond*since.Seconds(), looksPerSecond)
		k.refilled = now
	case since < 0: // the clock was set back
		k.refilled = now
	}
	if age := now.Sub(k.epoch); age > 500*keyHalfLife || age < 0 {
		k.rebase(now)
	}
	return k.looks > 0
}

// rebase lets weight begin at 1 again. It requires mu.
func (k *keySkew) rebase(now time.Time) {
	scale := math.Exp2(-max(0, float64(now.Sub(k.epoch))) / float64(keyHalfLife))
	k.total, k.null, k.epoch = k.total*scale, k.null*scale, now
	for i := range k.slots {
		k.slots[i].count, k.slots[i].over = k.slots[i].count*scale, k.slots[i].over*scale
	}
}

// see counts one key. It requires mu.
func (k *keySkew) see(key []byte, partition int32, weight float64) {
	k.total += weight
	if key == nil {
		k.null += weight
		return
	}
	sum := maphash.Bytes(k.seed, key)
	if i, ok := k.bySum[sum]; ok {
		k.slots[i].count += weight
		k.slots[i].partition = partition
		return
	}
	if k.bySum == nil {
		k.bySum = make(map[uint64]int, keySlots)
	}
	i, over := len(k.slots), 0.0
	if i < keySlots {
		k.slots = append(k.slots, keySlot{})
	} else { // the rarest makes room, and might have been this one
		i = 0
		for j := range k.slots {
			if k.slots[j].count < k.slots[i].count {
				i = j
			}
		}
		over = k.slots[i].count
		delete(k.bySum, k.slots[i].sum)
	}
	k.bySum[sum] = i
	s := &k.slots[i]
	n := min(len(key), maxKeyBytes)
	s.sum, s.count, s.over, s.partition, s.truncated = sum, over+weight, over, partition, n < len(key)
	s.key = append(s.key[:0], key[:n]...)
}

// HotKey is a key with a large part of a topic's records of late.
type HotKey struct {
	Key       []byte  // its first 64 bytes
	Truncated bool    // there are more
	Partition int32   // where it was last seen
	Share     float64 // of the topic's records, from 0 to 1, at most; the estimate
	AtLeast   float64 // what the share is for certain of the records looked at
}

// hottest returns the n keys with the largest shares of those that are certain to
// be there, and the share of records without a key.
func (k *keySkew) hottest(n int) (keys []HotKey, noKey float64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.total == 0 {
		return nil, 0
	}
	order := slices.Clone(k.slots)
	slices.SortFunc(order, func(a, b keySlot) int { return cmp.Compare(b.count-b.over, a.count-a.over) })
	for _, s := range order[:min(n, len(order))] {
		keys = append(keys, HotKey{Key: slices.Clone(s.key), Truncated: s.truncated, Partition: s.partition,
			Share: s.count / k.total, AtLeast: (s.count - s.over) / k.total})
	}
	return keys, k.null / k.total
}
