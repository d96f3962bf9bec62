package protobuf

import (
	"encoding/hex"
	"testing"
)

// TestLyingLengthsDoNotKill holds payloads that hyperpb by itself follows out of
// its buffer.
func TestLyingLengthsDoNotKill(t *testing.T) {
	d := NewDynamic(file(t, walkSchema).File().Messages().Get(0))
	for _, payload := range []string{
		"32ccd9d9d9d9d9d9cc8d",
		"32ccd9d9d9d9d9d9cc0d",
		"0affffffffffffffffff01",
		"32ffffffffffffffff7f",
		"3affffffff0f",
	} {
		b, err := hex.DecodeString(payload)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if m, err := d.Decode(b); err == nil {
				t.Fatalf("%s was read as %v", payload, m)
			}
		}
	}
}

// TestWholePayloadsThatHyperpbRefuses come out of the slow decoder.
func TestWholePayloadsThatHyperpbRefuses(t *testing.T) {
	d := NewDynamic(file(t, walkSchema).File().Messages().Get(0))
	if _, err := d.Decode([]byte("\xf8\xf8\x80\x30\x30")); err != nil {
		t.Errorf("an unknown field with a tag of four bytes: %v", err)
	}
}
