package jsonata

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/dop251/goja"
)

// Defaults and bounds.
const (
	DefaultTimeout = time.Minute
	DefaultDepth   = 1000
	DefaultBytes   = 512 << 20

	MaxDepth           = 10_000
	maxExpressionBytes = 64 << 10
	maxItems           = 250_000 // of one sequence
	maxNesting         = 500     // of a document
	maxCompiled        = 200     // expressions kept by a runtime
	stepBytes          = 96      // about what a step of an evaluation leaves behind
)

// Limits bound one evaluation. Zero values are the defaults.
type Limits struct {
	Timeout time.Duration
	Depth   int // of nested steps, function calls included; at most MaxDepth
	// Bytes is how much may be made while evaluating, what is dropped again
	// included; an estimate.
	Bytes int64
}

// Errors of evaluations that do not end by themselves.
var (
	ErrTimeout = errors.New("the evaluation took too long")
	ErrMemory  = errors.New("the evaluation needs too much memory")
	ErrDepth   = errors.New("the evaluation is nested too deeply: is there a function that never stops calling itself?")
)

// Evaluator evaluates expressions. Create it with New.
type Evaluator struct {
	now   func() time.Time
	slots chan struct{} // one for each evaluation that may run

	mu   sync.Mutex
	idle []*machine
}

// New returns an evaluator. now is the time that $now() and $millis() give; nil
// is time.Now.
func New(now func() time.Time) *Evaluator {
	if now == nil {
		now = time.Now
	}
	return &Evaluator{now: now, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// Eval evaluates an expression on a JSON document and returns the result as
// JSON; a result that is undefined is null. It blocks while as many evaluations
// as there are CPUs run already.
func (e *Evaluator) Eval(ctx context.Context, expression string, document []byte, limits Limits) ([]byte, error) {
	if len(expression) > maxExpressionBytes {
		return nil, fmt.Errorf("jsonata: the expression has %d bytes, at most %d are allowed", len(expression), maxExpressionBytes)
	}
	if limits.Timeout <= 0 {
		limits.Timeout = DefaultTimeout
	}
	if limits.Depth <= 0 {
		limits.Depth = DefaultDepth
	}
	if limits.Depth > MaxDepth {
		return nil, fmt.Errorf("jsonata: a depth of %d is more than %d", limits.Depth, MaxDepth)
	}
	if limits.Bytes <= 0 {
		limits.Bytes = DefaultBytes
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	m, err := e.machine()
	if err != nil {
		return nil, err
	}
	out, err := e.run(ctx, m, expression, document, limits)
	if m.spoiled {
		return nil, fmt.Errorf("jsonata: %w", err)
	}
	e.mu.Lock()
	e.idle = append(e.idle, m)
	e.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("jsonata: %w", err)
	}
	return out, nil
}

// machine returns a runtime that nobody uses.
func (e *Evaluator) machine() (*machine, error) {
	e.mu.Lock()
	if n := len(e.idle); n > 0 {
		m := e.idle[n-1]
		e.idle = e.idle[:n-1]
		e.mu.Unlock()
		return m, nil
	}
	e.mu.Unlock()
	return newMachine(e.now)
}

// run evaluates with a clock and a context that can interrupt. A machine that
// was interrupted is spoiled: whoever interrupts may come too late.
func (e *Evaluator) run(ctx context.Context, m *machine, expression string, document []byte, limits Limits) ([]byte, error) {
	timer := time.AfterFunc(limits.Timeout, func() { m.vm.Interrupt(fmt.Errorf("%w: %v have passed", ErrTimeout, limits.Timeout)) })
	stop := context.AfterFunc(ctx, func() { m.vm.Interrupt(context.Cause(ctx)) })
	out, err := m.eval(expression, document, limits)
	inTime, notDone := timer.Stop(), stop()
	if !inTime || !notDone {
		m.spoiled = true
	}
	return out, m.explain(err)
}

// explain turns what the interpreter says into our errors.
func (m *machine) explain(err error) error {
	if err == nil {
		return nil
	}
	var interrupted *goja.InterruptedError
	if errors.As(err, &interrupted) {
		m.spoiled = true
		if cause, ok := interrupted.Value().(error); ok {
			return cause
		}
		return ErrTimeout
	}
	var overflow *goja.StackOverflowError
	if errors.As(err, &overflow) {
		return ErrDepth
	}
	var thrown *goja.Exception
	if !errors.As(err, &thrown) {
		return err
	}
	if m.refused != nil {
		return m.refused
	}
	return m.thrown(thrown)
}

// thrown reads what the evaluator throws: {code, message, position, token}.
func (m *machine) thrown(x *goja.Exception) error {
	o, ok := x.Value().(*goja.Object)
	if !ok {
		return errors.New(short(x.Value().String()))
	}
	text := func(name string) string {
		if v := o.Get(name); v != nil && !goja.IsUndefined(v) {
			return short(v.String())
		}
		return ""
	}
	code, message := text("code"), text("message")
	if code == "D1011" {
		return ErrDepth
	}
	if message == "" {
		message = short(x.Value().String())
	}
	if at := text("position"); at != "" {
		message += " (character " + at + ")"
	}
	if code != "" {
		message = code + ": " + message
	}
	return errors.New(message)
}

func short(s string) string {
	if len(s) > 500 {
		return s[:500] + "…"
	}
	return s
}
