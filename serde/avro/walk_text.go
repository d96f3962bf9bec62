package avro

import (
	"math/bits"
	"unicode/utf8"
)

// textMode is what a walk does about the text in a payload.
//
// Most text is ASCII, and that is cheaper to prove for all of it than string by
// string: the bytes above 127 of the whole payload are counted, eight at a time
// and without looking where a string begins; those in numbers and bytes, which
// the walk meets anyway, are subtracted. Nothing left means ASCII. Otherwise a
// second walk looks at each string.
type textMode uint8

const (
	textAny     textMode = iota // it is not looked at
	textCounted                 // bytes above 127 are counted
	textExact                   // each string must be UTF-8
)

// walksOver tells whether data is one value of p, whose text is UTF-8 if text is
// set. What it meets is noted in before, so that text like that of the payloads
// before is not counted in vain.
func (p *walkProg) walksOver(data []byte, text bool, before *textsBefore) bool {
	if text && before.foreign > 0 {
		return p.walksExactly(data, before)
	}
	var w walker
	w.buf, w.progs = data, p.all
	if !text || !p.text {
		return w.all(p, 0) == len(data)
	}
	w.text = textCounted
	if w.all(p, 0) != len(data) {
		return false
	}
	return w.high+countHigh(data[w.from:]) == 0 || p.walksExactly(data, before)
}

// walksExactly is walksOver that looks at each string.
func (p *walkProg) walksExactly(data []byte, before *textsBefore) bool {
	var w walker
	w.buf, w.progs, w.text = data, p.all, textExact
	if w.all(p, 0) != len(data) {
		return false
	}
	if w.foreign {
		before.foreign = mostExact
	} else {
		before.foreign--
	}
	return true
}

// textsBefore is what the payloads before were like. The zero value knows nothing.
type textsBefore struct {
	foreign int // for how many payloads more to look at each string at once
}

// mostExact is how many payloads of nothing but ASCII follow one with other text
// before they are counted again.
const mostExact = 16

// mostCounted is how many bytes that are no text are counted, and subtracted
// again, so that the text around them is counted in one go.
const mostCounted = 64

// noText notes that what is between begin and end is no text.
func (w *walker) noText(begin, end int) {
	switch {
	case w.text != textCounted:
	case end-begin <= mostCounted:
		w.high -= countHigh(w.buf[begin:end])
	default:
		w.cut(begin, end)
	}
}

// cut leaves begin to end out of the count.
func (w *walker) cut(begin, end int) {
	w.high += countHigh(w.buf[w.from:begin])
	w.from = end
}

const highBits = 0x8080808080808080

// highOf returns how many bytes of x are above 127.
func highOf(x uint64) int { return int((x & highBits >> 7) * 0x0101010101010101 >> 56) }

// countHigh returns how many bytes are above 127.
func countHigh(b []byte) int {
	const ones = highBits >> 7
	pos, high := 0, 0
	for len(b)-pos >= 64 {
		// Each byte of sums is a counter of its own, up to 255.
		sums := uint64(0)
		for stop := min(len(b)-64, pos+64*30); pos <= stop; pos += 64 {
			sums += load64(b, pos) >> 7 & ones
			sums += load64(b, pos+8) >> 7 & ones
			sums += load64(b, pos+16) >> 7 & ones
			sums += load64(b, pos+24) >> 7 & ones
			sums += load64(b, pos+32) >> 7 & ones
			sums += load64(b, pos+40) >> 7 & ones
			sums += load64(b, pos+48) >> 7 & ones
			sums += load64(b, pos+56) >> 7 & ones
		}
		high += int((sums&0x00ff00ff00ff00ff + sums>>8&0x00ff00ff00ff00ff) * 0x0001000100010001 >> 48)
	}
	for ; len(b)-pos >= 8; pos += 8 {
		high += highOf(load64(b, pos))
	}
	n := len(b) - pos
	switch {
	case n == 0:
	case len(b) >= 8: // the last eight, without those that were counted
		high += highOf(load64(b, len(b)-8) >> (64 - 8*uint(n)))
	default:
		for _, c := range b {
			high += int(c >> 7)
		}
	}
	return high
}

// texts walks over n strings.
func (w *walker) texts(pos, n int) int {
	buf := w.buf
	exact := w.text == textExact
	for ; n > 0; n-- {
		if uint(pos) >= uint(len(buf)) {
			return -1
		}
		b := buf[pos]
		begin, end := pos+1, pos+1+int(b>>1)
		if b&0x81 != 0 {
			if begin, end = w.length(pos); end < 0 {
				return -1
			}
		}
		pos = end
		if !exact {
			continue
		}
		if end > len(buf) {
			return -1
		}
		if ascii(buf, begin, end) {
			continue
		}
		w.foreign = true
		if !validText(buf, begin, end-begin) {
			return -1
		}
	}
	if pos > len(buf) {
		return -1
	}
	return pos
}

// ascii tells whether there is nothing else between begin and end.
func ascii(buf []byte, begin, end int) bool {
	for ; end-begin >= 8; begin += 8 {
		if load64(buf, begin)&highBits != 0 {
			return false
		}
	}
	if begin == end {
		return true
	}
	if end >= 8 {
		return load64(buf, end-8)>>(64-8*uint(end-begin))&highBits == 0
	}
	for _, c := range buf[begin:end] {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// validText tells whether the n bytes at pos are UTF-8: utf8.Valid for short
// texts in few alphabets, eight bytes at a time as long as they are ASCII.
func validText(buf []byte, pos, n int) bool {
	end := pos + n
	buf = buf[:end]
	for pos < end {
		if buf[pos] < 0x80 {
			high := uint64(0)
			if end-pos >= 8 {
				if high = load64(buf, pos) & highBits; high == 0 {
					pos += 8
					continue
				}
			} else if end >= 8 {
				if high = load64(buf, end-8) >> (64 - 8*uint(end-pos)) & highBits; high == 0 {
					return true
				}
			} else {
				pos++
				continue
			}
			pos += bits.TrailingZeros64(high) >> 3
		}
		if pos = textRune(buf, pos); pos < 0 {
			return false
		}
	}
	return true
}

// textRune returns the position behind the character of several bytes at pos, -1
// if there is none.
func textRune(buf []byte, pos int) int {
	const first, last = 0x80, 0xbf // of the bytes behind the head
	head, least, most, size := buf[pos], byte(first), byte(last), 2
	switch {
	case head < 0xc2: // a second byte, or a head for what one byte says
		return -1
	case head < 0xe0:
	case head < 0xf0:
		size = 3
		if head == 0xe0 {
			least = 0xa0 // what two bytes say
		} else if head == 0xed {
			most = 0x9f // surrogates
		}
	case head < 0xf5:
		size = 4
		if head == 0xf0 {
			least = 0x90 // what three bytes say
		} else if head == 0xf4 {
			most = 0x8f // past the last code point
		}
	default:
		return -1
	}
	if size > len(buf)-pos || buf[pos+1] < least || buf[pos+1] > most {
		return -1
	}
	for _, b := range buf[pos+2 : pos+size] {
		if b < first || b > last {
			return -1
		}
	}
	return pos + size
}

// firstInvalid returns the index of the first byte that is not UTF-8, or -1.
func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}
