// Package check answers, from files alone, whether schemas may be changed the
// way they were: a folder of schema files on one side, earlier states of the
// same files on the other, and the compatibility engine of the registry in
// between.
//
//	folder ──▶ Workspace ──┐
//	                       ├─ Run(level) ──▶ Report ──▶ text, GitHub, SARIF, JUnit, JSON
//	git ref or registry ───┘
//
// A file is one subject. References between files (Avro names, Protobuf
// imports, JSON $ref) are worked out from the files, so nothing has to be
// declared. What cannot be read is a Problem, never silently passed over.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Baseline knows earlier versions of files.
type Baseline interface {
	// Priors returns the earlier versions of the file at path, which the
	// workspace calls by that name. No versions and no error: the file is new.
	Priors(ctx context.Context, path string) ([]Prior, error)
	// Level returns the compatibility level that is configured for the file;
	// ok is false where the baseline has no opinion.
	Level(ctx context.Context, path string) (level compat.Level, ok bool, err error)
}

// Prior is an earlier version of a file.
type Prior struct {
	Label  string // how a person names it: "main", "v1.2.0", "version 3"
	Schema compat.Schema
}

// Finding is one reason why a file may not be changed as it was.
type Finding struct {
	File     string          `json:"file"`
	Line     int             `json:"line"`
	Column   int             `json:"column"`
	Rule     string          `json:"rule"`
	Path     string          `json:"path,omitempty"` // in the schema
	Against  string          `json:"against"`        // label of the version that it breaks with
	Level    string          `json:"level"`
	Reader   string          `json:"reader"` // "new" or "old": the side that could not read
	Message  string          `json:"message"`
	Edit     string          `json:"edit,omitempty"` // the smallest one that would pass
	Position compat.Position `json:"-"`
}

// Problem is a file, or a baseline, that could not be read.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// Report is the answer for a whole folder.
type Report struct {
	Compared []string  `json:"compared"` // files that had at least one earlier version
	New      []string  `json:"new,omitempty"`
	Gone     []string  `json:"gone,omitempty"`    // files of a git ref that are here no more, under no name
	Skipped  []string  `json:"skipped,omitempty"` // files of a known ending that hold no schema
	Findings []Finding `json:"findings"`
	Problems []Problem `json:"problems"`
}

// Exit statuses of a check.
const (
	ExitCompatible   = 0
	ExitIncompatible = 1
	ExitCannotTell   = 2
)

// Exit returns the exit status: what is certainly wrong weighs more than what
// could not be told.
func (r *Report) Exit() int {
	switch {
	case len(r.Findings) > 0:
		return ExitIncompatible
	case len(r.Problems) > 0:
		return ExitCannotTell
	}
	return ExitCompatible
}

// Options say how strict a check is.
type Options struct {
	// Level holds for every file whose baseline does not name one.
	Level   compat.Level
	Compare compat.Options
}

// Run compares every schema of the workspace with its earlier versions.
func Run(ctx context.Context, ws *Workspace, base Baseline, opts Options) *Report {
	r := &Report{Compared: []string{}, Findings: []Finding{}, Problems: []Problem{}, Skipped: ws.Skipped()}
	for _, path := range ws.Paths() {
		if err := ctx.Err(); err != nil {
			r.problem(path, err)
			break
		}
		next, err := ws.Parse(path)
		if err != nil {
			r.problem(path, err)
			continue
		}
		if err := r.compare(ctx, path, next, base, opts); err != nil {
			r.problem(path, err)
		}
	}
	if b, ok := base.(interface{ Gone() []string }); ok {
		r.Gone = b.Gone()
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r
}

func (r *Report) compare(ctx context.Context, path string, next compat.Schema, base Baseline, opts Options) error {
	priors, err := base.Priors(ctx, path)
	if err != nil {
		return err
	}
	if len(priors) == 0 {
		r.New = append(r.New, path)
		return nil
	}
	level, ok, err := base.Level(ctx, path)
	if err != nil {
		return err
	}
	if !ok {
		level = opts.Level
	}
	r.Compared = append(r.Compared, path)
	// compat orders by version: the first prior is the newest one.
	versions := make([]compat.Prior, len(priors))
	for i, p := range priors {
		versions[i] = compat.Prior{Version: schema.Version(len(priors) - i), Schema: p.Schema}
	}
	for _, f := range compat.CheckAll(level, next, versions, opts.Compare) {
		label := priors[len(priors)-int(f.Version)].Label
		r.Findings = append(r.Findings, finding(path, level, label, f, next))
	}
	return nil
}

func finding(path string, level compat.Level, label string, f compat.Finding, next compat.Schema) Finding {
	pos, ok := next.Position(f.Path)
	if !ok {
		pos = compat.Position{Line: 1, Column: 1}
	}
	return Finding{
		File: path, Line: pos.Line, Column: pos.Column, Position: pos,
		Rule: f.Rule, Path: f.Path, Against: label, Level: level.String(), Reader: f.Roles.Reader,
		Message: f.Explain(label), Edit: f.Suggestion(),
	}
}

func (r *Report) problem(path string, err error) {
	p := Problem{File: path, Message: err.Error()}
	var syntax *compat.SyntaxError
	if errors.As(err, &syntax) {
		p.Line, p.Column = syntax.Position.Line, syntax.Position.Column
	}
	r.Problems = append(r.Problems, p)
}

// Summary is the last line of a report, for people.
func (r *Report) Summary() string {
	s := fmt.Sprintf("%s compared", count(len(r.Compared), "schema"))
	if len(r.New) > 0 {
		s += fmt.Sprintf(", %d new", len(r.New))
	}
	if len(r.Gone) > 0 {
		s += fmt.Sprintf(", %d gone (%s)", len(r.Gone), shortList(r.Gone))
	}
	if len(r.Skipped) > 0 {
		s += fmt.Sprintf(", %d skipped (no schema inside)", len(r.Skipped))
	}
	switch r.Exit() {
	case ExitCompatible:
		return s + ": compatible"
	case ExitCannotTell:
		return s + fmt.Sprintf(": cannot tell, %s", count(len(r.Problems), "problem"))
	}
	s += ": incompatible, " + count(len(r.Findings), "finding")
	if len(r.Problems) > 0 {
		s += " and " + count(len(r.Problems), "problem")
	}
	return s
}

// shortList names the first few.
func shortList(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
