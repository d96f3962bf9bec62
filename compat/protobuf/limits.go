package protobuf

import (
	"fmt"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Bounds on what is read. They hold before anything is built from the text, so
// that a small request cannot ask for much memory or time.
const (
	maxTextBytes    = 4 << 20  // one text, source or base64
	maxTotalBytes   = 16 << 20 // a text and all its dependencies
	maxDependencies = 1000     // texts offered as dependencies
	maxImports      = 1000     // import lines of one file
	maxBrackets     = 64       // brackets open at one place of a source
	maxMessageDepth = 32       // messages inside messages, the limit of protoc
	maxWordBytes    = 1024     // one name, dots included
	maxNameBytes    = 32 << 20 // all full names of one file together
)

// fault makes the one kind of error that Parse returns.
func fault(path string, pos compat.Position, format string, args ...any) *compat.SyntaxError {
	return &compat.SyntaxError{
		Type:     schema.Protobuf,
		Position: pos,
		Path:     path,
		Reason:   fmt.Sprintf(format, args...),
	}
}

// scan walks over source text once, without building anything, and refuses what
// would be too deep or too long for the parser. It knows comments and strings
// and leaves every other question to the parser.
func scan(path, text string) error {
	line, lineStart, depth, word := 1, 0, 0, 0
	at := func(i int) compat.Position { return compat.Position{Line: line, Column: i - lineStart + 1} }
	for i := 0; i < len(text); i++ {
		c := text[i]
		if isWordByte(c) {
			if word++; word > maxWordBytes {
				return fault(path, at(i-word+1), "a name of more than %d bytes", maxWordBytes)
			}
			continue
		}
		word = 0
		switch c {
		case '\n':
			line, lineStart = line+1, i+1
		case '{', '[', '(', '<':
			if depth++; depth > maxBrackets {
				return fault(path, at(i), "more than %d brackets are open: messages may be nested %d deep", maxBrackets, maxMessageDepth)
			}
		case '}', ']', ')', '>':
			depth--
		case '/':
			end := skipComment(text, i)
			for ; i < end; i++ {
				if text[i] == '\n' {
					line, lineStart = line+1, i+1
				}
			}
			if end > 0 {
				i = end - 1
			}
		case '"', '\'':
			i = skipString(text, i)
		case 0:
			return fault(path, at(i), "a zero byte: this is not text")
		}
	}
	return nil
}

// skipComment returns the end of the comment that starts at i, 0 for none.
func skipComment(text string, i int) int {
	if i+1 >= len(text) {
		return 0
	}
	switch text[i+1] {
	case '/':
		for i < len(text) && text[i] != '\n' {
			i++
		}
		return i
	case '*':
		for i += 2; i+1 < len(text); i++ {
			if text[i] == '*' && text[i+1] == '/' {
				return i + 2
			}
		}
		return len(text)
	}
	return 0
}

// skipString returns the index of the closing quote of the string that opens at
// i, or of the last byte before the end of the line: strings hold no line end.
func skipString(text string, i int) int {
	quote := text[i]
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\n':
			return i - 1
		case quote:
			return i
		}
	}
	return len(text)
}

func isWordByte(c byte) bool {
	return c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
