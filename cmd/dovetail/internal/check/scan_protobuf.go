package check

import (
	"path"
	"regexp"
)

// protoImport finds import statements once comments and other strings are out
// of the way: each alternative consumes one of them, only the last captures.
var protoImport = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/|\bimport\s+(?:public\s+|weak\s+)?(?:"([^"\n]*)"|'([^'\n]*)')|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'`)

// scanProtobuf notes what a .proto file imports. An import is looked for from
// the root, from every further proto path and beside the importing file.
func (ws *Workspace) scanProtobuf(f *file) {
	f.identity = protoNames(f.text)
	for _, m := range protoImport.FindAllStringSubmatch(f.text, -1) {
		name := m[1] + m[2]
		if name == "" {
			continue
		}
		candidates := []string{path.Clean(name)}
		for _, p := range ws.protoPaths {
			candidates = append(candidates, path.Join(p, name))
		}
		candidates = append(candidates, path.Join(path.Dir(f.path), name))
		f.uses = append(f.uses, use{name: name, candidates: candidates})
	}
}
