package avro

import (
	"github.com/dovetail-dev/dovetail/compat/avro"
)

// walkCode is one step of the walk over a payload.
type walkCode uint8

const (
	wEnd          walkCode = iota // of a program, or of items of at least n bytes that began to ops before
	wStrings                      // n strings, one behind the other
	wNumbers                      // n longs, or ints where to has a bit
	wOptional                     // a union of two with null; to ops that the other one takes follow
	wOptionalText                 // a union of null and string
	wOptionalSkip                 // a union of null and n bytes, at most 8
	wSkip8                        // 8 bytes
	wSkip                         // n bytes
	wBooleans                     // n booleans
	wEnum                         // n symbols
	wBytes                        //
	wUnion                        // n branches; as many wJump to each of them follow
	wJump                         // over to ops
	wArray                        // items of at least n bytes each; to ops, a wEnd the last, follow
	wTexts                        // an array with items of n strings
	wLongs                        // an array of longs
	wFixed                        // an array with items of n bytes
	wEmpty                        // an array of items without bytes, which hold n values each
	wRecord                       // progs[n]
	wTimeMicros
	wBigDecimal
)

// walkOp is small, and one stands behind the other in a program, so that most
// programs are a few cache lines. Distances are counted from behind the op. A
// map is an array whose items begin with a string.
type walkOp struct {
	code  walkCode
	null  byte // wOptional and its like: the byte that says null
	quiet bool // wArray: no item has text
	to    uint32
	n     int
}

// walkProg validates one type. Recursive and large records have one of their
// own; everything else is written out in place.
//
// It is made of an identity plan, like all that cursor.check follows: bytes are
// where the writer put them. The plan of a reader does not tell of each of them,
// since it ends at a branch that the reader has no place for.
type walkProg struct {
	ops       []walkOp
	all       *[]*walkProg // all programs of the compiler
	fence     int          // ops before it stay as they are: something goes on behind them
	recursive bool
	text      bool // it has strings
}

type walkCompiler struct {
	progs []*walkProg
	known map[*plan]*walkProg
}

func newWalkCompiler() *walkCompiler { return &walkCompiler{known: map[*plan]*walkProg{}} }

func compileWalk(root *plan) *walkProg { return newWalkCompiler().prog(root) }

func (c *walkCompiler) prog(p *plan) *walkProg {
	if known, ok := c.known[p]; ok {
		return known
	}
	if p.w != p.r {
		panic("avro: a walk by the plan of a reader of " + p.label)
	}
	// While a record is in the making, it counts as one with text.
	made := &walkProg{all: &c.progs, text: true}
	c.known[p] = made
	text := false
	if p.kind == pRecord {
		made.recursive = p.recursive
		for i := range p.steps {
			if !p.steps[i].again && c.add(made, p.steps[i].plan) {
				text = true
			}
		}
	} else {
		text = c.add(made, p)
	}
	made.text = text
	made.ops = append(made.ops, walkOp{code: wEnd})
	return made
}

func (c *walkCompiler) recordOp(p *walkProg) walkOp {
	c.progs = append(c.progs, p)
	return walkOp{code: wRecord, n: len(c.progs) - 1}
}

// mostInline bounds what is written out in place, so that a schema which uses
// each type twice in the next does not grow to the power of two.
const mostInline = 256

// put appends an op, or makes the last one longer.
func (p *walkProg) put(op walkOp) {
	if k := len(p.ops); k > p.fence {
		last := &p.ops[k-1]
		switch {
		case op.code == last.code && (op.code == wStrings || op.code == wBooleans):
			last.n += op.n
			return
		case op.code == wNumbers && last.code == wNumbers && last.n+op.n <= 32:
			last.to |= op.to << last.n
			last.n += op.n
			return
		case op.isSkip() && last.isSkip() && last.n+op.n < maxSize:
			*last = skipOp(last.n + op.n)
			return
		}
	}
	p.ops = append(p.ops, op)
}

func skipOp(n int) walkOp {
	if n == 8 {
		return walkOp{code: wSkip8, n: n}
	}
	return walkOp{code: wSkip, n: n}
}

func (op *walkOp) isSkip() bool { return op.code == wSkip || op.code == wSkip8 }

// begin appends an op whose body follows; end closes that body.
func (p *walkProg) begin(op walkOp) int {
	p.ops = append(p.ops, op)
	p.fence = len(p.ops)
	return len(p.ops)
}

func (p *walkProg) end(body int) {
	p.fence = len(p.ops)
	p.ops[body-1].to = uint32(len(p.ops) - body)
}

// add appends what walks over a value of p, and tells whether it has text.
func (c *walkCompiler) add(out *walkProg, p *plan) (text bool) {
	switch p.kind {
	case pBoolean:
		out.put(walkOp{code: wBooleans, n: 1})
	case pInt:
		out.put(walkOp{code: wNumbers, n: 1, to: 1})
	case pLong:
		if p.w.Logical == avro.TimeMicros {
			out.put(walkOp{code: wTimeMicros})
		} else {
			out.put(walkOp{code: wNumbers, n: 1})
		}
	case pFloat:
		out.put(skipOp(4))
	case pDouble:
		out.put(skipOp(8))
	case pFixed:
		if p.w.Size > 0 {
			out.put(skipOp(p.w.Size))
		}
	case pBytes:
		if p.w.Logical == avro.BigDecimal {
			out.put(walkOp{code: wBigDecimal})
		} else {
			out.put(walkOp{code: wBytes})
		}
	case pString:
		out.put(walkOp{code: wStrings, n: 1})
		return true
	case pEnum:
		out.put(walkOp{code: wEnum, n: len(p.w.Symbols)})
	case pBranch:
		return c.add(out, p.item)
	case pUnion:
		return c.union(out, p)
	case pArray, pMap:
		return c.items(out, p)
	case pRecord:
		return c.record(out, p)
	}
	return false
}

func (c *walkCompiler) union(out *walkProg, p *plan) (text bool) {
	if len(p.branches) == 2 {
		for i := range 2 {
			if p.w.Branches[i].Kind == avro.Null && p.w.Branches[1-i].Kind != avro.Null {
				body := out.begin(walkOp{code: wOptional, null: byte(2 * i)})
				text = c.add(out, p.branches[1-i])
				out.end(body)
				out.joinOptional(body - 1)
				return text
			}
		}
	}
	jumps := len(out.ops) + 1
	out.begin(walkOp{code: wUnion, n: len(p.branches)})
	for range p.branches {
		out.begin(walkOp{code: wJump})
	}
	var ends []int
	for i, b := range p.branches {
		out.end(jumps + i + 1)
		if c.add(out, b) {
			text = true
		}
		if i+1 < len(p.branches) {
			ends = append(ends, out.begin(walkOp{code: wJump}))
		}
	}
	for _, end := range ends {
		out.end(end)
	}
	return text
}

// joinOptional makes one op of an optional, the last, and its body if that is a
// string or a few bytes.
func (p *walkProg) joinOptional(at int) {
	if len(p.ops) != at+2 {
		return
	}
	switch body := p.ops[at+1]; {
	case body.code == wStrings && body.n == 1:
		p.ops[at].code = wOptionalText
	case body.isSkip() && body.n <= 8:
		p.ops[at].code, p.ops[at].n = wOptionalSkip, body.n
	default:
		return
	}
	p.ops[at].to = 0
	p.ops = p.ops[:at+1]
	p.fence = len(p.ops)
}

func (c *walkCompiler) items(out *walkProg, p *plan) (text bool) {
	least := p.item.minBytes
	if p.kind == pArray && least == 0 {
		out.begin(walkOp{code: wEmpty, n: max(p.item.zeros, 1)})
		return false
	}
	body := out.begin(walkOp{code: wArray})
	if p.kind == pMap {
		out.put(walkOp{code: wStrings, n: 1})
		least++
		text = true
	}
	if c.add(out, p.item) {
		text = true
	}
	head := &out.ops[body-1]
	head.n, head.quiet = least, !text
	if len(out.ops) == body+1 {
		switch item := out.ops[body]; item.code {
		case wStrings:
			*head = walkOp{code: wTexts, n: item.n}
		case wNumbers:
			if item.n == 1 && item.to == 0 {
				*head = walkOp{code: wLongs, n: 1}
			}
		case wSkip, wSkip8:
			*head = walkOp{code: wFixed, n: item.n}
		}
		if head.code != wArray {
			out.ops = out.ops[:body]
			out.end(body)
			return text
		}
	}
	out.ops = append(out.ops, walkOp{code: wEnd, n: least, to: uint32(len(out.ops) - body)})
	out.end(body)
	return text
}

func (c *walkCompiler) record(out *walkProg, p *plan) (text bool) {
	if p.minBytes == 0 {
		return false
	}
	sub := c.prog(p)
	if p.recursive || len(sub.ops)+len(out.ops) > mostInline {
		out.put(c.recordOp(sub))
		return sub.text
	}
	ops := sub.ops[:len(sub.ops)-1]
	if len(ops) == 0 {
		return sub.text
	}
	out.put(ops[0])
	shift := len(out.ops) - 1
	out.ops = append(out.ops, ops[1:]...)
	if sub.fence > 0 {
		out.fence = sub.fence + shift
	}
	return sub.text
}
