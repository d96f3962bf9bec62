package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Release is one published version: its schema files by path.
type Release struct {
	Version string
	Files   map[string]string
}

// Refusal is a schema that a level would not have let in.
type Refusal struct {
	Release  string
	Subject  schema.Subject
	Findings []registry.Explanation
}

// Result is what one level says about a history.
type Result struct {
	Level         compat.Level
	Registrations int
	Refusals      []Refusal
	Slowest       time.Duration
	SlowestOf     string
}

// parsedBytes is enough for two releases of the largest history: the levels, one
// after the other, compare the same texts.
const parsedBytes = 128 << 20

// Replay registers the releases in order under each of the levels, which have
// a context of one registry each. What a level refuses is registered all the
// same afterwards, as it was published: the next release is compared with it.
func Replay(ctx context.Context, levels []compat.Level, h History, releases []Release, slowest time.Duration) ([]*Result, error) {
	reg, err := registry.Open(ctx, registry.Options{Journal: &journal.Memory{}, ParsedBytes: parsedBytes})
	if err != nil {
		return nil, err
	}
	defer reg.Close()
	var results []*Result
	for _, level := range levels {
		patch := registry.ConfigPatch{Level: registry.Patch[string]{Set: true, Value: level.String()}}
		if _, err := reg.SetConfig(ctx, schema.Qualify(contextOf(level), ""), patch); err != nil {
			return nil, err
		}
		results = append(results, &Result{Level: level})
	}
	for _, release := range releases {
		r := replaying{reg: reg, history: h, release: release, slowest: slowest, results: results, done: map[string]schema.Version{}}
		for _, path := range sorted(release.Files) {
			if _, err := r.register(ctx, path, nil); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", release.Version, path, err)
			}
		}
	}
	return results, nil
}

func contextOf(level compat.Level) schema.Context { return schema.Context("." + level.String()) }

func sorted(files map[string]string) []string {
	paths := make([]string, 0, len(files))
	for p := range files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// replaying is one release on its way in.
type replaying struct {
	reg     *registry.Registry
	history History
	release Release
	slowest time.Duration
	results []*Result
	done    map[string]schema.Version // by path
}

var importLine = regexp.MustCompile(`(?m)^import\s+(?:public\s+|weak\s+)?"([^"]+)"\s*;`)

// register registers a file behind what it imports, and returns its version.
func (r *replaying) register(ctx context.Context, path string, trail []string) (schema.Version, error) {
	if v, ok := r.done[path]; ok {
		return v, nil
	}
	if slices.Contains(trail, path) {
		return 0, fmt.Errorf("files import each other in a circle: %v", append(trail, path))
	}
	def := schema.Definition{Type: r.history.Type, Text: r.release.Files[path]}
	if r.history.Type == schema.Protobuf {
		for _, m := range importLine.FindAllStringSubmatch(def.Text, -1) {
			if _, ours := r.release.Files[m[1]]; !ours {
				continue // a well-known type; anything else the registry misses by itself
			}
			v, err := r.register(ctx, m[1], append(trail, path))
			if err != nil {
				return 0, err
			}
			def.References = append(def.References, schema.Reference{Name: m[1], Subject: schema.Subject(m[1]), Version: v})
		}
	}
	var v schema.Version
	for _, result := range r.results {
		made, err := r.one(ctx, result, schema.Subject(path), def)
		if err != nil {
			return 0, fmt.Errorf("under %s: %w", result.Level, err)
		}
		v = made
	}
	r.done[path] = v
	return v, nil
}

// one registers a definition, by force if the level refuses it.
func (r *replaying) one(ctx context.Context, result *Result, subject schema.Subject, def schema.Definition) (schema.Version, error) {
	ctx, cancel := context.WithTimeout(ctx, r.slowest)
	defer cancel()
	qualified := subject.In(contextOf(result.Level))
	began := time.Now()
	made, err := r.reg.Register(ctx, qualified, registry.RegisterRequest{Definition: def})
	took := time.Since(began)
	result.Registrations++
	if took > result.Slowest {
		result.Slowest, result.SlowestOf = took, r.release.Version+" "+string(subject)
	}
	if took > r.slowest {
		return 0, fmt.Errorf("registering took %s", took.Round(time.Millisecond))
	}
	var refused *registry.Error
	if errors.As(err, &refused) && refused.Incompatible != nil {
		result.Refusals = append(result.Refusals, Refusal{r.release.Version, subject, refused.Incompatible.Explain()})
		made, err = r.reg.Register(ctx, qualified, registry.RegisterRequest{Definition: def, Force: true})
	}
	return made.Version, err
}
