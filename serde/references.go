package serde

import (
	"context"
	"fmt"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Bounds of a reference graph.
const (
	maxReferences     = 1000 // schemas, transitively
	maxReferenceDepth = 100
	maxReferenceBytes = 64 << 20 // text, altogether
)

// References resolves references to texts, transitively, and keeps what it has
// read: a version never changes. It is safe for concurrent use.
type References struct {
	registry Registry
	versions *cache[versionKey, Registered]
}

type versionKey struct {
	subject schema.Subject
	version schema.Version
}

// NewReferences returns a resolver that asks registry. Of the options it heeds
// WithCacheSize, WithNegativeTTL and WithClock.
func NewReferences(registry Registry, opts ...Option) (*References, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if registry == nil {
		return nil, errNoRegistry
	}
	return newReferences(registry, &cfg), nil
}

func newReferences(registry Registry, cfg *config) *References {
	return &References{registry: registry, versions: newCache[versionKey, Registered](cfg)}
}

// Resolve returns the texts that refs lead to, each before whatever uses it. A
// reference's subject is read in the context of whatever refers to it; in is the
// context of refs. A name occurs once: the first one met wins.
//
// Circular, too deep and too many references are errors that are ErrReferences.
func (r *References) Resolve(ctx context.Context, in schema.Context, refs []schema.Reference) ([]Dependency, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	w := referenceWalk{resolver: r, open: map[versionKey]bool{}, named: map[string]bool{}}
	if err := w.walk(ctx, in, refs, 1); err != nil {
		return nil, err
	}
	return w.found, nil
}

type referenceWalk struct {
	resolver *References
	open     map[versionKey]bool // the path to where the walk is
	named    map[string]bool
	visits   int
	bytes    int
	found    []Dependency
}

func (w *referenceWalk) walk(ctx context.Context, in schema.Context, refs []schema.Reference, depth int) error {
	if depth > maxReferenceDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrReferences, maxReferenceDepth)
	}
	for _, ref := range refs {
		if w.named[ref.Name] {
			continue
		}
		key := versionKey{ref.Subject.In(in), ref.Version}
		if w.open[key] {
			return fmt.Errorf("%w: %q refers to itself through subject %q version %d", ErrReferences, ref.Name, key.subject, key.version)
		}
		if w.visits++; w.visits > maxReferences {
			return fmt.Errorf("%w: more than %d", ErrReferences, maxReferences)
		}
		got, err := w.resolver.version(ctx, key)
		if err != nil {
			return fmt.Errorf("reference %q (subject %q version %d): %w", ref.Name, key.subject, key.version, err)
		}
		w.open[key] = true
		err = w.walk(ctx, key.subject.Context(), got.References, depth+1)
		delete(w.open, key)
		if err != nil {
			return err
		}
		if w.named[ref.Name] {
			continue
		}
		if w.bytes += len(got.Text); w.bytes > maxReferenceBytes {
			return fmt.Errorf("%w: more than %d bytes of text", ErrReferences, maxReferenceBytes)
		}
		w.named[ref.Name] = true
		w.found = append(w.found, Dependency{Name: ref.Name, Text: got.Text})
	}
	return nil
}

func (r *References) version(ctx context.Context, key versionKey) (Registered, error) {
	if got, ok := r.versions.lookup(key); ok {
		return got, nil
	}
	return r.versions.get(ctx, key, func(ctx context.Context) (Registered, error) {
		return r.registry.Version(ctx, key.subject, key.version, true)
	})
}
