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
	case o.dense && base > o.next && !covered(Gap{o.next, base}, o.holes):
		detail = fmt.Sprintf("base offset %d where %d must stand", base, o.next)
	default:
		o.next = base + delta + 1
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
