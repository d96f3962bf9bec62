package jsonata

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestEndlessEvaluationsAreInterrupted(t *testing.T) {
	e := New(nil)
	for _, expression := range []string{
		`($f := function() { $f() }; $f())`,
		`($f := function($n) { $n > 0 ? $f($n + 1) : 0 }; $f(1))`,
	} {
		_, err := e.Eval(t.Context(), expression, []byte(`{}`), Limits{Timeout: time.Millisecond, Bytes: 1 << 60})
		if !errors.Is(err, ErrTimeout) {
			t.Errorf("%s: %v", expression, err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		time.AfterFunc(time.Millisecond, func() { cancel(gone) })
		if _, err := e.Eval(ctx, expression, []byte(`{}`), Limits{Bytes: 1 << 60}); !errors.Is(err, gone) {
			t.Errorf("%s: %v", expression, err)
		}
	}
	if out, err := e.Eval(t.Context(), `1 + 1`, []byte(`{}`), Limits{}); err != nil || string(out) != "2" {
		t.Fatalf("after interrupts: %s, %v", out, err)
	}
}

func TestDeepEvaluationsAreRefused(t *testing.T) {
	e := New(nil)
	for _, expression := range []string{
		`($f := function($n) { 1 + $f($n) }; $f(1))`,
		`($f := function($n) { $map([1], function($x) { $f($x) }) }; $f(1))`,
		`($f := function($n) { $eval("$f(1)") }; $f(1))`,
		strings.Repeat("(", 60_000) + "1" + strings.Repeat(")", 4),
		strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000),
		`($n := function($x, $d) { $d = 0 ? $x : $n([$x, $x], $d - 1) }; $n(1, 2000))`,
	} {
		out, err := e.Eval(t.Context(), expression, []byte(`{}`), Limits{Depth: 100, Bytes: 8 << 20})
		if err == nil {
			t.Errorf("%.60s: %.60s", expression, out)
		}
	}
	sum := `($f := function($n) { $n = 0 ? 0 : $n + $f($n - 1) }; $f(40))`
	if out, err := e.Eval(t.Context(), sum, []byte(`{}`), Limits{}); err != nil || string(out) != "820" {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := e.Eval(t.Context(), sum, []byte(`{}`), Limits{Depth: 30}); !errors.Is(err, ErrDepth) {
		t.Errorf("a depth of 30: %v", err)
	}
	if _, err := e.Eval(t.Context(), "1", []byte(`{}`), Limits{Depth: MaxDepth + 1}); err == nil {
		t.Error("a depth above the bound was taken")
	}
}

// TestLargeValuesAreRefused has each way to make much of little.
func TestLargeValuesAreRefused(t *testing.T) {
	e := New(nil)
	for i, expression := range []string{
		`$pad("x", 2000000000)`,
		`$pad("x", -2000000000, "ab")`,
		`$reduce([1..60], function($a) { $a & $a }, "x")`,
		`$reduce([1..60], function($a) { [$a, $a] }, 1) ~> $string`,
		`$reduce([1..60], function($a) { [$a, $a] }, 1)`,
		`$reduce([1..60], function($a) { {"a": $a, "b": $a} }, 1) ~> $clone`,
		`$reduce([1..60], function($a) { {"a": $a, "b": $a} }, 1).**`,
		`$reduce([1..60], function($a) { $append($a, $a) }, [1])`,
		`[1..9999999]`,
		`[1..20000].[1..20000]`,
		`($s := $pad("", 200000, "x"); $join($map([1..1000], function() { $s })))`,
		`($s := $pad("", 200000, "x"); $replace($s, "x", $s))`,
		`($s := $pad("", 200000, "x"); $replace($s, /x/, $s))`,
		`($s := $pad("", 200000, "x"); $replace($s, /x/, function() { $s }))`,
		`($s := $pad("", 200000, "x"); $replace($s, /x+/, "$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0"))`,
		`($a := [1..10000]; $zip(` + strings.Repeat("$a,", 3000) + `$a))`,
		`$fromMillis(0, "[Y0001,1000000000]")`,
		`$now("[Y0001,1000000000-1000000000]")`,
		`$split($pad("", 60000000, "x"), "")`,
	} {
		if !sweeping && i%4 != 0 {
			continue
		}
		out, err := e.Eval(t.Context(), expression, []byte(`{}`), Limits{Bytes: 16 << 20})
		if err == nil {
			t.Errorf("%.80s: %d bytes", expression, len(out))
		} else if errors.Is(err, ErrTimeout) {
			t.Errorf("%.80s: %v", expression, err)
		}
	}
}

func TestRegularExpressionsRunInLinearTime(t *testing.T) {
	e := New(nil)
	for _, expression := range []string{`$match("aaa", /a(?=b)/)`, `$match("aaa", /(a)\1/)`, `$match("aaa", /(?<!b)a/)`} {
		_, err := e.Eval(t.Context(), expression, []byte(`{}`), Limits{})
		if err == nil || !strings.Contains(err.Error(), "is not supported: lookahead, look-behind and back-references") {
			t.Errorf("%s: %v", expression, err)
		}
	}
	out, err := e.Eval(t.Context(), `$contains($pad("", 50000, "a"), /(a+)+$|^(a|a)*b/)`, []byte(`{}`), Limits{})
	if err != nil || string(out) != "true" {
		t.Errorf("%s, %v", out, err)
	}
}

func TestBadInputIsRefused(t *testing.T) {
	e := New(nil)
	for _, c := range []struct{ expression, document, want string }{
		{"1", "", "the document"},
		{"1", "{", "the document"},
		{"1", `{"a":1e999}`, "out of range"},
		{"1", `1 2`, "more than one value"},
		{"1", strings.Repeat("[", 600) + strings.Repeat("]", 600), "nested more than"},
		{strings.Repeat(" ", maxExpressionBytes+1), `1`, "at most"},
		{"$sum", `1`, "holds a function"},
		{`{"f": function() { 1 }}`, `1`, "holds a function"},
	} {
		if _, err := e.Eval(t.Context(), c.expression, []byte(c.document), Limits{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.30s on %.30s: %v, want %q", c.expression, c.document, err, c.want)
		}
	}
}

func TestLargeIntegersPassThrough(t *testing.T) {
	e := New(nil)
	document := `{"min":-9223372036854775808,"max":9223372036854775807,"safe":9007199254740991,"f":0.1,"e":1e300,"z":-0.0}`
	out, err := e.Eval(t.Context(), `$merge([$, {"text": $string(max)}])`, []byte(document), Limits{})
	want := `{"min":-9223372036854775808,"max":9223372036854775807,"safe":9007199254740991,"f":0.1,"e":1e+300,"z":0,"text":"9223372036854775807"}`
	if err != nil || string(out) != want {
		t.Fatalf("%s, %v\nwant %s", out, err, want)
	}
	if _, err := e.Eval(t.Context(), `max + 1`, []byte(document), Limits{}); err == nil || !strings.Contains(err.Error(), "T2001") {
		t.Fatalf("arithmetic with a large integer: %v", err)
	}
}

func TestTimeIsPassedIn(t *testing.T) {
	e := New(func() time.Time { return time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC) })
	out, err := e.Eval(t.Context(), `$now() & " " & $millis()`, []byte(`null`), Limits{})
	if err != nil || string(out) != `"2026-03-01T10:00:00.000Z 1772359200000"` {
		t.Fatalf("%s, %v", out, err)
	}
}

// TestNothingIsLeftBehind tries to leave something for the next evaluation.
func TestNothingIsLeftBehind(t *testing.T) {
	e := New(nil)
	e.slots = make(chan struct{}, 1) // so that all use the same runtime
	for _, leave := range []string{
		`$x := 5`,
		`($sum := function() { 42 }; $sum([1]))`,
		`($string := "gone"; 1)`,
		`$ ~> |$|{"__proto__": {"polluted": true}}|`,
		`$merge([{}, {"__proto__": {"polluted": true}}])`,
		`{"__proto__": {"polluted": true}}`,
		`$ ~> |constructor|{"polluted": true}|`,
		`$ ~> |$sum|{"implementation": 1}|`,
		`$ ~> |$sum.implementation.constructor.prototype|{"polluted": true}|`,
		`($f := $sum; $f ~> |$|{"signature": 1}|)`,
	} {
		if _, err := e.Eval(t.Context(), leave, []byte(`{"__proto__":{"polluted":true},"a":1}`), Limits{}); err != nil {
			t.Logf("%s: %v", leave, err)
		}
		out, err := e.Eval(t.Context(), `[$sum([1, 2]), $string(7), $exists($x), $exists(polluted), $exists($lookup({}, "polluted")), $keys({"k": 1, "l": 2})]`, []byte(`{}`), Limits{})
		if err != nil || string(out) != `[3,"7",false,false,false,"k","l"]` {
			t.Errorf("after %s: %s, %v", leave, out, err)
		}
	}
	if len(e.idle) != 1 {
		t.Errorf("%d runtimes are idle, want 1", len(e.idle))
	}
}

func TestConcurrentEvaluations(t *testing.T) {
	e := New(nil)
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := range 10 {
				want := fmt.Sprint(g*1000 + i)
				out, err := e.Eval(t.Context(), `($x := a; $f := function($n) { $n = 0 ? $x : $f($n - 1) }; $f(20))`, []byte(`{"a":`+want+`}`), Limits{})
				if err != nil || string(out) != want {
					t.Errorf("%s, %v; want %s", out, err, want)
				}
			}
		})
	}
	wait.Wait()
	if n := len(e.idle); n > cap(e.slots) {
		t.Errorf("%d runtimes for %d evaluations at a time", n, cap(e.slots))
	}
}

func FuzzEval(f *testing.F) {
	for _, s := range []string{`a.b[0]`, `$map([1..3], function($x) { $x })`, `$ ~> |a|{"b":1}|`, `"a" & b`, `{"a":[1]}`, `%.a`, `/a+/`, `$eval("1")`} {
		f.Add(s, []byte(`{"a":{"b":[1,"x"]}}`))
	}
	e := New(nil)
	f.Fuzz(func(t *testing.T, expression string, document []byte) {
		_, err := e.Eval(t.Context(), expression, document, Limits{Timeout: 2 * time.Second, Bytes: 16 << 20})
		if err != nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
	})
}

func BenchmarkEval(b *testing.B) {
	e := New(nil)
	document := []byte(`{"state":"open","id":5,"items":[{"price":1.5,"qty":2},{"price":3,"qty":4},{"price":3,"qty":4}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Eval(b.Context(), `$merge([$sift($, function($v, $k) { $k != "state" }), {"status": state, "total": $sum(items.(price * qty))}])`, document, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
