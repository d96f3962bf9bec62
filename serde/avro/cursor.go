package avro

import (
	"fmt"
	"math"
	"strconv"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// cursor is what every decoder of a payload shares: the bytes, the bounds and
// the first fault. Positions are passed from call to call; a negative one says
// that err is set, and each caller on the way out adds its part of the path.
type cursor struct {
	buf   []byte
	err   error
	pos   int // of the fault
	trail trail
	depth int // recursive records that are open
	zeros int // values without bytes seen so far
}

func (c *cursor) fail(pos int, expected, found string) int {
	if c.err == nil {
		c.err = &DataError{Pos: pos, Expected: expected, Found: found}
	}
	return -1
}

// failWith keeps an error of application code.
func (c *cursor) failWith(pos int, err error) int {
	if c.err == nil {
		c.err, c.pos = err, pos
	}
	return -1
}

// fault returns the error with the path collected on the way out.
func (c *cursor) fault() error {
	if d, ok := c.err.(*DataError); ok {
		d.Path = c.trail.String()
		return d
	}
	return fmt.Errorf("avro: byte %d%s: %w", c.pos, at(c.trail.String()), c.err)
}

// number reports why a varint could not be read.
func (c *cursor) number(pos, code int, what string) int {
	if code == posOverflow {
		return c.fail(pos, what, "a number with too many bits")
	}
	return c.fail(pos, what, bytesLeft(max(len(c.buf)-pos, 0)))
}

// fixed returns the position behind n bytes at pos.
func (c *cursor) fixed(pos, n int, what string) int {
	if n > len(c.buf)-pos {
		return c.fail(pos, what+" of "+bytesLeft2(n), bytesLeft(len(c.buf)-pos))
	}
	return pos + n
}

func bytesLeft2(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return strconv.Itoa(n) + " bytes"
}

// length reads the length of bytes or a string and returns where they begin
// and end. begin is negative after a fault.
func (c *cursor) length(pos int, what string) (begin, end int) {
	n, next := readLong(c.buf, pos)
	if next < 0 {
		return c.number(pos, next, "the length of "+what), 0
	}
	if n < 0 {
		return c.fail(pos, "the length of "+what, strconv.FormatInt(n, 10)), 0
	}
	if n > int64(len(c.buf)-next) {
		return c.fail(pos, what+" of "+strconv.FormatInt(n, 10)+" bytes", bytesLeft(len(c.buf)-next)), 0
	}
	return next, next + int(n)
}

// block reads the head of a block of an array or a map. end is the position
// that a written block size announces, or 0. count 0 is the end of the whole.
func (c *cursor) block(pos int, minBytes, zeros int) (count, next, end int) {
	n, next := readLong(c.buf, pos)
	if next < 0 {
		return 0, c.number(pos, next, "a block count"), 0
	}
	if n == 0 {
		return 0, next, 0
	}
	if n < 0 {
		if n == math.MinInt64 {
			return 0, c.fail(pos, "a block count", strconv.FormatInt(n, 10)), 0
		}
		n = -n
		size, behind := readLong(c.buf, next)
		if behind < 0 {
			return 0, c.number(next, behind, "a block size"), 0
		}
		if size < 0 || size > int64(len(c.buf)-behind) {
			return 0, c.fail(next, "a block size within the data", strconv.FormatInt(size, 10)+" with "+bytesLeft(len(c.buf)-behind)), 0
		}
		next = behind
		end = behind + int(size)
	}
	if minBytes > 0 {
		if n > int64((len(c.buf)-next)/minBytes) {
			return 0, c.fail(pos, "a block of "+strconv.FormatInt(n, 10)+" items", bytesLeft(len(c.buf)-next)), 0
		}
		return int(n), next, end
	}
	zeros = max(zeros, 1)
	if n > int64((maxZeroItems-c.zeros)/zeros) {
		return 0, c.fail(pos, "at most "+strconv.Itoa(maxZeroItems)+" values without bytes", strconv.FormatInt(n, 10)+" more"), 0
	}
	c.zeros += int(n) * zeros
	return int(n), next, end
}

// blockEnd checks a written block size; end is 0 if there was none.
func (c *cursor) blockEnd(pos, end int) int {
	if end != 0 && pos != end {
		return c.fail(pos, "the end of the block at byte "+strconv.Itoa(end), "its last item")
	}
	return pos
}

// enter opens a recursive record.
func (c *cursor) enter(pos int) bool {
	c.depth++
	if c.depth > maxDepth {
		c.fail(pos, "at most "+strconv.Itoa(maxDepth)+" levels of a recursive type", "more")
		return false
	}
	return true
}

// unionIndex reads the branch of a union of n branches.
func (c *cursor) unionIndex(pos, n int) (index, next int) {
	i, next := readLong(c.buf, pos)
	if next < 0 {
		return 0, c.number(pos, next, "a union index")
	}
	if uint64(i) >= uint64(n) {
		return 0, c.fail(pos, "a union index below "+strconv.Itoa(n), strconv.FormatInt(i, 10))
	}
	return int(i), next
}

// symbol reads the index of an enum symbol.
func (c *cursor) symbol(pos int, n *avro.Node) (index, next int) {
	i, next := readInt(c.buf, pos)
	if next < 0 {
		return 0, c.number(pos, next, "a symbol of enum "+n.FullName())
	}
	if uint64(i) >= uint64(len(n.Symbols)) {
		return 0, c.fail(pos, "a symbol of enum "+n.FullName()+", below "+strconv.Itoa(len(n.Symbols)), strconv.FormatInt(i, 10))
	}
	return int(i), next
}

// resolved returns the reader's index of the writer's symbol.
func (c *cursor) resolved(pos, index int, p *plan) (int, int) {
	k := p.symbols[index]
	if k < 0 {
		return 0, c.fail(pos, "a symbol of the reader's enum "+p.r.FullName(), clip(p.w.Symbols[index]))
	}
	return k, pos
}

// boolean reads one byte that is 0 or 1.
func (c *cursor) boolean(pos int) (bool, int) {
	if pos >= len(c.buf) {
		return false, c.fail(pos, "boolean", bytesLeft(0))
	}
	b := c.buf[pos]
	if b > 1 {
		return false, c.fail(pos, "boolean, 0 or 1", strconv.Itoa(int(b)))
	}
	return b == 1, pos + 1
}

// integer reads an int or a long.
func (c *cursor) integer(pos int, kind planKind) (int64, int) {
	var v int64
	var next int
	if kind == pInt {
		v, next = readInt(c.buf, pos)
	} else {
		v, next = readLong(c.buf, pos)
	}
	if next < 0 {
		what := "long"
		if kind == pInt {
			what = "int"
		}
		return 0, c.number(pos, next, what)
	}
	return v, next
}

// check walks a value of the writer and reports the first fault with its path.
// It is the slow, explaining form of the walk; p is an identity plan, see walkProg.
func (c *cursor) check(p *plan, pos int, text bool) int {
	switch p.kind {
	case pNull:
	case pBoolean:
		_, pos = c.boolean(pos)
	case pInt, pLong:
		var v int64
		at := pos
		if v, pos = c.integer(pos, p.kind); pos >= 0 {
			pos = c.checkDuration(p.w, v, at, pos)
		}
	case pFloat:
		pos = c.fixed(pos, 4, "float")
	case pDouble:
		pos = c.fixed(pos, 8, "double")
	case pFixed:
		pos = c.fixed(pos, p.w.Size, p.label)
	case pBytes:
		begin, end := c.length(pos, "bytes")
		if begin < 0 {
			return -1
		}
		if p.w.Logical == avro.BigDecimal {
			if _, _, ok := splitBigDecimal(c.buf[begin:end]); !ok {
				return c.fail(begin, "a big-decimal: unscaled bytes and a scale", "other bytes")
			}
		}
		pos = end
	case pString:
		begin, end := c.length(pos, "string")
		if begin < 0 {
			return -1
		}
		if text {
			if bad := firstInvalid(c.buf[begin:end]); bad >= 0 {
				return c.fail(begin+bad, "UTF-8", fmt.Sprintf("byte 0x%02X", c.buf[begin+bad]))
			}
		}
		pos = end
	case pEnum:
		_, pos = c.symbol(pos, p.w)
	case pUnion:
		index, next := c.unionIndex(pos, len(p.branches))
		if next < 0 {
			return next
		}
		return c.check(p.branches[index], next, text)
	case pBranch:
		return c.check(p.item, pos, text)
	case pArray, pMap:
		return c.checkItems(p, pos, text)
	case pRecord:
		if p.recursive {
			if !c.enter(pos) {
				return -1
			}
			defer func() { c.depth-- }()
		}
		for i := range p.steps {
			s := &p.steps[i]
			if pos = c.check(s.plan, pos, text); pos < 0 {
				c.trail.field(s.from.Name)
				return pos
			}
		}
	}
	return pos
}

func (c *cursor) checkItems(p *plan, pos int, text bool) int {
	seen := 0
	itemMin := p.item.minBytes
	if p.kind == pMap {
		itemMin++
	}
	for {
		count, next, end := c.block(pos, itemMin, p.item.zeros)
		if next < 0 {
			return next
		}
		pos = next
		if count == 0 {
			return pos
		}
		if itemMin == 0 {
			count = 0 // their bytes are none
		}
		for range count {
			key := ""
			if p.kind == pMap {
				begin, stop := c.length(pos, "map key")
				if begin < 0 {
					return -1
				}
				if text {
					if bad := firstInvalid(c.buf[begin:stop]); bad >= 0 {
						return c.fail(begin+bad, "UTF-8 in a map key", fmt.Sprintf("byte 0x%02X", c.buf[begin+bad]))
					}
				}
				key = string(c.buf[begin:min(stop, begin+100)])
				pos = stop
			}
			if pos = c.check(p.item, pos, text); pos < 0 {
				if p.kind == pMap {
					c.trail.key(key)
				} else {
					c.trail.index(seen)
				}
				return pos
			}
			seen++
		}
		if pos = c.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}

// checkDuration refuses a time of day that no time.Duration holds.
func (c *cursor) checkDuration(n *avro.Node, v int64, at, next int) int {
	if n.Logical == avro.TimeMicros && !fitsMicros(v) {
		return c.fail(at, "time-micros within 292 years", strconv.FormatInt(v, 10))
	}
	return next
}
