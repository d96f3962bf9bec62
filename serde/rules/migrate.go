package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// maxVersions bounds the versions between writer and reader.
const maxVersions = 1000

// migration is the rules that lead from one version to another.
//
//	payload of the writer ── JSON ─ rules of each version ─ JSON ──▶ payload of the reader
type migration struct {
	name     string // which versions of which subject
	from, to serde.Transcoder
	steps    []*step
}

// migration prepares the migration of a target; nil if there are no rules for
// it. Upgrading runs the rules of each version above the writer's up to the
// reader's, downgrading those of each version above the reader's from the
// writer's down.
func (e *Engine) migration(ctx context.Context, t serde.RuleTarget) (*migration, error) {
	writer, err := writerVersion(ctx, t)
	if err != nil {
		return nil, err
	}
	reader := t.Reader.Version
	if writer == reader {
		return nil, nil
	}
	mode, low, high := Upgrade, writer, reader
	if writer > reader {
		mode, low, high = Downgrade, reader, writer
	}
	name := fmt.Sprintf("migration of subject %q from version %d to %d", string(t.Subject), writer, reader)
	if high-low > maxVersions {
		return nil, fmt.Errorf("rules: %s: at most %d versions lie between: read with a version that is nearer (WithLatestMetadata)", name, maxVersions)
	}
	var steps []*step
	for v := low + 1; v <= high; v++ {
		of, err := e.version(ctx, t, writer, v)
		if errors.Is(err, serde.ErrNotFound) {
			continue // permanently deleted: its rules are gone
		}
		if err != nil {
			return nil, fmt.Errorf("rules: %s: version %d: %w", name, v, err)
		}
		if of.RuleSet == nil || !e.enabled(of.RuleSet) {
			continue
		}
		more, err := e.steps(t, of, of.RuleSet, of.RuleSet.MigrationRules, mode)
		if err != nil {
			return nil, err
		}
		if mode == Upgrade {
			steps = append(steps, more...)
		} else {
			steps = append(more, steps...)
		}
	}
	if len(steps) == 0 {
		return nil, nil
	}
	if t.Transcoders == nil {
		return nil, fmt.Errorf("rules: %s: this format has no JSON form to run migration rules on", name)
	}
	m := &migration{name: name, steps: steps}
	if m.from, err = t.Transcoders.Transcoder(t.Schema); err != nil {
		return nil, fmt.Errorf("rules: %s: writer: %w", name, err)
	}
	if m.to, err = t.Transcoders.Transcoder(t.Reader); err != nil {
		return nil, fmt.Errorf("rules: %s: reader: %w", name, err)
	}
	return m, nil
}

// versionProperty is the metadata property in which a schema may say which
// version it is, for those that were registered under another subject.
const versionProperty = "confluent:version"

// writerVersion finds the version that the payload was written with.
func writerVersion(ctx context.Context, t serde.RuleTarget) (schema.Version, error) {
	if t.Schema.Metadata != nil {
		if n, err := strconv.ParseInt(t.Schema.Metadata.Properties[versionProperty], 10, 32); err == nil && n > 0 {
			return schema.Version(n), nil
		}
	}
	if t.Schema.Version > 0 && (t.Schema.Subject == "" || t.Schema.Subject == t.Subject) {
		return t.Schema.Version, nil
	}
	found, err := t.Registry.Lookup(ctx, t.Subject, t.Schema.Definition, serde.LookupOptions{Deleted: true})
	if err != nil {
		return 0, fmt.Errorf("rules: version of the writer's schema under subject %q: %w", string(t.Subject), err)
	}
	return found.Version, nil
}

// version returns a version of the subject, without asking where it is known.
func (e *Engine) version(ctx context.Context, t serde.RuleTarget, writer, v schema.Version) (*serde.Schema, error) {
	switch v {
	case t.Reader.Version:
		return t.Reader, nil
	case writer:
		return t.Schema, nil
	}
	got, err := t.Registry.Version(ctx, t.Subject, v, true)
	if err != nil {
		return nil, err
	}
	return &serde.Schema{Registered: got}, nil
}

func (m *migration) run(ctx context.Context, indexes, payload []byte) ([]byte, error) {
	document, err := m.from.AppendJSON(nil, indexes, payload)
	if err != nil {
		return nil, fmt.Errorf("rules: %s: JSON of the writer's payload: %w", m.name, err)
	}
	for _, s := range m.steps {
		if s.refusedBefore(ctx) {
			continue
		}
		out, err := s.onDocument(ctx, document)
		if err = s.act(ctx, json.RawMessage(document), err); err != nil {
			return nil, err
		}
		if out != nil {
			document = out
		}
	}
	out, err := m.to.AppendPayload([]byte{}, indexes, document)
	if err != nil {
		return nil, fmt.Errorf("rules: %s: what the rules made (the last is %q) does not fit the schema of the reader: %w", m.name, m.steps[len(m.steps)-1].rule.Name, err)
	}
	return out, nil
}

// onDocument runs the rule on a JSON document; nil if nothing changed.
func (s *step) onDocument(ctx context.Context, document []byte) ([]byte, error) {
	switch {
	case s.useless != nil:
		return nil, s.useless
	case s.rule.Type == typeJSONata:
		return s.jsonata.document(ctx, document)
	case s.rule.Type == typeCEL:
		return s.cel.document(ctx, document)
	case s.own != nil:
		return s.ownBytes(ctx, json.RawMessage(document))
	}
	return nil, fmt.Errorf("rules of type %s cannot migrate: use JSONATA or CEL", s.rule.Type)
}
