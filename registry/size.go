package registry

import (
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// fits says whether the canonical form of a text can be small enough for a
// record. It is asked before a parser is, which takes a hundred times longer:
// what nobody could store is not worth parsing. It may say yes to a text that
// turns out to be too large, never no to one that is not.
func fits(t schema.Type, text string) bool {
	if len(text) <= maxValueBytes {
		return true
	}
	switch t {
	case schema.JSON:
		return leastJSON(text) <= maxValueBytes
	case schema.Protobuf:
		if strings.Contains(text, ";") { // source text; a descriptor in base64 has none
			return leastSource(text) <= maxValueBytes
		}
	}
	// Avro's form leaves out namespaces and types that go without saying, and
	// a descriptor may bring along comments and options.
	return len(text) <= 4*maxValueBytes
}

// leastJSON counts the bytes of JSON text without its white space, and each
// escape as the one character that it may stand for.
func leastJSON(text string) int {
	n, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			if i++; i < len(text) && text[i] == 'u' {
				i += 4
			}
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		n++
	}
	return n
}

// leastSource counts the letters, digits and signs of Protobuf source outside
// of comments and strings. Semicolons do not count: an empty statement is left
// out.
func leastSource(text string) int {
	n := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '/' && strings.HasPrefix(text[i:], "//"):
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				return n
			}
			i += end
		case c == '/' && strings.HasPrefix(text[i:], "/*"):
			end := strings.Index(text[i+2:], "*/")
			if end < 0 {
				return n
			}
			i += end + 3
		case c == '"' || c == '\'':
			for i++; i < len(text) && text[i] != c; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case c > ' ' && c != ';':
			n++
		}
	}
	return n
}
