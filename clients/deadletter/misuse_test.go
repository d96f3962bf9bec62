package deadletter

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

func TestNoClientIsAnError(t *testing.T) {
	if err := New(nil).Send(t.Context(), rules.DeadLetter{Topic: "t"}); err == nil || !strings.Contains(err.Error(), "no Kafka client") {
		t.Error(err)
	}
}

func TestReasonsAreCutBetweenCharacters(t *testing.T) {
	for pad := range 4 {
		r, err := record(serde.Origin{Value: []byte{}}, rules.DeadLetter{Topic: "t", Outcome: rules.Outcome{Err: errors.New(strings.Repeat("x", pad) + strings.Repeat("€", maxReasonBytes))}})
		if err != nil {
			t.Fatal(err)
		}
		long := 0
		for _, h := range r.Headers {
			if !utf8.Valid(h.Value) || len(h.Value) > maxReasonBytes {
				t.Errorf("%s: %d bytes", h.Key, len(h.Value))
			}
			long = max(long, len(h.Value))
		}
		if long < maxReasonBytes-3 {
			t.Errorf("the longest header has %d bytes", long)
		}
	}
}
