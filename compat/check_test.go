package compat_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/avro/avrotest"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// history is a random sequence of versions and a schema to come after them.
func history(t *testing.T, r *rand.Rand) (next compat.Schema, priors []compat.Prior) {
	t.Helper()
	parse := func(text string) compat.Schema {
		s, err := avro.ParseText(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return s
	}
	opts := avrotest.Options{RecordRoot: true, MaxDepth: 2}
	first, second := avrotest.Pair(r, opts)
	priors = []compat.Prior{{Version: 1, Schema: parse(first)}, {Version: 2, Schema: parse(second)}}
	if r.IntN(2) == 0 {
		priors = append(priors, compat.Prior{Version: 5, Schema: parse(avrotest.Schema(r, opts))})
	}
	r.Shuffle(len(priors), func(i, j int) { priors[i], priors[j] = priors[j], priors[i] })
	return priors[r.IntN(len(priors))].Schema, priors
}

// forHistories runs f on random histories until one fails.
func forHistories(t *testing.T, f func(next compat.Schema, priors []compat.Prior)) {
	t.Helper()
	for seed := range uint64(150) {
		next, priors := history(t, rand.New(rand.NewPCG(seed, 7)))
		f(next, priors)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func check(level compat.Level, next compat.Schema, priors []compat.Prior) []compat.Finding {
	return compat.Check(level, next, priors, compat.Options{})
}

func checkAll(level compat.Level, next compat.Schema, priors []compat.Prior) []compat.Finding {
	return compat.CheckAll(level, next, priors, compat.Options{})
}

var transitiveOf = map[compat.Level]compat.Level{
	compat.LevelBackward: compat.LevelBackwardTransitive,
	compat.LevelForward:  compat.LevelForwardTransitive,
	compat.LevelFull:     compat.LevelFullTransitive,
}

func TestFullIsForwardThenBackward(t *testing.T) {
	both := 0
	forHistories(t, func(next compat.Schema, priors []compat.Prior) {
		want := append(check(compat.LevelForward, next, priors), check(compat.LevelBackward, next, priors)...)
		got := check(compat.LevelFull, next, priors)
		if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if len(got) > 0 {
			both++
		}
	})
	if both < 10 {
		t.Fatalf("only %d histories with findings", both)
	}
}

func TestTransitiveLevelsAskForMore(t *testing.T) {
	forHistories(t, func(next compat.Schema, priors []compat.Prior) {
		for level, transitive := range transitiveOf {
			all := checkAll(transitive, next, priors)
			for _, f := range check(level, next, priors) {
				if !slices.ContainsFunc(all, func(g compat.Finding) bool { return reflect.DeepEqual(f, g) }) {
					t.Errorf("%v finds %v, %v does not", level, f, transitive)
				}
			}
			if (len(check(transitive, next, priors)) == 0) != (len(all) == 0) {
				t.Errorf("%v: Check and CheckAll disagree on the verdict", transitive)
			}
		}
	})
}

func TestCheckStopsAtTheNewestVersionThatBreaks(t *testing.T) {
	forHistories(t, func(next compat.Schema, priors []compat.Prior) {
		for _, level := range transitiveOf {
			all, first := checkAll(level, next, priors), check(level, next, priors)
			if !slices.IsSortedFunc(all, func(a, b compat.Finding) int { return int(b.Version) - int(a.Version) }) {
				t.Error("not newest first")
			}
			for i, f := range first {
				if f.Version != first[0].Version || !reflect.DeepEqual(f, all[i]) {
					t.Errorf("finding %d is %v", i, f)
				}
			}
			if len(first) < len(all) && all[len(first)].Version == first[0].Version {
				t.Error("a finding of the same version is missing")
			}
		}
	})
}

func TestOrderOfVersionsDoesNotMatter(t *testing.T) {
	forHistories(t, func(next compat.Schema, priors []compat.Prior) {
		reversed, before := slices.Clone(priors), slices.Clone(priors)
		slices.Reverse(reversed)
		for level, transitive := range transitiveOf {
			for _, l := range []compat.Level{level, transitive} {
				if !reflect.DeepEqual(check(l, next, priors), check(l, next, reversed)) {
					t.Errorf("%v depends on the order", l)
				}
			}
		}
		if !reflect.DeepEqual(before, priors) {
			t.Error("the caller's list was changed")
		}
	})
}

func TestForwardIsBackwardTheOtherWayRound(t *testing.T) {
	forHistories(t, func(next compat.Schema, priors []compat.Prior) {
		for _, p := range priors {
			forward := check(compat.LevelForward, next, []compat.Prior{p})
			backward := check(compat.LevelBackward, p.Schema, []compat.Prior{{Version: p.Version, Schema: next}})
			if len(forward) != len(backward) {
				t.Fatalf("%d and %d findings", len(forward), len(backward))
			}
			for i := range forward {
				if forward[i].Incompatibility != backward[i].Incompatibility || forward[i].Pair != backward[i].Pair {
					t.Errorf("%v and %v", forward[i], backward[i])
				}
			}
		}
	})
}

func TestEveryLevelIsReflexive(t *testing.T) {
	forHistories(t, func(next compat.Schema, _ []compat.Prior) {
		for level := compat.None; level <= compat.LevelFullTransitive; level++ {
			if got := check(level, next, []compat.Prior{{Version: 1, Schema: next}}); got != nil {
				t.Errorf("%v: %v", level, got)
			}
		}
	})
}

func TestNoneAndNoHistoryFindNothing(t *testing.T) {
	forHistories(t, func(next compat.Schema, priors []compat.Prior) {
		if got := check(compat.None, next, priors); got != nil {
			t.Errorf("NONE finds %v", got)
		}
		if got := check(compat.LevelFullTransitive, next, nil); got != nil {
			t.Errorf("without history: %v", got)
		}
	})
}

func TestFindingSaysWhoReads(t *testing.T) {
	parse := func(text string) compat.Schema {
		s, err := avro.ParseText(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	old := parse(`{"type":"record","name":"A","fields":[{"name":"f1","type":"string"}]}`)
	next := parse(`{"type":"record","name":"A","fields":[{"name":"f1","type":"string"},{"name":"f2","type":"string"}]}`)
	got := check(compat.LevelFull, next, []compat.Prior{{Version: 3, Schema: old}})
	want := []compat.Finding{{
		Incompatibility: compat.Incompatibility{Rule: avro.RuleFieldDefault, Path: "/fields/1", Detail: "f2"},
		Version:         3,
		Roles:           compat.Backward,
		Sentence:        "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'f2' at path '/fields/1' in the new schema has no default value and is missing in the old schema', additionalInfo:'f2'}",
		Pair:            compat.Pair{Reader: next, Writer: old},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// otherType is a schema of a type of its own that is compatible with all.
type otherType struct{ compat.Schema }

func (otherType) Type() schema.Type { return schema.JSON }
func (otherType) Differences(compat.Schema, compat.Options) []compat.Incompatibility {
	return []compat.Incompatibility{{Rule: "HARMLESS", Compatible: true}}
}

func TestAnotherSchemaTypeIsOneFinding(t *testing.T) {
	a, err := avro.ParseText(`"int"`)
	if err != nil {
		t.Fatal(err)
	}
	for level := range transitiveOf {
		got := check(level, otherType{}, []compat.Prior{{Version: 1, Schema: a}})
		if len(got) != 1 || got[0].Rule != compat.RuleTypeChanged || got[0].Sentence != "Incompatible because of different schema type" {
			t.Errorf("%v: %v", level, got)
		}
	}
	if got := check(compat.None, otherType{}, []compat.Prior{{Version: 1, Schema: a}}); got != nil {
		t.Errorf("NONE: %v", got)
	}
}

func TestHarmlessDifferencesAreNoFindings(t *testing.T) {
	if got := check(compat.LevelFull, otherType{}, []compat.Prior{{Version: 1, Schema: otherType{}}}); got != nil {
		t.Errorf("got %v", got)
	}
}
