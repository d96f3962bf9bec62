package compat_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

func TestLevelNames(t *testing.T) {
	names := []string{"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"}
	for i, name := range names {
		level := compat.Level(i)
		if level.String() != name {
			t.Errorf("level %d is called %s", i, level)
		}
		if level.Transitive() != strings.HasSuffix(name, "_TRANSITIVE") {
			t.Errorf("%v: Transitive is %v", level, level.Transitive())
		}
		for _, spelling := range []string{name, strings.ToLower(name)} {
			if got, err := compat.ParseLevel(spelling); err != nil || got != level {
				t.Errorf("%q: %v, %v", spelling, got, err)
			}
		}
		text, err := json.Marshal(level)
		var back compat.Level
		if err != nil || string(text) != `"`+name+`"` || json.Unmarshal(text, &back) != nil || back != level {
			t.Errorf("%v as JSON: %s, %v, %v", level, text, err, back)
		}
	}
	if _, err := compat.ParseLevel("SIDEWAYS"); err == nil || !strings.Contains(err.Error(), "FULL_TRANSITIVE") {
		t.Errorf("unknown level: %v", err)
	}
	if got := compat.Level(99).String(); got != "Level(99)" {
		t.Error(got)
	}
}

func TestSyntaxErrorNamesWhatItKnows(t *testing.T) {
	for want, e := range map[string]compat.SyntaxError{
		"why":             {Type: schema.Avro, Reason: "why"},
		"/name: why":      {Path: "/name", Reason: "why"},
		"3:7: why":        {Position: compat.Position{Line: 3, Column: 7}, Reason: "why"},
		"3:7: /name: why": {Position: compat.Position{Line: 3, Column: 7}, Path: "/name", Reason: "why"},
	} {
		if e.Error() != want {
			t.Errorf("got %q, want %q", e.Error(), want)
		}
	}
}
