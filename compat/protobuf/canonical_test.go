package protobuf

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/wellknownimports"

	"github.com/dovetail-dev/dovetail/compat"
)

// TestCanonical compares the texts under testdata/canonical with their
// canonical form, the canonical form of their descriptor and the normal form.
func TestCanonical(t *testing.T) {
	files, err := filepath.Glob("testdata/canonical/*.proto")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(compat.Source{Text: string(text)})
			if err != nil {
				t.Fatal(err)
			}
			checkForms(t, s, nil)
			base := strings.TrimSuffix(file, ".proto")
			golden(t, base+".canonical", s.Canonical())
			golden(t, base+".descriptor", reread(t, s, nil).Canonical())
			golden(t, base+".normal", s.Normalized())
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s", file, got)
	}
}

// checkForms holds what is true of every schema: its forms are schemas, each is
// its own canonical form, source and descriptor have one normal form and do not
// differ, and a source that names types as a descriptor does has the
// descriptor's canonical form.
func checkForms(t testing.TB, s *Schema, deps []compat.Dependency) {
	t.Helper()
	parse := func(what, text string) *Schema {
		again, err := Parse(compat.Source{Text: text, Dependencies: deps, Strict: true})
		if err != nil {
			t.Fatalf("%s: %v in\n%s", what, err, text)
		}
		if again.Normalized() != s.Normalized() {
			t.Fatalf("%s has another normal form\n%s\nwant\n%s", what, again.Normalized(), s.Normalized())
		}
		for _, pair := range [][2]*Schema{{again, s}, {s, again}} {
			for _, d := range pair[0].Differences(pair[1], compat.Options{}) {
				// The layout puts groups behind fields, and the body of a group
				// is a message that counts.
				if d.Rule != MessageMoved || !strings.Contains(s.Canonical(), "group ") {
					t.Fatalf("%s differs: %v", what, d)
				}
			}
		}
		return again
	}
	if again := parse("the canonical form", s.Canonical()); again.Canonical() != s.Canonical() {
		t.Fatalf("canonical again:\n%s\nat first:\n%s", again.Canonical(), s.Canonical())
	}
	if again := parse("the normal form", s.Normalized()); s.proto.GetSyntax() != "" && again.Canonical() != s.Normalized() {
		t.Fatalf("the normal form is not canonical:\n%s\nbut\n%s", again.Canonical(), s.Normalized())
	}
	serialized, err := s.Format("serialized")
	if err != nil {
		t.Fatal(err)
	}
	descriptor := parse("the descriptor", serialized)
	if again := parse("the descriptor's canonical form", descriptor.Canonical()); again.Canonical() != descriptor.Canonical() {
		t.Fatalf("the descriptor's canonical form printed from source:\n%s\nfrom the descriptor:\n%s", again.Canonical(), descriptor.Canonical())
	}
	printed, err := SourceOf(s.File())
	if err != nil {
		t.Fatal(err)
	}
	if printed != descriptor.Canonical() {
		t.Fatalf("printed from the linked file:\n%s\nfrom the descriptor:\n%s", printed, descriptor.Canonical())
	}
}

// TestOfficialDefinitions reads the files that are distributed with protoc, and
// our own definitions of what others import without a reference.
func TestOfficialDefinitions(t *testing.T) {
	official := wellknownimports.WithStandardImports(&protocompile.SourceResolver{
		Accessor: func(string) (io.ReadCloser, error) { return nil, os.ErrNotExist },
	})
	for _, path := range []string{
		"any", "api", "descriptor", "duration", "empty", "field_mask", "source_context", "struct", "timestamp", "type", "wrappers",
		"compiler/plugin", "cpp_features", "java_features",
	} {
		path = "google/protobuf/" + path + ".proto"
		t.Run(path, func(t *testing.T) {
			found, err := official.FindFileByPath(path)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(found.Source)
			if err != nil {
				t.Fatal(err)
			}
			if !WellKnown(path) {
				t.Errorf("%s needs a reference", path)
			}
			s, err := Parse(compat.Source{Text: string(text)})
			if err != nil {
				t.Fatal(err)
			}
			checkForms(t, s, nil)
		})
	}
	for path, fd := range ownWellKnown() {
		if !WellKnown(path) || fd.Messages().Len()+fd.Enums().Len() == 0 {
			t.Errorf("%s declares nothing", path)
		}
	}
	if n := len(ownWellKnown()); n != 20 {
		t.Errorf("%d definitions of our own, want 17 of google.type and 3 of confluent", n)
	}
	if WellKnown("google/protobuf/nothing.proto") || WellKnown("shop/order.proto") {
		t.Error("a path is well known that is not")
	}
}

func TestFormats(t *testing.T) {
	s, err := Parse(compat.Source{Text: `
syntax = "proto3";
import "confluent/meta.proto";
message M {
  option (confluent.message_meta).doc = "m";
  string a = 1 [deprecated = true, (confluent.field_meta).doc = "a"];
}
extend confluent.Meta { }
`})
	if err == nil {
		t.Fatal("an empty extend block of a message without extension ranges was read", s)
	}
	s, err = Parse(compat.Source{Text: `
syntax = "proto3";
import "confluent/meta.proto";
import "google/protobuf/descriptor.proto";
message M {
  option (confluent.message_meta).doc = "m";
  string a = 1 [deprecated = true, (confluent.field_meta).doc = "a"];
}
extend google.protobuf.FieldOptions { string x = 50000; }
`})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Format("ignore_extensions")
	if err != nil {
		t.Fatal(err)
	}
	const want = `syntax = "proto3";

import "confluent/meta.proto";
import "google/protobuf/descriptor.proto";

message M {
  string a = 1 [deprecated = true];
}
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	for _, name := range []string{"", "default", "resolved", "whatever"} {
		if got, err := s.Format(name); err != nil || got != s.Canonical() {
			t.Errorf("format %q: %v\n%s", name, err, got)
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		`syntax = "proto3"; package a.b; enum E { Z = 0; } message M {} message N {}`: "a.b.M",
		`syntax = "proto3"; enum E { Z = 0; }`:                                        "E",
		`syntax = "proto3"; package x;`:                                               "",
	} {
		s, err := Parse(compat.Source{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		if s.Name() != want {
			t.Errorf("%s has the name %q, want %q", text, s.Name(), want)
		}
	}
}
