//go:build unix

package registry

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// longHistory is a journal of subjects with ten versions each.
func longHistory(tb testing.TB, subjects int) *journal.Memory {
	tb.Helper()
	m, end := &journal.Memory{}, journal.Offset(0)
	for s := range subjects {
		name := schema.Subject(fmt.Sprintf("topic-%07d-value", s))
		batch := make([]journal.Record, 10)
		for v := range batch {
			id := s*10 + v + 1
			text := fmt.Sprintf(`{"type":"record","name":"Order%d","namespace":"com.acme","fields":[{"name":"id","type":"long"},{"name":"customer","type":"string"},`+
				`{"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[{"name":"sku","type":"string"},{"name":"count","type":"int"}]}}}]}`, id)
			batch[v] = journal.Record{
				Key:   journal.AppendKey(nil, journal.Key{Type: journal.SchemaKey, Subject: name, Version: schema.Version(v + 1)}),
				Value: journal.AppendSchema(nil, journal.SchemaValue{Subject: name, Version: schema.Version(v + 1), ID: schema.ID(id), Definition: schema.Definition{Type: schema.Avro, Text: text}}),
			}
		}
		var err error
		if end, err = m.Append(context.Background(), end, batch); err != nil {
			tb.Fatal(err)
		}
	}
	return m
}

// BenchmarkReplay opens a registry over a journal in memory. The time that
// counts on a machine with other work is that of the processors.
func BenchmarkReplay(b *testing.B) {
	for _, subjects := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(subjects, "x10"), func(b *testing.B) {
			m := longHistory(b, subjects)
			b.ReportAllocs()
			b.ResetTimer()
			began := cpuSeconds(b)
			for b.Loop() {
				r, err := Open(context.Background(), Options{Journal: m})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if n := r.snap.Load().subjects.len(); n != subjects {
					b.Fatalf("%d subjects", n)
				}
				r.Close()
				b.StartTimer()
			}
			used := cpuSeconds(b) - began
			b.ReportMetric(used/float64(b.N)*1e4/float64(subjects), "cpu-s/100k-records")
		})
	}
}

// cpuSeconds returns how long the processors have worked for this process.
func cpuSeconds(tb testing.TB) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
