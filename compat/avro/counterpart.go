package avro

import (
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
)

// Counterpart implements compat.Counterparter. Fields go by name and alias; the
// number of a branch in a path is the writer's already.
func (s *Schema) Counterpart(writer compat.Schema, path string) string {
	other, ok := writer.(*Schema)
	if !ok {
		return "/"
	}
	var out []string
	r, w := s.root, other.root
	steps := strings.Split(strings.TrimPrefix(path, "/"), "/")
walk:
	for i := 0; i < len(steps) && r != nil && w != nil; i++ {
		if n, err := strconv.Atoi(steps[i]); err == nil {
			if w.Kind != Union || n < 0 || n >= len(w.Branches) {
				break
			}
			out, w = append(out, steps[i]), w.Branches[n]
			if r.Kind == Union {
				break // which of the reader's branches it is about is not said
			}
			continue
		}
		if r.Kind != w.Kind {
			break
		}
		switch {
		case steps[i] == "fields" && r.Kind == Record && i+1 < len(steps):
			i++
			n, err := strconv.Atoi(steps[i])
			if err != nil || n < 0 || n >= len(r.Fields) {
				break walk
			}
			names := fieldNames{writer: w}
			from, _ := names.source(r.Fields[n])
			if from == nil {
				break walk
			}
			out = append(out, "fields", strconv.Itoa(from.Index))
			if i+1 == len(steps) || steps[i+1] != "type" {
				break walk
			}
			i++
			out, r, w = append(out, "type"), r.Fields[n].Type, from.Type
		case steps[i] == "items" && r.Kind == Array, steps[i] == "values" && r.Kind == Map:
			out, r, w = append(out, steps[i]), r.Items, w.Items
		case steps[i] != "":
			out = append(out, steps[i]) // name, size or symbols
			break walk
		}
	}
	return "/" + strings.Join(out, "/")
}
