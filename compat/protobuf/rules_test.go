package protobuf

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
)

var rewrite = flag.Bool("rewrite", false, "write what is found as what is expected")

// TestRules compares the pairs under testdata/rules: a folder holds
// writer.proto, reader.proto, what each imports, and the findings, one a line:
// rule, path, and "ok" for a harmless one or the place in the reader.
func TestRules(t *testing.T) {
	folders, err := os.ReadDir("testdata/rules")
	if err != nil {
		t.Fatal(err)
	}
	met := map[string]bool{}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			dir := filepath.Join("testdata/rules", folder.Name())
			reader, writer := load(t, dir, "reader"), load(t, dir, "writer")
			var got strings.Builder
			for _, d := range reader.Differences(writer, compat.Options{}) {
				met[d.Rule] = true
				verdict := "ok"
				if !d.Compatible {
					verdict = "breaks"
					if !strings.Contains(reader.Describe(d, compat.Backward), " new schema") {
						t.Errorf("no sentence for %s", d.Rule)
					}
				}
				fmt.Fprintf(&got, "%s %s %s", d.Rule, d.Path, verdict)
				if p, ok := reader.Position(d.Path); ok {
					fmt.Fprintf(&got, " %s", p)
				}
				got.WriteByte('\n')
			}
			file := filepath.Join(dir, "findings.txt")
			if *rewrite {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("found\n%swant\n%s", got.String(), want)
			}
			sameFromDescriptor(t, dir, reader, writer)
		})
	}
	for rule := range sentences {
		if !met[rule] {
			t.Errorf("no folder shows %s", rule)
		}
	}
}

// sameFromDescriptor compares again with both sides as descriptors.
func sameFromDescriptor(t *testing.T, dir string, reader, writer *Schema) {
	t.Helper()
	r, w := reread(t, reader, imports(t, dir, "reader")), reread(t, writer, imports(t, dir, "writer"))
	want := fmt.Sprint(reader.Differences(writer, compat.Options{}))
	if got := fmt.Sprint(r.Differences(w, compat.Options{})); got != want {
		t.Errorf("as descriptors: %s\nas sources: %s", got, want)
	}
}

// reread parses the serialized form of s.
func reread(t testing.TB, s *Schema, deps []compat.Dependency) *Schema {
	t.Helper()
	text, err := s.Format("serialized")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(compat.Source{Text: text, Dependencies: deps})
	if err != nil {
		t.Fatalf("%v in the descriptor of\n%s", err, s.Canonical())
	}
	return again
}

func load(t *testing.T, dir, side string) *Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, side+".proto"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(compat.Source{Text: string(text), Dependencies: imports(t, dir, side)})
	if err != nil {
		t.Fatalf("%s: %v", side, err)
	}
	return s
}

func imports(t *testing.T, dir, side string) []compat.Dependency {
	t.Helper()
	var deps []compat.Dependency
	root := filepath.Join(dir, side+".imports")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		deps = append(deps, compat.Dependency{Name: filepath.ToSlash(name), Text: string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return deps
}

// TestDescribeSwapsRoles shows the exact shape of a finding, both ways.
func TestDescribeSwapsRoles(t *testing.T) {
	s := load(t, "testdata/rules/scalar_group_changed", "reader")
	d := compat.Incompatibility{Rule: FieldScalarKindChanged, Path: "#/M/1"}
	for roles, want := range map[compat.Roles]string{
		compat.Backward: `{errorType:"FIELD_SCALAR_KIND_CHANGED", description:"The kind of a SCALAR field at path '#/M/1' in the new schema does not match its kind in the old schema"}`,
		compat.Forward:  `{errorType:"FIELD_SCALAR_KIND_CHANGED", description:"The kind of a SCALAR field at path '#/M/1' in the old schema does not match its kind in the new schema"}`,
	} {
		if got := s.Describe(d, roles); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := s.Describe(compat.Incompatibility{Rule: FieldAdded, Path: "#/M/9", Compatible: true}, compat.Backward); got != `{errorType:"FIELD_ADDED", description:""}` {
		t.Error(got)
	}
}
