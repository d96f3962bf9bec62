package check

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// Registry is a Baseline of the live versions of subjects in a registry. The
// comparison itself is made here, by the same engine.
type Registry struct {
	client     *srclient.Client
	references *serde.References
	subjects   map[string]string // path → subject
	ownLevel   bool              // ask the registry for levels
}

// NewRegistry compares with the registry behind client. subjects names the
// subject of a file where it is not the file's name without its ending. With
// ownLevel the level of each subject comes from the registry.
func NewRegistry(client *srclient.Client, subjects map[string]string, ownLevel bool) (*Registry, error) {
	references, err := serde.NewReferences(client)
	if err != nil {
		return nil, err
	}
	return &Registry{client: client, references: references, subjects: subjects, ownLevel: ownLevel}, nil
}

// Subject returns the subject that a file stands for.
func (r *Registry) Subject(file string) schema.Subject {
	if s, ok := r.subjects[file]; ok {
		return schema.Subject(s)
	}
	base := path.Base(file)
	base = strings.TrimSuffix(base, path.Ext(base))
	return schema.Subject(strings.TrimSuffix(base, ".schema"))
}

// Priors returns the live versions of the file's subject, newest first.
func (r *Registry) Priors(ctx context.Context, file string) ([]Prior, error) {
	subject := r.Subject(file)
	versions, err := r.client.Versions(ctx, subject, srclient.VersionsOptions{})
	if errors.Is(err, srclient.SubjectNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(versions)
	slices.Reverse(versions)
	var priors []Prior
	for _, v := range versions {
		s, err := r.parse(ctx, subject, v)
		if err != nil {
			return nil, fmt.Errorf("%s version %d: %w", subject, v, err)
		}
		priors = append(priors, Prior{Label: fmt.Sprintf("%s version %d", subject, v), Schema: s})
	}
	return priors, nil
}

func (r *Registry) parse(ctx context.Context, subject schema.Subject, v schema.Version) (compat.Schema, error) {
	found, err := r.client.Version(ctx, subject, v, false)
	if err != nil {
		return nil, err
	}
	deps, err := r.references.Resolve(ctx, subject.Context(), found.References)
	if err != nil {
		return nil, err
	}
	src := compat.Source{Type: found.Type.OrDefault(), Text: found.Text}
	for _, d := range deps {
		src.Dependencies = append(src.Dependencies, compat.Dependency{Name: d.Name, Text: d.Text})
	}
	return formats.Parse(src)
}

// Level returns the level in force for the file's subject.
func (r *Registry) Level(ctx context.Context, file string) (compat.Level, bool, error) {
	if !r.ownLevel {
		return 0, false, nil
	}
	c, err := r.client.Config(ctx, r.Subject(file), true)
	if err != nil {
		return 0, false, err
	}
	level, err := compat.ParseLevel(c.Level)
	return level, err == nil, err
}
