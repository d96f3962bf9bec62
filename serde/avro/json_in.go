package avro

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// FromJSON appends to dst the payload of a JSON text and returns it. Unions are
// in the encoding of the specification, {"branch": value}, or bare with
// WithBareUnions; members may come in any order, and a member that is missing
// takes the default of its field. Errors are *DataError with the byte position
// in the text; dst is then returned as it was.
func FromJSON(dst []byte, s *Schema, text []byte, opts ...Option) ([]byte, error) {
	set := apply(opts)
	p := standard.plan(s.Root(), s.Root())
	if p.err != nil {
		return dst, p.err
	}
	return fromJSON(dst, p.plan, text, set.bare)
}

var tapes = sync.Pool{New: func() any { return new(tape) }}

// mostPooled keeps a tape of a huge text from being kept.
const mostPooled = 1 << 16

func fromJSON(dst []byte, p *plan, text []byte, bare bool) ([]byte, error) {
	t := tapes.Get().(*tape)
	defer func() {
		if cap(t.tokens) <= mostPooled {
			*t = tape{tokens: t.tokens[:0]}
			tapes.Put(t)
		}
	}()
	t.text = text
	if !t.read() {
		return dst, t.fault
	}
	j := jsonReader{tape: t, bare: bare, budget: maxTrials}
	out := j.value(dst, p, 0)
	if j.err != nil {
		j.err.Path = j.trail.String()
		return dst, j.err
	}
	return out, nil
}

const (
	// maxTrials bounds the branches that are tried for bare unions.
	maxTrials = 1 << 16
	// maxDefaultBytes bounds the encoded form of one default value.
	maxDefaultBytes = 1 << 20
)

// encodeDefault returns the payload of a default value. A union takes the
// first branch that fits.
func encodeDefault(p *plan, text []byte) ([]byte, error) {
	t := &tape{text: text}
	if !t.read() {
		return nil, t.fault
	}
	j := jsonReader{tape: t, bare: true, isDefault: true, budget: maxTrials}
	out := j.value([]byte{}, p, 0)
	if j.err != nil {
		j.err.Path = j.trail.String()
		return nil, j.err
	}
	if len(out) > maxDefaultBytes {
		return nil, errors.New("it is larger than 1 MiB when encoded")
	}
	return out, nil
}

// jsonReader writes the payload of a tape.
type jsonReader struct {
	tape      *tape
	bare      bool
	isDefault bool
	budget    int
	err       *DataError
	trail     trail
	depth     int
	zeros     int
	values    int
	scratch   []byte
}

func (j *jsonReader) fail(tok int32, expected string) {
	if j.err != nil {
		return
	}
	t := &j.tape.tokens[tok]
	j.err = &DataError{Pos: int(t.start), Expected: expected, Found: clip(string(j.tape.text[t.start:min(t.end, t.start+80)]))}
}

func (j *jsonReader) value(dst []byte, p *plan, at int32) []byte {
	tok := &j.tape.tokens[at]
	switch p.kind {
	case pNull:
		if tok.kind == 'n' {
			return dst
		}
	case pBoolean:
		if tok.kind == 't' {
			return append(dst, 1)
		}
		if tok.kind == 'f' {
			return append(dst, 0)
		}
	case pInt, pLong:
		if tok.kind == '0' {
			bits := 64
			if p.kind == pInt {
				bits = 32
			}
			v, err := strconv.ParseInt(string(j.tape.text[tok.start:tok.end]), 10, bits)
			if err == nil && (p.w.Logical != avro.TimeMicros || fitsMicros(v)) {
				return appendLong(dst, v)
			}
		}
	case pFloat, pDouble:
		if f, ok := j.float(tok, p.kind); ok {
			if p.kind == pFloat {
				return appendFloat(dst, float32(f))
			}
			return appendDouble(dst, f)
		}
	case pString:
		if tok.kind == '"' {
			return appendBytes(dst, j.text(tok))
		}
	case pBytes, pFixed:
		if tok.kind == '"' {
			return j.binary(dst, p, at)
		}
	case pEnum:
		if tok.kind == '"' {
			name := string(j.text(tok))
			for i, s := range p.w.Symbols {
				if s == name {
					return appendLong(dst, int64(i))
				}
			}
			j.fail(at, "a symbol of enum "+p.w.FullName())
			return dst
		}
	case pUnion:
		if j.bare {
			return j.bareUnion(dst, p, at)
		}
		return j.union(dst, p, at)
	case pArray:
		if tok.kind == '[' {
			return j.array(dst, p, at)
		}
	case pMap:
		if tok.kind == '{' {
			return j.mapping(dst, p, at)
		}
	case pRecord:
		if tok.kind == '{' {
			return j.record(dst, p, at)
		}
	}
	j.fail(at, describe(p.w))
	return dst
}

func (j *jsonReader) text(tok *token) []byte {
	b := j.tape.string(tok, j.scratch)
	if tok.escaped {
		j.scratch = b
	}
	return b
}

func (j *jsonReader) float(tok *token, kind planKind) (float64, bool) {
	bits := 64
	if kind == pFloat {
		bits = 32
	}
	switch tok.kind {
	case '0':
		f, err := strconv.ParseFloat(string(j.tape.text[tok.start:tok.end]), bits)
		return f, err == nil
	case '"':
		switch string(j.text(tok)) {
		case "NaN":
			return math.NaN(), true
		case "Infinity":
			return math.Inf(1), true
		case "-Infinity":
			return math.Inf(-1), true
		}
	}
	return 0, false
}

// binary reads bytes from the code points 0 to 255 of a string.
func (j *jsonReader) binary(dst []byte, p *plan, at int32) []byte {
	text := j.text(&j.tape.tokens[at])
	n := utf8.RuneCount(text)
	if p.kind == pFixed && n != p.w.Size {
		j.fail(at, fmt.Sprintf("%s, %d characters up to U+00FF", describe(p.w), p.w.Size))
		return dst
	}
	mark := len(dst)
	if p.kind == pBytes {
		dst = appendLong(dst, int64(n))
	}
	content := len(dst)
	for _, r := range string(text) {
		if r > 0xFF {
			j.fail(at, describe(p.w)+", characters up to U+00FF")
			return dst[:mark]
		}
		dst = append(dst, byte(r))
	}
	if p.kind == pBytes && p.w.Logical == avro.BigDecimal {
		if _, _, ok := splitBigDecimal(dst[content:]); !ok {
			j.fail(at, "a big-decimal: unscaled bytes and a scale")
		}
	}
	return dst
}

func (j *jsonReader) union(dst []byte, p *plan, at int32) []byte {
	tok := &j.tape.tokens[at]
	if tok.kind == 'n' && p.un.null >= 0 {
		return appendLong(dst, int64(p.un.null))
	}
	if tok.kind == '{' && tok.next > at+1 {
		key := &j.tape.tokens[at+1]
		name := string(j.text(key))
		i := p.un.byName(name)
		if i >= 0 && j.tape.tokens[at+2].next == tok.next {
			dst = appendLong(dst, int64(i))
			if dst = j.value(dst, p.branches[i].item, at+2); j.err != nil {
				j.trail.key(name)
			}
			return dst
		}
	}
	j.fail(at, fmt.Sprintf(`one of %v as {"type": value}, or null if it is one of them`, p.un.names))
	return dst
}

// bareUnion takes the first branch that the value fits.
func (j *jsonReader) bareUnion(dst []byte, p *plan, at int32) []byte {
	kind := j.tape.tokens[at].kind
	mark, zeros, depth := len(dst), j.zeros, j.depth
	candidates := 0
	var last *DataError
	var lastTrail trail
	for i, b := range p.branches {
		if !mayBe(b.item, kind) {
			continue
		}
		candidates++
		if j.budget--; j.budget < 0 {
			j.err = nil
			j.fail(at, "a value that needs fewer than "+strconv.Itoa(maxTrials)+" tries to find its union branches")
			return dst
		}
		dst = j.value(appendLong(dst[:mark], int64(i)), b.item, at)
		if j.err == nil {
			return dst
		}
		if j.budget < 0 {
			return dst
		}
		last, lastTrail = j.err, j.trail
		j.err, j.trail, j.zeros, j.depth = nil, trail{}, zeros, depth
	}
	if candidates == 1 {
		j.err, j.trail = last, lastTrail
		return dst[:mark]
	}
	j.fail(at, fmt.Sprintf("one of %v", p.un.names))
	return dst[:mark]
}

// mayBe tells whether a JSON value of this kind can become a value of p.
func mayBe(p *plan, kind byte) bool {
	switch p.kind {
	case pNull:
		return kind == 'n'
	case pBoolean:
		return kind == 't' || kind == 'f'
	case pInt, pLong:
		return kind == '0'
	case pFloat, pDouble:
		return kind == '0' || kind == '"'
	case pString, pBytes, pFixed, pEnum:
		return kind == '"'
	case pArray:
		return kind == '['
	}
	return kind == '{'
}

func (j *jsonReader) array(dst []byte, p *plan, at int32) []byte {
	end := j.tape.tokens[at].next
	n := 0
	for i := at + 1; i < end; i = j.tape.tokens[i].next {
		n++
	}
	if n == 0 {
		return append(dst, 0)
	}
	if p.item.minBytes == 0 {
		zeros := max(p.item.zeros, 1)
		if n > (maxZeroItems-j.zeros)/zeros {
			j.fail(at, "at most "+strconv.Itoa(maxZeroItems)+" values without bytes")
			return dst
		}
		j.zeros += n * zeros
	}
	dst = appendLong(dst, int64(n))
	k := 0
	for i := at + 1; i < end; i = j.tape.tokens[i].next {
		if dst = j.value(dst, p.item, i); j.err != nil {
			j.trail.index(k)
			return dst
		}
		k++
	}
	return append(dst, 0)
}

func (j *jsonReader) mapping(dst []byte, p *plan, at int32) []byte {
	end := j.tape.tokens[at].next
	n := 0
	for i := at + 1; i < end; i = j.tape.tokens[i+1].next {
		n++
	}
	if n == 0 {
		return append(dst, 0)
	}
	dst = appendLong(dst, int64(n))
	for i := at + 1; i < end; i = j.tape.tokens[i+1].next {
		key := j.text(&j.tape.tokens[i])
		dst = appendBytes(dst, key)
		if dst = j.value(dst, p.item, i+1); j.err != nil {
			j.trail.key(string(j.text(&j.tape.tokens[i])))
			return dst
		}
	}
	return append(dst, 0)
}

func (j *jsonReader) record(dst []byte, p *plan, at int32) []byte {
	if p.recursive {
		if j.depth++; j.depth > maxDepth {
			j.fail(at, "at most "+strconv.Itoa(maxDepth)+" levels of a recursive type")
			return dst
		}
		defer func() { j.depth-- }()
	}
	end := j.tape.tokens[at].next
	next, used := at+1, 0
	for i := range p.steps {
		s := &p.steps[i]
		member := int32(-1)
		if next < end && string(j.text(&j.tape.tokens[next])) == s.from.Name {
			member = next
		} else {
			for k := at + 1; k < end; k = j.tape.tokens[k+1].next {
				if string(j.text(&j.tape.tokens[k])) == s.from.Name {
					member = k
					break
				}
			}
		}
		if member >= 0 {
			used++
			next = j.tape.tokens[member+1].next
			dst = j.value(dst, s.plan, member+1)
		} else {
			dst = j.absent(dst, s, at)
		}
		if j.err != nil {
			j.trail.field(s.from.Name)
			return dst
		}
	}
	members := 0
	for k := at + 1; k < end; k = j.tape.tokens[k+1].next {
		members++
	}
	if used != members {
		j.stranger(p, at, end)
	}
	return dst
}

// absent writes the default of a field that the object lacks.
func (j *jsonReader) absent(dst []byte, s *step, at int32) []byte {
	if s.from.Default == nil {
		j.fail(at, "a member "+strconv.Quote(s.from.Name)+", which has no default")
		return dst
	}
	if !j.isDefault {
		if s.defaultErr != nil {
			j.fail(at, "a member "+strconv.Quote(s.from.Name)+", whose default is no valid value")
			return dst
		}
		return append(dst, s.encoded...)
	}
	// Defaults inside a default: they may lead back to themselves.
	if j.values++; j.values > maxZeroFields || len(dst) > maxDefaultBytes {
		j.fail(at, "a value that does not repeat defaults without end")
		return dst
	}
	t := &tape{text: s.from.Default}
	if !t.read() {
		j.fail(at, "a valid default of "+s.from.Name)
		return dst
	}
	inner := jsonReader{tape: t, bare: true, isDefault: true, budget: j.budget, depth: j.depth, zeros: j.zeros, values: j.values}
	dst = inner.value(dst, s.plan, 0)
	j.budget, j.values, j.zeros = inner.budget, inner.values, inner.zeros
	if inner.err != nil {
		j.fail(at, "a member "+strconv.Quote(s.from.Name)+", whose default is no valid value")
	}
	return dst
}

// stranger reports the member that is no field or comes twice.
func (j *jsonReader) stranger(p *plan, at, end int32) {
	seen := map[string]bool{}
	for k := at + 1; k < end; k = j.tape.tokens[k+1].next {
		name := string(j.text(&j.tape.tokens[k]))
		if fieldIndex(p.w, name) < 0 {
			j.fail(k, "only fields of record "+p.w.FullName())
			j.trail.field(clip(name))
			return
		}
		if seen[name] {
			j.fail(k, "each field once")
			j.trail.field(name)
			return
		}
		seen[name] = true
	}
}
