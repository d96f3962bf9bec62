package schema

import "strings"

// Subject names a lineage of schemas, as it is written in requests: either
// "name" (in the default context) or ":.ctx:name" (in context ".ctx").
// ":.ctx:" alone stands for the context itself.
type Subject string

// Context names a set of subjects with schema IDs of its own. It starts with a
// dot; "." is the default context.
type Context string

// Contexts with a meaning of their own.
const (
	DefaultContext Context = "."
	GlobalContext  Context = ".__GLOBAL" // configuration and mode above all contexts
)

// Context returns the context that qualifies s, DefaultContext if none does.
func (s Subject) Context() Context {
	c, _ := s.Split()
	return c
}

// Name returns s without its context; it is empty for a bare context.
func (s Subject) Name() string {
	_, n := s.Split()
	return n
}

// Qualified reports whether s names its context.
func (s Subject) Qualified() bool {
	return strings.HasPrefix(string(s), ":.") && strings.IndexByte(string(s[2:]), ':') >= 0
}

// Split returns the context and the name of s. Text that only looks like a
// qualified subject (":.ctx" with no closing colon) is a name.
func (s Subject) Split() (Context, string) {
	if !strings.HasPrefix(string(s), ":.") {
		return DefaultContext, string(s)
	}
	end := strings.IndexByte(string(s[1:]), ':')
	if end < 0 {
		return DefaultContext, string(s)
	}
	return Context(s[1 : 1+end]), string(s[2+end:])
}

// Canonical returns the one spelling of s, as Qualify does: without a prefix in
// the default context, ":.ctx:name" elsewhere.
func (s Subject) Canonical() Subject {
	c, n := s.Split()
	return Qualify(c, n)
}

// Qualify returns the subject called name in context c. Only a name that looks
// qualified itself keeps the prefix of the default context, so that it cannot
// be taken for a subject of another one.
func Qualify(c Context, name string) Subject {
	if c == DefaultContext || c == "" {
		if Subject(name).Qualified() {
			return Subject(":.:" + name)
		}
		return Subject(name)
	}
	return Subject(":" + string(c) + ":" + name)
}

// In returns s placed in context c if s does not name a context itself, which
// is how a reference's subject is read inside its parent's context.
func (s Subject) In(c Context) Subject {
	if s.Qualified() {
		return s.Canonical()
	}
	return Qualify(c, string(s))
}
