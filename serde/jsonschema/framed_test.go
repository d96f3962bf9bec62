package jsonschema_test

import (
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/frame"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
)

// TestFramedRecordsAreRefusedUnlessWhole: the deserializer takes a record and
// nothing that was cut, spoilt or made to kill it, with a validating reader and
// without.
func TestFramedRecordsAreRefusedUnlessWhole(t *testing.T) {
	registry := &shelf{}
	reg, err := registry.Register(t.Context(), "orders-value", schema.Definition{Type: schema.JSON, Text: orderText}, serde.RegisterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	head := frame.AppendID(nil, reg.ID)
	for name, text := range map[string]string{"reader": orderText, "writer alone": ""} {
		d, err := jsonschema.NewDeserializer[map[string]any](registry, text)
		if err != nil {
			t.Fatal(err)
		}
		byPrefix := func(b []byte) error {
			var v map[string]any
			return d.Decode(t.Context(), "orders", b, &v)
		}
		byHeader := func(header, b []byte) error {
			var v map[string]any
			return d.DecodeRecord(t.Context(), "orders", header, b, &v)
		}
		whole := append(head[:len(head):len(head)], orderPayload...)
		if err := byPrefix(whole); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range whole {
			if byPrefix(whole[:n]) == nil {
				t.Fatalf("%s: the first %d of %d bytes are taken", name, n, len(whole))
			}
		}
		guid := frame.AppendGUID(nil, reg.GUID)
		if err := byHeader(guid, []byte(orderPayload)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := 1; n < len(guid); n++ { // no header at all leaves the payload to be a frame
			if byHeader(guid[:n], []byte(orderPayload)) == nil {
				t.Fatalf("%s: %d bytes of the header are taken", name, n)
			}
		}
		for what, payload := range map[string]string{
			"a million arrays":       strings.Repeat("[", 1_000_000),
			"a million objects":      strings.Repeat(`{"a":`, 1_000_000),
			"two documents":          orderPayload + orderPayload,
			"not UTF-8":              "\"\xff\"",
			"a string without end":   `{"a":"` + strings.Repeat("x", 1<<20),
			"another magic byte":     "\x07",
			"a number without end":   `{"a":` + strings.Repeat("9", 1<<20),
			"a byte order mark":      "\xef\xbb\xbf" + orderPayload,
			"a comma before the end": `{"a":1,}`,
		} {
			if byPrefix(append(head[:len(head):len(head)], payload...)) == nil {
				t.Errorf("%s: %s is taken", name, what)
			}
			if byHeader(guid, []byte(payload)) == nil {
				t.Errorf("%s: %s is taken behind a header", name, what)
			}
		}
	}
}
