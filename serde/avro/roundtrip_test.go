package avro_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

func roundTrip[T any](t *testing.T, s *avro.Schema, v T) []byte {
	t.Helper()
	data, err := avro.Marshal(s, &v)
	if err != nil {
		t.Fatal(err)
	}
	if err := avro.Validate(s, data, avro.ValidateOptions{}); err != nil {
		t.Fatalf("validate: %v", err)
	}
	var back T
	if err := avro.Unmarshal(s, data, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(v, back) {
		t.Fatalf("got  %+v\nwant %+v", back, v)
	}
	arena, err := avro.NewCodec[T](s, avro.WithArena(), avro.WithCheckedText())
	if err != nil {
		t.Fatal(err)
	}
	var other T
	if err := arena.Decode(data, &other); err != nil || !reflect.DeepEqual(v, other) {
		t.Fatalf("arena: %v %+v", err, other)
	}
	text, err := avro.AppendJSON(nil, s, data)
	if err != nil || !json.Valid(text) {
		t.Fatalf("json: %v %s", err, text)
	}
	again, err := avro.FromJSON(nil, s, text)
	if err != nil {
		t.Fatalf("from json: %v\n%s", err, text)
	}
	var third T
	if err := avro.Unmarshal(s, again, &third); err != nil || !reflect.DeepEqual(v, third) {
		t.Fatalf("through JSON: %v %+v", err, third)
	}
	var generic any
	if err := avro.Unmarshal(s, data, &generic); err != nil {
		t.Fatal(err)
	}
	regeneric, err := avro.Marshal(s, generic)
	if err != nil {
		t.Fatalf("generic: %v", err)
	}
	var fourth T
	if err := avro.Unmarshal(s, regeneric, &fourth); err != nil || !reflect.DeepEqual(v, fourth) {
		t.Fatalf("through generic: %v %+v", err, fourth)
	}
	for n := range len(data) {
		if avro.Validate(s, data[:n], avro.ValidateOptions{}) == nil {
			t.Fatalf("validate takes the first %d of %d bytes", n, len(data))
		}
		var cut T
		if avro.Unmarshal(s, data[:n], &cut) == nil {
			t.Fatalf("decode takes the first %d of %d bytes", n, len(data))
		}
	}
	if avro.Unmarshal(s, append(append([]byte(nil), data...), 0), &back) == nil {
		t.Fatal("decode takes a trailing byte")
	}
	return data
}

func TestRoundTripAndEveryPrefixIsRefused(t *testing.T) {
	t.Run("small", func(t *testing.T) { roundTrip(t, smallSchema, newSmall()) })
	t.Run("order", func(t *testing.T) { roundTrip(t, orderSchema, newOrder()) })
	t.Run("batch", func(t *testing.T) { roundTrip(t, batchSchema, newBatch()) })
}
