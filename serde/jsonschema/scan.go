package jsonschema

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// What is found at a place of the payload. All positions are bytes from its
// start; a scanning function returns the position behind what it read, or -1
// after it has noted a fault.

// space returns the position of the next byte that is no white space.
func (w *walker) space(i int) int {
	d := w.data
	for i < len(d) && d[i] <= ' ' && (d[i] == ' ' || d[i] == '\n' || d[i] == '\t' || d[i] == '\r') {
		i++
	}
	return i
}

// text says what a string has in it.
type text struct {
	escaped bool
	wide    bool // characters of more than one byte
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// str reads the string whose opening quote is at i.
func (w *walker) str(i int) (end int, t text) {
	d := w.data
	i++
	for {
		// Eight bytes at a time, while they are plain: not a quote, a backslash,
		// a control character or part of a wide character.
		for i+8 <= len(d) {
			x := binary.LittleEndian.Uint64(d[i:])
			quote := x ^ everyByte*'"'
			slash := x ^ everyByte*'\\'
			special := ((quote - everyByte) &^ quote) | ((slash - everyByte) &^ slash) | ((x - everyByte*' ') &^ x) | x
			if special &= highBits; special != 0 {
				i += bits.TrailingZeros64(special) / 8
				break
			}
			i += 8
		}
		if i >= len(d) {
			return w.syntax(i, "the string is not closed"), t
		}
		switch c := d[i]; {
		case c == '"':
			return i + 1, t
		case c == '\\':
			n := escapeLen(d[i:])
			if n == 0 {
				return w.syntax(i, "no escape of JSON"), t
			}
			t.escaped = true
			i += n
		case c < ' ':
			return w.syntax(i, "a control character in a string"), t
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(d[i:])
			if r == utf8.RuneError && n == 1 {
				return w.syntax(i, "not UTF-8"), t
			}
			t.wide = true
			i += n
		default:
			i++
		}
	}
}

// escapeLen returns the length of the escape at the start of d, 0 if it is
// none. A surrogate pair is one escape.
func escapeLen(d []byte) int {
	if len(d) < 2 {
		return 0
	}
	switch d[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		_, n := unicodeEscape(d)
		return n
	}
	return 0
}

// unicodeEscape decodes \uXXXX, or two of them that are a surrogate pair. Half a
// pair stands for the replacement character.
func unicodeEscape(d []byte) (rune, int) {
	r, ok := hex4(d)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := hex4(d[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(d []byte) (rune, bool) {
	if len(d) < 6 || d[0] != '\\' || d[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range d[2:6] {
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

// appendUnescaped appends what a string stands for.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'u':
			r, n := unicodeEscape(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		default:
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}

// number reads the number at i.
func (w *walker) number(i int) (end int) {
	d := w.data
	if d[i] == '-' {
		i++
	}
	switch {
	case i < len(d) && d[i] == '0':
		i++
	case i < len(d) && '1' <= d[i] && d[i] <= '9':
		i = digits(d, i)
	default:
		return w.syntax(i, "a number without digits")
	}
	if i < len(d) && d[i] == '.' {
		from := i + 1
		if i = digits(d, from); i == from {
			return w.syntax(i, "a number without digits after its point")
		}
	}
	if i < len(d) && (d[i] == 'e' || d[i] == 'E') {
		i++
		if i < len(d) && (d[i] == '+' || d[i] == '-') {
			i++
		}
		from := i
		if i = digits(d, from); i == from {
			return w.syntax(i, "a number without digits in its exponent")
		}
	}
	return i
}

func digits(d []byte, i int) int {
	for i < len(d) && '0' <= d[i] && d[i] <= '9' {
		i++
	}
	return i
}

// word reads a literal.
func (w *walker) word(i int, want string) int {
	if len(w.data)-i < len(want) || string(w.data[i:i+len(want)]) != want {
		return w.syntax(i, "no JSON value")
	}
	return i + len(want)
}

// skip reads one value, whatever it is.
func (w *walker) skip(i int) int {
	if i >= len(w.data) {
		return w.syntax(i, "the payload ends where a value is expected")
	}
	switch c := w.data[i]; c {
	case '{':
		return w.skipObject(i)
	case '[':
		return w.skipArray(i)
	case '"':
		end, _ := w.str(i)
		return end
	case 't':
		return w.word(i, "true")
	case 'f':
		return w.word(i, "false")
	case 'n':
		return w.word(i, "null")
	default:
		if c == '-' || '0' <= c && c <= '9' {
			return w.number(i)
		}
		return w.syntax(i, "no JSON value")
	}
}

func (w *walker) skipObject(i int) int {
	start := i
	if !w.enter(i) {
		return -1
	}
	i, done := w.opened(i, '}')
	for !done {
		_, _, colon := w.key(i)
		if colon < 0 {
			return -1
		}
		if i = w.skip(colon); i < 0 {
			return -1
		}
		if i, done = w.next(i, '}'); i < 0 {
			return -1
		}
	}
	w.depth--
	w.steps += (i - start) >> 4
	return i
}

func (w *walker) skipArray(i int) int {
	start := i
	if !w.enter(i) {
		return -1
	}
	i, done := w.opened(i, ']')
	for !done {
		if i = w.skip(i); i < 0 {
			return -1
		}
		if i, done = w.next(i, ']'); i < 0 {
			return -1
		}
	}
	w.depth--
	w.steps += (i - start) >> 4
	return i
}

// enter goes into the object or array at i.
func (w *walker) enter(i int) bool {
	if w.depth++; w.depth > MaxDepth {
		w.syntax(i, "nested too deeply")
		return false
	}
	return true
}

// opened goes behind an opening bracket. It reports true if the closing one
// follows, which it then passes.
func (w *walker) opened(i int, closing byte) (int, bool) {
	i = w.space(i + 1)
	if i < len(w.data) && w.data[i] == closing {
		return i + 1, true
	}
	return i, false
}

// next goes behind an element, to the next one or, reporting true, behind the
// closing bracket.
func (w *walker) next(i int, closing byte) (int, bool) {
	i = w.space(i)
	if i >= len(w.data) {
		return w.syntax(i, "the payload ends inside an object or array"), false
	}
	switch w.data[i] {
	case ',':
		return w.space(i + 1), false
	case closing:
		return i + 1, true
	}
	return w.syntax(i, "no comma and no closing bracket"), false
}

// key reads a member's name and colon: the end of the name, and where the value
// starts.
func (w *walker) key(i int) (end int, t text, value int) {
	if i >= len(w.data) || w.data[i] != '"' {
		return -1, t, w.syntax(i, "no member name")
	}
	end, t = w.str(i)
	if end < 0 {
		return -1, t, -1
	}
	i = end
	if i >= len(w.data) || w.data[i] != ':' {
		if i = w.space(i); i >= len(w.data) || w.data[i] != ':' {
			return -1, t, w.syntax(i, "no colon after a member name")
		}
	}
	return end, t, w.space(i + 1)
}
