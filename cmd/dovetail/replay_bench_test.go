package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// BenchmarkReplayEmbedded starts a broker over a data directory and replays the
// registry's journal from it: what a restart does before the first answer.
func BenchmarkReplayEmbedded(b *testing.B) {
	const subjects, versions = 10_000, 10
	ctx, dir := context.Background(), b.TempDir()
	start := func() (*broker.Broker, *brokerJournal) {
		k, err := broker.New(broker.Options{DataDir: dir, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			b.Fatal(err)
		}
		if err := k.Start(ctx); err != nil {
			b.Fatal(err)
		}
		j, err := openBrokerJournal(k, schemasTopic)
		if err != nil {
			b.Fatal(err)
		}
		return k, j
	}
	stop := func(k *broker.Broker) {
		if err := k.Close(ctx); err != nil {
			b.Fatal(err)
		}
	}
	k, j := start()
	var batch []journal.Record
	for id := 1; id <= subjects*versions; id++ {
		name, version := schema.Subject(fmt.Sprintf("topic-%07d-value", (id-1)/versions)), schema.Version((id-1)%versions+1)
		text := fmt.Sprintf(`{"type":"record","name":"Order%d","namespace":"com.acme","fields":[{"name":"id","type":"long"},{"name":"customer","type":"string"},`+
			`{"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[{"name":"sku","type":"string"},{"name":"count","type":"int"}]}}}]}`, id)
		batch = append(batch, journal.Record{
			Key:   journal.AppendKey(nil, journal.Key{Type: journal.SchemaKey, Subject: name, Version: version}),
			Value: journal.AppendSchema(nil, journal.SchemaValue{Subject: name, Version: version, ID: schema.ID(id), Definition: schema.Definition{Type: schema.Avro, Text: text}}),
		})
		if len(batch) == 500 {
			end, _ := j.End(ctx)
			if _, err := j.Append(ctx, end, batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	stop(k)
	b.ReportAllocs()
	for b.Loop() {
		k, j := start()
		r, err := registry.Open(ctx, registry.Options{Journal: j})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if got := int(r.End()); got != subjects*versions {
			b.Fatalf("replayed up to %d", got)
		}
		_ = r.Close()
		stop(k)
		b.StartTimer()
	}
}
