package serde

import "context"

// Origin is the record around a value that is written or read, for rules: which
// rule has refused it before, and what goes to a dead-letter topic.
type Origin struct {
	Key, Value []byte // as far as they are bytes yet
	Headers    []OriginHeader
}

// OriginHeader is a header of a record.
type OriginHeader struct {
	Key   string
	Value []byte
}

// Header returns the value of the last header called name.
func (o Origin) Header(name string) ([]byte, bool) {
	for i := len(o.Headers) - 1; i >= 0; i-- {
		if o.Headers[i].Key == name {
			return o.Headers[i].Value, true
		}
	}
	return nil, false
}

type originKey struct{}

// WithOrigin tells the rules of a serializer or deserializer with RunsRules which
// record they work on. The slices are not changed and not kept.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns what WithOrigin was given; the zero value otherwise.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// RunsRules reports whether there is a rule engine, which may want an Origin.
func (s *Serializer[T]) RunsRules() bool { return s.cfg.rules != nil }

// RunsRules reports whether there is a rule engine, which may want an Origin.
func (d *Deserializer[T]) RunsRules() bool { return d.cfg.rules != nil }
