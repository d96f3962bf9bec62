package avro

import (
	"strconv"
	"unicode/utf8"
)

// A JSON text is read in two passes: the first checks the syntax and notes
// where each value begins and ends, the second follows the schema. Members may
// come in any order, and no value is looked at twice to be skipped.

// token is one value or key. next is the index of the token behind the value
// and everything in it.
type token struct {
	kind    byte // one of {["0tfn
	escaped bool // a string with a backslash
	start   int32
	end     int32
	next    int32
}

const (
	maxJSONDepth = 8192
	maxJSONBytes = 1<<31 - 16
)

type tape struct {
	text   []byte
	tokens []token
	pos    int
	fault  *DataError
}

func (t *tape) fail(pos int, expected string) bool {
	found := "the end of the text"
	if pos < len(t.text) {
		r, _ := utf8.DecodeRune(t.text[pos:])
		found = strconv.QuoteRune(r)
	}
	if t.fault == nil {
		t.fault = &DataError{Pos: pos, Expected: expected, Found: found}
	}
	return false
}

// read fills tokens with the one value of the text.
func (t *tape) read() bool {
	if len(t.text) > maxJSONBytes {
		t.fault = &DataError{Expected: "at most " + strconv.Itoa(maxJSONBytes) + " bytes of JSON", Found: strconv.Itoa(len(t.text))}
		return false
	}
	if bad := firstInvalid(t.text); bad >= 0 {
		t.fault = &DataError{Pos: bad, Expected: "UTF-8", Found: "byte 0x" + strconv.FormatUint(uint64(t.text[bad]), 16)}
		return false
	}
	if !t.value(0) {
		return false
	}
	t.space()
	if t.pos != len(t.text) {
		return t.fail(t.pos, "the end of the text")
	}
	return true
}

func (t *tape) space() {
	for t.pos < len(t.text) {
		switch t.text[t.pos] {
		case ' ', '\t', '\r', '\n':
			t.pos++
		default:
			return
		}
	}
}

func (t *tape) value(depth int) bool {
	t.space()
	if t.pos >= len(t.text) {
		return t.fail(t.pos, "a JSON value")
	}
	if depth > maxJSONDepth {
		return t.fail(t.pos, "at most "+strconv.Itoa(maxJSONDepth)+" levels of JSON")
	}
	at := len(t.tokens)
	start := t.pos
	switch c := t.text[t.pos]; {
	case c == '{':
		t.tokens = append(t.tokens, token{kind: '{', start: int32(start)})
		if !t.object(depth) {
			return false
		}
	case c == '[':
		t.tokens = append(t.tokens, token{kind: '[', start: int32(start)})
		if !t.array(depth) {
			return false
		}
	case c == '"':
		return t.str()
	case c == 't':
		return t.word("true")
	case c == 'f':
		return t.word("false")
	case c == 'n':
		return t.word("null")
	case c == '-' || c >= '0' && c <= '9':
		return t.number()
	default:
		return t.fail(t.pos, "a JSON value")
	}
	t.tokens[at].end = int32(t.pos)
	t.tokens[at].next = int32(len(t.tokens))
	return true
}

func (t *tape) push(kind byte, start int, escaped bool) bool {
	t.tokens = append(t.tokens, token{kind: kind, escaped: escaped, start: int32(start), end: int32(t.pos), next: int32(len(t.tokens) + 1)})
	return true
}

func (t *tape) object(depth int) bool {
	t.pos++
	for first := true; ; first = false {
		t.space()
		if first && t.pos < len(t.text) && t.text[t.pos] == '}' {
			t.pos++
			return true
		}
		if t.pos >= len(t.text) || t.text[t.pos] != '"' {
			return t.fail(t.pos, "a member name")
		}
		if !t.str() {
			return false
		}
		t.space()
		if t.pos >= len(t.text) || t.text[t.pos] != ':' {
			return t.fail(t.pos, "a colon")
		}
		t.pos++
		if !t.value(depth + 1) {
			return false
		}
		t.space()
		if t.pos < len(t.text) && t.text[t.pos] == ',' {
			t.pos++
			continue
		}
		if t.pos < len(t.text) && t.text[t.pos] == '}' {
			t.pos++
			return true
		}
		return t.fail(t.pos, "a comma or the end of the object")
	}
}

func (t *tape) array(depth int) bool {
	t.pos++
	for first := true; ; first = false {
		t.space()
		if first && t.pos < len(t.text) && t.text[t.pos] == ']' {
			t.pos++
			return true
		}
		if !t.value(depth + 1) {
			return false
		}
		t.space()
		if t.pos < len(t.text) && t.text[t.pos] == ',' {
			t.pos++
			continue
		}
		if t.pos < len(t.text) && t.text[t.pos] == ']' {
			t.pos++
			return true
		}
		return t.fail(t.pos, "a comma or the end of the array")
	}
}

func (t *tape) word(w string) bool {
	start := t.pos
	if len(t.text)-start < len(w) || string(t.text[start:start+len(w)]) != w {
		return t.fail(start, "a JSON value")
	}
	t.pos += len(w)
	return t.push(w[0], start, false)
}

func (t *tape) digits() bool {
	start := t.pos
	for t.pos < len(t.text) && t.text[t.pos] >= '0' && t.text[t.pos] <= '9' {
		t.pos++
	}
	if t.pos == start {
		return t.fail(t.pos, "a digit")
	}
	return true
}

func (t *tape) number() bool {
	start := t.pos
	if t.text[t.pos] == '-' {
		t.pos++
	}
	first := t.pos
	if !t.digits() {
		return false
	}
	if t.text[first] == '0' && t.pos > first+1 {
		return t.fail(first+1, "no digit after a leading zero")
	}
	if t.pos < len(t.text) && t.text[t.pos] == '.' {
		t.pos++
		if !t.digits() {
			return false
		}
	}
	if t.pos < len(t.text) && (t.text[t.pos] == 'e' || t.text[t.pos] == 'E') {
		t.pos++
		if t.pos < len(t.text) && (t.text[t.pos] == '+' || t.text[t.pos] == '-') {
			t.pos++
		}
		if !t.digits() {
			return false
		}
	}
	return t.push('0', start, false)
}

// str reads a string; its token spans the quotes.
func (t *tape) str() bool {
	start := t.pos
	t.pos++
	escaped := false
	for t.pos < len(t.text) {
		switch c := t.text[t.pos]; {
		case c == '"':
			t.pos++
			return t.push('"', start, escaped)
		case c < 0x20:
			return t.fail(t.pos, "no control character in a string")
		case c == '\\':
			escaped = true
			if t.pos+1 >= len(t.text) {
				return t.fail(len(t.text), "an escape")
			}
			switch t.text[t.pos+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				t.pos += 2
			case 'u':
				r, ok := hex4(t.text, t.pos+2)
				if !ok {
					return t.fail(t.pos, `four hexadecimal digits after \u`)
				}
				t.pos += 6
				if r >= 0xD800 && r < 0xE000 {
					low, ok := rune(0), false
					if t.pos+6 <= len(t.text) && t.text[t.pos] == '\\' && t.text[t.pos+1] == 'u' {
						low, ok = hex4(t.text, t.pos+2)
					}
					if r >= 0xDC00 || !ok || low < 0xDC00 || low > 0xDFFF {
						return t.fail(t.pos-6, "a pair of surrogates")
					}
					t.pos += 6
				}
			default:
				return t.fail(t.pos+1, "an escape")
			}
		default:
			t.pos++
		}
	}
	return t.fail(len(t.text), "the end of the string")
}

func hex4(text []byte, at int) (rune, bool) {
	if at+4 > len(text) {
		return 0, false
	}
	var r rune
	for _, c := range text[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// string returns the content of a string token, in scratch if it has escapes.
func (t *tape) string(tok *token, scratch []byte) []byte {
	raw := t.text[tok.start+1 : tok.end-1]
	if !tok.escaped {
		return raw
	}
	out := scratch[:0]
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			out = append(out, c)
			i++
			continue
		}
		switch e := raw[i+1]; e {
		case 'u':
			r, _ := hex4(raw, i+2)
			i += 6
			if r >= 0xD800 && r < 0xDC00 {
				low, _ := hex4(raw, i+2)
				r = (r-0xD800)<<10 + (low - 0xDC00) + 0x10000
				i += 6
			}
			out = utf8.AppendRune(out, r)
			continue
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		default:
			out = append(out, e)
		}
		i += 2
	}
	return out
}
