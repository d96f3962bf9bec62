package rules

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pathStep is one step into a variant: a member, or an element if name is nil.
type pathStep struct {
	name  *string
	index int64
}

// parsePath reads a path: $, then .name, ["any name"] or [3]. In quotes, a
// backslash stands before a backslash or the quote.
func parsePath(path string) ([]pathStep, error) {
	bad := func(why string) ([]pathStep, error) { return nil, fmt.Errorf("the path %.100q: %s", path, why) }
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return bad("want $ first")
	}
	var steps []pathStep
	for rest != "" {
		switch {
		case rest[0] == '.':
			end := 1
			for end < len(rest) {
				r, size := utf8.DecodeRuneInString(rest[end:])
				if r != '_' && !unicode.IsLetter(r) && (end == 1 || !unicode.IsDigit(r)) {
					break
				}
				end += size
			}
			if end == 1 {
				return bad("want a name after a dot, or [\"name\"]")
			}
			name := rest[1:end]
			steps, rest = append(steps, pathStep{name: &name}), rest[end:]
		case strings.HasPrefix(rest, `["`) || strings.HasPrefix(rest, `['`):
			name, after, ok := quotedName(rest[1:])
			if !ok || !strings.HasPrefix(after, "]") {
				return bad("a name in brackets has no end, or another escape than \\\\ and \\" + rest[1:2])
			}
			steps, rest = append(steps, pathStep{name: &name}), after[1:]
		case rest[0] == '[':
			digits, after, ok := strings.Cut(rest[1:], "]")
			n, err := strconv.ParseUint(digits, 10, 64)
			if !ok || err != nil || n > math.MaxInt32 {
				return bad("want a number from 0 to 2147483647, or a name in quotes, in brackets")
			}
			steps, rest = append(steps, pathStep{index: int64(n)}), after
		default:
			return bad("want . or [ before " + strconv.Quote(rest[:1]))
		}
	}
	return steps, nil
}

// quotedName reads a name in quotes.
func quotedName(s string) (name, rest string, ok bool) {
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case quote:
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) || s[i] != '\\' && s[i] != quote {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// walk follows a path, to nil if it leads nowhere.
func (v *variant) walk(steps []pathStep) *variant {
	for _, s := range steps {
		if v == nil {
			return nil
		}
		if s.name != nil {
			v = v.field(*s.name)
		} else {
			v = v.elem(s.index)
		}
	}
	return v
}
