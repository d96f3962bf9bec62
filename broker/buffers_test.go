package broker

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestLargeBuffersAreUsedAgainAndLetGo(t *testing.T) {
	l := newBufferPool(100 << 20)
	now := time.Unix(1, 0)
	a := l.get(20 << 20)
	if len(a) != 20<<20 || cap(a) > 23<<20 {
		t.Fatalf("%d bytes with room for %d", len(a), cap(a))
	}
	l.put(a, now)
	if small := l.get(5 << 20); cap(small) > 10<<20 {
		t.Errorf("5 MiB got a buffer of %d", cap(small))
	}
	if again := l.get(19 << 20); &again[0] != &a[0] || l.bytes != 0 {
		t.Errorf("not the same buffer; %d bytes idle", l.bytes)
	}
	for range 5 {
		l.put(l.get(8<<20), now)
	}
	if len(l.idle) != 1 {
		t.Errorf("%d idle buffers, one is used again and again", len(l.idle))
	}
	l.trim(now.Add(maxBufferIdle))
	if len(l.idle) != 1 {
		t.Errorf("%d buffers are left in time", len(l.idle))
	}
	l.trim(now.Add(maxBufferIdle + 1))
	if len(l.idle) != 0 || l.bytes != 0 || l.garbage != 8<<20 {
		t.Errorf("%d buffers are left afterwards, %d bytes let go of", len(l.idle), l.garbage)
	}
}

// TestLargeBuffersNeverExceedTheirBound counts all of them, the uncollected ones too,
// over any order of sizes.
func TestLargeBuffersNeverExceedTheirBound(t *testing.T) {
	l := newBufferPool(128 << 20)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	var held [][]byte
	for range 300 {
		if n := 1<<20 + 1 + r.IntN(20<<20); l.used+bufferCap(n)+bufferCap(n)/2 <= l.limit {
			held = append(held, l.get(n))
		} else {
			i := r.IntN(len(held))
			l.put(held[i], time.Unix(1, 0))
			held[i] = held[len(held)-1]
			held = held[:len(held)-1]
		}
		used := 0
		for _, b := range held {
			used += cap(b)
		}
		// The garbage of the last put may be collected with the next get only.
		if used != l.used || l.used+l.bytes > l.limit || l.garbage > l.slack+30<<20 {
			t.Fatalf("seed %d: %d in use, counted as %d, %d idle, %d garbage", seed, used, l.used, l.bytes, l.garbage)
		}
	}
}

// TestElementsNeedNoMoreThanTheyPay measures the elements of all arrays of requests and
// their answers.
func TestElementsNeedNoMoreThanTheyPay(t *testing.T) {
	var largest func(reflect.Type) uintptr
	largest = func(typ reflect.Type) (size uintptr) {
		switch typ.Kind() {
		case reflect.Slice:
			if typ.Elem().Kind() == reflect.Struct {
				size = max(typ.Elem().Size(), largest(typ.Elem()))
			}
		case reflect.Struct:
			for i := range typ.NumField() {
				size = max(size, largest(typ.Field(i).Type))
			}
		}
		return size
	}
	for i := range apis {
		req := apis[i].key.Request()
		asked, answered := largest(reflect.TypeOf(req).Elem()), largest(reflect.TypeOf(req.ResponseKind()).Elem())
		if asked+answered > elementBytes {
			t.Errorf("%s: %d and %d bytes", kmsg.NameForKey(req.Key()), asked, answered)
		}
	}
}
