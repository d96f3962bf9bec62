package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/frame"
	"github.com/dovetail-dev/dovetail/serde/service"
)

// A record is one line of JSON, which `consume` prints and `produce --envelope`
// reads:
//
//	{"topic":"orders","partition":2,"offset":41,"timestamp":"2026-03-01T12:00:00.000Z",
//	 "key":"42","headers":{"trace":"ab12"},"schemaId":7,"value":{"id":42}}
//
// Keys and values are as service.Converter.Show has them. A null value is a
// tombstone.
type recordLine struct {
	Topic       string                     `json:"topic,omitempty"`
	Partition   *int32                     `json:"partition,omitempty"`
	Offset      *int64                     `json:"offset,omitempty"`
	Timestamp   *time.Time                 `json:"timestamp,omitempty"`
	Key         json.RawMessage            `json:"key,omitempty"`
	Headers     map[string]json.RawMessage `json:"headers,omitempty"` // as service.Bare has them
	KeySchemaID schema.ID                  `json:"keySchemaId,omitempty"`
	SchemaID    schema.ID                  `json:"schemaId,omitempty"`
	Value       json.RawMessage            `json:"value"`
	Error       string                     `json:"error,omitempty"` // why the value is not its document
}

// memberKinds says what the members of a record hold.
var memberKinds = map[string]string{
	"topic": "text", "error": "text",
	"partition": "a number", "offset": "a number",
	"timestamp": "a time such as \"2026-03-01T12:00:00Z\"",
	"headers":   "an object of names and values",
	"schemaId":  "the ID of a schema, a number", "keySchemaId": "the ID of a schema, a number",
}

// parseRecordLine reads a line of whole records.
func parseRecordLine(line []byte) (recordLine, error) {
	var l recordLine
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	err := d.Decode(&l)
	if err == nil {
		return l, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(line, &members) == nil {
		for _, name := range sortedKeys(members) {
			one, _ := json.Marshal(map[string]json.RawMessage{name: members[name]})
			if want := memberKinds[name]; want != "" && json.Unmarshal(one, &recordLine{}) != nil {
				return l, fmt.Errorf("%s: want %s, got %s", name, want, clipped(members[name]))
			}
		}
	}
	return l, fmt.Errorf("not a record: %w", err)
}

// clipped is the beginning of what may be long.
func clipped(text []byte) string {
	const most = 60
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "…"
	}
	return string(text)
}

// recordReader turns records into lines. Without a converter nothing is taken
// for framed.
type recordReader struct {
	converter *service.Converter
	context   schema.Subject // in which IDs are looked up
}

// line fails only if no registry answers.
func (r *recordReader) line(ctx context.Context, rec *kgo.Record) (recordLine, error) {
	at := rec.Timestamp.UTC()
	l := recordLine{Topic: rec.Topic, Partition: &rec.Partition, Offset: &rec.Offset, Timestamp: &at}
	var fault error
	if rec.Key != nil {
		l.Key, l.KeySchemaID, fault = r.document(ctx, rec, true)
	}
	var valueFault error
	l.Value, l.SchemaID, valueFault = r.document(ctx, rec, false)
	if err := errors.Join(fault, valueFault); errors.Is(err, serde.ErrUnavailable) {
		return l, err
	} else if err != nil {
		l.Error = err.Error()
	}
	for _, h := range rec.Headers {
		if h.Key == frame.KeyHeader || h.Key == frame.ValueHeader {
			continue
		}
		if l.Headers == nil {
			l.Headers = map[string]json.RawMessage{}
		}
		l.Headers[h.Key] = service.Bare(h.Value)
	}
	return l, nil
}

// document is the key or the value as JSON. What looks framed but cannot be read
// comes as it is, with the reason.
func (r *recordReader) document(ctx context.Context, rec *kgo.Record, key bool) (json.RawMessage, schema.ID, error) {
	b, header := rec.Value, []byte(nil)
	if key {
		b = rec.Key
	}
	if b == nil {
		return json.RawMessage("null"), 0, nil
	}
	for _, h := range rec.Headers {
		if h.Key == frame.HeaderName(key) {
			header = h.Value
		}
	}
	if r.converter == nil {
		return service.Bare(b), 0, nil
	}
	document, id, err := r.converter.Show(ctx, r.context, header, b)
	if err != nil {
		err = fmt.Errorf("%s: %w", map[bool]string{true: "key", false: "value"}[key], err)
	}
	return document, id, err
}

// documentWriter turns documents into bytes: with the schema that the command
// line chose, with the one whose ID a line names, or without any.
type documentWriter struct {
	program *service.Program // nil without a schema
	indexes []byte           // of the Protobuf message
	subject schema.Subject   // of program

	converter *service.Converter // finds the schemas that lines name; nil if they cannot
	message   string             // of a Protobuf schema that a line names
}

func (d *documentWriter) bytes(text json.RawMessage) ([]byte, error) {
	if d.program == nil {
		return service.ParseBare(text)
	}
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	return d.program.Append(nil, d.indexes, text)
}

// bytesOf is bytes for a line that may name a schema ID in member. With one, null
// is a document: a tombstone has no schema.
func (d *documentWriter) bytesOf(ctx context.Context, member string, id schema.ID, text json.RawMessage) ([]byte, error) {
	if d.converter == nil || id == 0 || len(text) == 0 {
		return d.bytes(text)
	}
	p, err := d.converter.ByID(ctx, id, "")
	switch {
	case errors.Is(err, serde.ErrNotFound):
		return nil, &unknownIDError{member, id, err}
	case err != nil:
		return nil, fmt.Errorf("%s %d: %w", member, id, err)
	case d.message == "" && p.Messages() > 1:
		return nil, fmt.Errorf("%s %d has %d messages, and the line does not say which: choose with --message", member, id, p.Messages())
	}
	indexes, err := p.Message(d.message)
	if err != nil {
		return nil, fmt.Errorf("%s %d: %w", member, id, err)
	}
	return p.Append(nil, indexes, text)
}

// unknownIDError: a line names an ID that the registry does not have. It unwraps
// to the registry's answer.
type unknownIDError struct {
	member string
	id     schema.ID
	err    error
}

func (e *unknownIDError) Error() string {
	return fmt.Sprintf("%s %d is not known to this registry: copy the schemas first (`dovetail schema export`, `import`), or choose one with --subject or --key-subject", e.member, e.id)
}

func (e *unknownIDError) Unwrap() error { return e.err }

// schemaChoice is how a command line names the schema of keys or values.
type schemaChoice struct {
	subject string // "" is <topic>-value or <topic>-key
	version string // number or latest
	message string // of a Protobuf schema
	none    bool   // bytes as they are
}

// open finds the schema. A subject that was not asked for by name need not be
// there: records then have no schema. With named, lines may name schema IDs, which
// count unless a subject or a version is chosen.
func (s schemaChoice) open(ctx context.Context, c *service.Converter, topic string, key, named bool) (*documentWriter, error) {
	if s.none {
		return &documentWriter{}, nil
	}
	version, err := versionArg([]string{s.version}, 0)
	if s.version == "" {
		version, err = schema.Latest, nil
	}
	if err != nil {
		return nil, exitStatus{2, err}
	}
	subject := schema.Subject(s.subject)
	if subject == "" {
		subject, _ = serde.TopicName(ctx, serde.SubjectInput{Topic: topic, Key: key})
	}
	w := &documentWriter{message: s.message}
	if named && s.subject == "" && s.version == "" {
		w.converter = c
	}
	p, err := c.BySubject(ctx, subject, version)
	if errors.Is(err, serde.ErrNotFound) && s.subject == "" && s.version == "" && (s.message == "" || named) {
		return w, nil
	}
	if err != nil {
		return nil, err
	}
	w.program, w.subject = p, subject
	w.indexes, err = p.Message(s.message)
	return w, err
}
