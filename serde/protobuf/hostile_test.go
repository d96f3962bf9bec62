package protobuf

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

const hostileSchema = `syntax = "proto3"; package h;
	message A { message B { int32 n = 1; } B b = 1; string s = 2; repeated fixed64 f = 3; map<string, A> m = 4; A next = 5; bytes raw = 6; }`

// hostileDeserializers read A into any message, and into one that can be changed.
func hostileDeserializers(t *testing.T) (map[string]func(header, payload []byte) error, schema.ID) {
	t.Helper()
	registry := newMemory()
	reg, err := registry.Register(t.Context(), "h-value", schema.Definition{Type: schema.Protobuf, Text: hostileSchema}, serde.RegisterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	open := must[*serde.Deserializer[proto.Message]](t)(NewDeserializer[proto.Message](registry))
	dynamic := must[*serde.Deserializer[*dynamicpb.Message]](t)(NewDeserializer[*dynamicpb.Message](registry))
	walker := NewValidator(file(t, hostileSchema))
	transcoder := must[*Transcoder](t)(NewTranscoder(file(t, hostileSchema)))
	bare := func(read func(indexes, payload []byte) error) func(header, payload []byte) error {
		return func(header, payload []byte) error {
			b := payload
			if header != nil {
				b = header
			}
			id, rest, err := frame.Split(b)
			if err != nil || id != reg.ID {
				return errors.Join(err, serde.ErrNotFound)
			}
			indexes, rest, err := frame.CutIndexes(rest)
			if err != nil {
				return err
			}
			if header != nil {
				rest = payload
			}
			return read(indexes, rest)
		}
	}
	return map[string]func(header, payload []byte) error{
		"any message": func(header, payload []byte) error {
			var m proto.Message
			return open.DecodeRecord(t.Context(), "h", header, payload, &m)
		},
		"dynamic message": func(header, payload []byte) error {
			var m *dynamicpb.Message
			return dynamic.DecodeRecord(t.Context(), "h", header, payload, &m)
		},
		"walk": bare(walker.Validate),
		"JSON": bare(func(indexes, payload []byte) error {
			_, err := transcoder.AppendJSON(nil, indexes, payload)
			return err
		}),
	}, reg.ID
}

// TestHostileRecordsAreRefused: frames, message indexes and payloads that were
// made to kill or fool a decoder, by the prefix and by the header.
func TestHostileRecordsAreRefused(t *testing.T) {
	ways, id := hostileDeserializers(t)
	own := string(frame.AppendID(nil, id))
	nested := func(n int) string {
		var b []byte
		for range n {
			b = protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), b)
		}
		return string(b)
	}
	for _, c := range []struct{ name, head, payload string }{
		{"nothing", "", ""},
		{"another magic byte", "\x07\x00\x00\x00\x01\x00", ""},
		{"half an ID", "\x00\x00\x00", ""},
		{"ID 0", "\x00\x00\x00\x00\x00\x00", ""},
		{"ID -1", "\x00\xff\xff\xff\xff\x00", ""},
		{"an ID that nobody gave out", "\x00\x7f\xff\xff\xff\x00", ""},
		{"no indexes", own, ""},
		{"2^31-1 indexes", own + "\xfe\xff\xff\xff\x0f", ""},
		{"-1 indexes", own + "\x01", ""},
		{"65 indexes", own + "\x82\x01" + strings.Repeat("\x00", 65), ""},
		{"more indexes than bytes", own + "\x06\x00", ""},
		{"a negative index", own + "\x02\x01", ""},
		{"an index past the messages", own + "\x02\x04", ""},
		{"an index past the nested messages", own + "\x04\x00\x04", ""},
		{"an index of 2^31-1", own + "\x02\xfe\xff\xff\xff\x0f", ""},
		{"an index of 36 bits", own + "\x02\xff\xff\xff\xff\x7f", ""},
		{"an index without an end", own + "\x02" + strings.Repeat("\x80", 20), ""},
		{"a string of 2^31 bytes", own + "\x00", "\x12\xff\xff\xff\xff\x07"},
		{"a string of 2^63 bytes", own + "\x00", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f"},
		{"bytes of -1 bytes", own + "\x00", "\x32\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
		{"a packed run of 2^40 bytes", own + "\x00", "\x1a\x80\x80\x80\x80\x80\x20"},
		{"a packed run that ends inside", own + "\x00", "\x1a\x09" + strings.Repeat("1", 9)},
		{"a map of 2^31 bytes", own + "\x00", "\x22\xff\xff\xff\xff\x07"},
		{"a varint without an end", own + "\x00", "\x0a\x0b\x08" + strings.Repeat("\xff", 10)},
		{"field number 0", own + "\x00", "\x00\x01"},
		{"field number 2^29", own + "\x00", "\x80\x80\x80\x80\x10\x01"},
		{"wire type 7", own + "\x00", "\x0f"},
		{"a group that does not end", own + "\x00", "\x9b\x06"},
		{"a million groups", own + "\x00", strings.Repeat("\x9b\x06", 1_000_000)},
		{"a group's end alone", own + "\x00", "\x9c\x06"},
		{"a message in itself, 20,000 deep", own + "\x00", nested(20_000)},
		{"text that is not UTF-8", own + "\x00", "\x12\x01\xff"},
	} {
		for name, decode := range ways {
			if err := decode(nil, []byte(c.head+c.payload)); err == nil {
				t.Errorf("%s: %s accepts the prefix framing", c.name, name)
			}
			if c.head == "" {
				continue // without a header the payload is what counts
			}
			if err := decode([]byte(c.head), []byte(c.payload)); err == nil {
				t.Errorf("%s: %s accepts the header framing", c.name, name)
			}
		}
	}
}

// TestPrefixesOfARecord: every prefix of a record is refused unless it ends
// between two fields, where it is another message; then all decoders say so.
func TestPrefixesOfARecord(t *testing.T) {
	ways, id := hostileDeserializers(t)
	payload := "\x0a\x02\x08\x05" + "\x12\x03abc" + "\x1a\x08" + "12345678" + "\x22\x07\x0a\x01k\x12\x02\x0a\x00" + "\x32\x02xy"
	whole := map[int]bool{0: true, 4: true, 9: true, 19: true, 28: true, len(payload): true}
	head := frame.AppendIndexes(frame.AppendID(nil, id), nil)
	for n := range len(payload) + 1 {
		for name, decode := range ways {
			if err := decode(nil, append(head[:len(head):len(head)], payload[:n]...)); (err == nil) != whole[n] {
				t.Errorf("%s, %d bytes by the prefix: %v", name, n, err)
			}
			if err := decode(head, []byte(payload[:n])); (err == nil) != whole[n] {
				t.Errorf("%s, %d bytes by the header: %v", name, n, err)
			}
		}
	}
	for n := range len(head) {
		for name, decode := range ways {
			if decode(nil, head[:n]) == nil {
				t.Errorf("%s: %d bytes of the head are taken", name, n)
			}
		}
	}
}
