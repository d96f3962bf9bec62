package dovetail

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/dovetail-dev/dovetail/"

// mayImport is the table of the walls (ARCHITECTURE.md): what a package may import of this
// module. A trailing "/..." stands for a package and everything below it. A
// package that is not listed is an error, so a new one is a decision.
//
// Tests of a package may import more: the helpers named in testHelpers and
// whatever they compare with.
var mayImport = map[string][]string{
	"compat/schema":                {},
	"compat":                       {"compat/schema"},
	"compat/avro":                  {"compat", "compat/schema"},
	"compat/avro/avrotest":         {"compat/..."},
	"compat/jsonschema":            {"compat", "compat/schema"},
	"compat/protobuf":              {"compat", "compat/schema"},
	"compat/formats":               {"compat/..."},
	"serde/frame":                  {"compat/schema"},
	"serde":                        {"compat/schema", "serde/frame"},
	"serde/avro":                   {"compat/...", "serde", "serde/frame"},
	"serde/avro/avrobench":         {},
	"serde/avro/avrohostile":       {},
	"serde/jsonschema":             {"compat/...", "serde", "serde/frame"},
	"serde/protobuf":               {"compat/...", "serde", "serde/frame"},
	"serde/rules":                  {"compat/...", "serde", "serde/frame", "serde/rules/kms", "serde/rules/jsonata"},
	"serde/rules/jsonata":          {},
	"serde/rules/kms":              {},
	"serde/service":                {"compat/...", "serde/..."},
	"broker/record":                {},
	"broker/internal/vfs":          {},
	"broker/commitlog":             {"broker/record", "broker/internal/vfs"},
	"broker/group":                 {"broker/record"},
	"broker/share":                 {},
	"broker/txn":                   {"broker/record"},
	"broker/topics":                {"broker/record", "broker/internal/vfs"},
	"broker":                       {"broker/..."},
	"registry/journal":             {"compat/schema"},
	"registry/journal/journaltest": {"compat/schema", "registry/journal"},
	"registry/journal/redis":       {"compat/schema", "registry/journal"},
	"registry/journal/kafka":       {"compat/schema", "registry/journal"},
	"registry/journal/seal":        {"compat/schema", "registry/journal"},
	"registry":                     {"compat/...", "registry/journal"},
	"registry/rest":                {"registry", "compat", "compat/schema"},
	"registry/validate":            {"serde/...", "compat/..."},
	"clients/srclient":             {"compat/schema", "serde"},
	"clients/internal/dials":       {},
	"clients/producer":             {"serde/...", "compat/schema", "clients/internal/dials"},
	"clients/consumer":             {"serde/...", "compat/schema", "clients/internal/dials"},
	"clients/deadletter":           {"serde/..."},
	"clients/consumer/dedup/...":   {"clients/consumer", "clients/consumer/dedup"},
	"clients/cluster":              {},
	"clients/console":              {"clients/...", "compat/...", "serde/..."},
	"cmd/...":                      {"..."},
	"examples/...":                 {"..."},
}

// TestLayering reads the import clauses of every Go file in the module.
func TestLayering(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if file != "." && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata" || nestedModule(file)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || path.Dir(filepath.ToSlash(file)) == "." {
			return nil
		}
		pkg := path.Dir(filepath.ToSlash(file))
		allowed, listed := rulesFor(pkg)
		if !listed {
			t.Errorf("%s: package %s is not in the table of allowed imports", file, pkg)
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			ours, ok := strings.CutPrefix(name, module)
			if !ok {
				continue
			}
			seen++
			if !matchesAny(allowed, ours) {
				t.Errorf("%s imports %s: %s may import only %v", file, ours, pkg, allowed)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Fatal("no import of our own was read: the walk is broken")
	}
}

// TestLayeringRefuses shows that the table bites.
func TestLayeringRefuses(t *testing.T) {
	for _, forbidden := range [][2]string{
		{"broker", "registry"},
		{"registry", "broker"},
		{"registry", "broker/commitlog"},
		{"compat/avro", "serde/avro"},
		{"clients/producer", "broker"},
		{"serde", "compat/avro"},
	} {
		allowed, listed := rulesFor(forbidden[0])
		if !listed || matchesAny(allowed, forbidden[1]) {
			t.Errorf("the table lets %s import %s", forbidden[0], forbidden[1])
		}
	}
	if _, listed := rulesFor("utils"); listed {
		t.Error("the table knows a package that does not exist")
	}
}

// rulesFor returns the imports that pkg is allowed, and whether it is listed.
func rulesFor(pkg string) ([]string, bool) {
	if allowed, ok := mayImport[pkg]; ok {
		return allowed, true
	}
	for pattern, allowed := range mayImport {
		if strings.HasSuffix(pattern, "/...") && matches(pattern, pkg) {
			return allowed, true
		}
	}
	return nil, false
}

func matchesAny(patterns []string, pkg string) bool {
	for _, p := range patterns {
		if matches(p, pkg) {
			return true
		}
	}
	return false
}

func matches(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == prefix || strings.HasPrefix(pkg, prefix+"/")
	}
	return pattern == pkg
}

func nestedModule(dir string) bool {
	if dir == "." {
		return false
	}
	found, _ := filepath.Glob(filepath.Join(dir, "go.mod"))
	return len(found) > 0
}
