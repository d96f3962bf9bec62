package avro_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
)

// wide returns a schema of ten nested records with 200 fields in all; added
// appends a field with a default to each record.
func wide(added bool) string {
	types := []string{`"string"`, `"long"`, `["null","string"]`, `{"type":"long","logicalType":"timestamp-millis"}`, `"double"`, `{"type":"array","items":"int"}`, `"boolean"`}
	var record func(n int) string
	record = func(n int) string {
		var fields []string
		for i := range 20 {
			typ, dflt := types[i%len(types)], ""
			if i%len(types) == 2 {
				dflt = `,"default":null`
			}
			if i == 10 && n < 9 {
				typ = record(n + 1)
			}
			fields = append(fields, fmt.Sprintf(`{"name":"field_%d","type":%s,"doc":"what field %d of record %d is for"%s}`, i, typ, i, n, dflt))
		}
		if added {
			fields = append(fields, `{"name":"added","type":"int","default":0}`)
		}
		return fmt.Sprintf(`{"type":"record","name":"Record%d","namespace":"com.example","fields":[%s]}`, n, strings.Join(fields, ","))
	}
	return record(0)
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"200fields": wide(false),
		"small":     `{"type":"record","name":"User","namespace":"com.example","fields":[{"name":"id","type":"long"},{"name":"name","type":"string"},{"name":"email","type":["null","string"],"default":null}]}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := avro.ParseText(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCanonical(b *testing.B) {
	text := wide(false)
	b.ReportAllocs()
	for b.Loop() {
		s, err := avro.ParseText(text)
		if err != nil {
			b.Fatal(err)
		}
		s.Canonical()
	}
}

func BenchmarkDifferences(b *testing.B) {
	writer, reader := strict(b, wide(false)), strict(b, wide(true))
	b.ReportAllocs()
	for b.Loop() {
		if found := reader.Differences(writer, compat.Options{}); found != nil {
			b.Fatal(found)
		}
	}
}

// BenchmarkRegistration is what a registry pays for a new version: both texts
// parsed and compared, the new one printed.
func BenchmarkRegistration(b *testing.B) {
	old, text := wide(false), wide(true)
	b.ReportAllocs()
	for b.Loop() {
		reader, writer := strict(b, text), lenient(b, old)
		if found := reader.Differences(writer, compat.Options{}); found != nil || reader.Canonical() == "" {
			b.Fatal(found)
		}
	}
}
