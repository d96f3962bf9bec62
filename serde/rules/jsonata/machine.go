package jsonata

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// machine is a JavaScript runtime with the evaluator loaded. One goroutine at a
// time uses it.
type machine struct {
	vm      *goja.Runtime
	compile goja.Callable
	engine  goja.Value // of regular expressions
	exit    goja.Value // called after each step

	compiled map[string]compiled
	patterns map[string]*pattern

	left    int64 // bytes that this evaluation may still make
	refused error // why an evaluation was stopped from within
	spoiled bool
}

type compiled struct {
	run   goja.Callable
	depth int
}

func newMachine(now func() time.Time) (*machine, error) {
	evaluator, err := program()
	if err != nil {
		return nil, err
	}
	guard, err := guardProgram()
	if err != nil {
		return nil, err
	}
	m := &machine{vm: goja.New(), compiled: map[string]compiled{}, patterns: map[string]*pattern{}, left: DefaultBytes}
	m.vm.SetTimeSource(now)
	// A step of an evaluation is a handful of calls.
	m.vm.SetMaxCallStackSize(10*DefaultDepth + 2000)
	// The evaluator looks for Node's Buffer in global; guard.js puts one there.
	if err := m.vm.Set("global", m.vm.GlobalObject()); err != nil {
		return nil, fmt.Errorf("jsonata: %w", err)
	}
	if _, err := m.vm.RunProgram(evaluator); err != nil {
		return nil, fmt.Errorf("jsonata: loading the evaluator: %w", err)
	}
	setup, err := m.vm.RunProgram(guard)
	if err != nil {
		return nil, fmt.Errorf("jsonata: loading the guard: %w", err)
	}
	f, ok := goja.AssertFunction(setup)
	if !ok {
		return nil, fmt.Errorf("jsonata: loading the guard: it is a %s, not a function", setup)
	}
	made, err := f(goja.Undefined(), m.host())
	if err != nil {
		return nil, fmt.Errorf("jsonata: loading the guard: %w", err)
	}
	if m.compile, ok = goja.AssertFunction(made); !ok {
		return nil, fmt.Errorf("jsonata: loading the guard: it returned a %s, not a function", made)
	}
	m.engine = m.vm.ToValue(m.newRegexp)
	m.exit = m.vm.ToValue(m.leaveStep)
	return m, nil
}

// host is what guard.js may call.
func (m *machine) host() *goja.Object {
	o := m.vm.NewObject()
	var names []any
	for _, name := range builtin() {
		names = append(names, name)
	}
	if err := o.Set("names", m.vm.NewArray(names...)); err != nil {
		panic(err) // a plain new object takes any member
	}
	for name, f := range map[string]func(goja.FunctionCall) goja.Value{
		"spend": func(c goja.FunctionCall) goja.Value {
			n := c.Argument(0).ToFloat()
			if n > 1e15 { // or the sum would wrap
				n = 1e15
			}
			m.spend(int64(n))
			return goja.Undefined()
		},
		"weigh": func(c goja.FunctionCall) goja.Value {
			m.weigh(c.Argument(0), 0)
			return goja.Undefined()
		},
		"occurrences": func(c goja.FunctionCall) goja.Value {
			return m.vm.ToValue(strings.Count(c.Argument(0).String(), c.Argument(1).String()))
		},
		"encode64": func(c goja.FunctionCall) goja.Value {
			s := m.text(c.Argument(0))
			b := make([]byte, s.Length())
			for i := range b {
				b[i] = byte(s.CharAt(i))
			}
			return m.vm.ToValue(base64.StdEncoding.EncodeToString(b))
		},
		"decode64": func(c goja.FunctionCall) goja.Value { return m.vm.ToValue(decode64(m.text(c.Argument(0)).String())) },
	} {
		if err := o.Set(name, f); err != nil {
			panic(err) // a plain new object takes any member
		}
	}
	return o
}

func (m *machine) text(v goja.Value) goja.String {
	s, ok := v.ToString().(goja.String)
	if !ok {
		m.refuse(fmt.Errorf("a string was expected, not %s", v.ExportType()))
	}
	return s
}

// decode64 reads base64 as Node does: either alphabet, whatever else skipped,
// up to the padding. The result has one character for each byte.
func decode64(s string) string {
	var digits []byte
	for i := 0; i < len(s) && s[i] != '='; i++ {
		switch c := s[i]; {
		case c == '-':
			digits = append(digits, '+')
		case c == '_':
			digits = append(digits, '/')
		case c == '+' || c == '/' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			digits = append(digits, c)
		}
	}
	if len(digits)%4 == 1 {
		digits = digits[:len(digits)-1]
	}
	b := make([]byte, base64.RawStdEncoding.DecodedLen(len(digits)))
	n, err := base64.RawStdEncoding.Decode(b, digits)
	if err != nil {
		return "" // only digits are left: it cannot fail
	}
	r := make([]rune, n)
	for i, c := range b[:n] {
		r[i] = rune(c)
	}
	return string(r)
}

// refuse ends the evaluation with an error.
func (m *machine) refuse(err error) {
	m.refused = err
	panic(m.vm.NewGoError(err))
}

// spend takes n bytes from what this evaluation may make.
func (m *machine) spend(n int64) {
	if m.left -= n; m.left < 0 {
		m.refuse(ErrMemory)
	}
}

// leaveStep is called with expression, input, environment and result.
func (m *machine) leaveStep(c goja.FunctionCall) goja.Value {
	n := int64(stepBytes)
	switch v := c.Argument(3).(type) {
	case goja.String:
		if l := v.Length(); l > 64 && makes(c.Argument(0)) {
			n += 2 * int64(l)
		}
	case *goja.Object:
		if l := length(v); l > 8 && makes(c.Argument(0)) {
			n += 16 * l
		}
	}
	m.spend(n)
	return goja.Undefined()
}

// makes reports whether a step of an expression makes a value, not only names
// one that is there.
func makes(expression goja.Value) bool {
	o, ok := expression.(*goja.Object)
	if !ok {
		return true
	}
	switch o.Get("type").String() {
	case "variable", "value", "string", "name", "block", "condition", "bind":
		return false
	}
	return true
}

// length returns the length of an array, 0 of anything else.
func length(o *goja.Object) int64 {
	if o.ClassName() != "Array" {
		return 0
	}
	return o.Get("length").ToInteger()
}

// function returns the compiled expression.
func (m *machine) function(expression string, depth int) (goja.Callable, error) {
	if c, ok := m.compiled[expression]; ok && c.depth == depth {
		return c.run, nil
	}
	v, err := m.compile(goja.Undefined(), m.vm.ToValue(expression), m.engine, m.vm.ToValue(depth), m.vm.ToValue(maxItems), m.exit)
	if err != nil {
		return nil, err
	}
	run, ok := goja.AssertFunction(v)
	if !ok {
		return nil, fmt.Errorf("compiling gave a %s, not a function", v)
	}
	if len(m.compiled) >= maxCompiled {
		clear(m.compiled) // what is in use comes back
	}
	m.compiled[expression] = compiled{run, depth}
	return run, nil
}

func (m *machine) eval(expression string, document []byte, limits Limits) ([]byte, error) {
	m.left, m.refused = limits.Bytes, nil
	m.vm.SetMaxCallStackSize(10*limits.Depth + 2000)
	run, err := m.function(expression, limits.Depth)
	if err != nil {
		return nil, err
	}
	input, err := m.parse(document)
	if err != nil {
		return nil, fmt.Errorf("the document: %w", err)
	}
	result, err := run(goja.Undefined(), input)
	if err != nil {
		return nil, err
	}
	out, err := m.print(nil, result, 0)
	if err != nil {
		return nil, fmt.Errorf("the result: %w", err)
	}
	return out, nil
}
