package avro

import (
	"math"
	"math/bits"
	"unsafe"
)

// walker runs a walkProg. A negative position says only that something is
// wrong; what and where is found by cursor.check on the second look.
type walker struct {
	buf   []byte
	progs *[]*walkProg // that a wRecord may name
	text  textMode
	depth int
	zeros int

	// With textCounted: bytes above 127 that were counted before from, less
	// those that belong to no text.
	high int
	from int

	foreign bool // with textExact: there was text that is not ASCII

	// The arrays that are open, each inside the one before, but for those that
	// run called itself for.
	count int // items of the innermost that are still to come, this one included
	open  int
	outer int             // of open, how many belong to the callers of run
	opens [mostArrays]int // count of each but the innermost
}

// mostArrays is how deep arrays may nest before each needs a call of run.
const mostArrays = 4

// after returns the op n ops behind op, or before it.
func (op *walkOp) after(n int) *walkOp {
	return (*walkOp)(unsafe.Add(unsafe.Pointer(op), n*int(unsafe.Sizeof(walkOp{}))))
}

// all walks over one value of p at pos.
func (w *walker) all(p *walkProg, pos int) int {
	if !p.recursive {
		return w.run(&p.ops[0], pos, 1)
	}
	w.depth++
	if w.depth > maxDepth {
		return -1
	}
	pos = w.run(&p.ops[0], pos, 1)
	w.depth--
	return pos
}

// run walks count times over what the ops from op to a wEnd say.
func (w *walker) run(op *walkOp, pos, count int) int {
	counted, outer := w.count, w.outer
	w.count, w.outer = count, w.open
	for {
		if op, pos = w.fast(op, pos); op.code != wEnd {
			if op, pos = w.slow(op, pos); pos < 0 {
				return -1
			}
			continue
		}
		if w.open == w.outer {
			w.count, w.outer = counted, outer
			return pos
		}
		if pos = w.blocks(op.after(-int(op.to)), op.n, pos); pos < 0 {
			return -1
		}
		w.open--
		w.count = w.opens[w.open]
		op = op.after(1)
	}
}

// fast walks from op on as long as things are as nearly all writers make them
// in nearly all values: numbers that decide something have one byte, and the end
// is not near. It stops before the op that needs slow, or where it is not
// certain that all is well, or at the wEnd behind which it does not know what
// follows. It calls nothing, so that all it knows stays in registers.
func (w *walker) fast(op *walkOp, pos int) (*walkOp, int) {
	buf, count := w.buf, w.count
loop:
	for {
		n, text := op.n, pos
		switch op.code {
		case wStrings:
		case wOptionalText:
			if uint(pos) >= uint(len(buf)) {
				break loop
			}
			text++
			if b := buf[pos]; b == op.null {
				pos, op = text, op.after(1)
				continue
			} else if b != 2-op.null {
				break loop
			}
			n = 1
		case wTexts:
			if uint(pos) >= uint(len(buf)) || buf[pos]&0x81 != 0 || w.text == textExact {
				break loop
			}
			text++
			if buf[pos] == 0 {
				pos, op = text, op.after(1)
				continue
			}
			for n *= int(buf[pos] >> 1); n > 0; n-- {
				if uint(text) >= uint(len(buf)) || buf[text]&0x81 != 0 {
					break loop
				}
				text += int(buf[text]>>1) + 1
			}
			pos = text
			continue // with the next block
		case wNumbers:
			at, high := pos, 0
			for ints := op.to; n > 0; n-- {
				if uint(at) >= uint(len(buf)) {
					break loop
				}
				if buf[at] >= 0x80 {
					if len(buf)-at < 8 {
						break loop
					}
					stop := ^load64(buf, at) & (highBits >> (ints & 1 << 5)) // an int of five bytes is for slow
					if stop == 0 {
						break loop
					}
					more := bits.TrailingZeros64(stop) >> 3
					high += more
					at += more
				}
				at++
				ints >>= 1
			}
			w.high -= high
			pos, op = at, op.after(1)
			continue
		case wEnd:
			count--
			if count > 0 {
				op = op.after(-int(op.to))
				continue
			}
			if w.open == w.outer || uint(pos) >= uint(len(buf)) || buf[pos]&0x81 != 0 {
				break loop
			}
			if count = int(buf[pos] >> 1); count > 0 {
				pos, op = pos+1, op.after(-int(op.to))
				continue
			}
			w.open--
			count = w.opens[w.open&(mostArrays-1)]
			pos, op = pos+1, op.after(1)
			continue
		case wOptional:
			if uint(pos) >= uint(len(buf)) {
				break loop
			}
			if b := buf[pos]; b == op.null {
				op = op.after(int(op.to))
			} else if b != 2-op.null {
				break loop
			}
			pos, op = pos+1, op.after(1)
			continue
		case wOptionalSkip:
			if len(buf)-pos < 9 {
				break loop
			}
			if b := buf[pos]; b == op.null {
				n = 0
			} else if b != 2-op.null {
				break loop
			} else {
				w.high -= highOf(load64(buf, pos+1) << ((64 - 8*uint(n)) & 63))
			}
			pos, op = pos+1+n, op.after(1)
			continue
		case wSkip8:
			if len(buf)-pos < 8 {
				break loop
			}
			w.high -= highOf(load64(buf, pos))
			pos, op = pos+8, op.after(1)
			continue
		case wSkip, wBytes:
			at := pos
			if op.code == wBytes {
				if uint(at) >= uint(len(buf)) || buf[at]&0x81 != 0 {
					break loop
				}
				n = int(buf[at] >> 1)
				at++
			}
			if n > mostCounted || len(buf)-at < n || at+n < 8 {
				break loop
			}
			pos = at + n
			for n > 8 {
				w.high -= highOf(load64(buf, at))
				at += 8
				n -= 8
			}
			if n > 0 {
				w.high -= highOf(load64(buf, pos-8) >> ((64 - 8*uint(n)) & 63))
			}
			op = op.after(1)
			continue
		case wBooleans:
			at := pos
			for ; n > 0; n-- {
				if uint(at) >= uint(len(buf)) || buf[at] > 1 {
					break loop
				}
				at++
			}
			pos, op = at, op.after(1)
			continue
		case wEnum:
			if uint(pos) >= uint(len(buf)) || buf[pos]&0x81 != 0 || int(buf[pos]>>1) >= n {
				break loop
			}
			pos, op = pos+1, op.after(1)
			continue
		case wUnion:
			if uint(pos) >= uint(len(buf)) || buf[pos]&0x81 != 0 || int(buf[pos]>>1) >= n {
				break loop
			}
			op = op.after(1 + int(buf[pos]>>1)) // its wJump
			pos, op = pos+1, op.after(1+int(op.to))
			continue
		case wJump:
			op = op.after(1 + int(op.to))
			continue
		case wArray:
			if uint(pos) >= uint(len(buf)) || buf[pos]&0x81 != 0 || w.open == mostArrays {
				break loop
			}
			if buf[pos] == 0 {
				pos, op = pos+1, op.after(1+int(op.to))
				continue
			}
			w.opens[w.open&(mostArrays-1)] = count
			w.open++
			count = int(buf[pos] >> 1)
			pos, op = pos+1, op.after(1)
			continue
		default:
			break loop
		}
		// n strings at text
		if w.text == textExact {
			break loop
		}
		high := 0
		for ; n > 0; n-- {
			if uint(text) >= uint(len(buf)) {
				break loop
			}
			b := buf[text]
			text += int(b>>1) + 1
			if b&0x81 != 0 { // a length of two bytes, or one for slow
				at := text - int(b>>1)
				if b&1 != 0 || at >= len(buf) || buf[at] >= 0x80 {
					break loop
				}
				text += int(buf[at])<<6 - 63
				high++
			}
		}
		if text > len(buf) {
			break loop
		}
		w.high -= high
		pos, op = text, op.after(1)
	}
	w.count = count
	return op, pos
}

// slow does one op, whatever it is and whatever the bytes are.
func (w *walker) slow(op *walkOp, pos int) (*walkOp, int) {
	switch op.code {
	case wStrings:
		pos = w.texts(pos, op.n)
	case wNumbers:
		pos = w.numbers(pos, op.n, op.to)
	case wOptional, wOptionalText, wOptionalSkip:
		index, next := w.index(pos, 2)
		switch pos = next; {
		case pos < 0:
		case index == int(op.null>>1):
			op = op.after(int(op.to))
		case op.code == wOptionalText:
			pos = w.texts(pos, 1)
		case op.code == wOptionalSkip:
			pos = w.skip(pos, op.n)
		}
	case wSkip, wSkip8:
		pos = w.skip(pos, op.n)
	case wBooleans:
		for range op.n {
			if uint(pos) >= uint(len(w.buf)) || w.buf[pos] > 1 {
				return op, -1
			}
			pos++
		}
	case wEnum:
		pos = w.enum(pos, op.n)
	case wBytes:
		_, pos = w.bytes(pos)
	case wUnion:
		index, next := w.index(pos, op.n)
		if pos = next; pos >= 0 {
			op = op.after(1 + index)
			op = op.after(int(op.to))
		}
	case wJump:
		op = op.after(int(op.to))
	case wArray:
		pos = w.array(op, pos)
		op = op.after(int(op.to))
	case wTexts, wLongs, wFixed:
		pos = w.flat(op, pos)
	case wEmpty:
		pos = w.empty(pos, op.n)
	case wRecord:
		pos = w.all((*w.progs)[op.n], pos)
	case wTimeMicros:
		v, next := w.long(pos)
		if pos = next; !fitsMicros(v) {
			pos = -1
		}
	case wBigDecimal:
		begin, end := w.bytes(pos)
		if pos = end; pos >= 0 {
			if _, _, ok := splitBigDecimal(w.buf[begin:end]); !ok {
				pos = -1
			}
		}
	}
	return op.after(1), pos
}

// long reads a number, which is no text.
func (w *walker) long(pos int) (v int64, next int) {
	v, next = readLong(w.buf, pos)
	w.high -= next - pos - 1
	return v, next
}

// numbers walks over n longs, or ints where ints has a bit.
func (w *walker) numbers(pos, n int, ints uint32) int {
	for i := range n {
		next := 0
		if ints>>i&1 != 0 {
			_, next = readInt(w.buf, pos)
		} else {
			_, next = readLong(w.buf, pos)
		}
		if next < 0 {
			return -1
		}
		w.high -= next - pos - 1
		pos = next
	}
	return pos
}

// index reads a union index below n.
func (w *walker) index(pos, n int) (index, next int) {
	v, next := w.long(pos)
	if next < 0 || uint64(v) >= uint64(n) {
		return 0, -1
	}
	return int(v), next
}

func (w *walker) enum(pos, symbols int) int {
	v, next := readInt(w.buf, pos)
	if next < 0 || uint64(v) >= uint64(symbols) {
		return -1
	}
	w.high -= next - pos - 1
	return next
}

// length returns where bytes or a string that begin with their length at pos begin
// and end; end is negative if they do not.
func (w *walker) length(pos int) (begin, end int) {
	n, begin := w.long(pos)
	if begin < 0 || uint64(n) > uint64(len(w.buf)-begin) {
		return 0, -1
	}
	return begin, begin + int(n)
}

func (w *walker) bytes(pos int) (begin, end int) {
	begin, end = w.length(pos)
	if end >= 0 {
		w.noText(begin, end)
	}
	return begin, end
}

func (w *walker) skip(pos, n int) int {
	if n > len(w.buf)-pos {
		return -1
	}
	w.noText(pos, pos+n)
	return pos + n
}

// block reads the head of a block of items of at least least bytes each. end is
// the position that a written block size announces, or 0. count 0 is the end of
// the whole.
func (w *walker) block(pos, least int) (count, next, end int) {
	n, next := w.long(pos)
	if next < 0 {
		return 0, -1, 0
	}
	if n < 0 {
		if n == math.MinInt64 {
			return 0, -1, 0
		}
		n = -n
		size, behind := w.long(next)
		if behind < 0 || uint64(size) > uint64(len(w.buf)-behind) {
			return 0, -1, 0
		}
		next, end = behind, behind+int(size)
	}
	if least == 0 {
		if n > int64(maxZeroItems-w.zeros) {
			return 0, -1, 0
		}
	} else if n > int64((len(w.buf)-next)/least) {
		return 0, -1, 0
	}
	return int(n), next, end
}

func (w *walker) array(op *walkOp, pos int) int {
	if !op.quiet || w.text != textCounted {
		return w.blocks(op.after(1), op.n, pos)
	}
	high := w.high
	w.text = textAny
	end := w.blocks(op.after(1), op.n, pos)
	w.text, w.high = textCounted, high
	if end >= 0 {
		w.noText(pos, end)
	}
	return end
}

// blocks walks over the blocks of an array whose items are what body says.
func (w *walker) blocks(body *walkOp, least, pos int) int {
	for {
		count, next, end := w.block(pos, least)
		if next < 0 || count == 0 {
			return next
		}
		if pos = w.run(body, next, count); pos < 0 || end != 0 && pos != end {
			return -1
		}
	}
}

// flat walks over an array whose items need no ops.
func (w *walker) flat(op *walkOp, pos int) int {
	for {
		count, next, end := w.block(pos, op.n)
		if next < 0 || count == 0 {
			return next
		}
		switch op.code {
		case wTexts:
			pos = w.texts(next, count*op.n)
		case wLongs:
			pos = skipLongs(w.buf, next, count)
		case wFixed:
			pos = next + count*op.n
		}
		if pos < 0 || end != 0 && pos != end {
			return -1
		}
		if op.code != wTexts {
			w.noText(next, pos)
		}
	}
}

// empty walks over an array of items without bytes, which hold zeros values each.
func (w *walker) empty(pos, zeros int) int {
	for {
		count, next, end := w.block(pos, 0)
		if next < 0 || count == 0 {
			return next
		}
		if count > (maxZeroItems-w.zeros)/zeros || end != 0 && next != end {
			return -1
		}
		w.zeros += count * zeros
		pos = next
	}
}

func skipLongs(buf []byte, pos, n int) int {
	for range n {
		if len(buf)-pos >= 8 {
			if stop := ^load64(buf, pos) & highBits; stop != 0 {
				pos += longBytes(stop)
				continue
			}
		}
		if _, pos = readLong(buf, pos); pos < 0 {
			return -1
		}
	}
	return pos
}
