package avro

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// walkCode is one step of the walk over a payload.
type walkCode uint8

const (
	wSkip walkCode = iota // n bytes
	wBoolean
	wInt
	wLong
	wBytes
	wString
	wEnum       // n symbols
	wOptional   // a union of two with null at index n; ops is the other
	wUnion      // progs
	wArray      // items of ops, each at least n bytes
	wArrayFixed // items of n bytes
	wArrayZero  // items without bytes; n of them each
	wMap        // values of ops; an item is at least n bytes
	wRecord     // progs[0]
	wTimeMicros
	wBigDecimal
)

type walkOp struct {
	code  walkCode
	n     int
	ops   []walkOp
	progs []*walkProg
}

// walkProg validates one type. Recursive and large records have one of their
// own; everything else is written out in place.
type walkProg struct {
	ops       []walkOp
	recursive bool
}

type walkCompiler struct {
	progs map[*plan]*walkProg
}

func compileWalk(root *plan) *walkProg {
	c := &walkCompiler{progs: map[*plan]*walkProg{}}
	return c.prog(root)
}

func (c *walkCompiler) prog(p *plan) *walkProg {
	if known, ok := c.progs[p]; ok {
		return known
	}
	made := &walkProg{}
	c.progs[p] = made
	if p.kind == pRecord {
		made.recursive = p.recursive
		for i := range p.steps {
			if !p.steps[i].again {
				made.ops = c.add(made.ops, p.steps[i].plan)
			}
		}
		return made
	}
	made.ops = c.add(nil, p)
	return made
}

// mostInline bounds what is written out in place, so that a schema which uses
// each type twice in the next does not grow to the power of two.
const mostInline = 256

func (c *walkCompiler) add(ops []walkOp, p *plan) []walkOp {
	skip := func(n int) []walkOp {
		if n == 0 {
			return ops
		}
		if k := len(ops); k > 0 && ops[k-1].code == wSkip && ops[k-1].n+n < maxSize {
			ops[k-1].n += n
			return ops
		}
		return append(ops, walkOp{code: wSkip, n: n})
	}
	switch p.kind {
	case pNull:
		return ops
	case pBoolean:
		return append(ops, walkOp{code: wBoolean})
	case pInt:
		return append(ops, walkOp{code: wInt})
	case pLong:
		if p.w.Logical == avro.TimeMicros {
			return append(ops, walkOp{code: wTimeMicros})
		}
		return append(ops, walkOp{code: wLong})
	case pFloat:
		return skip(4)
	case pDouble:
		return skip(8)
	case pFixed:
		return skip(p.w.Size)
	case pBytes:
		if p.w.Logical == avro.BigDecimal {
			return append(ops, walkOp{code: wBigDecimal})
		}
		return append(ops, walkOp{code: wBytes})
	case pString:
		return append(ops, walkOp{code: wString})
	case pEnum:
		return append(ops, walkOp{code: wEnum, n: len(p.w.Symbols)})
	case pBranch:
		return c.add(ops, p.item)
	case pUnion:
		if len(p.branches) == 2 {
			for i := range 2 {
				if p.w.Branches[i].Kind == avro.Null && p.w.Branches[1-i].Kind != avro.Null {
					return append(ops, walkOp{code: wOptional, n: i, ops: c.add(nil, p.branches[1-i])})
				}
			}
		}
		op := walkOp{code: wUnion, n: len(p.branches)}
		for _, b := range p.branches {
			op.progs = append(op.progs, c.prog(b))
		}
		return append(ops, op)
	case pArray:
		item := c.add(nil, p.item)
		switch {
		case p.item.minBytes == 0:
			return append(ops, walkOp{code: wArrayZero, n: max(p.item.zeros, 1)})
		case len(item) == 1 && item[0].code == wSkip:
			return append(ops, walkOp{code: wArrayFixed, n: item[0].n})
		}
		return append(ops, walkOp{code: wArray, n: p.item.minBytes, ops: item})
	case pMap:
		return append(ops, walkOp{code: wMap, n: p.item.minBytes + 1, ops: c.add(nil, p.item)})
	case pRecord:
		if p.minBytes == 0 {
			return ops
		}
		sub := c.prog(p)
		if p.recursive || len(sub.ops)+len(ops) > mostInline {
			return append(ops, walkOp{code: wRecord, progs: []*walkProg{sub}})
		}
		for _, op := range sub.ops {
			if op.code == wSkip {
				ops = skip(op.n)
			} else {
				ops = append(ops, op)
			}
		}
		return ops
	}
	return ops
}

// walker runs a walkProg. A negative position says only that something is
// wrong; what and where is found by cursor.check on the second look.
type walker struct {
	buf   []byte
	text  bool // check UTF-8
	depth int
	zeros int
}

func (w *walker) run(ops []walkOp, pos int) int {
	buf := w.buf
	for i := range ops {
		op := &ops[i]
		switch op.code {
		case wSkip:
			if op.n > len(buf)-pos {
				return -1
			}
			pos += op.n
		case wBoolean:
			if uint(pos) >= uint(len(buf)) || buf[pos] > 1 {
				return -1
			}
			pos++
		case wInt:
			if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
				pos++
				continue
			}
			if _, pos = readIntSlow(buf, pos); pos < 0 {
				return -1
			}
		case wLong:
			if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
				pos++
				continue
			}
			if _, pos = readLongSlow(buf, pos); pos < 0 {
				return -1
			}
		case wBytes, wString:
			var n int64
			if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
				b := buf[pos]
				n, pos = int64(b>>1)^-int64(b&1), pos+1
			} else if n, pos = readLongSlow(buf, pos); pos < 0 {
				return -1
			}
			if uint64(n) > uint64(len(buf)-pos) {
				return -1
			}
			if op.code == wString && w.text && !validText(buf, pos, int(n)) {
				return -1
			}
			pos += int(n)
		case wEnum:
			v, next := readInt(buf, pos)
			if next < 0 || uint64(v) >= uint64(op.n) {
				return -1
			}
			pos = next
		case wOptional:
			if uint(pos) >= uint(len(buf)) {
				return -1
			}
			index := uint(buf[pos])
			if index > 2 || index == 1 {
				v, next := readLong(buf, pos)
				if next < 0 || uint64(v) > 1 {
					return -1
				}
				index, pos = uint(v)<<1, next-1
			}
			pos++
			if int(index>>1) != op.n {
				if pos = w.run(op.ops, pos); pos < 0 {
					return -1
				}
			}
		case wUnion:
			v, next := readLong(buf, pos)
			if next < 0 || uint64(v) >= uint64(len(op.progs)) {
				return -1
			}
			if pos = w.record(op.progs[v], next); pos < 0 {
				return -1
			}
		case wArray, wArrayFixed, wArrayZero, wMap:
			if pos = w.items(op, pos); pos < 0 {
				return -1
			}
		case wRecord:
			if pos = w.record(op.progs[0], pos); pos < 0 {
				return -1
			}
		case wTimeMicros:
			v, next := readLong(buf, pos)
			if next < 0 || !fitsMicros(v) {
				return -1
			}
			pos = next
		case wBigDecimal:
			n, next := readLong(buf, pos)
			if next < 0 || uint64(n) > uint64(len(buf)-next) {
				return -1
			}
			if _, _, ok := splitBigDecimal(buf[next : next+int(n)]); !ok {
				return -1
			}
			pos = next + int(n)
		}
	}
	return pos
}

func (w *walker) record(p *walkProg, pos int) int {
	if !p.recursive {
		return w.run(p.ops, pos)
	}
	w.depth++
	if w.depth > maxDepth {
		return -1
	}
	pos = w.run(p.ops, pos)
	w.depth--
	return pos
}

func (w *walker) items(op *walkOp, pos int) int {
	buf := w.buf
	for {
		n, next := readLong(buf, pos)
		if next < 0 {
			return -1
		}
		if n == 0 {
			return next
		}
		pos = next
		end := 0
		if n < 0 {
			if n == math.MinInt64 {
				return -1
			}
			n = -n
			size, behind := readLong(buf, pos)
			if behind < 0 || uint64(size) > uint64(len(buf)-behind) {
				return -1
			}
			pos, end = behind, behind+int(size)
		}
		switch op.code {
		case wArrayZero:
			if n > int64((maxZeroItems-w.zeros)/op.n) {
				return -1
			}
			w.zeros += int(n) * op.n
		case wArrayFixed:
			if n > int64((len(buf)-pos)/op.n) {
				return -1
			}
			pos += int(n) * op.n
		case wMap:
			if n > int64((len(buf)-pos)/op.n) {
				return -1
			}
			for range n {
				length, next := readLong(buf, pos)
				if next < 0 || uint64(length) > uint64(len(buf)-next) {
					return -1
				}
				if w.text && !validText(buf, next, int(length)) {
					return -1
				}
				if pos = w.run(op.ops, next+int(length)); pos < 0 {
					return -1
				}
			}
		default:
			if n > int64((len(buf)-pos)/op.n) {
				return -1
			}
			if len(op.ops) == 1 && op.ops[0].code == wLong {
				if pos = skipLongs(buf, pos, int(n)); pos < 0 {
					return -1
				}
				break
			}
			for range n {
				if pos = w.run(op.ops, pos); pos < 0 {
					return -1
				}
			}
		}
		if end != 0 && pos != end {
			return -1
		}
	}
}

func skipLongs(buf []byte, pos, n int) int {
	for range n {
		if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
			pos++
			continue
		}
		if _, pos = readLongSlow(buf, pos); pos < 0 {
			return -1
		}
	}
	return pos
}

const highBits = 0x8080808080808080

// validText tells whether the n bytes at pos are UTF-8, eight bytes at a time
// as long as they are ASCII.
func validText(buf []byte, pos, n int) bool {
	end := pos + n
	for n >= 8 {
		if binary.LittleEndian.Uint64(buf[pos:])&highBits != 0 {
			return utf8.Valid(buf[pos:end])
		}
		pos += 8
		n -= 8
	}
	if n == 0 {
		return true
	}
	if pos+8 <= len(buf) {
		if binary.LittleEndian.Uint64(buf[pos:])<<(64-8*uint(n))&highBits == 0 {
			return true
		}
		return utf8.Valid(buf[pos:end])
	}
	return utf8.Valid(buf[pos:end])
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
