package main

import (
	"context"
	"errors"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/broker/topics"
	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/validate"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// batchValidator is the broker's Validator: it takes a batch apart and has each
// key and value checked against the registry.
type batchValidator struct {
	ready     <-chan struct{} // closed once validator is set
	validator *validate.Validator
}

// ValidateBatch implements broker.Validator.
func (v *batchValidator) ValidateBatch(ctx context.Context, topic broker.ValidatedTopic, batch *record.Opened) ([]broker.RecordError, error) {
	select {
	case <-v.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	it, err := batch.Records()
	if err != nil {
		return []broker.RecordError{{Reason: err.Error(), Kind: "malformed"}}, nil
	}
	defer it.Close()
	key := v.validator.Checker(field(topic, true))
	value := v.validator.Checker(field(topic, false))
	var (
		refused []broker.RecordError
		headers []record.Header
	)
	for len(refused) < broker.MaxBatchFaults && it.Next() {
		r := it.Record()
		headers = r.Headers(headers[:0])
		err := key.Check(ctx, schemaHeader(headers, true), r.Key)
		if err == nil {
			err = value.Check(ctx, schemaHeader(headers, false), r.Value)
		}
		if err == nil {
			continue
		}
		var rejection *validate.Rejection
		if !errors.As(err, &rejection) {
			return nil, err
		}
		refused = append(refused, broker.RecordError{Index: it.Index(), Reason: rejection.Reason, Kind: string(rejection.Kind)})
	}
	if err := it.Err(); err != nil {
		refused = append(refused, broker.RecordError{Index: it.Index() + 1, Reason: err.Error(), Kind: "malformed"})
	}
	return refused, nil
}

func field(topic broker.ValidatedTopic, key bool) validate.Field {
	level, strategy := topic.Schema.ValueLevel, topic.Schema.ValueStrategy
	if key {
		level, strategy = topic.Schema.KeyLevel, topic.Schema.KeyStrategy
	}
	f := validate.Field{Topic: topic.Name, Key: key, RejectNull: topic.Schema.RejectNull, Context: schema.Context(topic.Schema.Context)}
	switch level {
	case topics.LevelID:
		f.Level = validate.ID
	case topics.LevelPayload:
		f.Level = validate.Payload
	}
	switch strategy {
	case "TopicRecordName":
		f.Strategy = validate.TopicRecordName
	case "RecordName":
		f.Strategy = validate.RecordName
	}
	return f
}

// schemaHeader returns the value of the last header that names a schema.
func schemaHeader(headers []record.Header, key bool) []byte {
	name := frame.HeaderName(key)
	for i := len(headers) - 1; i >= 0; i-- {
		if string(headers[i].Key) == name {
			return headers[i].Value
		}
	}
	return nil
}

// registryLookup lets a validator ask a registry in the same process.
type registryLookup struct{ reg *registry.Registry }

// Generation implements validate.Lookup.
func (l registryLookup) Generation() int64 { return int64(l.reg.End()) }

// CatchUp implements validate.Lookup.
func (l registryLookup) CatchUp(ctx context.Context) error { return l.reg.CatchUp(ctx) }

// Find implements validate.Lookup.
func (l registryLookup) Find(c schema.Context, ref frame.Ref) (validate.Found, bool, error) {
	s, err := l.find(c, ref)
	var known *registry.Error
	if err == errNotInContext || errors.As(err, &known) && known.Code.Status() == 404 {
		return validate.Found{}, false, nil
	}
	if err != nil {
		return validate.Found{}, false, err
	}
	return validate.Found{GUID: s.GUID(), ID: s.ID, Type: s.Type()}, true, nil
}

func (l registryLookup) find(c schema.Context, ref frame.Ref) (registry.Schema, error) {
	if !ref.ByGUID() {
		return l.reg.SchemaByID(ref.ID, schema.Qualify(c, ""))
	}
	ids, err := l.reg.IDsByGUID(ref.GUID.String())
	if err != nil {
		return registry.Schema{}, err
	}
	for _, id := range ids {
		if id.Context == c {
			return l.reg.SchemaByID(id.ID, schema.Qualify(c, ""))
		}
	}
	// One of another context has an ID that means something else in this one.
	return registry.Schema{}, errNotInContext
}

// errNotInContext means that a context has no schema of a GUID.
var errNotInContext = errors.New("no schema of that GUID in the context")

// Under implements validate.Lookup.
func (l registryLookup) Under(found validate.Found, subject schema.Subject) bool {
	return l.reg.HasLive(subject, found.ID)
}

// Schema implements validate.Lookup.
func (l registryLookup) Schema(c schema.Context, found validate.Found) (compat.Schema, error) {
	s, err := l.find(c, frame.Ref{GUID: found.GUID})
	if err != nil {
		return nil, err
	}
	return l.reg.Parsed(c, s.Content)
}
