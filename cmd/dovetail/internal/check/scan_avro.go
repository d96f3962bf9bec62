package check

import (
	"encoding/json"
	"slices"
	"strings"
)

// scanAvro notes the names that an Avro file defines and those that it uses.
// Errors in the text are left to the parser, which can say where they are.
func (ws *Workspace) scanAvro(f *file) {
	var v any
	if json.Unmarshal([]byte(f.text), &v) != nil {
		return
	}
	f.identity = avroName(v)
	s := avroScan{defined: map[string]bool{}}
	s.walk(v, "")
	for name := range s.defined {
		if other, twice := ws.avroNames[name]; twice && other != f.path {
			// Versions of one schema may lie side by side. Only a file that uses
			// the name could not tell which one is meant.
			ws.ambiguous[name] = [2]string{other, f.path}
			continue
		}
		ws.avroNames[name] = f.path
	}
	for _, u := range s.uses {
		if !slices.ContainsFunc(u.candidates, func(n string) bool { return s.defined[n] }) {
			f.uses = append(f.uses, u)
		}
	}
}

type avroScan struct {
	defined map[string]bool
	uses    []use
}

var avroPrimitives = map[string]bool{
	"null": true, "boolean": true, "int": true, "long": true, "float": true, "double": true,
	"bytes": true, "string": true, "record": true, "error": true, "enum": true, "array": true, "map": true, "fixed": true,
}

// walk visits a type; namespace is the one that surrounds it.
func (s *avroScan) walk(v any, namespace string) {
	switch v := v.(type) {
	case string:
		s.use(v, namespace)
	case []any:
		for _, branch := range v {
			s.walk(branch, namespace)
		}
	case map[string]any:
		s.walkObject(v, namespace)
	}
}

func (s *avroScan) walkObject(v map[string]any, namespace string) {
	kind, isString := v["type"].(string)
	if !isString {
		s.walk(v["type"], namespace)
		return
	}
	switch kind {
	case "array":
		s.walk(v["items"], namespace)
	case "map":
		s.walk(v["values"], namespace)
	case "record", "error", "enum", "fixed":
		name, _ := v["name"].(string)
		if ns, ok := v["namespace"].(string); ok {
			namespace = ns
		}
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			namespace, name = name[:i], name[i+1:]
		}
		s.defined[qualify(namespace, name)] = true
		fields, _ := v["fields"].([]any)
		for _, field := range fields {
			if o, ok := field.(map[string]any); ok {
				s.walk(o["type"], namespace)
			}
		}
	default:
		s.use(kind, namespace)
	}
}

func (s *avroScan) use(name, namespace string) {
	if avroPrimitives[name] {
		return
	}
	full := name
	if !strings.Contains(name, ".") {
		full = qualify(namespace, name)
	}
	s.uses = append(s.uses, use{name: full, candidates: []string{full, name}})
}

func qualify(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "." + name
}
