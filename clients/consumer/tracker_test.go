package consumer

import (
	"math/rand/v2"
	"testing"
)

func TestCommitStopsAtTheFirstOpenRecord(t *testing.T) {
	tr := newTracker()
	for _, o := range []int64{17, 18, 20, 21, 25} {
		if !tr.take(o, 3) {
			t.Fatalf("offset %d refused", o)
		}
	}
	for _, step := range []struct {
		offset int64
		moved  bool
		next   int64
	}{
		{21, false, -1}, {17, true, 18}, {17, false, 18}, {18, true, 19}, {99, false, 19}, {20, true, 22}, {25, true, 26},
	} {
		if moved := tr.handled(step.offset); moved != step.moved || tr.next != step.next {
			t.Errorf("after %d: moved %v, next %d; want %v, %d", step.offset, moved, tr.next, step.moved, step.next)
		}
	}
	if tr.open() != 0 || tr.epoch != 3 {
		t.Errorf("%d open, epoch %d", tr.open(), tr.epoch)
	}
	for _, late := range []int64{17, 25} {
		if tr.take(late, 3) {
			t.Errorf("offset %d was taken a second time", late)
		}
	}
}

func TestTrackerAgainstAModel(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	tr := newTracker()
	var model []int64 // taken and not handled, ascending
	top, next := int64(0), int64(-1)
	for range 20_000 {
		if len(model) == 0 || r.IntN(2) == 0 && len(model) < 2000 {
			top += 1 + r.Int64N(3)
			if !tr.take(top, 0) {
				t.Fatalf("seed %d: offset %d refused", seed, top)
			}
			model = append(model, top)
			continue
		}
		i := 0
		if r.IntN(3) > 0 {
			i = r.IntN(len(model))
		}
		done := model[i]
		tr.handled(done)
		model = append(model[:i:i], model[i+1:]...)
		// All offsets below the first open one are handled; the one to commit
		// is behind the last of those.
		if len(model) == 0 {
			next = top + 1
		} else if i == 0 && tr.next <= model[0] && tr.next > done {
			next = tr.next
		}
		if tr.next != next || len(model) > 0 && tr.next > model[0] {
			t.Fatalf("seed %d: next %d, want %d with %v open", seed, tr.next, next, model[:min(3, len(model))])
		}
	}
}
