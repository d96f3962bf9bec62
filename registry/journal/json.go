package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

const hexDigits = "0123456789ABCDEF"

// AppendQuoted appends s as a JSON string the way the reference server writes
// it: quotation mark, backslash and control characters are escaped, everything
// else, non-ASCII included, stands as it is. Invalid UTF-8 becomes U+FFFD.
func AppendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// Unquote returns the text of a JSON string written by AppendQuoted.
func Unquote(quoted string) string {
	d := cursor{b: quoted}
	return d.str()
}

// maxDepth bounds the nesting of a record: the deepest one that anybody writes
// (a rule's parameters inside a config) has five levels.
const maxDepth = 64

var errSyntax = errors.New("not valid JSON")

// cursor reads JSON front to back. The first error sticks; every later read
// returns zero values, so callers check err once.
type cursor struct {
	b     string
	i     int
	depth int
	err   error
}

func (d *cursor) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w at byte %d: %s", errSyntax, d.i, what)
	}
}

func (d *cursor) space() {
	for d.i < len(d.b) {
		switch d.b[d.i] {
		case ' ', '\n', '\r', '\t':
			d.i++
		default:
			return
		}
	}
}

// next skips blanks and returns the byte that follows without consuming it,
// 0 at the end or after an error.
func (d *cursor) next() byte {
	if d.err != nil {
		return 0
	}
	d.space()
	if d.i >= len(d.b) {
		return 0
	}
	return d.b[d.i]
}

func (d *cursor) take(c byte) bool {
	if d.next() == c {
		d.i++
		return true
	}
	return false
}

// null consumes a null if one follows.
func (d *cursor) null() bool {
	if d.next() == 'n' {
		if len(d.b)-d.i >= 4 && d.b[d.i:d.i+4] == "null" {
			d.i += 4
			return true
		}
		d.fail("unknown word")
	}
	return false
}

// object calls member with each name; member must consume the value. A null
// has no members.
func (d *cursor) object(member func(name string)) {
	if d.null() {
		return
	}
	if !d.take('{') {
		d.fail("want an object")
		return
	}
	if d.depth++; d.depth > maxDepth {
		d.fail("nested too deeply")
		return
	}
	defer func() { d.depth-- }()
	if d.take('}') {
		return
	}
	for d.err == nil {
		name := d.str()
		if !d.take(':') {
			d.fail("want a colon")
			return
		}
		member(name)
		if d.take(',') {
			continue
		}
		if !d.take('}') {
			d.fail("want a comma or the end of the object")
		}
		return
	}
}

// array calls item before each item, which it must consume. A null has none.
func (d *cursor) array(item func()) {
	if d.null() {
		return
	}
	if !d.take('[') {
		d.fail("want an array")
		return
	}
	if d.depth++; d.depth > maxDepth {
		d.fail("nested too deeply")
		return
	}
	defer func() { d.depth-- }()
	if d.take(']') {
		return
	}
	for d.err == nil {
		item()
		if d.take(',') {
			continue
		}
		if !d.take(']') {
			d.fail("want a comma or the end of the array")
		}
		return
	}
}

// str reads a string; null reads as the empty one.
func (d *cursor) str() string {
	if d.null() {
		return ""
	}
	if !d.take('"') {
		d.fail("want a string")
		return ""
	}
	start := d.i
	for d.i < len(d.b) {
		switch c := d.b[d.i]; {
		case c == '"':
			s := d.b[start:d.i]
			d.i++
			return s
		case c == '\\':
			return d.escaped(start)
		case c < 0x20:
			d.fail("control character in a string")
			return ""
		}
		d.i++
	}
	d.fail("string without an end")
	return ""
}

func (d *cursor) escaped(start int) string {
	// The text is no longer than its spelling.
	out := make([]byte, 0, min(closing(d.b[d.i:])+d.i-start, 1<<20))
	out = append(out, d.b[start:d.i]...)
	for d.i < len(d.b) {
		run := d.i
		for d.i < len(d.b) && d.b[d.i] != '"' && d.b[d.i] != '\\' && d.b[d.i] >= 0x20 {
			d.i++
		}
		out = append(out, d.b[run:d.i]...)
		if d.i >= len(d.b) {
			break
		}
		switch d.b[d.i] {
		case '"':
			d.i++
			return unsafe.String(unsafe.SliceData(out), len(out)) // out is not used again
		case '\\':
			d.i++
			out = d.escape(out)
			if d.err != nil {
				return ""
			}
		default:
			d.fail("control character in a string")
			return ""
		}
	}
	d.fail("string without an end")
	return ""
}

// closing returns the position of the quotation mark that ends a string, the
// length of b if there is none.
func closing(b string) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return len(b)
}

// spelled reads a string and returns it with its spelling, which is that of
// AppendQuoted. The text lies in scratch, which is returned, or in the spelling
// of somebody else.
func (d *cursor) spelled(scratch []byte) (text, quoted string, grown []byte) {
	if d.next() == '"' {
		scratch = slices.Grow(scratch[:0], len(d.b)-d.i+8)
		if n, end, ascii := unescape(scratch[:cap(scratch)], d.b, d.i+1); end > 0 {
			text, quoted = unsafe.String(unsafe.SliceData(scratch), n), d.b[d.i:end]
			if !ascii && !utf8.ValidString(text) {
				quoted = string(AppendQuoted(nil, text))
			}
			d.i = end
			return text, quoted, scratch
		}
	}
	text = d.str()
	return text, string(AppendQuoted(nil, text)), scratch
}

// unescape writes the text of a string that begins behind its quotation mark at
// b[i] to dst, which has room for all of b[i:] and 8 bytes. It returns the text's
// length and the position behind the string, 0 if the string is not spelled as
// AppendQuoted does or is none. ascii may be false of a text that is.
//
// It looks at eight bytes at once: there is an escape every few bytes, so what
// counts is the time from one to the next.
func unescape(dst []byte, b string, i int) (n, end int, ascii bool) {
	src := unsafe.Slice(unsafe.StringData(b), len(b))
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	high := uint64(0)
	for i < len(src) {
		if i+8 <= len(src) {
			w := binary.LittleEndian.Uint64(src[i:])
			binary.LittleEndian.PutUint64(dst[n:], w)
			high |= w
			// The lowest bit that is set is that of the first byte which is a
			// quotation mark, a backslash or a control character.
			q, s := w^ones*'"', w^ones*'\\'
			m := ((q-ones)&^q | (s-ones)&^s | (w-ones*0x20)&^w) & tops
			if m == 0 {
				i, n = i+8, n+8
				continue
			}
			k := bits.TrailingZeros64(m) / 8
			i, n = i+k, n+k
		}
		c := src[i]
		switch {
		case c == '"':
			return n, i + 1, high&tops == 0
		case c == '\\':
			if i++; i == len(src) {
				return 0, 0, false
			}
			if c = shortEscapes[src[i]]; c == 0 {
				return 0, 0, false
			}
		case c < 0x20:
			return 0, 0, false
		}
		high |= uint64(c)
		dst[n] = c
		i, n = i+1, n+1
	}
	return 0, 0, false
}

// shortEscapes are those that AppendQuoted writes: what stands behind the
// backslash, and what it means.
var shortEscapes = [256]byte{'"': '"', '\\': '\\', 'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'f': '\f'}

func (d *cursor) escape(out []byte) []byte {
	if d.i >= len(d.b) {
		d.fail("string without an end")
		return out
	}
	c := d.b[d.i]
	d.i++
	switch c {
	case '"', '\\', '/':
		return append(out, c)
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'u':
		r := d.hex4()
		if utf16.IsSurrogate(r) {
			if len(d.b)-d.i >= 6 && d.b[d.i] == '\\' && d.b[d.i+1] == 'u' {
				mark := d.i
				d.i += 2
				if both := utf16.DecodeRune(r, d.hex4()); both != utf8.RuneError {
					return utf8.AppendRune(out, both)
				}
				d.i = mark
			}
			r = utf8.RuneError
		}
		return utf8.AppendRune(out, r)
	}
	d.fail("unknown escape")
	return out
}

func (d *cursor) hex4() rune {
	if len(d.b)-d.i < 4 {
		d.fail("short \\u escape")
		return 0
	}
	n, err := strconv.ParseUint(d.b[d.i:d.i+4], 16, 16)
	if err != nil {
		d.fail("bad \\u escape")
		return 0
	}
	d.i += 4
	return rune(n)
}

// int reads an integer of at most bits bits; null reads as 0.
func (d *cursor) int(bits int) int64 {
	if d.null() {
		return 0
	}
	d.space()
	start := d.i
	for d.i < len(d.b) && (d.b[d.i] >= '0' && d.b[d.i] <= '9' || d.b[d.i] == '-') {
		d.i++
	}
	if d.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(d.b[start:d.i], 10, bits)
	if err != nil {
		d.fail("want an integer")
		return 0
	}
	return n
}

// bool reads true or false; null reads as false.
func (d *cursor) bool() bool {
	switch d.next() {
	case 't':
		if len(d.b)-d.i >= 4 && d.b[d.i:d.i+4] == "true" {
			d.i += 4
			return true
		}
	case 'f':
		if len(d.b)-d.i >= 5 && d.b[d.i:d.i+5] == "false" {
			d.i += 5
			return false
		}
	case 'n':
		d.null()
		return false
	}
	d.fail("want true or false")
	return false
}

// skip reads over one value of any kind.
func (d *cursor) skip() {
	switch c := d.next(); {
	case c == '{':
		d.object(func(string) { d.skip() })
	case c == '[':
		d.array(d.skip)
	case c == '"':
		d.str()
	case c == 't' || c == 'f':
		d.bool()
	case c == 'n':
		d.null()
	case c == '-' || c >= '0' && c <= '9':
		for d.i < len(d.b) {
			switch c := d.b[d.i]; {
			case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
				d.i++
				continue
			}
			break
		}
	default:
		d.fail("want a value")
	}
}

// end demands that nothing but blanks follows.
func (d *cursor) end() error {
	if d.err == nil {
		if d.space(); d.i != len(d.b) {
			d.fail("something follows the value")
		}
	}
	return d.err
}

// writer appends an object's members, leaving out what is empty.
type writer struct {
	b     []byte
	first bool
}

func (w *writer) open() { w.b, w.first = append(w.b, '{'), true }

func (w *writer) close() { w.b, w.first = append(w.b, '}'), false }

func (w *writer) name(name string) {
	if !w.first {
		w.b = append(w.b, ',')
	}
	w.first = false
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) str(name, value string) {
	if value == "" {
		return
	}
	w.name(name)
	w.b = AppendQuoted(w.b, value)
}

func (w *writer) int(name string, value int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, value, 10)
}

func (w *writer) bool(name string, value bool) {
	w.name(name)
	w.b = strconv.AppendBool(w.b, value)
}

func (w *writer) optional(name string, value *bool) {
	if value != nil {
		w.bool(name, *value)
	}
}
