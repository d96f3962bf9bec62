package jsonschema

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// Error says where a payload is not a value of its schema.
type Error struct {
	Path     string // JSON pointer of the value; empty for the whole payload
	Pos      int    // byte position of the value in the payload, from 0
	Expected string // what the schema wants there
	Found    string // what is there; empty if Expected says it all
}

func (e *Error) Error() string {
	where := "the payload"
	if e.Path != "" {
		where = e.Path
	}
	return fmt.Sprintf("%s (byte %d): %s", where, e.Pos, e.Reason())
}

// Reason says what is wrong, without the place.
func (e *Error) Reason() string {
	if e.Found == "" {
		return e.Expected
	}
	return fmt.Sprintf("want %s, found %s", e.Expected, e.Found)
}

// fault is an Error before it is put into words, which costs nothing as long
// as nobody asks.
type fault struct {
	kind    faultKind
	pos     int
	program *program
	name    string // of a missing member, or what is wrong with the syntax
}

type faultKind uint8

const (
	faultSyntax faultKind = iota + 1
	faultGivenUp
	faultNever
	faultType
	faultEnum
	faultMinLength
	faultMaxLength
	faultPattern
	faultRange
	faultMultiple
	faultRequired
	faultExtra
	faultMinProperties
	faultMaxProperties
	faultMinItems
	faultMaxItems
	faultMinContains
	faultMaxContains
	faultUnique
	faultAnyOf
	faultOneOf
	faultOneOfMany
	faultNot
)

// fail notes the first fault of the payload and returns -1.
func (w *walker) fail(kind faultKind, pos int, p *program, name string) int {
	if w.quiet == 0 && w.fault.kind == 0 {
		w.fault = fault{kind, pos, p, name}
	}
	return -1
}

// syntax notes that the payload is no JSON, which no sub-schema can make good.
func (w *walker) syntax(pos int, reason string) int {
	if !w.broken {
		w.broken = true
		w.fault = fault{kind: faultSyntax, pos: pos, name: reason}
	}
	return -1
}

// giveUp notes that the walk takes too long.
func (w *walker) giveUp(pos int) int {
	if !w.broken {
		w.broken = true
		w.fault = fault{kind: faultGivenUp, pos: pos}
	}
	return -1
}

// err puts the fault into words.
func (w *walker) err() error {
	f := w.fault
	e := &Error{Pos: f.pos, Path: pathOf(w.data, f.pos)}
	p := f.program
	switch f.kind {
	case faultSyntax:
		e.Expected = "not JSON: " + f.name
		return e
	case faultGivenUp:
		e.Expected = "given up: the schema tries too many combinations on this value"
		return e
	case faultNever:
		e.Expected = "no value at all"
	case faultType:
		e.Expected = p.types.String()
	case faultEnum:
		e.Expected = p.wanted()
	case faultMinLength:
		e.Expected = fmt.Sprintf("a string of at least %d characters", p.strings.min)
	case faultMaxLength:
		e.Expected = fmt.Sprintf("a string of at most %d characters", p.strings.max)
	case faultPattern:
		e.Expected = "a string that matches " + strconv.Quote(p.strings.source)
	case faultRange:
		e.Expected = "a number " + p.numbers.describe()
	case faultMultiple:
		e.Expected = "a multiple of " + string(p.numbers.multipleOf.text)
	case faultRequired:
		e.Expected = "a member " + strconv.Quote(f.name)
		e.Found = "an object without it"
		return e
	case faultExtra:
		e.Expected = "no member of this name"
		e.Found = "one"
		return e
	case faultMinProperties:
		return e.counted("at least", p.object.min, "members", "fewer")
	case faultMaxProperties:
		return e.counted("at most", p.object.max, "members", "more")
	case faultMinItems:
		return e.counted("at least", p.array.min, "items", "fewer")
	case faultMaxItems:
		return e.counted("at most", p.array.max, "items", "more")
	case faultMinContains:
		return e.counted("at least", p.array.minContain, "items as contains says", "fewer")
	case faultMaxContains:
		return e.counted("at most", p.array.maxContain, "items as contains says", "more")
	case faultUnique:
		e.Expected = "no two equal items"
	case faultAnyOf:
		e.Expected = "a value of at least one of the " + strconv.Itoa(len(p.more.any)) + " schemas of anyOf"
	case faultOneOf:
		e.Expected = "a value of one of the " + strconv.Itoa(len(p.more.one)) + " schemas of oneOf"
	case faultOneOfMany:
		e.Expected = "a value of only one of the schemas of oneOf"
	case faultNot:
		e.Expected = "a value that is not what the schema excludes"
	}
	e.Found = snippet(w.data, f.pos)
	return e
}

// counted says how many things there must be; found is what there were instead.
func (e *Error) counted(bound string, n int, things, found string) error {
	e.Expected = fmt.Sprintf("%s %d %s", bound, n, things)
	e.Found = found
	return e
}

func (t typeSet) String() string {
	var names []string
	for _, known := range typeNames {
		if known.set&t == known.set && (known.name != "integer" || t&typeNumber == 0) {
			names = append(names, known.name)
		}
	}
	if len(names) == 0 {
		return "no value at all"
	}
	return "a value of type " + strings.Join(names, " or ")
}

// wanted describes enum and const.
func (p *program) wanted() string {
	set := p.enum
	if set == nil {
		set = p.constant
	}
	var list []string
	for s := range set.strings {
		list = append(list, strconv.Quote(s))
	}
	sort.Strings(list)
	for _, n := range set.numbers {
		list = append(list, string(n.text))
	}
	if set.yes {
		list = append(list, "true")
	}
	if set.no {
		list = append(list, "false")
	}
	if set.simple != 0 {
		list = append(list, "null")
	}
	if len(set.others) > 0 {
		list = append(list, strconv.Itoa(len(set.others))+" objects or arrays")
	}
	const few = 8
	if len(list) > few {
		list = append(list[:few], "…")
	}
	return "one of " + strings.Join(list, ", ")
}

func (r *numberRules) describe() string {
	var parts []string
	for _, l := range r.limits {
		word := "from "
		switch {
		case l.upper && l.exclusive:
			word = "below "
		case l.upper:
			word = "up to "
		case l.exclusive:
			word = "above "
		}
		parts = append(parts, word+string(l.bound.text))
	}
	return strings.Join(parts, " and ")
}

// snippet shows the value at pos, or its beginning.
func snippet(data []byte, pos int) string {
	if pos >= len(data) {
		return "the end of the payload"
	}
	switch data[pos] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	w := &walker{data: data, quiet: 1}
	end := w.skip(pos)
	if end < 0 {
		return "something that is no JSON"
	}
	const most = 60
	if s := data[pos:end]; len(s) <= most {
		return string(s)
	}
	return strings.ToValidUTF8(string(data[pos:pos+most]), "") + "…"
}

// pathOf returns the JSON pointer of the innermost value or member name that
// starts at pos or before.
func pathOf(data []byte, pos int) string {
	w := &walker{data: data, quiet: 1}
	var path strings.Builder
	for i := w.space(0); i < pos && i < len(data); {
		child, step := w.childAt(i, pos)
		if child < 0 {
			break
		}
		path.WriteByte('/')
		path.WriteString(step)
		i = child
	}
	return path.String()
}

// childAt returns the element of the object or array at i that holds pos.
func (w *walker) childAt(i, pos int) (child int, step string) {
	if w.data[i] != '{' && w.data[i] != '[' {
		return -1, ""
	}
	closing := w.data[i] + 2
	i, done := w.opened(i, closing)
	for n := 0; !done && i >= 0 && i <= pos; n++ {
		value, name := i, strconv.Itoa(n)
		if closing == '}' {
			end, t, at := w.key(i)
			if end < 0 {
				return -1, ""
			}
			value = at
			name = strings.NewReplacer("~", "~0", "/", "~1").Replace(string(appendUnescapedIf(t.escaped, w.data[i+1:end-1])))
			if pos < value {
				return len(w.data), name // the name itself
			}
		}
		end := w.skip(value)
		if end < 0 || pos < end {
			return value, name
		}
		i, done = w.next(end, closing)
	}
	return -1, ""
}
