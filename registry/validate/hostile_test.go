package validate

import (
	"errors"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/avro/avrohostile"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// TestHostilePayloadsAreRefused: the broker walks over what anybody sends.
func TestHostilePayloadsAreRefused(t *testing.T) {
	for i, c := range avrohostile.Payloads() {
		if c.Schema == `"bytes"` { // of which frames hold the bytes themselves, without their length
			continue
		}
		id := schema.ID(100 + i)
		table := newTable(t)
		table.byID[id] = entry{def: schema.Definition{Type: schema.Avro, Text: c.Schema}, subjects: []schema.Subject{"hostile-value"}}
		checker := New(table, Options{}).Checker(Field{Topic: "hostile", Level: Payload})
		var rejection *Rejection
		if err := checker.Check(t.Context(), nil, append(frame.AppendID(nil, id), c.Data...)); !errors.As(err, &rejection) {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}
