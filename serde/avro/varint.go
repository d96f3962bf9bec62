package avro

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// Reading a number returns the position behind it, or one of these.
const (
	posShort    = -1 // the bytes end first
	posOverflow = -2 // more bits than the type has
)

// readLong reads a zig-zag varint of at most 64 bits at pos.
func readLong(buf []byte, pos int) (int64, int) {
	if uint(pos) < uint(len(buf)) {
		if b := buf[pos]; b < 0x80 {
			return unzig(b), pos + 1
		}
	}
	return readLongSlow(buf, pos)
}

func readLongSlow(buf []byte, pos int) (int64, int) {
	if uint(pos) < uint(len(buf)) && len(buf)-pos >= 8 {
		w := binary.LittleEndian.Uint64(buf[pos:])
		if stop := ^w & highBits; stop != 0 {
			return joinLong(w, stop), pos + longBytes(stop)
		}
	}
	return readLongBytes(buf, pos)
}

// joinLong is the value of a varint that begins w. stop is ^w & highBits, not
// zero: a bit for each byte that ends a varint.
func joinLong(w, stop uint64) int64 {
	// Keep what is up to the first byte without its high bit, and close the
	// gaps of one bit between the groups of seven.
	w &= (stop ^ (stop - 1)) & 0x7f7f7f7f7f7f7f7f
	w = w&0x007f007f007f007f | w&0x7f007f007f007f00>>1
	w = w&0x00003fff00003fff | w&0x3fff00003fff0000>>2
	u := w&0x000000000fffffff | w&0x0fffffff00000000>>4
	return int64(u>>1) ^ -int64(u&1)
}

// longBytes is how many bytes that varint has.
func longBytes(stop uint64) int { return bits.TrailingZeros64(stop)>>3 + 1 }

// readLongBytes goes byte by byte, for the end of the data and for numbers of
// nine and ten bytes.
func readLongBytes(buf []byte, pos int) (int64, int) {
	var u uint64
	for shift := uint(0); shift < 70; shift += 7 {
		if pos >= len(buf) {
			return 0, posShort
		}
		b := buf[pos]
		pos++
		if b < 0x80 {
			if shift == 63 && b > 1 {
				return 0, posOverflow
			}
			u |= uint64(b) << shift
			return int64(u>>1) ^ -int64(u&1), pos
		}
		u |= uint64(b&0x7f) << shift
	}
	return 0, posOverflow
}

// readInt reads a zig-zag varint of at most 32 bits, in at most five bytes.
func readInt(buf []byte, pos int) (int64, int) {
	if uint(pos) < uint(len(buf)) {
		if b := buf[pos]; b < 0x80 {
			return unzig(b), pos + 1
		}
	}
	return readIntSlow(buf, pos)
}

func readIntSlow(buf []byte, pos int) (int64, int) {
	v, end := readLongSlow(buf, pos)
	if end < 0 {
		return 0, end
	}
	if v != int64(int32(v)) || end-pos > 5 {
		return 0, posOverflow
	}
	return v, end
}

// appendLong appends v as a zig-zag varint. An int is written the same way.
// The test and the call are written so that the compiler inlines it.
func appendLong(dst []byte, v int64) []byte {
	if uint64(v+64) < 128 {
		return append(dst, byte(v<<1^v>>63))
	}
	return appendLongSlow(dst, v)
}

func appendLongSlow(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	n := len(dst)
	if cap(dst)-n < binary.MaxVarintLen64 {
		return binary.AppendUvarint(dst, u)
	}
	return dst[:n+putUvarint((*[binary.MaxVarintLen64]byte)(dst[n:n+binary.MaxVarintLen64]), u)]
}

// putUvarint writes a number of two bytes or more and returns how many.
func putUvarint(room *[binary.MaxVarintLen64]byte, u uint64) int {
	room[0] = byte(u) | 0x80
	u >>= 7
	i := 1
	for u >= 0x80 {
		room[i] = byte(u) | 0x80
		u >>= 7
		i++
	}
	room[i] = byte(u)
	return i + 1
}

// appendLongs appends the longs of a block.
func appendLongs(dst []byte, s []int64) []byte {
	for len(s) > 0 {
		const most = 64
		part := s[:min(most, len(s))]
		s = s[len(part):]
		dst = slices.Grow(dst, len(part)*binary.MaxVarintLen64)
		room := dst[:cap(dst)]
		n := len(dst)
		for _, v := range part {
			u := uint64(v)<<1 ^ uint64(v>>63)
			if u < 0x80 {
				room[n] = byte(u)
				n++
				continue
			}
			n += putUvarint((*[binary.MaxVarintLen64]byte)(room[n:n+binary.MaxVarintLen64]), u)
		}
		dst = room[:n]
	}
	return dst
}

// readLongs fills out with longs and returns how many there were, and the
// position behind them or why there was no more.
func readLongs(out []int64, buf []byte, pos int) (int, int) {
	for i := range out {
		if len(buf)-pos >= 8 {
			// Neighbours mostly have as many bytes as one another. A branch
			// that is foreseen makes the next one's place known at once.
			w := load64(buf, pos)
			switch {
			case w&0x80 == 0:
				out[i] = unzig(byte(w))
				pos++
				continue
			case w&0x8000 == 0:
				u := w&0x7f | w>>1&0x3f80
				out[i] = int64(u>>1) ^ -int64(u&1)
				pos += 2
				continue
			case w&0x800000 == 0:
				u := w&0x7f | w>>1&0x3f80 | w>>2&0x1fc000
				out[i] = int64(u>>1) ^ -int64(u&1)
				pos += 3
				continue
			}
			if stop := ^w & highBits; stop != 0 {
				out[i] = joinLong(w, stop)
				pos += longBytes(stop)
				continue
			}
		}
		v, next := readLongBytes(buf, pos)
		if next < 0 {
			return i, next
		}
		out[i] = v
		pos = next
	}
	return len(out), pos
}

// readDoubles fills out with the doubles in raw, which holds as many.
func readDoubles(out []float64, raw []byte) {
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
	}
}

// appendDoubles appends the doubles of a block.
func appendDoubles(dst []byte, s []float64) []byte {
	n := len(dst)
	dst = slices.Grow(dst, 8*len(s))[:n+8*len(s)]
	room := dst[n:]
	for _, v := range s {
		if len(room) < 8 {
			break
		}
		binary.LittleEndian.PutUint64(room, math.Float64bits(v))
		room = room[8:]
	}
	return dst
}

// unzig is the value of a varint of one byte.
func unzig(b byte) int64 { return int64(b>>1) ^ -int64(b&1) }

func appendFloat(dst []byte, f float32) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(f))
}

func appendDouble(dst []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}

func readFloat(buf []byte, pos int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(buf[pos:]))
}

func readDouble(buf []byte, pos int) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(buf[pos:]))
}

func appendString(dst []byte, s string) []byte {
	dst = appendLong(dst, int64(len(s)))
	return append(dst, s...)
}

func appendBytes(dst []byte, b []byte) []byte {
	dst = appendLong(dst, int64(len(b)))
	return append(dst, b...)
}
