package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The codec makes room for as many elements of an array as a request says it
// has, as long as that is not more than its bytes: a hundred times the request's
// size, or thousands of times with arrays in arrays. So before a request is
// decoded, its lengths are walked: every element must really be there, and
// there may be only so many of them.

// maxElements bounds the elements of all arrays of a request.
const maxElements = 200_000

var (
	errShape    = errors.New("body is shorter than its lengths say")
	errElements = fmt.Errorf("more than %d elements in arrays", maxElements)
)

const (
	// elementBytes is what an element may need besides its strings and bytes, decoded
	// and with what the answer has for it.
	elementBytes = 512
	// freeElements is how many are not paid for out of the budget.
	freeElements = 64
)

// checkShape refuses bodies whose lengths are not true, and counts the elements of
// their arrays.
func checkShape(req kmsg.Request, body []byte) (elements int, err error) {
	prog, ok := shapePrograms[kmsg.Key(req.Key())]
	if !ok {
		return 0, fmt.Errorf("no shape of %s", kmsg.NameForKey(req.Key()))
	}
	w := shapeWalk{src: body, version: req.GetVersion(), flexible: req.IsFlexible()}
	w.run(prog)
	return w.elements, w.err
}

// shapeOp is a step of a walk.
type shapeOp struct {
	kind   byte      // 'n' bytes, 's' length and bytes, '[' array, '?' nullable, '(' versions, 't' tags
	bytes  int       // of 'n', and of the length of 's'
	lo, hi int16     // of '('
	inside []shapeOp // of '[', '?' and '('
}

var shapePrograms = func() map[kmsg.Key][]shapeOp {
	programs := make(map[kmsg.Key][]shapeOp, len(shapes))
	for key, text := range shapes {
		for _, c := range "[]()?" {
			text = strings.ReplaceAll(text, string(c), " "+string(c)+" ")
		}
		words := strings.Fields(text)
		programs[key] = parseShape(&words)
	}
	return programs
}()

// parseShape compiles words up to the end of what they are inside of.
func parseShape(words *[]string) []shapeOp {
	var ops []shapeOp
	for len(*words) > 0 {
		word := (*words)[0]
		*words = (*words)[1:]
		switch word {
		case "]", ")":
			return ops
		case "s":
			ops = append(ops, shapeOp{kind: 's', bytes: 2})
		case "b":
			ops = append(ops, shapeOp{kind: 's', bytes: 4})
		case "t":
			ops = append(ops, shapeOp{kind: 't'})
		case "[":
			ops = append(ops, shapeOp{kind: '[', inside: parseShape(words)})
		case "?":
			*words = (*words)[1:] // its parenthesis
			ops = append(ops, shapeOp{kind: '?', inside: parseShape(words)})
		case "(":
			from, to, _ := strings.Cut((*words)[0], "-")
			*words = (*words)[1:]
			op := shapeOp{kind: '(', lo: int16(number(from)), hi: 1<<15 - 1}
			if to != "" {
				op.hi = int16(number(to))
			}
			op.inside = parseShape(words)
			ops = append(ops, op)
		default:
			ops = append(ops, shapeOp{kind: 'n', bytes: number(word)})
		}
	}
	return ops
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("broker: shape: " + err.Error())
	}
	return n
}

// shapeWalk walks a body. After an error it does nothing.
type shapeWalk struct {
	src      []byte
	version  int16
	flexible bool
	elements int
	err      error
}

func (w *shapeWalk) run(ops []shapeOp) {
	for i := range ops {
		if w.err != nil {
			return
		}
		op := &ops[i]
		switch op.kind {
		case 'n':
			w.skip(op.bytes)
		case 's':
			w.skip(max(0, w.length(op)))
		case '[':
			w.array(op)
		case '?':
			if present := w.byte(); w.err == nil && int8(present) >= 0 {
				w.run(op.inside)
			}
		case '(':
			if w.version >= op.lo && w.version <= op.hi {
				w.run(op.inside)
			}
		case 't':
			w.tags()
		}
	}
}

func (w *shapeWalk) array(op *shapeOp) {
	n := max(0, w.arrayLength())
	if w.elements += n; w.elements > maxElements {
		w.fail(errElements)
	}
	for range n {
		if w.err != nil {
			return
		}
		w.run(op.inside)
	}
}

func (w *shapeWalk) tags() {
	if !w.flexible {
		return
	}
	count := w.uvarint()
	if w.elements += min(count, maxElements+1); w.elements > maxElements {
		w.fail(errElements)
	}
	for range count {
		if w.err != nil {
			return
		}
		w.uvarint()
		w.skip(w.uvarint())
	}
}

func (w *shapeWalk) fail(err error) {
	if w.err == nil {
		w.err, w.src = err, nil
	}
}

func (w *shapeWalk) skip(n int) {
	if n < 0 || n > len(w.src) {
		w.fail(errShape)
		return
	}
	w.src = w.src[n:]
}

func (w *shapeWalk) byte() byte {
	if len(w.src) == 0 {
		w.fail(errShape)
		return 0
	}
	b := w.src[0]
	w.src = w.src[1:]
	return b
}

// uvarint reads an unsigned varint of at most 32 bits.
func (w *shapeWalk) uvarint() int {
	v, n := binary.Uvarint(w.src)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		w.fail(errShape)
		return 0
	}
	w.src = w.src[n:]
	return int(v)
}

// arrayLength reads a count; -1 is null.
func (w *shapeWalk) arrayLength() int {
	if w.flexible {
		return w.uvarint() - 1
	}
	return w.int32()
}

func (w *shapeWalk) int32() int {
	if len(w.src) < 4 {
		w.fail(errShape)
		return 0
	}
	v := int32(binary.BigEndian.Uint32(w.src))
	w.src = w.src[4:]
	return int(v)
}

// length reads the length of a string or of bytes; -1 is null.
func (w *shapeWalk) length(op *shapeOp) int {
	switch {
	case w.flexible:
		return w.uvarint() - 1
	case op.bytes == 4:
		return w.int32()
	}
	if len(w.src) < 2 {
		w.fail(errShape)
		return 0
	}
	v := int16(binary.BigEndian.Uint16(w.src))
	w.src = w.src[2:]
	return int(v)
}
