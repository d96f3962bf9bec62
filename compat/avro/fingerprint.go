package avro

import (
	"crypto/md5" //nolint:gosec // an identity that the specification names, not a secret
	"crypto/sha256"
)

// ParsingCanonicalForm returns the form of the specification that keeps what
// matters for reading data and nothing else: full names, no documentation,
// defaults, aliases, logical types or other attributes, all dependencies
// inlined.
func (s *Schema) ParsingCanonicalForm() string { return s.parsing() }

// Fingerprint64 returns the CRC-64-AVRO (Rabin) of the Parsing Canonical Form,
// the fingerprint of single-object encoding.
func (s *Schema) Fingerprint64() uint64 { return CRC64([]byte(s.parsing())) }

// FingerprintMD5 returns the MD5 of the Parsing Canonical Form.
func (s *Schema) FingerprintMD5() [md5.Size]byte { return md5.Sum([]byte(s.parsing())) } //nolint:gosec

// FingerprintSHA256 returns the SHA-256 of the Parsing Canonical Form.
func (s *Schema) FingerprintSHA256() [sha256.Size]byte { return sha256.Sum256([]byte(s.parsing())) }

// appendParsingForm appends n. A named type is defined at its first occurrence
// and is a full name after that.
func appendParsingForm(dst []byte, n *Node, done map[*Node]struct{}) []byte {
	switch n.Kind {
	case Union:
		dst = append(dst, '[')
		for i, b := range n.Branches {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendParsingForm(dst, b, done)
		}
		return append(dst, ']')
	case Array:
		dst = append(dst, `{"type":"array","items":`...)
		return append(appendParsingForm(dst, n.Items, done), '}')
	case Map:
		dst = append(dst, `{"type":"map","values":`...)
		return append(appendParsingForm(dst, n.Items, done), '}')
	case Record, Enum, Fixed:
		return appendNamedForm(dst, n, done)
	}
	return appendString(dst, n.Kind.String())
}

func appendNamedForm(dst []byte, n *Node, done map[*Node]struct{}) []byte {
	if _, ok := done[n]; ok {
		return appendString(dst, n.FullName())
	}
	done[n] = struct{}{}
	dst = append(dst, `{"name":`...)
	dst = appendString(dst, n.FullName())
	dst = append(dst, `,"type":"`...)
	dst = append(dst, n.Kind.String()...)
	dst = append(dst, '"')
	switch n.Kind {
	case Enum:
		dst = append(dst, `,"symbols":[`...)
		for i, s := range n.Symbols {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, s)
		}
		dst = append(dst, ']')
	case Fixed:
		dst = append(dst, `,"size":`...)
		dst = appendInt(dst, n.Size)
	case Record:
		dst = append(dst, `,"fields":[`...)
		for i, f := range n.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"name":`...)
			dst = appendString(dst, f.Name)
			dst = append(dst, `,"type":`...)
			dst = append(appendParsingForm(dst, f.Type, done), '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

const emptyCRC64 uint64 = 0xc15d213aa4d7a795

var crc64Table = func() (table [256]uint64) {
	for i := range table {
		crc := uint64(i)
		for range 8 {
			crc = crc>>1 ^ emptyCRC64&-(crc&1)
		}
		table[i] = crc
	}
	return table
}()

// CRC64 returns the CRC-64-AVRO of data as the specification defines it.
func CRC64(data []byte) uint64 {
	crc := emptyCRC64
	for _, b := range data {
		crc = crc>>8 ^ crc64Table[byte(crc)^b]
	}
	return crc
}
