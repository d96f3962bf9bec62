package compat

import (
	"cmp"
	"slices"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Prior is an earlier, live version of the subject.
type Prior struct {
	Version schema.Version
	Schema  Schema
}

// Finding is one reason why a new schema may not follow an earlier version.
type Finding struct {
	Incompatibility
	Version  schema.Version // the earlier version it breaks with
	Roles    Roles          // which side reads
	Sentence string         // the reference server's wording
	Pair     Pair
}

// RuleTypeChanged is the rule of a schema whose type differs from that of the
// version before it. It is no rule of a format.
const RuleTypeChanged = "SCHEMA_TYPE_CHANGED"

// Check compares next with the versions before it, newest first, as level
// asks, and returns every reason why it does not fit the first version that it
// breaks with. priors may be in any order. An empty result means: compatible.
func Check(level Level, next Schema, priors []Prior, opts Options) []Finding {
	directions := level.directions()
	for _, p := range selectPriors(level, priors) {
		if findings := compare(next, p, directions, opts); len(findings) > 0 {
			return findings
		}
	}
	return nil
}

// CheckAll is Check without the stop at the first version that breaks: for
// answers to people, who want to know everything at once.
func CheckAll(level Level, next Schema, priors []Prior, opts Options) []Finding {
	var all []Finding
	for _, p := range selectPriors(level, priors) {
		all = append(all, compare(next, p, level.directions(), opts)...)
	}
	return all
}

func compare(next Schema, p Prior, directions []Roles, opts Options) []Finding {
	if len(directions) == 0 {
		return nil
	}
	if next.Type() != p.Schema.Type() {
		return []Finding{{
			Incompatibility: Incompatibility{Rule: RuleTypeChanged},
			Version:         p.Version,
			Roles:           directions[0],
			Sentence:        "Incompatible because of different schema type",
			Pair:            Pair{Reader: next, Writer: p.Schema},
		}}
	}
	var findings []Finding
	for _, roles := range directions {
		pair := Pair{Reader: next, Writer: p.Schema}
		if roles == Forward {
			pair = Pair{Reader: p.Schema, Writer: next}
		}
		for _, d := range pair.Reader.Differences(pair.Writer, opts) {
			if d.Compatible {
				continue
			}
			findings = append(findings, Finding{
				Incompatibility: d,
				Version:         p.Version,
				Roles:           roles,
				Sentence:        pair.Reader.Describe(d, roles),
				Pair:            pair,
			})
		}
	}
	return findings
}

// selectPriors returns the versions that level looks at, newest first.
func selectPriors(level Level, priors []Prior) []Prior {
	if level == None || len(priors) == 0 {
		return nil
	}
	sorted := make([]Prior, len(priors))
	copy(sorted, priors)
	sortNewestFirst(sorted)
	if !level.Transitive() {
		return sorted[:1]
	}
	return sorted
}

func sortNewestFirst(priors []Prior) {
	slices.SortFunc(priors, func(a, b Prior) int { return cmp.Compare(b.Version, a.Version) })
}
