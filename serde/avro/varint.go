package avro

import (
	"encoding/binary"
	"math"
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
	if pos+1 < len(buf) && buf[pos+1] < 0x80 {
		u := uint64(buf[pos]&0x7f) | uint64(buf[pos+1])<<7
		return int64(u>>1) ^ -int64(u&1), pos + 2
	}
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
	if u < 1<<14 {
		return append(dst, byte(u)|0x80, byte(u>>7))
	}
	if u < 1<<21 {
		return append(dst, byte(u)|0x80, byte(u>>7)|0x80, byte(u>>14))
	}
	return appendUvarint(dst, u)
}

// appendUvarint writes a number of four bytes or more without a test of the
// capacity for each.
func appendUvarint(dst []byte, u uint64) []byte {
	if cap(dst)-len(dst) < binary.MaxVarintLen64 {
		return binary.AppendUvarint(dst, u)
	}
	n := len(dst)
	room := dst[n : n+binary.MaxVarintLen64]
	i := 0
	for u >= 0x80 {
		room[i] = byte(u) | 0x80
		u >>= 7
		i++
	}
	room[i] = byte(u)
	return dst[:n+i+1]
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
