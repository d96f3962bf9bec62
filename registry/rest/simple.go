package rest

import (
	"strings"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// simpleBody reads the body that almost every producer sends: an object of a
// schema and perhaps its type, both strings, each named once and spelled exactly.
// It says no to all else, right or wrong, which is then read with more care.
func simpleBody(b []byte) (body registerBody, ok bool) {
	s := simple{b: b}
	s.take('{')
	for !s.failed {
		name := s.str()
		s.take(':')
		value := s.str()
		switch {
		case value == "":
			return registerBody{}, false
		case name == "schema" && body.Schema == "":
			body.Schema = value
		case name == "schemaType" && body.Type == "":
			body.Type = schema.Type(value)
		default:
			return registerBody{}, false
		}
		if s.peek() == '}' {
			break
		}
		s.take(',')
	}
	s.take('}')
	if s.peek(); s.failed || s.i != len(s.b) {
		return registerBody{}, false
	}
	return body, true
}

// simple reads JSON as far as it is simple. After the first failure nothing
// else counts.
type simple struct {
	b      []byte
	i      int
	failed bool
}

// peek skips blanks and returns the byte that follows, 0 at the end.
func (s *simple) peek() byte {
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; c {
		case ' ', '\n', '\r', '\t':
		default:
			return c
		}
	}
	return 0
}

func (s *simple) take(c byte) {
	if s.peek() != c {
		s.failed = true
		return
	}
	s.i++
}

// str reads a string of valid UTF-8 without \u escapes.
func (s *simple) str() string {
	if s.take('"'); s.failed {
		return ""
	}
	var out strings.Builder
	start := s.i
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			text := s.b[start:s.i]
			s.i++
			if out.Len() == 0 {
				return s.valid(string(text))
			}
			out.Write(text)
			return s.valid(out.String())
		case c == '\\':
			if out.Len() == 0 {
				out.Grow(len(s.b) - start)
			}
			out.Write(s.b[start:s.i])
			if !s.escape(&out) {
				return ""
			}
			start = s.i
		case c < 0x20:
			s.failed = true
			return ""
		default:
			s.i++
		}
	}
	s.failed = true
	return ""
}

func (s *simple) escape(out *strings.Builder) bool {
	if s.i+1 < len(s.b) {
		if k := strings.IndexByte(`"\/bfnrt`, s.b[s.i+1]); k >= 0 {
			out.WriteByte("\"\\/\b\f\n\r\t"[k])
			s.i += 2
			return true
		}
	}
	s.failed = true
	return false
}

func (s *simple) valid(text string) string {
	if !utf8.ValidString(text) {
		s.failed = true
		return ""
	}
	return text
}
