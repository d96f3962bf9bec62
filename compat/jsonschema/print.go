package jsonschema

import (
	"slices"
	"strings"
)

// appendJSON appends v without white space. Members keep their order unless
// sorted is set; numbers stay as they were written.
func (v *Value) appendJSON(dst []byte, sorted bool) []byte {
	switch v.Kind {
	case Null:
		return append(dst, "null"...)
	case False:
		return append(dst, "false"...)
	case True:
		return append(dst, "true"...)
	case Number:
		return append(dst, v.Text...)
	case String:
		return appendString(dst, v.Text)
	case Array:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.appendJSON(dst, sorted)
		}
		return append(dst, ']')
	}
	members := v.Members
	if sorted {
		members = slices.Clone(members)
		slices.SortFunc(members, func(a, b Member) int { return compareNames(a.Name, b.Name) })
	}
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, m.Name), ':')
		dst = m.Value.appendJSON(dst, sorted)
	}
	return append(dst, '}')
}

// compareNames orders names by their UTF-16 code units, as Java orders strings.
// That differs from the order of bytes only between the surrogates' plane and
// the last characters of the basic one.
func compareNames(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		// F0 to F4 start a surrogate pair, D800 to DFFF; EE and EF start
		// characters above those.
		if x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0) {
			if x >= 0xf0 {
				return -1
			}
			return 1
		}
		return int(x) - int(y)
	}
	return len(a) - len(b)
}

const upperHex = "0123456789ABCDEF"

// appendString quotes s. Only what must be escaped is.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' })
		if i < 0 {
			dst = append(dst, s...)
			return append(dst, '"')
		}
		dst = append(dst, s[:i]...)
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
		}
		s = s[i+1:]
	}
}
