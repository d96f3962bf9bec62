package avro

import (
	"strconv"
	"strings"
)

// FieldName implements compat.FieldNamer: the names of the record fields that a
// path goes through, joined by dots.
func (s *Schema) FieldName(path string) string {
	var names []string
	at := s.Root()
	steps := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := 0; i < len(steps) && at != nil; i++ {
		switch n, err := strconv.Atoi(steps[i]); {
		case steps[i] == "fields" && at.Kind == Record && i+1 < len(steps):
			i++
			n, err := strconv.Atoi(steps[i])
			if err != nil || n < 0 || n >= len(at.Fields) {
				return strings.Join(names, ".")
			}
			names = append(names, at.Fields[n].Name)
			at = at.Fields[n].Type
		case (steps[i] == "items" && at.Kind == Array) || (steps[i] == "values" && at.Kind == Map):
			at = at.Items
		case err == nil && at.Kind == Union:
			if n < 0 || n >= len(at.Branches) {
				return strings.Join(names, ".") // a branch of the writer's
			}
			at = at.Branches[n]
		}
	}
	return strings.Join(names, ".")
}
