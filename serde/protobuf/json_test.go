package protobuf

import (
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
)

func TestJSONBothWays(t *testing.T) {
	s := file(t, `syntax = "proto3"; package j;
		import "google/protobuf/timestamp.proto";
		import "google/protobuf/any.proto";
		import "dep.proto";
		message M {
			string some_name = 1; int64 big = 2; bytes raw = 3; map<string, d.D> by = 4; repeated double xs = 5;
			google.protobuf.Timestamp at = 6; google.protobuf.Any any = 7; E e = 8; optional bool set = 9;
		}
		message N { int32 a = 1; }
		enum E { ZERO = 0; ONE = 1; }`, compat.Dependency{Name: "dep.proto", Text: `syntax = "proto3"; package d; message D { int32 x = 1; }`})
	tr, err := NewTranscoder(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ indexes, in, out string }{
		{"\x00", `{"someName":"x", "big":"9007199254740993", "raw":"AAE=", "by":{"k":{"x":1}}, "xs":[1.5,"NaN"], "at":"2026-01-02T03:04:05Z", "any":{"@type":"type.googleapis.com/d.D","x":2}, "e":"ONE", "set":false}`,
			`{"someName":"x","big":"9007199254740993","raw":"AAE=","by":{"k":{"x":1}},"xs":[1.5,"NaN"],"at":"2026-01-02T03:04:05Z","any":{"@type":"type.googleapis.com/d.D","x":2},"e":"ONE","set":false}`},
		{"", `{"some_name":"y"}`, `{"someName":"y"}`},
		{"\x02\x02", `{"a":5}`, `{"a":5}`},
	} {
		payload, err := tr.AppendPayload([]byte("p"), []byte(c.indexes), []byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		got, err := tr.AppendJSON([]byte("j"), []byte(c.indexes), payload[1:])
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != "j"+c.out {
			t.Errorf("got  %s\nwant j%s", got, c.out)
		}
	}
	for _, bad := range []string{`{"nope":1}`, `{"big":"x"}`, `[]`, ``, `{"any":{"@type":"x/unknown.T"}}`} {
		if out, err := tr.AppendPayload([]byte("kept"), nil, []byte(bad)); err == nil || string(out) != "kept" {
			t.Errorf("%s: %v %q", bad, err, out)
		}
	}
	if out, err := tr.AppendJSON([]byte("kept"), nil, []byte("\x0a\x05x")); err == nil || string(out) != "kept" {
		t.Errorf("a cut payload: %v %q", err, out)
	}
}

func TestValidator(t *testing.T) {
	v := NewValidator(file(t, `syntax = "proto3"; message A { string s = 1; } message B { int32 i = 1; }`))
	for _, c := range []struct {
		indexes, payload string
		ok               bool
	}{
		{"\x00", "\x0a\x01x", true},
		{"\x02\x02", "\x08\x01", true},
		{"\x02\x02", "\x0a\x01x", false},
		{"\x00", "\x08\x01", false},
		{"\x02\x04", "", false},
		{"\x02", "", false},
		{"\x02\x82\x00", "\x08\x01", true}, // a padded varint
	} {
		if err := v.Validate([]byte(c.indexes), []byte(c.payload)); (err == nil) != c.ok {
			t.Errorf("%x %x: %v", c.indexes, c.payload, err)
		}
	}
	good, payload := []byte("\x02\x02"), []byte("\x08\x01")
	if n := testing.AllocsPerRun(100, func() { _ = v.Validate(good, payload) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
