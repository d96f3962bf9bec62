package main

import (
	"context"
	"fmt"
	"net/http/httptest"

	hamba "github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/rest"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

// Topics of the whole serializers: one with one version, one with an older and
// a newer one.
const plainTopic, evolvedTopic = "records", "records-evolved"

// wholePeer is somebody else's serializer and deserializer of T, warm.
type wholePeer[T any] struct {
	name        string
	serialize   func(v *T) ([]byte, error)
	deserialize func(data []byte, v *T) error
	// evolved reads a record of evolvedTopic's older version as its latest; nil
	// if the peer cannot.
	evolved func(data []byte, v *T) error
}

// wholeTargets are against confluent-kafka-go.
type wholeTargets struct{ serialize, deserialize, evolved target }

const confluentName, franzName = "confluent-kafka-go v2.11.1 avrov2, latest version", "franz-go/pkg/sr v1.8.0 + hamba"

// benchWhole measures framing, ID cache, subject name and codec together,
// against a registry on loopback that the warm loops never ask.
func benchWhole[T any](ctx context.Context, o options, r *report, s shape[T], goals wholeTargets) error {
	reg, err := registry.Open(ctx, registry.Options{Journal: &journal.Memory{}})
	if err != nil {
		return err
	}
	defer reg.Close()
	server := httptest.NewServer(rest.Handler(reg, rest.Options{}))
	defer server.Close()
	client, err := srclient.New([]string{server.URL})
	if err != nil {
		return err
	}
	older, newer, err := s.versions()
	if err != nil {
		return err
	}
	var ids []schema.ID
	for _, at := range []struct{ topic, text string }{{plainTopic, s.text}, {evolvedTopic, older}, {evolvedTopic, newer}} {
		got, err := client.Register(ctx, schema.Subject(at.topic+"-value"), schema.Definition{Type: schema.Avro, Text: at.text}, serde.RegisterOptions{})
		if err != nil {
			return err
		}
		ids = append(ids, got.ID)
	}
	payload, err := olderPayload(s, older)
	if err != nil {
		return err
	}
	old := append([]byte{0, byte(ids[1] >> 24), byte(ids[1] >> 16), byte(ids[1] >> 8), byte(ids[1])}, payload...)

	ours, err := newOurs[T](client, s.text, newer)
	if err != nil {
		return err
	}
	peers := map[string]*wholePeer[T]{}
	confluent, err := confluentPeer[T](server.URL)
	if err != nil {
		r.missing("serialize, "+s.name, confluentName, goals.serialize, err.Error())
		r.missing("deserialize, "+s.name, confluentName, goals.deserialize, err.Error())
		r.missing("deserialize an older version, "+s.name, confluentName, goals.evolved, err.Error())
	} else {
		peers[confluentName] = confluent
	}
	if peers[franzName], err = franzPeer[T](s.text, ids[0]); err != nil {
		return err
	}

	data, err := ours.serializer.Append(ctx, nil, plainTopic, s.value)
	if err != nil {
		return err
	}
	var want T
	if err := ours.evolved.Decode(ctx, evolvedTopic, old, &want); err != nil {
		return err
	}
	v, buf := s.value, make([]byte, 0, 1<<17)
	write := []op{
		repeat("ours", func() error { _, _, err := ours.serializer.AppendPointer(ctx, nil, plainTopic, &v); return err }),
		repeat("ours, by value", func() error { _, err := ours.serializer.Append(ctx, nil, plainTopic, v); return err }),
		repeat("ours, reused buffer", func() error { _, _, err := ours.serializer.AppendPointer(ctx, buf, plainTopic, &v); return err }),
	}
	read := []op{
		repeat("ours", func() error { return ours.arena.Decode(ctx, plainTopic, data, new(T)) }),
		repeat("ours, no arena", func() error { return ours.copying.Decode(ctx, plainTopic, data, new(T)) }),
	}
	readOld := []op{repeat("ours", func() error { return ours.evolved.Decode(ctx, evolvedTopic, old, new(T)) })}
	for _, p := range peers {
		if err := p.check(s.value, data, old, want); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		write = append(write, repeat(p.name, func() error { _, err := p.serialize(&v); return err }))
		read = append(read, repeat(p.name, func() error { return p.deserialize(data, new(T)) }))
		if p.evolved != nil {
			readOld = append(readOld, repeat(p.name, func() error { return p.evolved(old, new(T)) }))
		}
	}
	rounds, turn := o.codecRounds()
	t, err := interleaveCPU(ctx, rounds, turn, write...)
	if err != nil {
		return err
	}
	if confluent != nil {
		r.faster("serialize, "+s.name, t, "ours", confluentName, goals.serialize)
		r.faster("serialize by value, "+s.name, t, "ours, by value", confluentName, target{})
		r.faster("serialize into a reused buffer, "+s.name, t, "ours, reused buffer", confluentName, target{})
	}
	r.faster("serialize, "+s.name, t, "ours", franzName, target{})
	if t, err = interleaveCPU(ctx, rounds, turn, read...); err != nil {
		return err
	}
	if confluent != nil {
		r.faster("deserialize, "+s.name, t, "ours", confluentName, goals.deserialize).Note = "texts share one block (WithArena)"
		r.faster("deserialize, no arena, "+s.name, t, "ours, no arena", confluentName, target{})
	}
	r.faster("deserialize, "+s.name, t, "ours", franzName, target{})
	if t, err = interleaveCPU(ctx, rounds, turn, readOld...); err != nil {
		return err
	}
	if confluent != nil {
		r.faster("deserialize an older version, "+s.name, t, "ours", confluentName, goals.evolved)
	}
	return nil
}

// check sees that a peer does what is measured.
func (p *wholePeer[T]) check(v T, data, old []byte, want T) error {
	mine, err := p.serialize(&v)
	if err != nil {
		return err
	}
	for _, b := range [][]byte{data, mine} {
		var got T
		if err := p.deserialize(b, &got); err != nil {
			return err
		}
		if err := equal(got, v); err != nil {
			return err
		}
	}
	if p.evolved == nil {
		return nil
	}
	var got T
	if err := p.evolved(old, &got); err != nil {
		return err
	}
	return equal(got, want)
}

// ourSerde is what is measured of ours.
type ourSerde[T any] struct {
	serializer              *serde.Serializer[T]
	arena, copying, evolved *serde.Deserializer[T]
}

func newOurs[T any](client *srclient.Client, text, newer string) (s ourSerde[T], err error) {
	if s.serializer, err = avro.NewSerializer[T](client, text, serde.WithAutoRegister()); err != nil {
		return s, err
	}
	for _, d := range []struct {
		to    **serde.Deserializer[T]
		text  string
		codec []avro.Option
	}{{&s.arena, text, []avro.Option{avro.WithArena()}}, {&s.copying, text, nil}, {&s.evolved, newer, []avro.Option{avro.WithArena()}}} {
		f, err := avro.NewFormat[T](avro.FormatOptions{Text: d.text, Codec: d.codec})
		if err != nil {
			return s, err
		}
		if *d.to, err = serde.NewDeserializer(client, f); err != nil {
			return s, err
		}
	}
	return s, nil
}

// franzPeer is franz-go's serde, which leaves schemas and IDs to the caller.
func franzPeer[T any](text string, id schema.ID) (*wholePeer[T], error) {
	parsed, err := hamba.Parse(text)
	if err != nil {
		return nil, err
	}
	var s sr.Serde
	s.Register(int(id), new(T),
		sr.EncodeFn(func(v any) ([]byte, error) { return hamba.Marshal(parsed, v) }),
		sr.DecodeFn(func(b []byte, v any) error { return hamba.Unmarshal(parsed, b, v) }))
	return &wholePeer[T]{
		name:        franzName,
		serialize:   func(v *T) ([]byte, error) { return s.Encode(v) },
		deserialize: func(data []byte, v *T) error { return s.Decode(data, v) },
	}, nil
}
