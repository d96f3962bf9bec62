package check

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// A file that was renamed or moved goes on being checked: what is new here and
// what is gone from there belong together if they define the same thing, or
// else if a file of the same name is gone from one other folder.
//
//	Avro        the full name of the outermost type
//	Protobuf    the full name of any outermost message or enum
//	JSON        the $id

// movedFrom returns the path in old of the file that stands at name in now, or
// "" if it is new. Only files that are gone from now come into question.
func movedFrom(now, old *Workspace, name string) string {
	f := now.files[name]
	if f == nil {
		return ""
	}
	var sameName []string
	for _, p := range old.Paths() {
		before := old.files[p]
		if now.Has(p) || before.typ != f.typ {
			continue
		}
		if slices.ContainsFunc(f.identity, func(id string) bool { return slices.Contains(before.identity, id) }) {
			return p
		}
		if path.Base(p) == path.Base(name) {
			sameName = append(sameName, p)
		}
	}
	if len(sameName) == 1 {
		return sameName[0]
	}
	return ""
}

// Gone returns the files that a ref has and the folder has no longer, under no
// name.
func (g *Git) Gone() []string {
	var gone []string
	for _, old := range g.workspaces {
		followed := map[string]bool{}
		for _, p := range g.now.Paths() {
			if !old.Has(p) {
				followed[movedFrom(g.now, old, p)] = true
			}
		}
		for _, p := range old.Paths() {
			if !g.now.Has(p) && !followed[p] && !slices.Contains(gone, p) {
				gone = append(gone, p)
			}
		}
	}
	slices.Sort(gone)
	return gone
}

var (
	protoNoise = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'`)
	protoWords = regexp.MustCompile(`[\w.]+|[{}]`)
)

// protoNames returns the full names of the outermost messages and enums.
func protoNames(text string) []string {
	var names []string
	pkg, before, depth := "", "", 0
	for _, word := range protoWords.FindAllString(protoNoise.ReplaceAllString(text, " "), -1) {
		switch {
		case word == "{":
			depth++
		case word == "}":
			depth--
		case depth == 0 && before == "package":
			pkg = word
		case depth == 0 && (before == "message" || before == "enum"):
			names = append(names, word)
		}
		before = word
	}
	for i := range names {
		names[i] = qualify(pkg, names[i])
	}
	return names
}

// avroName returns the full name of the outermost type, if it has one.
func avroName(v any) []string {
	o, _ := v.(map[string]any)
	name, _ := o["name"].(string)
	namespace, _ := o["namespace"].(string)
	switch {
	case name == "":
		return nil
	case strings.Contains(name, "."):
		return []string{name}
	}
	return []string{qualify(namespace, name)}
}

// inFolder puts a folder before a path, for people and services that stand
// somewhere else.
func inFolder(folder, name string) string {
	if name == "" {
		return ""
	}
	return path.Join(folder, name)
}

// Rebase makes all paths of the report relative to another place, from which
// the checked folder is called folder.
func (r *Report) Rebase(folder string) {
	for _, names := range [][]string{r.Compared, r.New, r.Gone, r.Skipped} {
		for i := range names {
			names[i] = inFolder(folder, names[i])
		}
	}
	for i := range r.Findings {
		r.Findings[i].File = inFolder(folder, r.Findings[i].File)
	}
	for i := range r.Problems {
		r.Problems[i].File = inFolder(folder, r.Problems[i].File)
	}
}
