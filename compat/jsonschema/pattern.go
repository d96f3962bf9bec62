package jsonschema

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// PatternError says why a regular expression cannot be used.
type PatternError struct {
	Pattern string
	Reason  string
	// Unsupported marks an expression that is valid but cannot be matched in
	// linear time (look-around, back-references), or only by a program that is
	// too large.
	Unsupported bool
}

func (e *PatternError) Error() string {
	return fmt.Sprintf("pattern %s: %s", strconv.Quote(e.Pattern), e.Reason)
}

// CompilePattern compiles a regular expression of JSON Schema (ECMA-262) into
// one that takes linear time to match. Errors are *PatternError.
func CompilePattern(pattern string) (*regexp.Regexp, error) {
	fail := func(unsupported bool, reason string) (*regexp.Regexp, error) {
		return nil, &PatternError{Pattern: pattern, Reason: reason, Unsupported: unsupported}
	}
	if len(pattern) > MaxPatternBytes {
		return fail(true, "longer than "+strconv.Itoa(MaxPatternBytes)+" bytes")
	}
	translated := translatePattern(pattern)
	tree, err := syntax.Parse(translated, syntax.Perl)
	if err != nil {
		var e *syntax.Error
		if !errors.As(err, &e) {
			return fail(false, err.Error())
		}
		switch e.Code {
		case syntax.ErrInvalidPerlOp:
			return fail(true, "look-around is not supported: "+e.Expr)
		case syntax.ErrInvalidNamedCapture:
			if strings.HasPrefix(e.Expr, "(?<=") || strings.HasPrefix(e.Expr, "(?<!") {
				return fail(true, "look-around is not supported: "+e.Expr)
			}
		case syntax.ErrInvalidRepeatSize, syntax.ErrLarge, syntax.ErrNestingDepth:
			return fail(true, "too large: "+e.Expr)
		case syntax.ErrInvalidEscape, syntax.ErrInvalidCharRange:
			if backReference(e.Expr) || strings.HasPrefix(e.Expr, `\p`) || strings.HasPrefix(e.Expr, `\P`) {
				return fail(true, "not supported: "+e.Expr)
			}
		}
		return fail(false, e.Code.String()+": "+e.Expr)
	}
	if size := programSize(tree); size > maxPatternSize {
		return fail(true, "its repetitions make it too large")
	}
	re, err := regexp.Compile(translated)
	if err != nil {
		return fail(true, err.Error())
	}
	return re, nil
}

func backReference(expr string) bool {
	return len(expr) > 1 && expr[0] == '\\' && ('1' <= expr[1] && expr[1] <= '9' || expr[1] == 'k')
}

// programSize estimates how many instructions an expression compiles to.
func programSize(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		size = min(size+programSize(sub), 2*maxPatternSize)
	}
	if re.Op == syntax.OpRepeat {
		size = min(size*max(re.Min, re.Max, 1), 2*maxPatternSize)
	}
	return size
}

// The white space of ECMA-262, inside a class, and everything else.
const (
	ecmaSpace    = `\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	ecmaNotSpace = `\x00-\x08\x0e-\x1f!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}` +
		`\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
)

// translatePattern rewrites what the two syntaxes spell differently.
func translatePattern(p string) string {
	if !strings.ContainsAny(p, `\[.`) {
		return p
	}
	var b strings.Builder
	inClass := false
	for i := 0; i < len(p); {
		switch c := p[i]; {
		case c == '\\':
			i += translateEscape(&b, p[i:], inClass)
			continue
		case c == '[' && !inClass:
			inClass = true
			if strings.HasPrefix(p[i:], "[]") { // matches nothing
				b.WriteString(`[^\x00-\x{10ffff}]`)
				inClass = false
				i += 2
				continue
			}
			if strings.HasPrefix(p[i:], "[^]") { // matches everything
				b.WriteString(`[\x00-\x{10ffff}]`)
				inClass = false
				i += 3
				continue
			}
		case c == '[':
			b.WriteByte('\\') // an ordinary character in a class
		case c == ']':
			inClass = false
		case c == '.' && !inClass:
			b.WriteString(`[^\n\r\x{2028}\x{2029}]`)
			i++
			continue
		}
		b.WriteByte(p[i])
		i++
	}
	return b.String()
}

// translateEscape writes the escape at the start of p and returns its length.
func translateEscape(b *strings.Builder, p string, inClass bool) int {
	if len(p) < 2 {
		b.WriteString(p)
		return len(p)
	}
	switch c := p[1]; c {
	case 's', 'S':
		set := ecmaSpace
		if c == 'S' {
			set = ecmaNotSpace
		}
		if !inClass {
			set = "[" + set + "]"
		}
		b.WriteString(set)
		return 2
	case 'u':
		if len(p) > 2 && p[2] == '{' {
			if end := strings.IndexByte(p, '}'); end > 3 {
				b.WriteString(`\x` + p[2:end+1])
				return end + 1
			}
		}
		if r, n := unescape(p); n > 0 {
			fmt.Fprintf(b, `\x{%x}`, r)
			return n
		}
	case 'c':
		if len(p) > 2 && ('a' <= p[2]|0x20 && p[2]|0x20 <= 'z') {
			fmt.Fprintf(b, `\x{%x}`, p[2]&31)
			return 3
		}
	case 'b':
		if inClass {
			b.WriteString(`\x08`)
			return 2
		}
	case '0':
		b.WriteString(`\x00`)
		return 2
	case 'A', 'z', 'Z', 'Q', 'E', 'C', 'a', 'G': // no escapes of ECMA-262: the letter itself
		b.WriteByte(c)
		return 2
	}
	b.WriteString(p[:2])
	return 2
}
