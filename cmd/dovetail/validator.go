package main

import (
	"context"
	"errors"
	"strings"

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

// maxBatchBytes bounds what a compressed batch may grow to while it is checked.
const maxBatchBytes = 256 << 20

// maxRecordErrors bounds how many refused records of a batch are reported.
const maxRecordErrors = 100

// ValidateBatch implements broker.Validator.
func (v *batchValidator) ValidateBatch(ctx context.Context, topic broker.ValidatedTopic, batch record.Batch) ([]broker.RecordError, error) {
	select {
	case <-v.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	it, err := batch.Records(maxBatchBytes)
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
	// With dead letters every record that fails has to be known.
	for it.Next() && (len(refused) < maxRecordErrors || topic.Schema.DeadLetters) {
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
		refused = append(refused, broker.RecordError{Index: max(it.Index(), 0), Reason: err.Error(), Kind: "malformed"})
	}
	return refused, nil
}

func field(topic broker.ValidatedTopic, key bool) validate.Field {
	level, strategy := topic.Schema.ValueLevel, topic.Schema.ValueStrategy
	if key {
		level, strategy = topic.Schema.KeyLevel, topic.Schema.KeyStrategy
	}
	f := validate.Field{Topic: topic.Name, Key: key, RejectNull: topic.Schema.RejectNull}
	switch level {
	case topics.LevelID:
		f.Level = validate.ID
	case topics.LevelPayload:
		f.Level = validate.Payload
	}
	// Aliases carry class names, such as …subject.TopicRecordNameStrategy.
	switch {
	case strings.Contains(strategy, "TopicRecordName"):
		f.Strategy = validate.TopicRecordName
	case strings.Contains(strategy, "RecordName"):
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
	if errors.As(err, &known) && known.Code.Status() == 404 {
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
	return l.reg.SchemaByGUID(ref.GUID.String())
}

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
