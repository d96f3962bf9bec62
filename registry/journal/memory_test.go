package journal_test

import (
	"context"
	"testing"

	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/journal/journaltest"
)

func TestMemory(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journal.Journal { return &journal.Memory{} })
}

func TestMemoryCompacts(t *testing.T) {
	ctx := context.Background()
	m := &journal.Memory{}
	k := func(s string) []byte { return []byte(s) }
	end, err := m.Append(ctx, 0, []journal.Record{{Key: k("a"), Value: k("1")}, {Key: k("b"), Value: k("1")}, {Key: k("a"), Value: k("2")}, {Key: k("b")}})
	if err != nil {
		t.Fatal(err)
	}
	m.Compact(true)
	records, next, err := m.Read(ctx, 0, 10)
	if err != nil || len(records) != 1 || string(records[0].Value) != "2" || next != end {
		t.Errorf("got %v, next %d, %v", records, next, err)
	}
	if records, next, err = m.Read(ctx, 3, 10); err != nil || len(records) != 0 || next != end {
		t.Errorf("in a hole: %v, next %d, %v", records, next, err)
	}
}
