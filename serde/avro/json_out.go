package avro

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// AppendJSON appends to dst the JSON text of a payload and returns it. Unions
// are in the encoding of the specification, {"branch": value}, or bare with
// WithBareUnions; bytes are strings of the code points 0 to 255; a float that
// is no number is "NaN", "Infinity" or "-Infinity". The payload must be
// consumed to its end. It does not allocate when dst is large enough. After an
// error, a *DataError, dst is returned as it was.
func AppendJSON(dst []byte, s *Schema, data []byte, opts ...Option) ([]byte, error) {
	set := apply(opts)
	p := standard.plan(s.Root(), s.Root())
	if p.err != nil {
		return dst, p.err
	}
	return appendJSON(dst, p.plan, data, set.bare)
}

func appendJSON(dst []byte, p *plan, data []byte, bare bool) ([]byte, error) {
	j := jsonWriter{cursor: cursor{buf: data}, bare: bare}
	out, pos := j.value(dst, p, 0)
	if pos >= 0 && pos != len(data) {
		pos = j.fail(pos, "the end of the data", bytesLeft(len(data)-pos))
	}
	if pos < 0 {
		return dst, j.fault()
	}
	return out, nil
}

type jsonWriter struct {
	cursor
	bare bool
}

func (j *jsonWriter) value(dst []byte, p *plan, pos int) ([]byte, int) {
	switch p.kind {
	case pNull:
		return append(dst, "null"...), pos
	case pBoolean:
		b, next := j.boolean(pos)
		return strconv.AppendBool(dst, b), next
	case pInt, pLong:
		v, next := j.integer(pos, p.kind)
		if next < 0 {
			return dst, next
		}
		if p.w.Logical == avro.TimeMicros {
			if next = j.checkDuration(p.w, v, pos, next); next < 0 {
				return dst, next
			}
		}
		switch p.r.Kind {
		case avro.Float:
			return appendJSONFloat(dst, float64(float32(v)), 32), next
		case avro.Double:
			return appendJSONFloat(dst, float64(v), 64), next
		}
		return strconv.AppendInt(dst, v, 10), next
	case pFloat:
		next := j.fixed(pos, 4, "float")
		if next < 0 {
			return dst, next
		}
		f := readFloat(j.buf, pos)
		if p.r.Kind == avro.Double {
			return appendJSONFloat(dst, float64(f), 64), next
		}
		return appendJSONFloat(dst, float64(f), 32), next
	case pDouble:
		next := j.fixed(pos, 8, "double")
		if next < 0 {
			return dst, next
		}
		return appendJSONFloat(dst, readDouble(j.buf, pos), 64), next
	case pBytes, pString:
		return j.text(dst, p, pos)
	case pFixed:
		next := j.fixed(pos, p.w.Size, p.label)
		if next < 0 {
			return dst, next
		}
		return appendLatin1(dst, j.buf[pos:next]), next
	case pEnum:
		k, next := j.symbol(pos, p.w)
		if next >= 0 {
			k, next = j.resolved2(pos, k, p, next)
		}
		if next < 0 {
			return dst, next
		}
		return append(dst, p.quoted[k]...), next
	case pUnion:
		index, next := j.unionIndex(pos, len(p.branches))
		if next < 0 {
			return dst, next
		}
		return j.value(dst, p.branches[index], next)
	case pBranch:
		if j.bare || p.item.r.Kind == avro.Null {
			return j.value(dst, p.item, pos)
		}
		dst, pos = j.value(append(dst, p.quoted[0]...), p.item, pos)
		return append(dst, '}'), pos
	case pRefuse:
		return dst, j.fail(pos, "a value that the reader has a place for", p.reason)
	case pArray:
		return j.array(dst, p, pos)
	case pMap:
		return j.mapping(dst, p, pos)
	}
	return j.record(dst, p, pos)
}

// resolved2 is resolved with the position behind the symbol.
func (c *cursor) resolved2(pos, index int, p *plan, next int) (int, int) {
	k, ok := c.resolved(pos, index, p)
	if ok < 0 {
		return 0, ok
	}
	return k, next
}

func (j *jsonWriter) text(dst []byte, p *plan, pos int) ([]byte, int) {
	what := "string"
	if p.kind == pBytes {
		what = "bytes"
	}
	begin, end := j.length(pos, what)
	if begin < 0 {
		return dst, begin
	}
	b := j.buf[begin:end]
	if p.w.Logical == avro.BigDecimal {
		if _, _, ok := splitBigDecimal(b); !ok {
			return dst, j.fail(begin, "a big-decimal: unscaled bytes and a scale", "other bytes")
		}
	}
	if p.r.Kind == avro.Bytes {
		return appendLatin1(dst, b), end
	}
	if plainASCII(b) {
		dst = append(dst, '"')
		dst = append(dst, b...)
		return append(dst, '"'), end
	}
	if !validText(j.buf, begin, len(b)) {
		bad := firstInvalid(b)
		return dst, j.fail(begin+bad, "UTF-8", fmt.Sprintf("byte 0x%02X", b[bad]))
	}
	return appendQuotedBytes(dst, b), end
}

func (j *jsonWriter) array(dst []byte, p *plan, pos int) ([]byte, int) {
	dst = append(dst, '[')
	seen := 0
	for {
		count, next, end := j.block(pos, p.item.minBytes, p.item.zeros)
		if next < 0 {
			return dst, next
		}
		pos = next
		if count == 0 {
			return append(dst, ']'), pos
		}
		for range count {
			if seen > 0 {
				dst = append(dst, ',')
			}
			if dst, pos = j.value(dst, p.item, pos); pos < 0 {
				j.trail.index(seen)
				return dst, pos
			}
			seen++
		}
		if pos = j.blockEnd(pos, end); pos < 0 {
			return dst, pos
		}
	}
}

func (j *jsonWriter) mapping(dst []byte, p *plan, pos int) ([]byte, int) {
	dst = append(dst, '{')
	seen := 0
	for {
		count, next, end := j.block(pos, p.item.minBytes+1, p.item.zeros)
		if next < 0 {
			return dst, next
		}
		pos = next
		if count == 0 {
			return append(dst, '}'), pos
		}
		for range count {
			if seen > 0 {
				dst = append(dst, ',')
			}
			seen++
			begin, stop := j.length(pos, "map key")
			if begin < 0 {
				return dst, begin
			}
			key := j.buf[begin:stop]
			if !validText(j.buf, begin, len(key)) {
				bad := firstInvalid(key)
				return dst, j.fail(begin+bad, "UTF-8 in a map key", fmt.Sprintf("byte 0x%02X", key[bad]))
			}
			dst = append(appendQuotedBytes(dst, key), ':')
			if dst, pos = j.value(dst, p.item, stop); pos < 0 {
				j.trail.key(string(key))
				return dst, pos
			}
		}
		if pos = j.blockEnd(pos, end); pos < 0 {
			return dst, pos
		}
	}
}

func (j *jsonWriter) record(dst []byte, p *plan, pos int) ([]byte, int) {
	if p.recursive {
		if !j.enter(pos) {
			return dst, -1
		}
		defer func() { j.depth-- }()
	}
	mark := len(dst)
	comma := byte('{')
	began := pos
	for i := range p.steps {
		s := &p.steps[i]
		if s.again {
			pos = began
		}
		began = pos
		if s.to == nil {
			if pos = j.check(s.plan, pos, true); pos < 0 {
				j.trail.field(s.from.Name)
				return dst, pos
			}
			continue
		}
		dst = append(dst, comma)
		dst = append(dst, s.key...)
		comma = ','
		if dst, pos = j.value(dst, s.plan, pos); pos < 0 {
			j.trail.field(s.from.Name)
			return dst, pos
		}
	}
	for i := range p.defaults {
		m := &p.defaults[i]
		dst = append(dst, comma)
		dst = append(dst, m.key...)
		comma = ','
		inner := jsonWriter{cursor: cursor{buf: m.encoded, depth: j.depth}, bare: j.bare}
		var ok int
		if dst, ok = inner.value(dst, m.plan, 0); ok < 0 {
			j.err = inner.err
			return dst, ok
		}
	}
	if len(dst) == mark {
		dst = append(dst, '{')
	}
	return append(dst, '}'), pos
}

const hexDigits = "0123456789abcdef"

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		dst = appendRune(dst, r)
	}
	return append(dst, '"')
}

func appendRune(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r < 0x20:
		return appendControl(dst, byte(r))
	}
	return utf8.AppendRune(dst, r)
}

func appendControl(dst []byte, c byte) []byte {
	switch c {
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// plainText has no bit set above a byte that JSON takes as it is: it is none
// of the control characters, quote and backslash.
const (
	ones      = 0x0101010101010101
	quoteMask = ones * '"'
	slashMask = ones * '\\'
)

func needsEscape(w uint64) bool {
	q, s := w^quoteMask, w^slashMask
	// Bytes of 0x80 and more are never below 0x20; the test for that may
	// report too much behind a hit, which only costs time.
	return ((w-ones*0x20)&^w|(q-ones)&^q|(s-ones)&^s)&highBits != 0
}

// plainASCII tells whether b is a JSON string as it stands: ASCII without
// control characters, quotes and backslashes. The last eight bytes are looked
// at together even where they overlap those before.
func plainASCII(b []byte) bool {
	if len(b) < 8 {
		for _, c := range b {
			if c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
				return false
			}
		}
		return true
	}
	for i := 0; ; i += 8 {
		if i > len(b)-8 {
			i = len(b) - 8
		}
		w := binary.LittleEndian.Uint64(b[i:])
		if w&highBits != 0 || needsEscape(w) {
			return false
		}
		if i == len(b)-8 {
			return true
		}
	}
}

// appendQuotedBytes quotes text that is UTF-8.
func appendQuotedBytes(dst, b []byte) []byte {
	dst = append(dst, '"')
	i := 0
	for i+8 <= len(b) && !needsEscape(binary.LittleEndian.Uint64(b[i:])) {
		i += 8
	}
	start := 0
	for ; i < len(b); i++ {
		c := b[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, b[start:i]...)
		if c < 0x20 {
			dst = appendControl(dst, c)
		} else {
			dst = append(dst, '\\', c)
		}
		start = i + 1
	}
	dst = append(dst, b[start:]...)
	return append(dst, '"')
}

// appendLatin1 writes each byte as the code point of its value.
func appendLatin1(dst, b []byte) []byte {
	dst = append(dst, '"')
	for _, c := range b {
		switch {
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x80:
			dst = append(dst, c)
		default:
			dst = append(dst, 0xC0|c>>6, 0x80|c&0x3F)
		}
	}
	return append(dst, '"')
}

// appendJSONFloat writes the shortest text that reads back as f.
func appendJSONFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case f != f:
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		if f == 0 && math.Signbit(f) {
			return append(dst, "-0.0"...)
		}
		dst = strconv.AppendInt(dst, int64(f), 10)
		return append(dst, ".0"...)
	}
	abs := math.Abs(f)
	format := byte('f')
	if abs < 1e-6 || abs >= 1e21 {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}
