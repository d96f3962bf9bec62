package jsonschema

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// document is one JSON text.
type document struct {
	text string
	name string // of the dependency; empty for the schema itself
	root *Value
}

// jsonParser reads one text by the grammar of RFC 8259 and nothing beside it.
type jsonParser struct {
	doc   *document
	text  string
	pos   int
	depth int
	left  *int // values that may still be made
}

// parseJSON reads text. left is the bound on values, shared by all texts.
func parseJSON(name, text string, left *int) (*document, error) {
	doc := &document{text: text, name: name}
	p := jsonParser{doc: doc, text: text, left: left}
	if !utf8.ValidString(text) {
		for p.pos < len(text) {
			r, n := utf8.DecodeRuneInString(text[p.pos:])
			if r == utf8.RuneError && n <= 1 {
				break
			}
			p.pos += n
		}
		return nil, p.fail("the text is not UTF-8 here")
	}
	p.space()
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(text) {
		return nil, p.fail("the schema ended before this; remove what follows it")
	}
	doc.root = v
	return doc, nil
}

func (p *jsonParser) fail(reason string) error { return p.doc.fail(p.pos, "", reason) }

// fail makes the error of a place in the text.
func (d *document) fail(pos int, path, reason string) error {
	e := &compat.SyntaxError{Type: schema.JSON, Path: path, Reason: reason}
	if d.name != "" {
		e.Reason = "in the referenced schema " + strconv.Quote(d.name) + ", " + positionAt(d.text, pos).String() + ": " + reason
		return e
	}
	e.Position = positionAt(d.text, pos)
	return e
}

func positionAt(text string, pos int) compat.Position {
	before := text[:min(pos, len(text))]
	line := strings.LastIndexByte(before, '\n') + 1
	return compat.Position{
		Line:   1 + strings.Count(before, "\n"),
		Column: 1 + utf8.RuneCountInString(before[line:]),
	}
}

func (p *jsonParser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\n', '\t', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *jsonParser) value() (*Value, error) {
	if p.pos >= len(p.text) {
		return nil, p.fail("the text ends where a value is expected")
	}
	if *p.left--; *p.left < 0 {
		return nil, p.fail("more than " + strconv.Itoa(maxValues) + " JSON values; split the schema")
	}
	v := &Value{pos: uint32(p.pos), doc: p.doc}
	var err error
	switch c := p.text[p.pos]; {
	case c == '{':
		v.Kind = Object
		err = p.nested(v, p.object)
	case c == '[':
		v.Kind = Array
		err = p.nested(v, p.array)
	case c == '"':
		v.Kind = String
		v.Text, err = p.str()
	case c == '-' || '0' <= c && c <= '9':
		v.Kind = Number
		v.Text, err = p.number()
	case p.word("true"):
		v.Kind = True
	case p.word("false"):
		v.Kind = False
	case p.word("null"):
		v.Kind = Null
	default:
		r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
		err = p.fail("a JSON value cannot start with " + strconv.QuoteRune(r))
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (p *jsonParser) word(w string) bool {
	if strings.HasPrefix(p.text[p.pos:], w) {
		p.pos += len(w)
		return true
	}
	return false
}

func (p *jsonParser) nested(v *Value, read func(*Value) error) error {
	if p.depth++; p.depth > MaxDepth {
		return p.fail("nested deeper than " + strconv.Itoa(MaxDepth) + " levels; move inner schemas to $defs and refer to them")
	}
	p.pos++
	err := read(v)
	p.depth--
	return err
}

// more is called behind an element. It reports whether another one follows.
func (p *jsonParser) more(closing byte) (bool, error) {
	p.space()
	if p.pos >= len(p.text) {
		return false, p.fail("the text ends inside an object or array; is a closing bracket missing?")
	}
	switch p.text[p.pos] {
	case ',':
		p.pos++
		p.space()
		return true, nil
	case closing:
		p.pos++
		return false, nil
	}
	return false, p.fail("expected ',' or '" + string(rune(closing)) + "' after a value")
}

// closed reports whether an object or array that was just opened has nothing
// in it.
func (p *jsonParser) closed(closing byte) bool {
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == closing {
		p.pos++
		return true
	}
	return false
}

func (p *jsonParser) object(v *Value) error {
	if p.closed('}') {
		return nil
	}
	for {
		if p.pos >= len(p.text) || p.text[p.pos] != '"' {
			return p.fail("expected a member name in double quotes")
		}
		name, err := p.str()
		if err != nil {
			return err
		}
		p.space()
		if p.pos >= len(p.text) || p.text[p.pos] != ':' {
			return p.fail("expected ':' after a member name")
		}
		p.pos++
		p.space()
		m, err := p.value()
		if err != nil {
			return err
		}
		v.add(name, m)
		if more, err := p.more('}'); !more {
			return err
		}
	}
}

func (p *jsonParser) array(v *Value) error {
	if p.closed(']') {
		return nil
	}
	for {
		item, err := p.value()
		if err != nil {
			return err
		}
		v.Items = append(v.Items, item)
		if more, err := p.more(']'); !more {
			return err
		}
	}
}

func (p *jsonParser) digits() bool {
	from := p.pos
	for p.pos < len(p.text) && '0' <= p.text[p.pos] && p.text[p.pos] <= '9' {
		p.pos++
	}
	return p.pos > from
}

func (p *jsonParser) at(set string) bool {
	return p.pos < len(p.text) && strings.IndexByte(set, p.text[p.pos]) >= 0
}

func (p *jsonParser) number() (string, error) {
	start := p.pos
	if p.at("-") {
		p.pos++
	}
	if p.at("0") {
		p.pos++
	} else if !p.digits() {
		return "", p.fail("a number needs a digit after '-'")
	}
	if p.at(".") {
		p.pos++
		if !p.digits() {
			return "", p.fail("a number needs a digit after its decimal point")
		}
	}
	if p.at("eE") {
		p.pos++
		if p.at("+-") {
			p.pos++
		}
		from := p.pos
		if !p.digits() {
			return "", p.fail("a number needs a digit in its exponent")
		}
		if n, err := strconv.Atoi(p.text[from:p.pos]); err != nil || n > MaxExponent {
			p.pos = from
			return "", p.fail("an exponent beyond " + strconv.Itoa(MaxExponent) + " is out of range")
		}
	}
	if p.pos-start > MaxNumberBytes {
		p.pos = start
		return "", p.fail("a number of more than " + strconv.Itoa(MaxNumberBytes) + " characters")
	}
	return p.text[start:p.pos], nil
}

// str reads a string. Without escapes it shares the text.
func (p *jsonParser) str() (string, error) {
	open := p.pos
	p.pos++
	start := p.pos
	var out []byte // set once there was an escape
	escaped := false
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"':
			s := p.text[start:p.pos]
			p.pos++
			if escaped {
				s = string(append(out, s...))
			}
			return s, nil
		case c == '\\':
			out = append(out, p.text[start:p.pos]...)
			escaped = true
			r, n := unescape(p.text[p.pos:])
			if n == 0 {
				return "", p.fail(`not an escape of JSON, or half of a surrogate pair; write a backslash as \\`)
			}
			out = utf8.AppendRune(out, r)
			p.pos += n
			start = p.pos
		case c < ' ':
			return "", p.fail(`a control character inside a string; write it as an escape such as \n`)
		default:
			p.pos++
		}
	}
	p.pos = open
	return "", p.fail("the string that starts here is not closed")
}

var plainEscapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape decodes the escape at the start of s and returns its length, 0 if it
// is none. A surrogate pair is one escape.
func unescape(s string) (rune, int) {
	if len(s) < 2 {
		return 0, 0
	}
	if s[1] != 'u' {
		if r, ok := plainEscapes[s[1]]; ok {
			return r, 2
		}
		return 0, 0
	}
	r, ok := hex4(s[2:])
	switch {
	case !ok:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 6
	case len(s) < 12 || s[6] != '\\' || s[7] != 'u':
		return 0, 0
	}
	low, ok := hex4(s[8:])
	if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
		return pair, 12
	}
	return 0, 0
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:4], 16, 32)
	return rune(n), err == nil && s[0] != '+' && s[0] != '-'
}
