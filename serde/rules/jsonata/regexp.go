package jsonata

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
)

// pattern is a regular expression that runs in linear time.
type pattern struct{ re *regexp.Regexp }

// newRegexp is the constructor of regular expressions that the evaluator uses in
// place of RegExp. What it makes has exec and lastIndex.
func (m *machine) newRegexp(c goja.ConstructorCall) *goja.Object {
	given := c.Argument(0).ToObject(m.vm)
	p, err := m.pattern(given.Get("source").String(), given.Get("flags").String())
	if err != nil {
		m.refuse(err)
	}
	var last *subject
	exec := func(call goja.FunctionCall) goja.Value {
		text := m.text(call.Argument(0))
		from := int(c.This.Get("lastIndex").ToInteger())
		if last == nil || from == 0 {
			last = m.newSubject(p, text)
		}
		return last.next(m, c.This, from)
	}
	for name, v := range map[string]any{"lastIndex": 0, "exec": exec} {
		if err := c.This.Set(name, v); err != nil {
			m.refuse(err)
		}
	}
	return nil
}

func (m *machine) pattern(source, flags string) (*pattern, error) {
	key := flags + "/" + source
	if p, ok := m.patterns[key]; ok {
		return p, nil
	}
	text, err := parser.TransformRegExp(source, strings.Contains(flags, "s"), strings.Contains(flags, "u"))
	if err != nil {
		var backtracking parser.RegexpErrorIncompatible
		if errors.As(err, &backtracking) {
			return nil, fmt.Errorf("the regular expression /%s/ is not supported: lookahead, look-behind and back-references may take for ever", source)
		}
		return nil, fmt.Errorf("the regular expression /%s/: %w", source, err)
	}
	prefix := ""
	for _, f := range "im" {
		if strings.ContainsRune(flags, f) {
			prefix += string(f)
		}
	}
	if prefix != "" {
		text = "(?" + prefix + ")" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("the regular expression /%s/: %w", source, err)
	}
	if len(m.patterns) >= maxCompiled {
		clear(m.patterns)
	}
	p := &pattern{re}
	m.patterns[key] = p
	return p, nil
}

// subject is a text that a pattern is looked for in.
type subject struct {
	p     *pattern
	text  string
	ascii bool
	found [][]int // byte positions
	all   bool    // found is all there is, not only the first
}

func (m *machine) newSubject(p *pattern, text goja.String) *subject {
	s := text.String()
	m.spend(int64(len(s)))
	return &subject{p: p, text: s, ascii: len(s) == text.Length()}
}

// next returns the first match that begins at position from or later, as exec
// of a RegExp does, or null. Positions are in UTF-16 code units.
func (s *subject) next(m *machine, this *goja.Object, from int) goja.Value {
	if from == 0 {
		s.found, s.all = nil, false
		if at := s.p.re.FindStringSubmatchIndex(s.text); at != nil {
			s.found = [][]int{at}
		}
	} else if !s.all {
		m.spend(int64(len(s.text)) * int64(1+s.p.re.NumSubexp()))
		s.found, s.all = s.p.re.FindAllStringSubmatchIndex(s.text, -1), true
	}
	start := s.bytes(from)
	i := sort.Search(len(s.found), func(i int) bool { return s.found[i][0] >= start })
	if i == len(s.found) {
		return goja.Null()
	}
	at := s.found[i]
	groups := make([]any, 0, len(at)/2)
	for g := 0; g < len(at); g += 2 {
		if at[g] < 0 {
			groups = append(groups, goja.Undefined())
			continue
		}
		groups = append(groups, s.text[at[g]:at[g+1]])
	}
	m.spend(int64(32 * len(at)))
	match := m.vm.NewArray(groups...)
	if err := match.Set("index", s.units(at[0])); err != nil {
		m.refuse(err)
	}
	if err := this.Set("lastIndex", s.units(at[1])); err != nil {
		m.refuse(err)
	}
	return match
}

// units returns the position in UTF-16 code units of a byte.
func (s *subject) units(pos int) int {
	if s.ascii {
		return pos
	}
	n := 0
	for _, r := range s.text[:pos] {
		n += utf16.RuneLen(r)
	}
	return n
}

// bytes is the reverse of units.
func (s *subject) bytes(units int) int {
	if s.ascii {
		return min(units, len(s.text))
	}
	pos := 0
	for pos < len(s.text) && units > 0 {
		r, size := utf8.DecodeRuneInString(s.text[pos:])
		units -= utf16.RuneLen(r)
		pos += size
	}
	return pos
}
