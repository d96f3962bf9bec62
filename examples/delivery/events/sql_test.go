package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/examples/delivery/city"
)

func TestSQLTellsEachChangeOnce(t *testing.T) {
	s := settings{ledger: t.TempDir(), city: city.Options{Seed: 5, Orders: 300, Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)}}
	c, err := city.Simulate(s.city)
	if err != nil {
		t.Fatal(err)
	}
	updates := 0
	for _, e := range c.Events {
		if e.Status != nil && e.Status.Seq > 0 {
			updates++
		}
	}
	var all strings.Builder
	for _, s.part = range []string{"schema", "first", "second"} {
		var out strings.Builder
		if err := writeSQL(&out, s); err != nil {
			t.Fatal(err)
		}
		if b, e := strings.Count(out.String(), "BEGIN;\n"), strings.Count(out.String(), "COMMIT;\n"); b != e {
			t.Errorf("%s: %d transactions begin, %d end", s.part, b, e)
		}
		all.WriteString(out.String())
	}
	for statement, want := range map[string]int{"INSERT INTO orders": len(c.Stories), "UPDATE orders": updates, "INSERT INTO couriers": len(c.Couriers)} {
		if got := strings.Count(all.String(), statement); got != want {
			t.Errorf("%s: %d times, want %d", statement, got, want)
		}
	}
	ledger, err := os.ReadFile(filepath.Join(s.ledger, "orders.csv"))
	if err != nil || strings.Count(string(ledger), "\n") != 1+len(c.Stories) {
		t.Errorf("the ledger has %d lines, %v", strings.Count(string(ledger), "\n"), err)
	}
	s.part = "third"
	if err := writeSQL(&all, s); err == nil {
		t.Error("there is a third part")
	}
}
