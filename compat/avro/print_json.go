package avro

import (
	"math"
	"strconv"
)

// Java prints JSON through Jackson; canonical texts repeat its choices: no
// white space, non-ASCII characters as they are, control characters as \uXXXX
// in capitals, numbers with a fraction or exponent as Double.toString.

const upperHex = "0123456789ABCDEF"

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// appendValue appends the value at i as compact JSON. Of an attribute that
// occurs twice the last value counts, at the place of the first.
func (t *tape) appendValue(dst []byte, i uint32) []byte {
	tok := &t.toks[i]
	switch tok.kind {
	case tokObject:
		dst = append(dst, '{')
		members := t.members(i)
		for n, m := range members {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, t.str(m.key))
			dst = append(dst, ':')
			dst = t.appendValue(dst, m.value)
		}
		return append(dst, '}')
	case tokArray:
		dst = append(dst, '[')
		for e := i + 1; e < tok.next; e = t.toks[e].next {
			if e > i+1 {
				dst = append(dst, ',')
			}
			dst = t.appendValue(dst, e)
		}
		return append(dst, ']')
	case tokString:
		if !tok.escaped {
			return append(dst, t.text[tok.start-1:tok.end+1]...)
		}
		return appendString(dst, t.str(i))
	case tokInteger:
		if t.text[tok.start:tok.end] == "-0" {
			return append(dst, '0')
		}
		return append(dst, t.text[tok.start:tok.end]...)
	case tokFloat:
		f, _ := strconv.ParseFloat(t.text[tok.start:tok.end], 64) // out of range gives an infinity, as in Java
		return appendDouble(dst, f, 64)
	}
	return append(dst, t.text[tok.start:tok.end]...)
}

// appendDouble appends f as Java's Double.toString (64 bits) or Float.toString
// (32 bits) does; what is no number becomes a string.
func appendDouble(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	case f == 0:
		if math.Signbit(f) {
			dst = append(dst, '-')
		}
		return append(dst, "0.0"...)
	}
	if abs := math.Abs(f); abs >= 1e-3 && abs < 1e7 {
		from := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
		for _, c := range dst[from:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, '.', '0')
	}
	var buf [40]byte
	e := strconv.AppendFloat(buf[:0], f, 'e', -1, bits)
	if mantissaDigits(e) == 1 { // at least one digit follows the point, as close as two digits get
		e = strconv.AppendFloat(buf[:0], f, 'e', 1, bits)
	}
	for i, c := range e {
		if c != 'e' {
			dst = append(dst, c)
			continue
		}
		exponent, _ := strconv.Atoi(string(e[i+1:]))
		dst = append(dst, 'E')
		return strconv.AppendInt(dst, int64(exponent), 10)
	}
	return dst
}

// mantissaDigits counts the digits before the exponent of a number like -1.5e+07.
func mantissaDigits(e []byte) int {
	n := 0
	for _, c := range e {
		if c == 'e' {
			break
		}
		if '0' <= c && c <= '9' {
			n++
		}
	}
	return n
}

// member is an attribute of an object: the tokens of its key and value.
type member struct{ key, value uint32 }

// members returns the attributes of the object at i in the order of their
// first occurrence, each with its last value.
func (t *tape) members(i uint32) []member {
	n := t.count(i) / 2
	list := make([]member, 0, n)
	var seen map[string]int
	if n > 8 {
		seen = make(map[string]int, n)
	}
next:
	for k := i + 1; k < t.toks[i].next; k = t.toks[k+1].next {
		m := member{key: k, value: k + 1}
		key := t.str(k)
		if seen != nil {
			if at, ok := seen[key]; ok {
				list[at].value = m.value
				continue
			}
			seen[key] = len(list)
		} else {
			for at := range list {
				if t.str(list[at].key) == key {
					list[at].value = m.value
					continue next
				}
			}
		}
		list = append(list, m)
	}
	return list
}
