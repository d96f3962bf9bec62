package jsonschema

import (
	"unicode/utf8"
)

// walker is the state of one validation.
type walker struct {
	data   []byte
	depth  int // objects and arrays around the place
	frames int // programs around the place
	steps  int
	limit  int // of steps
	quiet  int // sub-schemas around the place whose faults are not the payload's
	fault  fault
	broken bool // the payload is no JSON, or the walk was given up: no verdict counts

	text   []byte   // unescaped strings, as a stack
	seen   []uint64 // members seen, as a stack
	hashes []hashed // items of arrays, as a stack
}

func (w *walker) reset(payload []byte) {
	*w = walker{data: payload, limit: baseSteps + stepsPerByte*len(payload), text: w.text[:0], seen: w.seen[:0], hashes: w.hashes[:0]}
}

// document validates the whole payload.
func (w *walker) document(p *program) error {
	i := w.run(p, w.space(0))
	if i >= 0 {
		if i = w.space(i); i < len(w.data) {
			i = w.syntax(i, "something follows the value")
		}
	}
	if i < 0 {
		return w.err()
	}
	return nil
}

// run validates the value at i and returns the position behind it, or -1.
func (w *walker) run(p *program, i int) int {
	if p == nil {
		return w.skip(i)
	}
	if i >= len(w.data) {
		return w.syntax(i, "the payload ends where a value is expected")
	}
	if w.steps++; w.steps > w.limit || w.frames >= maxFrames {
		return w.giveUp(i)
	}
	if p.never {
		return w.fail(faultNever, i, p, "")
	}
	w.frames++
	end := 0
	if !p.bare {
		end = w.value(p, i)
	}
	if end >= 0 && p.more != nil {
		end = w.combined(p, i, end)
	}
	w.frames--
	return end
}

// value validates what is not said by sub-schemas of the same value.
func (w *walker) value(p *program, i int) int {
	switch c := w.data[i]; c {
	case '{':
		if p.types&typeObject == 0 {
			return w.fail(faultType, i, p, "")
		}
		end := -1
		if p.object != nil {
			end = w.object(p, i)
		} else {
			end = w.skipObject(i)
		}
		return w.listed(p, i, end)
	case '[':
		if p.types&typeArray == 0 {
			return w.fail(faultType, i, p, "")
		}
		end := -1
		if p.array != nil {
			end = w.array(p, i)
		} else {
			end = w.skipArray(i)
		}
		return w.listed(p, i, end)
	case '"':
		return w.stringValue(p, i)
	case 't':
		return w.constantValue(p, i, w.word(i, "true"), typeBoolean)
	case 'f':
		return w.constantValue(p, i, w.word(i, "false"), typeBoolean)
	case 'n':
		return w.constantValue(p, i, w.word(i, "null"), typeNull)
	default:
		if c == '-' || '0' <= c && c <= '9' {
			return w.numberValue(p, i)
		}
		return w.syntax(i, "no JSON value")
	}
}

func (w *walker) constantValue(p *program, i, end int, t typeSet) int {
	if end < 0 {
		return -1
	}
	if p.types&t == 0 {
		return w.fail(faultType, i, p, "")
	}
	for _, set := range [...]*valueSet{p.enum, p.constant} {
		if set == nil {
			continue
		}
		switch w.data[i] {
		case 't':
			if set.yes {
				continue
			}
		case 'f':
			if set.no {
				continue
			}
		default:
			if set.simple != 0 {
				continue
			}
		}
		return w.fail(faultEnum, i, p, "")
	}
	return end
}

// listed checks an object or array against enum and const.
func (w *walker) listed(p *program, i, end int) int {
	if end < 0 {
		return -1
	}
	for _, set := range [...]*valueSet{p.enum, p.constant} {
		if set != nil && !w.oneOf(i, set.others) {
			return w.fail(faultEnum, i, p, "")
		}
	}
	return end
}

func (w *walker) stringValue(p *program, i int) int {
	end, t := w.str(i)
	if end < 0 {
		return -1
	}
	if p.types&typeString == 0 {
		return w.fail(faultType, i, p, "")
	}
	if p.strings == nil && p.enum == nil && p.constant == nil {
		return end
	}
	raw := w.data[i+1 : end-1]
	if t.escaped {
		base := len(w.text)
		w.text = appendUnescaped(w.text, raw)
		kind := checkString(p, w.text[base:], true)
		w.text = w.text[:base]
		if kind != 0 {
			return w.fail(kind, i, p, "")
		}
		return end
	}
	if kind := checkString(p, raw, t.wide); kind != 0 {
		return w.fail(kind, i, p, "")
	}
	return end
}

// checkString returns what is wrong with a string, 0 for nothing.
func checkString(p *program, s []byte, wide bool) faultKind {
	if p.enum != nil {
		if _, ok := p.enum.strings[string(s)]; !ok {
			return faultEnum
		}
	}
	if p.constant != nil {
		if _, ok := p.constant.strings[string(s)]; !ok {
			return faultEnum
		}
	}
	r := p.strings
	if r == nil {
		return 0
	}
	if len(s) < r.min {
		return faultMinLength
	}
	if r.min > 0 || r.max >= 0 && len(s) > r.max {
		n := len(s)
		if wide {
			n = utf8.RuneCount(s)
		}
		if n < r.min {
			return faultMinLength
		}
		if r.max >= 0 && n > r.max {
			return faultMaxLength
		}
	}
	if r.pattern != nil && !r.pattern.Match(s) {
		return faultPattern
	}
	return 0
}

func (w *walker) numberValue(p *program, i int) int {
	end := w.number(i)
	if end < 0 {
		return -1
	}
	if p.types&(typeNumber|typeInteger) == 0 {
		return w.fail(faultType, i, p, "")
	}
	if p.numbers == nil && p.enum == nil && p.constant == nil && p.types&typeNumber != 0 {
		return end
	}
	n := parseNumber(w.data[i:end])
	if p.types&typeNumber == 0 && !n.integer() {
		return w.fail(faultType, i, p, "")
	}
	if kind := checkNumber(p, &n); kind != 0 {
		return w.fail(kind, i, p, "")
	}
	return end
}

func checkNumber(p *program, n *number) faultKind {
	if p.enum != nil && !p.enum.hasNumber(n) || p.constant != nil && !p.constant.hasNumber(n) {
		return faultEnum
	}
	if p.numbers == nil {
		return 0
	}
	for k := range p.numbers.limits {
		l := &p.numbers.limits[k]
		c := n.cmp(&l.bound)
		if !l.upper {
			c = -c
		}
		if c > 0 || c == 0 && l.exclusive {
			return faultRange
		}
	}
	if p.numbers.multipleOf != nil && !n.multipleOf(p.numbers.multipleOf) {
		return faultMultiple
	}
	return 0
}

func (s *valueSet) hasNumber(n *number) bool {
	for k := range s.numbers {
		if n.cmp(&s.numbers[k]) == 0 {
			return true
		}
	}
	return false
}

// try returns the position behind the value at i if it is one of p, otherwise
// -1. It notes no fault but that w is broken: then it cannot be told.
func (w *walker) try(p *program, i int) int {
	depth, frames, text, seen, hashes := w.depth, w.frames, len(w.text), len(w.seen), len(w.hashes)
	w.quiet++
	end := w.run(p, i)
	w.quiet--
	w.depth, w.frames = depth, frames
	w.text, w.seen, w.hashes = w.text[:text], w.seen[:seen], w.hashes[:hashes]
	return end
}

// combined checks the sub-schemas that look at the same value. end is the
// position behind the value, 0 if that is not known yet. It returns that
// position, or -1.
func (w *walker) combined(p *program, i, end int) int {
	m := p.more
	for _, q := range m.all {
		if end = w.run(q, i); end < 0 {
			return -1
		}
	}
	if m.hasAny {
		found := -1
		for _, q := range m.any {
			if found = w.try(q, i); found >= 0 || w.broken {
				break
			}
		}
		if found < 0 {
			return w.fail(faultAnyOf, i, p, "")
		}
		end = found
	}
	if m.hasOne {
		matches := 0
		for _, q := range m.one {
			if found := w.try(q, i); found >= 0 {
				end = found
				if matches++; matches > 1 {
					return w.fail(faultOneOfMany, i, p, "")
				}
			}
			if w.broken {
				return -1
			}
		}
		if matches == 0 {
			return w.fail(faultOneOf, i, p, "")
		}
	}
	if m.hasNot && w.try(m.not, i) >= 0 {
		return w.fail(faultNot, i, p, "")
	}
	if w.broken {
		return -1
	}
	if m.hasIf {
		branch := m.otherwise
		if w.try(m.condition, i) >= 0 {
			branch = m.then
		}
		if w.broken || branch != nil && w.run(branch, i) < 0 {
			return -1
		}
	}
	if end == 0 {
		end = w.skip(i)
	}
	return end
}
