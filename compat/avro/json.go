package avro

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// tokenKind is what a token of the tape stands for.
type tokenKind uint8

const (
	tokObject tokenKind = iota
	tokArray
	tokString
	tokInteger // a number without fraction and exponent
	tokFloat
	tokTrue
	tokFalse
	tokNull
)

// token is one JSON value. The members of an object follow it as key and value
// by turns, the elements of an array follow it as they are.
type token struct {
	start, end uint32 // bytes of the value; of a string without its quotes
	next       uint32 // index of the token after this value and all it holds
	kind       tokenKind
	escaped    bool // string with escapes in it
}

// tape is a text in tokens.
type tape struct {
	text string
	toks []token
}

// jsonError is a place where a text stops being JSON.
type jsonError struct {
	offset int
	reason string
}

// scanner turns a text into a tape, without recursion.
type scanner struct {
	text string
	toks []token
	open []uint32 // containers around the current place
	pos  int
}

// scan reads text, one JSON value with nothing but white space and comments
// around it, into tokens appended to buf[:0].
func scan(text string, buf []token) (tape, *jsonError) {
	s := scanner{text: text, toks: buf[:0]}
	if err := s.value(); err != nil {
		return tape{}, err
	}
	if err := s.space(); err != nil {
		return tape{}, err
	}
	if s.pos < len(text) {
		return tape{}, s.fail("the schema ended before this; remove what follows it")
	}
	return tape{text: text, toks: s.toks}, nil
}

func (s *scanner) fail(reason string) *jsonError { return &jsonError{offset: s.pos, reason: reason} }

// value reads one value with everything in it.
func (s *scanner) value() *jsonError {
	for {
		if err := s.space(); err != nil {
			return err
		}
		if s.pos >= len(s.text) {
			return s.fail("the text ends where a value is expected")
		}
		if len(s.toks) >= maxTokens {
			return s.fail("more than " + strconv.Itoa(maxTokens) + " JSON values; split the schema")
		}
		opened := false
		switch c := s.text[s.pos]; c {
		case '{', '[':
			if err := s.enter(c); err != nil {
				return err
			}
			opened = true
		case '"':
			if err := s.str(); err != nil {
				return err
			}
		case 't':
			if err := s.word("true", tokTrue); err != nil {
				return err
			}
		case 'f':
			if err := s.word("false", tokFalse); err != nil {
				return err
			}
		case 'n':
			if err := s.word("null", tokNull); err != nil {
				return err
			}
		default:
			if c != '-' && (c < '0' || c > '9') {
				return s.fail("a JSON value cannot start with " + strconv.QuoteRune(s.rune()) + `; names are quoted, as in "string"`)
			}
			if err := s.number(); err != nil {
				return err
			}
		}
		more, err := s.after(opened)
		if err != nil || !more {
			return err
		}
	}
}

func (s *scanner) enter(c byte) *jsonError {
	if len(s.open) >= MaxDepth {
		return s.fail("nested deeper than " + strconv.Itoa(MaxDepth) + " levels; give inner types a name and refer to it")
	}
	kind := tokArray
	if c == '{' {
		kind = tokObject
	}
	s.open = append(s.open, uint32(len(s.toks)))
	s.toks = append(s.toks, token{start: uint32(s.pos), kind: kind})
	s.pos++
	return nil
}

// after goes on behind a value or an opened container, to the place of the
// next value. It reports false when the outermost value is complete.
func (s *scanner) after(opened bool) (bool, *jsonError) {
	for len(s.open) > 0 {
		if err := s.space(); err != nil {
			return false, err
		}
		if s.pos >= len(s.text) {
			return false, s.fail("the text ends inside an object or array; is a closing bracket missing?")
		}
		top := &s.toks[s.open[len(s.open)-1]]
		closing := byte(']')
		if top.kind == tokObject {
			closing = '}'
		}
		switch c := s.text[s.pos]; {
		case c == closing:
			s.pos++
			top.end, top.next = uint32(s.pos), uint32(len(s.toks))
			s.open = s.open[:len(s.open)-1]
			opened = false
			continue
		case opened:
		case c == ',':
			s.pos++
		default:
			return false, s.fail("expected ',' or '" + string(rune(closing)) + "' after a value")
		}
		if top.kind == tokObject {
			return true, s.key()
		}
		return true, nil
	}
	return false, nil
}

func (s *scanner) key() *jsonError {
	if err := s.space(); err != nil {
		return err
	}
	if s.pos >= len(s.text) || s.text[s.pos] != '"' {
		return s.fail("expected an attribute name in double quotes")
	}
	if err := s.str(); err != nil {
		return err
	}
	if err := s.space(); err != nil {
		return err
	}
	if s.pos >= len(s.text) || s.text[s.pos] != ':' {
		return s.fail("expected ':' after an attribute name")
	}
	s.pos++
	return nil
}

// space skips white space and, as the reference implementation does, comments
// of both kinds.
func (s *scanner) space() *jsonError {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\n', '\t', '\r':
			s.pos++
		case '/':
			if err := s.comment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (s *scanner) comment() *jsonError {
	rest := s.text[s.pos:]
	if len(rest) >= 2 && rest[1] == '/' {
		for s.pos < len(s.text) && s.text[s.pos] != '\n' {
			s.pos++
		}
		return nil
	}
	if len(rest) >= 2 && rest[1] == '*' {
		for i := 2; i+1 < len(rest); i++ {
			if rest[i] == '*' && rest[i+1] == '/' {
				s.pos += i + 2
				return nil
			}
		}
		return s.fail("the comment that starts here is not closed")
	}
	return s.fail("'/' starts a comment only as // or /*")
}

func (s *scanner) word(w string, kind tokenKind) *jsonError {
	if len(s.text)-s.pos < len(w) || s.text[s.pos:s.pos+len(w)] != w {
		return s.fail("not a JSON value; names are quoted, as in \"string\"")
	}
	s.leaf(kind, s.pos, s.pos+len(w))
	s.pos += len(w)
	return nil
}

func (s *scanner) leaf(kind tokenKind, start, end int) {
	s.toks = append(s.toks, token{start: uint32(start), end: uint32(end), next: uint32(len(s.toks) + 1), kind: kind})
}

func (s *scanner) number() *jsonError {
	i, text, kind := s.pos, s.text, tokInteger
	if text[i] == '-' {
		i++
	}
	digits := func() bool {
		from := i
		for i < len(text) && '0' <= text[i] && text[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if !digits() {
		return s.fail("a number needs a digit after '-'")
	}
	if i < len(text) && text[i] == '.' {
		kind = tokFloat
		i++
		if !digits() {
			return s.fail("a number needs a digit after its decimal point")
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		kind = tokFloat
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if !digits() {
			return s.fail("a number needs a digit in its exponent")
		}
	}
	if i-s.pos > maxNumberBytes {
		return s.fail("a number of more than " + strconv.Itoa(maxNumberBytes) + " characters")
	}
	s.leaf(kind, s.pos, i)
	s.pos = i
	return nil
}

// plainByte marks the bytes that stand for themselves inside a string.
var plainByte = func() (plain [256]bool) {
	for c := range plain {
		plain[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return plain
}()

func (s *scanner) str() *jsonError {
	text, start, escaped := s.text, s.pos+1, false
	for i := start; i < len(text); i++ {
		c := text[i]
		if plainByte[c] {
			continue
		}
		switch c {
		case '"':
			s.toks = append(s.toks, token{start: uint32(start), end: uint32(i), next: uint32(len(s.toks) + 1), kind: tokString, escaped: escaped})
			s.pos = i + 1
			return nil
		case '\\':
			n := escapeLen(text[i:])
			if n == 0 {
				s.pos = i
				return s.fail(`not an escape of JSON; write a backslash as \\`)
			}
			escaped = true
			i += n - 1
		default:
			s.pos = i
			return s.fail(`a control character inside a string; write it as an escape such as \n`)
		}
	}
	return s.fail("the string that starts here is not closed")
}

// escapeLen returns the length of the escape at the start of s, 0 if it is
// none. A surrogate pair is one escape; half of one is none.
func escapeLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r, ok := hex4(s[2:])
		switch {
		case !ok:
			return 0
		case !utf16.IsSurrogate(r):
			return 6
		case len(s) < 12 || s[6] != '\\' || s[7] != 'u':
			return 0
		}
		if low, ok := hex4(s[8:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			return 12
		}
	}
	return 0
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func (s *scanner) rune() rune {
	r, _ := utf8.DecodeRuneInString(s.text[s.pos:])
	return r
}

// str returns the text of a string token. Without escapes it shares the
// tape's text.
func (t *tape) str(i uint32) string {
	tok := &t.toks[i]
	raw := t.text[tok.start:tok.end]
	if !tok.escaped {
		return raw
	}
	return unescape(raw)
}

// unescape decodes the escapes of a string that the scanner has accepted.
func unescape(raw string) string {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		n := escapeLen(raw[i:])
		switch n {
		case 2:
			out = append(out, plainEscape(raw[i+1]))
		case 6:
			r, _ := hex4(raw[i+2:])
			out = utf8.AppendRune(out, r)
		case 12:
			high, _ := hex4(raw[i+2:])
			low, _ := hex4(raw[i+8:])
			out = utf8.AppendRune(out, utf16.DecodeRune(high, low))
		}
		i += n
	}
	return string(out)
}

func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// count returns how many elements an array has, or how many keys and values
// together an object.
func (t *tape) count(container uint32) int {
	n := 0
	for i := container + 1; i < t.toks[container].next; i = t.toks[i].next {
		n++
	}
	return n
}
