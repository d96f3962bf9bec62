package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dovetail-dev/dovetail/compat"
	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/frame"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
	"github.com/dovetail-dev/dovetail/serde/protobuf"
)

// Registry is what a Converter asks of a registry. A serde.Registry is one.
type Registry interface {
	SchemaByID(ctx context.Context, id schema.ID, subject schema.Subject) (serde.Registered, error)
	SchemaByGUID(ctx context.Context, guid schema.GUID) (serde.Registered, error)
	// Version returns a version of subject; schema.Latest is the newest live
	// one. With deleted, soft-deleted versions count, too.
	Version(ctx context.Context, subject schema.Subject, version schema.Version, deleted bool) (serde.Registered, error)
}

// Defaults of Options.
const (
	DefaultCacheSize = 1000
	DefaultLatestTTL = time.Second
)

// Options of a Converter. The zero value works.
type Options struct {
	CacheSize int              // compiled schemas that are kept; 0 is DefaultCacheSize
	LatestTTL time.Duration    // how long an answer to "latest" holds; 0 is DefaultLatestTTL
	Clock     func() time.Time // nil is time.Now
}

// Converter converts between documents and framed bytes.
type Converter struct {
	registry   Registry
	references *serde.References
	opts       Options
	formats    map[schema.Type]serde.Transcoders

	mu     sync.Mutex
	ids    map[idKey]*Program
	latest map[schema.Subject]latest
}

type idKey struct {
	in  schema.Context
	ref frame.Ref
}

type latest struct {
	registered serde.Registered
	asked      time.Time
}

// New returns a converter with the schemas of registry.
func New(registry Registry, opts Options) (*Converter, error) {
	if opts.CacheSize <= 0 {
		opts.CacheSize = DefaultCacheSize
	}
	if opts.LatestTTL <= 0 {
		opts.LatestTTL = DefaultLatestTTL
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	references, err := serde.NewReferences(asSerde{versions: registry}, serde.WithCacheSize(opts.CacheSize))
	if err != nil {
		return nil, err
	}
	avros, err := avro.NewFormat[any](avro.FormatOptions{})
	if err != nil {
		return nil, err
	}
	jsons, err := jsonschema.NewFormat[any](jsonschema.FormatOptions{})
	if err != nil {
		return nil, err
	}
	return &Converter{
		registry:   registry,
		references: references,
		opts:       opts,
		formats: map[schema.Type]serde.Transcoders{
			schema.Avro:     avros,
			schema.JSON:     jsons,
			schema.Protobuf: protobuf.NewFormat[proto.Message](protobuf.FormatOptions{}),
		},
		ids:    map[idKey]*Program{},
		latest: map[schema.Subject]latest{},
	}, nil
}

// asSerde lets the references of package serde be resolved: they ask for
// versions, and for nothing else.
type asSerde struct {
	serde.Registry // nil
	versions       Registry
}

func (a asSerde) Version(ctx context.Context, subject schema.Subject, version schema.Version, deleted bool) (serde.Registered, error) {
	return a.versions.Version(ctx, subject, version, deleted)
}

// Program converts documents of one schema. It is made once for each and kept
// by its Converter.
type Program struct {
	ID   schema.ID
	GUID schema.GUID // zero if the registry did not tell
	Type schema.Type

	transcoder serde.Transcoder
	file       *compatpb.Schema    // nil but for Protobuf
	walker     *protobuf.Validator // likewise
}

// BySubject returns the program of a version of subject; schema.Latest is the
// newest.
func (c *Converter) BySubject(ctx context.Context, subject schema.Subject, version schema.Version) (*Program, error) {
	if subject == "" {
		return nil, errors.New("no subject is named")
	}
	got, err := c.version(ctx, subject, version)
	if err != nil {
		return nil, err
	}
	key := idKey{subject.Context(), frame.Ref{ID: got.ID}}
	if p := c.known(key); p != nil {
		return p, nil
	}
	return c.compile(ctx, key, got)
}

func (c *Converter) version(ctx context.Context, subject schema.Subject, version schema.Version) (serde.Registered, error) {
	if version != schema.Latest {
		return c.registry.Version(ctx, subject, version, false)
	}
	now := c.opts.Clock()
	c.mu.Lock()
	l, ok := c.latest[subject]
	c.mu.Unlock()
	if ok && now.Sub(l.asked) < c.opts.LatestTTL {
		return l.registered, nil
	}
	got, err := c.registry.Version(ctx, subject, version, false)
	if err != nil {
		return got, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.latest) >= c.opts.CacheSize {
		clear(c.latest)
	}
	c.latest[subject] = latest{got, now}
	return got, nil
}

// ByID returns the program of a schema ID in the context of subject, which may
// be empty.
func (c *Converter) ByID(ctx context.Context, id schema.ID, subject schema.Subject) (*Program, error) {
	return c.byRef(ctx, frame.Ref{ID: id}, subject)
}

func (c *Converter) byRef(ctx context.Context, ref frame.Ref, subject schema.Subject) (*Program, error) {
	key := idKey{subject.Context(), ref}
	if p := c.known(key); p != nil {
		return p, nil
	}
	var got serde.Registered
	var err error
	if ref.ByGUID() {
		got, err = c.registry.SchemaByGUID(ctx, ref.GUID)
		got.GUID = ref.GUID
	} else {
		got, err = c.registry.SchemaByID(ctx, ref.ID, subject)
		got.ID = ref.ID
	}
	if err != nil {
		return nil, err
	}
	return c.compile(ctx, key, got)
}

func (c *Converter) known(key idKey) *Program {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids[key]
}

// compile makes the program of a schema. Two callers may make one at once; the
// programs are alike.
func (c *Converter) compile(ctx context.Context, key idKey, got serde.Registered) (*Program, error) {
	s := &serde.Schema{Registered: got}
	s.Type = s.Type.OrDefault()
	format := c.formats[s.Type]
	if format == nil {
		return nil, &UnsupportedError{Type: s.Type}
	}
	var err error
	if s.Dependencies, err = c.references.Resolve(ctx, key.in, got.References); err != nil {
		return nil, err
	}
	p := &Program{ID: got.ID, GUID: got.GUID, Type: s.Type}
	if p.transcoder, err = format.Transcoder(s); err != nil {
		return nil, fmt.Errorf("schema %d: %w", got.ID, err)
	}
	if s.Type == schema.Protobuf {
		src := compat.Source{Type: s.Type, Text: s.Text}
		for _, d := range s.Dependencies {
			src.Dependencies = append(src.Dependencies, compat.Dependency{Name: d.Name, Text: d.Text})
		}
		if p.file, err = compatpb.Parse(src); err != nil {
			return nil, err
		}
		p.walker = protobuf.NewValidator(p.file)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ids) >= c.opts.CacheSize {
		for k := range c.ids { // any one makes room
			delete(c.ids, k)
			break
		}
	}
	c.ids[key] = p
	return p, nil
}

// UnsupportedError: documents of this format cannot be converted.
type UnsupportedError struct{ Type schema.Type }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("documents of a %s schema are not converted: AVRO, JSON and PROTOBUF are", e.Type)
}

// MessageError: the schema is not Protobuf, or has no message of that name.
type MessageError struct {
	Message string
	Reason  string
}

func (e *MessageError) Error() string { return fmt.Sprintf("message %q: %s", e.Message, e.Reason) }

// Message returns the encoded message indexes of a Protobuf message by its full
// name; those of the first one if name is empty. For other formats they are nil
// and a name is a *MessageError.
func (p *Program) Message(name string) ([]byte, error) {
	if p.file == nil {
		if name != "" {
			return nil, &MessageError{name, "only Protobuf schemas have messages"}
		}
		return nil, nil
	}
	if name == "" {
		return frame.AppendIndexes(nil, nil), nil
	}
	m := p.file.Message(protoreflect.FullName(name))
	if m == nil {
		return nil, &MessageError{name, "the schema has no such message; the full name has the package in front"}
	}
	return frame.AppendIndexes(nil, protobuf.IndexesOf(m)), nil
}

// Messages counts the messages of a Protobuf schema, without those inside others;
// it is 0 for other formats.
func (p *Program) Messages() int {
	if p.file == nil {
		return 0
	}
	return p.file.File().Messages().Len()
}

// Append appends the framed bytes of a document to dst. indexes are those of
// Message. After an error, a *DocumentError if the document is to blame, dst is
// returned as it was.
func (p *Program) Append(dst, indexes, document []byte) ([]byte, error) {
	if !json.Valid(document) {
		return dst, syntaxError(document)
	}
	n := len(dst)
	dst = append(frame.AppendID(dst, p.ID), indexes...)
	out, err := p.transcoder.AppendPayload(dst, indexes, document)
	if err != nil {
		if p.Type == schema.Protobuf {
			return dst[:n], jsonTextError(document, err)
		}
		return dst[:n], documentError(err)
	}
	return out, nil
}

// AppendJSON appends the document of a payload to dst: bytes without frame.
// indexes are encoded message indexes, nil for the first message.
func (p *Program) AppendJSON(dst, indexes, payload []byte) ([]byte, error) {
	out, err := p.transcoder.AppendJSON(dst, indexes, payload)
	if err != nil {
		if p.walker != nil { // says where, which the decoder does not
			if place := p.walker.Validate(indexes, payload); place != nil {
				err = place
			}
		}
		return dst, documentError(err)
	}
	return out, nil
}

// Decode turns a framed value into its document and tells the program by which.
// header is the value of the record's schema header, nil if there is none; with
// it, value is the bare payload. IDs are looked up in the context of subject,
// which may be empty.
func (c *Converter) Decode(ctx context.Context, subject schema.Subject, header, value []byte) (document []byte, p *Program, err error) {
	var ref frame.Ref
	rest, payload := []byte(nil), value
	if header != nil {
		ref, rest, err = frame.SplitHeader(header)
	} else {
		ref.ID, payload, err = frame.Split(value)
	}
	if err != nil {
		return nil, nil, err
	}
	if p, err = c.byRef(ctx, ref, subject); err != nil {
		return nil, nil, err
	}
	indexes := []byte(nil)
	if p.Type == schema.Protobuf {
		if header != nil && len(rest) > 0 {
			indexes, _, err = frame.CutIndexes(rest)
		} else if header == nil {
			indexes, payload, err = frame.CutIndexes(payload)
		}
		if err != nil {
			return nil, p, err
		}
	}
	document, err = p.AppendJSON(nil, indexes, payload)
	return document, p, err
}
