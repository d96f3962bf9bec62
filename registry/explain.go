package registry

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Explanation is one finding for people.
type Explanation struct {
	Rule       string
	Path       string          // place of the difference, in the format's notation
	New        compat.Position // of Path in the new text; zero if it is not there
	Old        compat.Position // of Path in the earlier version's text; zero if it is not there
	Version    schema.Version  // the earlier version; 0 if the finding is not about one
	Registered int64           // when that was registered, milliseconds since the epoch
	Direction  string          // BACKWARD: the new schema reads; FORWARD: the earlier one does
	Sentence   string
	Suggestion string // the smallest edit that would pass; may be empty
}

// Explain says what the findings of a verdict mean.
func (v *Verdict) Explain() []Explanation {
	list := make([]Explanation, 0, len(v.Findings))
	for _, f := range v.Findings {
		e := Explanation{
			Rule: f.Rule, Path: f.Path, Version: f.Version, Registered: v.Registered[f.Version], Direction: "BACKWARD",
			Sentence: f.Explain(fmt.Sprintf("version %d", f.Version)), Suggestion: f.Suggestion(),
		}
		reader, writer := &e.New, &e.Old
		if f.Roles == compat.Forward {
			e.Direction = "FORWARD"
			reader, writer = writer, reader
		}
		if f.Pair.Reader != nil {
			*reader, _ = f.Pair.Reader.Position(f.Path)
		}
		if f.Pair.Writer != nil {
			path := f.Path
			if c, ok := f.Pair.Reader.(compat.Counterparter); ok {
				path = c.Counterpart(f.Pair.Writer, path)
			}
			*writer, _ = f.Pair.Writer.Position(path)
		}
		list = append(list, e)
	}
	return list
}

// Difference is one change between two versions.
type Difference struct {
	compat.Change
	New, Old compat.Position // of the place in the two texts; zero where it is not there
}

// Diff lists what changed from one version of a subject to another, in the
// order of the path; soft-deleted versions can be named too.
func (r *Registry) Diff(name schema.Subject, from, to schema.Version) ([]Difference, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	name = name.Canonical()
	older, err := st.version(name, from, from != schema.Latest)
	if err != nil {
		return nil, err
	}
	newer, err := st.version(name, to, to != schema.Latest)
	if err != nil {
		return nil, err
	}
	if older.Type() != newer.Type() {
		return []Difference{{Change: compat.Change{Rule: compat.RuleTypeChanged, Detail: fmt.Sprintf("%s became %s", older.Type(), newer.Type())}}}, nil
	}
	a, err := r.parseStored(st, name.Context(), older.Content)
	if err != nil {
		return nil, errInvalidSchema(show(name, older.Definition()), err)
	}
	b, err := r.parseStored(st, name.Context(), newer.Content)
	if err != nil {
		return nil, errInvalidSchema(show(name, newer.Definition()), err)
	}
	changes := b.schema.Changes(a.schema, compat.Options{Policy: r.inForce(st, name).policy})
	slices.SortStableFunc(changes, func(a, b compat.Change) int { return cmp.Compare(a.Path, b.Path) })
	list := make([]Difference, len(changes))
	for i, c := range changes {
		list[i].Change = c
		if !c.Gone {
			list[i].New, _ = b.schema.Position(c.Path)
		}
		list[i].Old, _ = a.schema.Position(c.OlderPath())
	}
	return list, nil
}

// Summary is a subject at a glance.
type Summary struct {
	Subject   schema.Subject
	Version   schema.Version // the latest
	ID        schema.ID
	Type      schema.Type
	Level     string // in force
	Mode      Mode   // in force
	Versions  int    // how many there are
	Timestamp int64  // when the latest was registered, milliseconds since the epoch
	Deleted   bool   // the subject is soft-deleted
}

// Summaries is Subjects with what a list of subjects shows.
func (r *Registry) Summaries(q SubjectsQuery) ([]Summary, error) {
	names, err := r.Subjects(q)
	if err != nil {
		return nil, err
	}
	st := r.snap.Load()
	list := make([]Summary, 0, len(names))
	for _, name := range names {
		sub := st.subject(name)
		v := sub.latest(false)
		count := len(sub.priors())
		if v == nil {
			v = sub.latest(true)
			if v == nil {
				continue // deleted since
			}
			count = len(sub.versions)
		}
		list = append(list, Summary{
			Subject: name, Version: v.number, ID: v.id, Type: v.content.Type(), Level: r.inForce(st, name).level.String(),
			Mode: st.modeOf(name), Versions: count, Timestamp: v.timestamp, Deleted: v.deleted,
		})
	}
	return list, nil
}

// Format returns the text of a schema for a ?format= value.
func (r *Registry) Format(s Schema, format string) (string, error) {
	if err := CheckFormat(format); err != nil {
		return "", err
	}
	if format == "" {
		return s.Text(), nil
	}
	st, err := r.read()
	if err != nil {
		return "", err
	}
	p, err := r.parseStored(st, s.Subject.Context(), s.Content)
	if err != nil {
		return "", errInvalidSchema(show(s.Subject, s.Definition()), err)
	}
	text, err := p.schema.Format(format)
	if err != nil {
		return "", errInvalidSchema(show(s.Subject, s.Definition()), err)
	}
	return text, nil
}

// CheckFormat refuses format=logical, the text of a schema as a table's columns:
// neither schemas in it nor answers of it are served. Formats that a type does not
// know are not refused, they show the text as it is.
func CheckFormat(format string) error {
	if format == "logical" {
		return newError(CodeInvalidSchema, "format=logical is not served here: send and ask for the schema in its own type's language, without format")
	}
	return nil
}
