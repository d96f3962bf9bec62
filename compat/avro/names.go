package avro

import (
	"fmt"
	"strings"
	"unicode"
)

// primitiveKinds are the types that are named, not defined.
var primitiveNodes = [...]*Node{
	Null: {Kind: Null}, Boolean: {Kind: Boolean}, Int: {Kind: Int}, Long: {Kind: Long},
	Float: {Kind: Float}, Double: {Kind: Double}, Bytes: {Kind: Bytes}, String: {Kind: String},
}

func primitiveKind(name string) (Kind, bool) {
	switch name {
	case "null":
		return Null, true
	case "boolean":
		return Boolean, true
	case "int":
		return Int, true
	case "long":
		return Long, true
	case "float":
		return Float, true
	case "double":
		return Double, true
	case "bytes":
		return Bytes, true
	case "string":
		return String, true
	}
	return 0, false
}

// isTypeWord reports whether name is a word of the schema language. A name
// like that is written with its namespace wherever it is used.
func isTypeWord(name string) bool {
	switch name {
	case "record", "enum", "array", "map", "union", "fixed":
		return true
	}
	_, primitive := primitiveKind(name)
	return primitive
}

// splitName returns the short name and the namespace of a name as it is
// written in a definition or an alias, where namespace is the one around it.
func splitName(written, namespace string) (name, space string) {
	if dot := strings.LastIndexByte(written, '.'); dot >= 0 {
		return written[dot+1:], written[:dot]
	}
	return written, namespace
}

func joinName(name, space string) string {
	if space == "" {
		return name
	}
	return space + "." + name
}

// checkName says what is wrong with one part of a name; "" for nothing. It
// asks for what the reference implementation asks for: a letter or underscore
// first, then letters, digits and underscores, of any script.
func checkName(name string) string {
	if name == "" {
		return "is empty"
	}
	for i, r := range name {
		letter := r == '_' || r <= 0xFFFF && unicode.IsLetter(r)
		switch {
		case letter:
		case i == 0:
			return fmt.Sprintf("%q starts with %q; a name starts with a letter or an underscore", name, r)
		case r > 0xFFFF || !unicode.IsDigit(r):
			return fmt.Sprintf("%q contains %q; a name consists of letters, digits and underscores", name, r)
		}
	}
	return ""
}

// checkNamespace is checkName for all parts of a namespace.
func checkNamespace(space string) string {
	for part := range strings.SplitSeq(space, ".") {
		if fault := checkName(part); fault != "" {
			return fault
		}
	}
	return ""
}

// refName returns how a type of that name is referred to where namespace is
// the one around it.
func refName(name, space, around string) string {
	if space != "" && space == around && !isTypeWord(name) {
		return name
	}
	return joinName(name, space)
}
