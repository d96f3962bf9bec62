package main

import (
	"context"
	"testing"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/journal/journaltest"
)

func TestEmbeddedJournal(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journal.Journal {
		b, err := broker.New(broker.Options{DataDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close(context.Background()) })
		j, err := openBrokerJournal(b, schemasTopic)
		if err != nil {
			t.Fatal(err)
		}
		return j
	})
}
