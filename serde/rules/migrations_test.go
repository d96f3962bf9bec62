package rules_test

import (
	"bytes"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

// ladder is a subject of versions that all have one text field, and differ by
// what their rules do to it.
type ladder struct {
	*world
	t        *testing.T
	payloads [][]byte // one of each version, all with the text "v" and its number
}

func newLadder(t *testing.T, e *rules.Engine, w *world, sets ...*schema.RuleSet) *ladder {
	t.Helper()
	l := &ladder{world: w, t: t}
	w.anything(t, "steps-value")
	for i, set := range sets {
		f, err := avro.NewFormat[map[string]any](avro.FormatOptions{
			Text: `{"type":"record","name":"S","fields":[{"name":"s","type":"string"}]}`, RuleSet: set,
			Metadata: &schema.Metadata{Properties: map[string]string{"v": strconv.Itoa(i + 1)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := serde.NewSerializer(w.Client, f, serde.WithRules(e))
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Append(ctx, nil, "steps", map[string]any{"s": "v" + strconv.Itoa(i+1)})
		if err != nil {
			t.Fatal(err)
		}
		l.payloads = append(l.payloads, b)
	}
	return l
}

// read reads the payload of one version as another.
func (l *ladder) read(e *rules.Engine, writer, reader int) (string, error) {
	l.t.Helper()
	d, err := avro.NewDeserializer[any](l.Client, "", serde.WithLatestMetadata(map[string]string{"v": strconv.Itoa(reader)}), serde.WithRules(e))
	if err != nil {
		l.t.Fatal(err)
	}
	var got any
	if err := d.Decode(ctx, "steps", l.payloads[writer-1], &got); err != nil {
		return "", err
	}
	return got.(map[string]any)["s"].(string), nil
}

// note appends a word to the text.
func note(name, mode, word string) schema.Rule {
	return schema.Rule{Name: name, Mode: mode, Type: "CEL", Expr: "{'s': message.s + '" + word + "'}"}
}

func migrations(list ...schema.Rule) *schema.RuleSet { return &schema.RuleSet{MigrationRules: list} }

// Upgrading runs the rules of each version above the writer's in their order,
// downgrading those of each above the reader's, from the top down and backwards.
func TestMigrationsPassEveryVersionBetween(t *testing.T) {
	w := newWorld(t)
	e := w.engine(t, rules.Options{})
	l := newLadder(t, e, w,
		migrations(note("n1", "UPDOWN", "!")), // leads to version 1: never run
		migrations(note("a2", "UPGRADE", " a2"), note("b2", "UPGRADE", " b2"), note("c2", "DOWNGRADE", " c2"), note("d2", "DOWNGRADE", " d2")),
		&schema.RuleSet{}, // not nil, which would keep those of version 2
		migrations(note("x4", "UPDOWN", " x4"), note("y4", "UPDOWN", " y4")),
		migrations(note("a5", "UPGRADE", " a5"), note("c5", "DOWNGRADE", " c5")),
	)
	for _, c := range []struct {
		writer, reader int
		want           string
	}{
		{1, 1, "v1"}, {1, 2, "v1 a2 b2"}, {1, 3, "v1 a2 b2"}, {1, 5, "v1 a2 b2 x4 y4 a5"}, {3, 4, "v3 x4 y4"}, {2, 3, "v2"},
		{5, 5, "v5"}, {5, 4, "v5 c5"}, {5, 1, "v5 c5 y4 x4 d2 c2"}, {4, 3, "v4 y4 x4"}, {3, 2, "v3"}, {3, 1, "v3 d2 c2"},
	} {
		if got, err := l.read(e, c.writer, c.reader); err != nil || got != c.want {
			t.Errorf("from %d to %d: %q, %v; want %q", c.writer, c.reader, got, err, c.want)
		}
	}
	// Soft-deleted versions are still on the way; those that are gone are not.
	if _, err := w.DeleteVersion(ctx, "steps-value", 4, false); err != nil {
		t.Fatal(err)
	}
	if got, err := l.read(w.engine(t, rules.Options{}), 1, 5); err != nil || got != "v1 a2 b2 x4 y4 a5" {
		t.Errorf("past a soft-deleted version: %q, %v", got, err)
	}
	if _, err := w.DeleteVersion(ctx, "steps-value", 4, true); err != nil {
		t.Fatal(err)
	}
	if got, err := l.read(w.engine(t, rules.Options{}), 1, 5); err != nil || got != "v1 a2 b2 a5" {
		t.Errorf("past a version that is gone: %q, %v", got, err)
	}
}

func TestMigrationsThatFail(t *testing.T) {
	fails := func(mode, onFailure string) schema.Rule {
		return schema.Rule{Name: "picky", Doc: "short ones only", Kind: "CONDITION", Mode: mode, Type: "CEL", Expr: "message.s.size() < 2", OnFailure: onFailure}
	}
	for name, c := range map[string]struct {
		rule     schema.Rule
		up, down string // what is read, or part of the error
	}{
		"ERROR":           {fails("UPDOWN", ""), `CEL rule "picky" (short ones only) of subject "steps-value" version 2, UPGRADE: the condition does not hold: message.s.size() < 2`, `version 2, DOWNGRADE: the condition`},
		"NONE":            {fails("UPDOWN", "NONE"), "v1 up2 up3", "v3 down3 down2"},
		"NONE,ERROR":      {fails("UPDOWN", "NONE,ERROR"), "v1 up2 up3", "version 2, DOWNGRADE"},
		"ERROR,NONE":      {fails("UPDOWN", "ERROR,NONE"), "version 2, UPGRADE", "v3 down3 down2"},
		"with a space":    {fails("UPDOWN", "NONE, NONE"), "v1 up2 up3", "v3 down3 down2"},
		"of one way":      {fails("UPGRADE", ""), "version 2, UPGRADE", "v3 down3 down2"},
		"off":             {schema.Rule{Name: "picky", Kind: "CONDITION", Mode: "UPDOWN", Type: "CEL", Expr: "false", Disabled: true}, "v1 up2 up3", "v3 down3 down2"},
		"nobody's type":   {schema.Rule{Name: "picky", Mode: "UPDOWN", Type: "XSLT"}, `XSLT rule "picky" of subject "steps-value" version 2, UPGRADE: this client has no executor for rules of type "XSLT"`, "version 2, DOWNGRADE"},
		"cannot migrate":  {schema.Rule{Name: "picky", Mode: "UPDOWN", Type: "CEL_FIELD", Expr: "value"}, "rules of type CEL_FIELD cannot migrate: use JSONATA or CEL", "version 2"},
		"does not fit":    {schema.Rule{Name: "picky", Mode: "UPDOWN", Type: "CEL", Expr: "{'s': 7}"}, `evaluating the expression: no such overload`, `migration of subject "steps-value" from version 3 to 1: what the rules made (the last is "picky") does not fit the schema of the reader`},
		"success ERROR":   {schema.Rule{Name: "picky", Kind: "CONDITION", Mode: "UPDOWN", Type: "CEL", Expr: "true", OnSuccess: "NONE,ERROR"}, "v1 up2 up3", "DOWNGRADE: the rule succeeded"},
		"unknown actions": {schema.Rule{Name: "picky", Kind: "CONDITION", Mode: "UPDOWN", Type: "CEL", Expr: "true", OnSuccess: "NONE,SHOUT"}, "v1 up2 up3", `version 2, DOWNGRADE: onSuccess: unknown action "SHOUT"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			e := w.engine(t, rules.Options{})
			l := newLadder(t, e, w, nil,
				migrations(c.rule, note("up2", "UPGRADE", " up2"), note("down2", "DOWNGRADE", " down2")),
				migrations(note("up3", "UPGRADE", " up3"), note("down3", "DOWNGRADE", " down3")))
			for _, way := range []struct {
				writer, reader int
				want           string
			}{{1, 3, c.up}, {3, 1, c.down}} {
				got, err := l.read(e, way.writer, way.reader)
				if err != nil {
					got = err.Error()
				}
				if err == nil && got != way.want || err != nil && !strings.Contains(got, way.want) {
					t.Errorf("from %d to %d: %s; want %s", way.writer, way.reader, got, way.want)
				}
			}
		})
	}
}

// A payload goes through the encoding rules of its writer, the migration, and
// the domain rules of the reader.
func TestEncodingMigrationAndDomainRulesFollowOneAnother(t *testing.T) {
	w := newWorld(t)
	e := w.engine(t, rules.Options{Params: map[string]string{"secret": "hush"}})
	whole := encryptRule(nil)
	whole.Name, whole.Type, whole.Tags = "whole", "ENCRYPT_PAYLOAD", nil
	first := domain(schema.Rule{Name: "old", Type: "CEL_FIELD", Mode: "READ", Expr: "value + ' never'"})
	first.EncodingRules = []schema.Rule{whole}
	last := domain(schema.Rule{Name: "w", Type: "CEL_FIELD", Mode: "WRITE", Expr: "value + ' never'"},
		schema.Rule{Name: "r1", Type: "CEL_FIELD", Mode: "READ", Expr: "value + ' r1'"}, schema.Rule{Name: "r2", Type: "CEL_FIELD", Mode: "WRITEREAD", Tags: nil, Kind: "CONDITION", Expr: "value != ''"})
	last.MigrationRules = []schema.Rule{note("up", "UPGRADE", " up")}
	l := newLadder(t, e, w, first, last)
	if bytes.Contains(l.payloads[0], []byte("v1")) {
		t.Error("the payload is in clear")
	}
	if got, err := l.read(e, 1, 2); err != nil || got != "v1 up r1" {
		t.Errorf("%q, %v", got, err)
	}
}

// A dead letter of a migration holds the document as it was before the rule.
func TestMigrationsHaveDeadLetters(t *testing.T) {
	w := newWorld(t)
	var got letters
	e := w.engine(t, rules.Options{DeadLetters: &got})
	dead := schema.Rule{Name: "dead", Kind: "CONDITION", Mode: "UPGRADE", Type: "CEL", Expr: "false", OnFailure: "DLQ", Params: map[string]string{"dlq.topic": "lost"}}
	l := newLadder(t, e, w, nil, migrations(note("up", "UPGRADE", " up"), dead))
	if _, err := l.read(e, 1, 2); !errors.Is(err, rules.ErrCondition) {
		t.Errorf("got %v", err)
	}
	if len(got) != 1 || got[0].Topic != "lost" || got[0].Mode != rules.Upgrade || got[0].Version != 2 || got[0].Subject != "steps-value" {
		t.Fatalf("letters %+v", got)
	}
	if b, ok := got[0].Value.(interface{ MarshalJSON() ([]byte, error) }); !ok {
		t.Errorf("a %T", got[0].Value)
	} else if text, err := b.MarshalJSON(); err != nil || !reflect.DeepEqual(parsed[any](t, string(text)), any(map[string]any{"s": "v1 up"})) {
		t.Errorf("%s, %v", text, err)
	}
}
