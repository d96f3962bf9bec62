package frame

import (
	"fmt"
	"math"
)

// MaxIndexes bounds the nesting depth of a message index path. Compilers of
// Protobuf refuse definitions that are nested far less deep.
const MaxIndexes = 64

// maxVarintBytes is the longest zigzag varint of 32 bits.
const maxVarintBytes = 5

// AppendIndexes appends a message index path, outermost message first. The
// paths [] and [0] both become the single byte 00. It panics on a negative
// index and on a path longer than MaxIndexes, which no descriptor has.
func AppendIndexes(dst []byte, indexes []int) []byte {
	if len(indexes) == 0 || len(indexes) == 1 && indexes[0] == 0 {
		return append(dst, 0)
	}
	if len(indexes) > MaxIndexes {
		panic(fmt.Sprintf("frame: message index path of %d levels, at most %d", len(indexes), MaxIndexes))
	}
	dst = appendVarint(dst, len(indexes))
	for _, i := range indexes {
		if i < 0 || i > math.MaxInt32 {
			panic(fmt.Sprintf("frame: message index %d out of range", i))
		}
		dst = appendVarint(dst, i)
	}
	return dst
}

// SplitIndexes takes a message index path off b and appends it to
// indexes[:0], so a caller who passes a buffer of some capacity allocates
// nothing. The short form yields [0]. rest aliases b.
func SplitIndexes(b []byte, indexes []int) (path []int, rest []byte, err error) {
	path = indexes[:0]
	count, pos, err := indexCount(b)
	if err != nil {
		return nil, nil, err
	}
	if count == 0 {
		return append(path, 0), b[pos:], nil
	}
	for range count {
		var i int
		if i, pos, err = index(b, pos); err != nil {
			return nil, nil, err
		}
		path = append(path, i)
	}
	return path, b[pos:], nil
}

// CutIndexes is SplitIndexes without looking at the path: encoded is the part
// of b that holds it, checked and aliasing b. It serves as a map key.
func CutIndexes(b []byte) (encoded, rest []byte, err error) {
	count, pos, err := indexCount(b)
	if err != nil {
		return nil, nil, err
	}
	for range count {
		if _, pos, err = index(b, pos); err != nil {
			return nil, nil, err
		}
	}
	return b[:pos], b[pos:], nil
}

func indexCount(b []byte) (count, pos int, err error) {
	count, pos, err = readVarint(b, 0)
	if err != nil {
		return 0, 0, err
	}
	if count < 0 || count > MaxIndexes {
		return 0, 0, &Error{
			Part: "message indexes", Reason: ErrIndexes,
			Detail: fmt.Sprintf("count %d, want 0 to %d", count, MaxIndexes),
		}
	}
	return count, pos, nil
}

func index(b []byte, pos int) (i, next int, err error) {
	i, next, err = readVarint(b, pos)
	if err == nil && i < 0 {
		err = &Error{
			Part: "message indexes", Pos: pos, Reason: ErrIndexes,
			Detail: fmt.Sprintf("index %d is negative", i),
		}
	}
	return i, next, err
}

func appendVarint(dst []byte, v int) []byte {
	u := uint32(v) << 1 //nolint:gosec // the callers pass 0 to MaxInt32
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// readVarint reads the zigzag varint at pos and returns the position after it.
func readVarint(b []byte, pos int) (v, next int, err error) {
	var u uint64
	for n := range maxVarintBytes {
		if pos+n >= len(b) {
			return 0, 0, &Error{
				Part: "message indexes", Pos: len(b), Reason: ErrShort,
				Detail: fmt.Sprintf("a varint that starts at byte %d does not end", pos),
			}
		}
		c := b[pos+n]
		u |= uint64(c&0x7f) << (7 * n)
		if c < 0x80 {
			if u > math.MaxUint32 {
				break
			}
			return int(int32(uint32(u)>>1) ^ -int32(u&1)), pos + n + 1, nil //nolint:gosec // zigzag
		}
	}
	return 0, 0, &Error{
		Part: "message indexes", Pos: pos, Reason: ErrIndexes,
		Detail: "varint of more than 32 bits",
	}
}
