// Package schema holds the nouns of a schema registry: what a subject, a
// version, a schema ID or a reference is, and how a definition is
// fingerprinted. It decides nothing and imports nothing of this module, so that
// every other package can speak the same words.
//
// All types are plain values. A Definition and everything it points to is
// treated as immutable once it has been handed to another package.
package schema

import (
	"fmt"
	"strings"
)

// Type names a schema format. The zero value means AVRO wherever a request may
// leave the type out; use OrDefault there.
type Type string

// The formats that the registry knows.
const (
	Avro     Type = "AVRO"
	JSON     Type = "JSON"
	Protobuf Type = "PROTOBUF"
)

// OrDefault returns t, or Avro when t is empty.
func (t Type) OrDefault() Type {
	if t == "" {
		return Avro
	}
	return t
}

// Known reports whether t is one of the three formats (the empty type is not).
func (t Type) Known() bool { return t == Avro || t == JSON || t == Protobuf }

// ID is a schema ID: unique within one context, first 1. Zero means "none".
type ID int32

// Version is a version of a subject, 1 to 2^31-1. Zero means "none".
type Version int32

// Latest asks for the newest live version of a subject.
const Latest Version = -1

// GUID identifies a definition in every context: the 16 bytes of its
// Fingerprint, printed as lower-case UUID text.
type GUID [16]byte

func (g GUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", g[0:4], g[4:6], g[6:8], g[8:10], g[10:16])
}

// ParseGUID reads the 36-character UUID form, in either letter case.
func ParseGUID(s string) (GUID, error) {
	var g GUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return g, fmt.Errorf("schema: GUID %q is not a UUID", s)
	}
	hex := strings.ReplaceAll(s, "-", "")
	if len(hex) != 32 {
		return g, fmt.Errorf("schema: GUID %q is not a UUID", s)
	}
	for i := range g {
		hi, ok1 := unhex(hex[2*i])
		lo, ok2 := unhex(hex[2*i+1])
		if !ok1 || !ok2 {
			return GUID{}, fmt.Errorf("schema: GUID %q is not a UUID", s)
		}
		g[i] = hi<<4 | lo
	}
	return g, nil
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// Reference makes a schema of another subject available under Name: the full
// type name in Avro, the import path in Protobuf, the $ref target in JSON
// Schema.
type Reference struct {
	Name    string  `json:"name"`
	Subject Subject `json:"subject"`
	Version Version `json:"version"`
}

// Definition is everything that makes a schema what it is: two equal
// definitions of one context have one ID.
type Definition struct {
	Type       Type
	Text       string
	References []Reference
	Metadata   *Metadata // nil and empty differ: they have different fingerprints
	RuleSet    *RuleSet  // likewise
}
