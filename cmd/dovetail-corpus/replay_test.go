package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// TestReplayGoesOnBehindARefusal has a second release that BACKWARD refuses and
// a third that fits the second.
func TestReplayGoesOnBehindARefusal(t *testing.T) {
	base := `syntax = "proto3"; package base; message Time { int64 at = 1; }`
	user := func(field string) string {
		return "syntax = \"proto3\"; package user;\nimport \"base.proto\";\nmessage User { base.Time seen = 1; " + field + " }"
	}
	h := History{Name: "h", Type: schema.Protobuf}
	releases := []Release{
		{"1", map[string]string{"a/user.proto": user("string name = 2;"), "base.proto": base}},
		{"2", map[string]string{"a/user.proto": user("int64 name = 2;"), "base.proto": base}},
		{"3", map[string]string{"a/user.proto": user("int64 name = 2; bool old = 3;"), "base.proto": base}},
	}
	for level, refused := range map[compat.Level]int{compat.LevelBackward: 1, compat.LevelBackwardTransitive: 2} {
		results, err := Replay(context.Background(), []compat.Level{level}, h, releases, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		r := results[0]
		if r.Registrations != 6 || len(r.Refusals) != refused {
			t.Errorf("%s: %d registrations, refusals %+v", level, r.Registrations, r.Refusals)
		}
		for i, f := range r.Refusals {
			if f.Subject != "a/user.proto" || f.Release != []string{"2", "3"}[i] || len(f.Findings) != 1 || !strings.Contains(f.Findings[0].Path, "2") {
				t.Errorf("%s: %+v", level, f)
			}
		}
		var out strings.Builder
		r.print(&out, 5)
		if refused > 0 && !strings.Contains(out.String(), "2  a/user.proto  1 findings\n      version 1, BACKWARD, ") {
			t.Errorf("printed\n%s", out.String())
		}
	}
}

func TestReplayRefusesCirclesAndBrokenSchemas(t *testing.T) {
	h := History{Name: "h", Type: schema.Protobuf}
	for want, files := range map[string]map[string]string{
		"circle":  {"a.proto": `import "b.proto";`, "b.proto": `import "a.proto";`},
		"a.proto": {"a.proto": `message {`},
	} {
		_, err := Replay(context.Background(), []compat.Level{compat.LevelBackward}, h, []Release{{"1", files}}, time.Minute)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestUnknownNamesAreErrors(t *testing.T) {
	for _, args := range [][]string{{"--only", "nothing"}, {"--levels", "SOMETIMES"}} {
		if err := run(context.Background(), args, &strings.Builder{}); err == nil {
			t.Errorf("%q succeeds", args)
		}
	}
}
