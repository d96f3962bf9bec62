package serde

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// writers finds out which schema a serializer writes with.
type writers struct {
	cfg        *config
	registry   Registry
	references *References
	checker    Checker // nil if the format cannot compare
}

// subject derives the subject of local for topic; local may be nil.
func (w *writers) subject(ctx context.Context, topic string, local *Local) (schema.Subject, error) {
	in := SubjectInput{Topic: topic, Key: w.cfg.key}
	if local != nil {
		in.RecordName = local.Name
	}
	subject, err := w.cfg.strategy(ctx, in)
	if err != nil {
		return "", err
	}
	return subject.In(w.cfg.context), nil
}

// ownSchema says that values are written with their own schema, not with one that
// an option names.
func (c *config) ownSchema() bool { return c.source == autoRegister || c.source == lookup }

func errNothingNamed() error {
	return fmt.Errorf("%w: name one with WithLatest, WithSchemaID or the like", ErrNoSchema)
}

// schema returns the schema that values of local are written with.
func (w *writers) schema(ctx context.Context, subject schema.Subject, local *Local) (*Schema, error) {
	if w.cfg.ownSchema() {
		if local == nil {
			return nil, errNothingNamed()
		}
		return w.registerLocal(ctx, subject, local)
	}
	got, err := w.fetch(ctx, subject)
	if err != nil {
		return nil, err
	}
	s := &Schema{Registered: got}
	if s.Dependencies, err = w.references.Resolve(ctx, subject.Context(), got.References); err != nil {
		return nil, err
	}
	return s, w.check(s, local)
}

// fetch asks for the schema that an option names.
func (w *writers) fetch(ctx context.Context, subject schema.Subject) (Registered, error) {
	var got Registered
	var err error
	switch w.cfg.source {
	case pinnedID:
		got, err = w.registry.SchemaByID(ctx, w.cfg.id, subject)
		got.ID = w.cfg.id
	case pinnedGUID:
		got, err = w.registry.SchemaByGUID(ctx, w.cfg.guid)
		got.GUID = w.cfg.guid
	case latest:
		got, err = w.registry.Version(ctx, subject, schema.Latest, false)
	case latestWithMetadata:
		got, err = w.registry.LatestWithMetadata(ctx, subject, w.cfg.metadata)
	}
	return got, err
}

// check holds the registry's schema against the local one: what is written
// with a newer version must still be what the application meant, so the
// registry's schema must read what the local one writes. A pinned schema is the
// other way round a reader's promise: the local one must read it.
func (w *writers) check(s *Schema, local *Local) error {
	if !w.cfg.strict || w.checker == nil || local == nil {
		return nil
	}
	mine := &Schema{Registered: Registered{Definition: local.Definition}, Dependencies: local.Dependencies}
	reader, writer := s, mine
	if w.cfg.source == pinnedID || w.cfg.source == pinnedGUID {
		reader, writer = mine, s
	}
	if err := w.checker.Check(reader, writer); err != nil {
		return fmt.Errorf("%w: %v", ErrNotCompatible, err)
	}
	return nil
}

// registerLocal registers or looks up local and whatever it refers to.
func (w *writers) registerLocal(ctx context.Context, subject schema.Subject, local *Local) (*Schema, error) {
	r := registration{writers: w, in: subject.Context(), done: map[*Local]schema.Version{}}
	got, err := r.register(ctx, subject, local, 0)
	if err != nil {
		return nil, err
	}
	s := &Schema{Registered: got, Dependencies: local.Dependencies}
	if s.Text == "" { // an older server answers with the ID alone
		s.Definition = local.Definition
	} else if len(s.References) > 0 && len(s.Dependencies) == 0 {
		s.Dependencies, err = w.references.Resolve(ctx, subject.Context(), s.References)
	}
	if s.Type == "" {
		s.Type = local.Type
	}
	return s, err
}

type registration struct {
	*writers
	in   schema.Context
	done map[*Local]schema.Version
}

func (r *registration) register(ctx context.Context, subject schema.Subject, local *Local, depth int) (Registered, error) {
	if depth > maxReferenceDepth || len(r.done) > maxReferences {
		return Registered{}, fmt.Errorf("%w: local schemas refer to more than %d levels or %d schemas", ErrReferences, maxReferenceDepth, maxReferences)
	}
	def := local.Definition
	if len(def.References) == 0 && len(local.References) > 0 {
		refs, err := r.registerReferences(ctx, local.References, depth)
		if err != nil {
			return Registered{}, err
		}
		def.References = refs
	}
	if r.cfg.source == lookup {
		return r.registry.Lookup(ctx, subject, def, LookupOptions{Normalize: r.cfg.normalize})
	}
	return r.registry.Register(ctx, subject, def, RegisterOptions{Normalize: r.cfg.normalize, PropagateTags: r.cfg.tags})
}

func (r *registration) registerReferences(ctx context.Context, locals []LocalReference, depth int) ([]schema.Reference, error) {
	refs := make([]schema.Reference, 0, len(locals))
	for _, l := range locals {
		subject := l.Subject
		if subject == "" {
			subject = schema.Subject(l.Name)
		}
		version, ok := r.done[l.Schema]
		if !ok {
			got, err := r.register(ctx, subject.In(r.in), l.Schema, depth+1)
			if err == nil && got.Version == 0 {
				got, err = r.registry.Lookup(ctx, subject.In(r.in), got.orElse(l.Schema), LookupOptions{Normalize: r.cfg.normalize})
			}
			if err != nil {
				return nil, fmt.Errorf("reference %q (subject %q): %w", l.Name, subject, err)
			}
			version = got.Version
			r.done[l.Schema] = version
		}
		refs = append(refs, schema.Reference{Name: l.Name, Subject: subject, Version: version})
	}
	return slices.Clip(refs), nil
}

// orElse returns the definition of the answer, or the local one if the answer
// was an ID alone.
func (r Registered) orElse(local *Local) schema.Definition {
	if r.Text != "" {
		return r.Definition
	}
	return local.Definition
}

// frameOf returns what stands before a payload of s, and the value of its
// header if the framing has one.
func (w *writers) frameOf(ctx context.Context, s *Schema, indexes []byte) (prefix, header []byte, err error) {
	if !w.cfg.header {
		if s.ID <= 0 {
			return nil, nil, errors.New("the registry's answer names no schema ID: use header framing or WithSchemaID")
		}
		return append(frame.AppendID(nil, s.ID), indexes...), nil, nil
	}
	if s.GUID == (schema.GUID{}) {
		got, err := w.registry.SchemaByID(ctx, s.ID, s.Subject)
		if err != nil {
			return nil, nil, err
		}
		if s.GUID = got.GUID; s.GUID == (schema.GUID{}) {
			return nil, nil, errors.New("the registry gives no GUIDs, which header framing needs: use prefix framing")
		}
	}
	return nil, append(frame.AppendGUID(nil, s.GUID), indexes...), nil
}
