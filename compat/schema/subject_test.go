package schema_test

import (
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

func TestSubjects(t *testing.T) {
	for _, c := range []struct {
		subject   schema.Subject
		context   schema.Context
		name      string
		qualified bool
		canonical schema.Subject
	}{
		{"orders-value", ".", "orders-value", false, "orders-value"},
		{"", ".", "", false, ""},
		{":.:orders", ".", "orders", true, "orders"},
		{":.ctx:orders", ".ctx", "orders", true, ":.ctx:orders"},
		{":.ctx:", ".ctx", "", true, ":.ctx:"},
		{":.:", ".", "", true, ""},
		{":.a.b:orders", ".a.b", "orders", true, ":.a.b:orders"},
		{":.ctx:a:b", ".ctx", "a:b", true, ":.ctx:a:b"},
		{":.ctx:/x y%", ".ctx", "/x y%", true, ":.ctx:/x y%"},
		{":.ctx", ".", ":.ctx", false, ":.ctx"},
		{":ctx:orders", ".", ":ctx:orders", false, ":ctx:orders"},
		{".ctx:orders", ".", ".ctx:orders", false, ".ctx:orders"},
		{"orders:.ctx:", ".", "orders:.ctx:", false, "orders:.ctx:"},
		{":.__GLOBAL:", ".__GLOBAL", "", true, ":.__GLOBAL:"},
		{"::", ".", "::", false, "::"},
		{":.::.ctx:orders", ".", ":.ctx:orders", true, ":.::.ctx:orders"},
		{":.::.ctx", ".", ":.ctx", true, ":.ctx"},
	} {
		if ctx, name := c.subject.Split(); ctx != c.context || name != c.name {
			t.Errorf("%q splits into %q and %q", c.subject, ctx, name)
		}
		if c.subject.Context() != c.context || c.subject.Name() != c.name {
			t.Errorf("%q: context %q, name %q", c.subject, c.subject.Context(), c.subject.Name())
		}
		if got := c.subject.Qualified(); got != c.qualified {
			t.Errorf("%q: qualified is %v", c.subject, got)
		}
		if got := c.subject.Canonical(); got != c.canonical {
			t.Errorf("%q: canonical %q", c.subject, got)
		}
	}
}

func TestReferencesAreReadInTheirParentsContext(t *testing.T) {
	for _, c := range []struct {
		subject schema.Subject
		context schema.Context
		want    schema.Subject
	}{
		{"orders", ".", "orders"},
		{"orders", ".ctx", ":.ctx:orders"},
		{":.other:orders", ".ctx", ":.other:orders"},
		{":.:orders", ".ctx", "orders"},
		{"", ".ctx", ":.ctx:"},
		{"orders", "", "orders"},
	} {
		if got := c.subject.In(c.context); got != c.want {
			t.Errorf("%q in %q: %q", c.subject, c.context, got)
		}
	}
}

func FuzzSubject(f *testing.F) {
	for _, s := range []string{"", "a", ":.:", ":.ctx:a", ":.ctx", "::", ":.a:b:c", ":.\xff:x"} {
		f.Add(s, ".ctx")
		f.Add(":.:"+s, ".")
	}
	f.Fuzz(func(t *testing.T, text, contextText string) {
		s := schema.Subject(text)
		ctx, name := s.Split()
		if !strings.HasPrefix(string(ctx), ".") || strings.Contains(string(ctx), ":") {
			t.Errorf("%q: context %q", s, ctx)
		}
		c := s.Canonical()
		if again := c.Canonical(); again != c {
			t.Errorf("%q: canonical %q, then %q", s, c, again)
		}
		if gotCtx, gotName := c.Split(); gotCtx != ctx || gotName != name {
			t.Errorf("%q: %q and %q become %q and %q", s, ctx, name, gotCtx, gotName)
		}
		if s.Qualified() && s.In(schema.Context(contextText)) != c {
			t.Errorf("%q leaves its context", s)
		}
		if !s.Qualified() && (ctx != schema.DefaultContext || name != text) {
			t.Errorf("%q is split although it is not qualified", s)
		}
	})
}
