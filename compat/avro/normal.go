package avro

import (
	"strconv"
	"unicode/utf16"
)

func appendInt(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }

// lessUTF16 compares as Java compares strings: by UTF-16 units, which differs
// from the order of bytes only beyond the basic plane.
func lessUTF16(a, b string) bool {
	ra, rb := []rune(a), []rune(b)
	for i := 0; i < len(ra) && i < len(rb); i++ {
		if ra[i] != rb[i] {
			return firstUnit(ra[i]) < firstUnit(rb[i]) || firstUnit(ra[i]) == firstUnit(rb[i]) && ra[i] < rb[i]
		}
	}
	return len(ra) < len(rb)
}

func firstUnit(r rune) rune {
	if r > 0xFFFF {
		r, _ = utf16.EncodeRune(r)
	}
	return r
}

// appendNormalDefault appends f's default with the numbers of float and double
// written as such, so that 1, 1.0 and 10e-1 are one text. A value that does not
// fit the type, which an old schema may have, is left as it is.
func appendNormalDefault(dst []byte, f *Field) []byte {
	t, err := scan(string(f.Default), nil)
	if err != nil { // what the parser wrote is JSON
		return append(dst, f.Default...)
	}
	return appendNormalValue(dst, f.Type, &t, 0)
}

func appendNormalValue(dst []byte, n *Node, t *tape, i uint32) []byte {
	tok := &t.toks[i]
	for n != nil && n.Kind == Union {
		if len(n.Branches) == 0 {
			n = nil
			break
		}
		n = n.Branches[0]
	}
	switch {
	case n == nil:
	case (n.Kind == Float || n.Kind == Double) && (tok.kind == tokInteger || tok.kind == tokFloat):
		bits := 64
		if n.Kind == Float {
			bits = 32
		}
		v, _ := strconv.ParseFloat(t.text[tok.start:tok.end], 64)
		if bits == 32 {
			v = float64(float32(v))
		}
		return appendDouble(dst, v, bits)
	case n.Kind == Array && tok.kind == tokArray:
		dst = append(dst, '[')
		for e := i + 1; e < tok.next; e = t.toks[e].next {
			if e > i+1 {
				dst = append(dst, ',')
			}
			dst = appendNormalValue(dst, n.Items, t, e)
		}
		return append(dst, ']')
	case (n.Kind == Map || n.Kind == Record) && tok.kind == tokObject:
		dst = append(dst, '{')
		for k := i + 1; k < tok.next; k = t.toks[k+1].next {
			if k > i+1 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, t.str(k))
			dst = append(dst, ':')
			dst = appendNormalValue(dst, n.member(t.str(k)), t, k+1)
		}
		return append(dst, '}')
	}
	return t.appendValue(dst, i)
}

// member returns the type of a map's values or of the field of that name.
func (n *Node) member(name string) *Node {
	if n.Kind == Map {
		return n.Items
	}
	for _, f := range n.Fields {
		if f.Name == name {
			return f.Type
		}
	}
	return nil
}

func compareUTF16(a, b string) int {
	switch {
	case lessUTF16(a, b):
		return -1
	case a == b:
		return 0
	}
	return 1
}
