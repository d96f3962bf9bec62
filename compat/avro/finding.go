package avro

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
)

// finding is a difference before it is put into words, which only those of the
// outermost pair are.
type finding struct {
	rule           string
	at             *step // the place of the pair
	reader, writer *Node
	field          *Field // the reader's, of a rule about fields
}

func (f *finding) report() compat.Incompatibility {
	d := compat.Incompatibility{Rule: f.rule}
	last := ""
	switch f.rule {
	case RuleName:
		last, d.Detail = "name", "expected: "+f.writer.FullName()
	case RuleFixedSize:
		last, d.Detail = "size", "expected: "+strconv.Itoa(f.writer.Size)+", found: "+strconv.Itoa(f.reader.Size)
	case RuleEnumSymbols:
		last, d.Detail = "symbols", "["+strings.Join(missingSymbols(f.reader, f.writer), ", ")+"]"
	case RuleType:
		d.Detail = "reader type: " + upper(f.reader) + " not compatible with writer type: " + upper(f.writer)
	case RuleUnionBranch:
		d.Detail = "reader union lacking writer type: " + upper(f.writer)
	case RuleFieldDefault:
		last, d.Detail = "fields/"+strconv.Itoa(f.field.Index), f.field.Name
	case RuleFieldAmbiguous:
		names := fieldNames{writer: f.writer}
		from, second := names.source(f.field)
		last, d.Detail = "fields/"+strconv.Itoa(f.field.Index), f.field.Name+" fits both "+from.Name+" and "+second.Name
	}
	d.Path = f.at.path(last)
	return d
}

func upper(n *Node) string { return strings.ToUpper(n.Kind.String()) }

// step is one element of the path to a type, linked to those before it; nil
// is the root.
type step struct {
	parent *step
	kind   Kind // of the type around: Record, Array, Map or Union
	index  int  // of the field or branch
}

func (s *step) field(i int) *step     { return &step{parent: s, kind: Record, index: i} }
func (s *step) branch(i int) *step    { return &step{parent: s, kind: Union, index: i} }
func (s *step) items(kind Kind) *step { return &step{parent: s, kind: kind} }

// path returns the JSON pointer of the place, or of last in it.
func (s *step) path(last string) string {
	var parts []string
	if last != "" {
		parts = append(parts, last)
	}
	for ; s != nil; s = s.parent {
		switch s.kind {
		case Record:
			parts = append(parts, "fields/"+strconv.Itoa(s.index)+"/type")
		case Array:
			parts = append(parts, "items")
		case Map:
			parts = append(parts, "values")
		default:
			parts = append(parts, strconv.Itoa(s.index))
		}
	}
	slices.Reverse(parts)
	return "/" + strings.Join(parts, "/")
}
