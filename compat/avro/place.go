package avro

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/compat"
)

// position returns the place of a token in the text.
func (t *tape) position(tok uint32) compat.Position {
	return positionAt(t.text, t.offset(tok))
}

func (t *tape) offset(tok uint32) int {
	at := int(t.toks[tok].start)
	if t.toks[tok].kind == tokString {
		at-- // its quote
	}
	return at
}

func positionAt(text string, offset int) compat.Position {
	before := text[:min(offset, len(text))]
	line := strings.LastIndexByte(before, '\n') + 1
	return compat.Position{
		Line:   1 + strings.Count(before, "\n"),
		Column: 1 + utf8.RuneCountInString(before[line:]),
	}
}

// path returns the JSON pointer of a token.
func (t *tape) path(tok uint32) string {
	var b strings.Builder
	for at := uint32(0); at != tok; {
		child, step := t.childOver(at, tok)
		if child == at {
			break
		}
		b.WriteByte('/')
		b.WriteString(step)
		at = child
	}
	return b.String()
}

// childOver returns the child of at that is or holds tok, with its key or index.
func (t *tape) childOver(at, tok uint32) (uint32, string) {
	switch t.toks[at].kind {
	case tokObject:
		for k := at + 1; k < t.toks[at].next; k = t.toks[k+1].next {
			if tok < t.toks[k+1].next {
				if tok == k {
					return at, "" // the key itself: its object will do
				}
				return k + 1, strings.NewReplacer("~", "~0", "/", "~1").Replace(t.str(k))
			}
		}
	case tokArray:
		n := 0
		for e := at + 1; e < t.toks[at].next; e = t.toks[e].next {
			if tok < t.toks[e].next {
				return e, strconv.Itoa(n)
			}
			n++
		}
	}
	return at, ""
}

func invalidUTF8(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return i
			}
		}
	}
	return -1
}
