package commitlog

import (
	"errors"
	"fmt"
	"math"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// batchOrder knows which offsets the next batch of a segment may have. The checksum
// of a batch does not cover its base offset: only its neighbours tell that it is wrong.
type batchOrder struct {
	next int64 // offset after the batch before, or where the segment begins
	end  int64 // where the next segment begins; MaxInt64 if there is none
	// dense: nothing was ever taken out of the segment but holes.
	dense bool
	holes []Gap
	// open: the batch to come is where an index has led to, and next is too low.
	open bool
	// sure: what was taken stands where it must; else what follows may show that not.
	sure bool
}

// orderAt is the order of the batches from pos on, where a read begins that looks for
// the offset; exact if a batch that ends before it ends at pos.
func (s *segment) orderAt(pos, offset int64, exact bool, end int64, holes []Gap) batchOrder {
	o := batchOrder{next: s.base, end: end, dense: s.dense, holes: holes, open: pos > 0 && !exact}
	if exact {
		o.next = max(offset, s.base)
	}
	return o
}

// checkEnd checks that there is nothing to read from an offset on where the segment
// ends, or, in the active one, where the limit of a read is.
func (o *batchOrder) checkEnd(from, end int64, isActive bool) error {
	if g := (Gap{from, end}); (o.dense || isActive) && from < end && !covered(g, o.holes) {
		return &record.Error{Cause: errMisplaced, Record: -1, Detail: fmt.Sprintf("no batch holds the offsets %d to %d", from, end-1)}
	}
	return nil
}

// errMisplaced is what the faults of a batch are that stands at offsets where it cannot.
var errMisplaced = fmt.Errorf("%w: wrong offsets", record.ErrLength)

// take checks a batch, of which the header is enough, and goes on behind it.
func (o *batchOrder) take(b record.Batch) error {
	base, delta := b.BaseOffset(), int64(b.LastOffsetDelta())
	detail := ""
	switch {
	case delta < 0:
		return &record.Error{Cause: record.ErrLength, Record: -1, Detail: fmt.Sprintf("last offset delta %d", delta)}
	case base < o.next:
		detail = fmt.Sprintf("base offset %d where at least %d must stand", base, o.next)
	case base > o.end-1-delta:
		detail = fmt.Sprintf("a batch of %d offsets from %d on, and the next segment begins at %d", delta+1, base, o.end)
		if o.end == math.MaxInt64 {
			detail = fmt.Sprintf("base offset %d", base)
		}
	case o.dense && !o.open && base > o.next && !covered(Gap{o.next, base}, o.holes):
		detail = fmt.Sprintf("base offset %d where %d must stand", base, o.next)
	default:
		o.next, o.sure, o.open = base+delta+1, o.dense && !o.open, false
		return nil
	}
	return &record.Error{Cause: errMisplaced, Record: -1, Detail: detail}
}

// isDense reports whether compaction has never rewritten the segment at base, as far
// as the state knows: if there is none, the log may be one that was compacted elsewhere.
func (s logState) isDense(known bool, o Options, base int64, last bool) bool {
	return known && base >= s.cleanedOffset && (last || !o.Config.Compact)
}

// isMisplaced reports whether a fault is one of offsets, in a batch that is whole else.
func isMisplaced(err error) bool { return errors.Is(err, errMisplaced) }
