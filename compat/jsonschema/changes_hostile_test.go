package jsonschema

import (
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
)

// TestChangesInsideManyNots: every not is compared with every other around it, and
// the texts inside must not be walked each time.
func TestChangesInsideManyNots(t *testing.T) {
	text := strings.Repeat(`{"not":`, 499) + `{"type":"string"}` + strings.Repeat("}", 499)
	older, newer := parse(t, text), parse(t, strings.Replace(text, "string", "integer", 1))
	list := newer.Changes(older, compat.Options{})
	if len(list) != 2 || !strings.HasSuffix(list[1].Path, "/not/type") || list[1].Rule != KeywordChanged {
		t.Errorf("%d changes: %.300v", len(list), list)
	}
}
