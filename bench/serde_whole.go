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
	"github.com/dovetail-dev/dovetail/serde/avro/avrobench"
)

// Topics of the whole serializers: one with one version, one with an older and
// a newer one.
const plainTopic, evolvedTopic = "orders", "orders-evolved"

// wholePeer is somebody else's serializer and deserializer of an order, warm.
type wholePeer struct {
	name        string
	serialize   func(v *avrobench.Order) ([]byte, error)
	deserialize func(data []byte, v *avrobench.Order) error
	// evolved reads a record of evolvedTopic's older version as its latest; nil
	// if the peer cannot.
	evolved func(data []byte, v *avrobench.Order) error
}

const confluentName, franzName = "confluent-kafka-go v2.11.1 avrov2, latest version", "franz-go/pkg/sr v1.8.0 + hamba"

// benchWhole measures framing, ID cache, subject name and codec together,
// against a registry on loopback that the warm loops never ask.
func benchWhole(ctx context.Context, o options, r *report) error {
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
	order := shape[avrobench.Order]{text: avrobench.OrderText, value: avrobench.NewOrder(), late: "notes", lateDefault: `""`}
	older, newer, err := order.versions()
	if err != nil {
		return err
	}
	var ids []schema.ID
	for _, at := range []struct{ topic, text string }{{plainTopic, order.text}, {evolvedTopic, older}, {evolvedTopic, newer}} {
		got, err := client.Register(ctx, schema.Subject(at.topic+"-value"), schema.Definition{Type: schema.Avro, Text: at.text}, serde.RegisterOptions{})
		if err != nil {
			return err
		}
		ids = append(ids, got.ID)
	}
	payload, err := olderPayload(order, older)
	if err != nil {
		return err
	}
	old := append([]byte{0, byte(ids[1] >> 24), byte(ids[1] >> 16), byte(ids[1] >> 8), byte(ids[1])}, payload...)

	ours, err := newOurs(client, order.text, newer)
	if err != nil {
		return err
	}
	peers := map[string]*wholePeer{}
	confluent, err := confluentPeer(server.URL)
	if err != nil {
		r.missing("serialize, order", confluentName, atLeast(5), err.Error())
		r.missing("deserialize, order", confluentName, atLeast(2), err.Error())
		r.missing("deserialize an older version, order", confluentName, atLeast(30), err.Error())
	} else {
		peers[confluentName] = confluent
	}
	if peers[franzName], err = franzPeer(ids[0]); err != nil {
		return err
	}

	data, err := ours.serializer.Append(ctx, nil, plainTopic, order.value)
	if err != nil {
		return err
	}
	var want avrobench.Order
	if err := ours.evolved.Decode(ctx, evolvedTopic, old, &want); err != nil {
		return err
	}
	v, buf := order.value, make([]byte, 0, 4096)
	write := []op{
		repeat("ours", func() error { _, err := ours.serializer.Append(ctx, nil, plainTopic, v); return err }),
		repeat("ours, reused buffer", func() error { _, err := ours.serializer.Append(ctx, buf, plainTopic, v); return err }),
	}
	read := []op{
		repeat("ours", func() error { return ours.arena.Decode(ctx, plainTopic, data, new(avrobench.Order)) }),
		repeat("ours, copying strings", func() error { return ours.copying.Decode(ctx, plainTopic, data, new(avrobench.Order)) }),
	}
	readOld := []op{repeat("ours", func() error { return ours.evolved.Decode(ctx, evolvedTopic, old, new(avrobench.Order)) })}
	for _, p := range peers {
		if err := p.check(order.value, data, old, want); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		write = append(write, repeat(p.name, func() error { _, err := p.serialize(&v); return err }))
		read = append(read, repeat(p.name, func() error { return p.deserialize(data, new(avrobench.Order)) }))
		if p.evolved != nil {
			readOld = append(readOld, repeat(p.name, func() error { return p.evolved(old, new(avrobench.Order)) }))
		}
	}
	rounds, turn := o.rounds()
	t, err := interleave(ctx, rounds, turn, write...)
	if err != nil {
		return err
	}
	if confluent != nil {
		r.faster("serialize, order", t, "ours", confluentName, atLeast(5))
		r.faster("serialize into a reused buffer, order", t, "ours, reused buffer", confluentName, target{})
	}
	r.faster("serialize, order", t, "ours", franzName, target{})
	if t, err = interleave(ctx, rounds, turn, read...); err != nil {
		return err
	}
	if confluent != nil {
		r.faster("deserialize, order", t, "ours", confluentName, atLeast(2)).Note = "strings share one copy of the payload"
		r.faster("deserialize copying each string, order", t, "ours, copying strings", confluentName, target{})
	}
	r.faster("deserialize, order", t, "ours", franzName, target{})
	if t, err = interleave(ctx, rounds, turn, readOld...); err != nil {
		return err
	}
	if confluent != nil {
		r.faster("deserialize an older version, order", t, "ours", confluentName, atLeast(30))
	}
	return nil
}

// check sees that a peer does what is measured.
func (p *wholePeer) check(v avrobench.Order, data, old []byte, want avrobench.Order) error {
	mine, err := p.serialize(&v)
	if err != nil {
		return err
	}
	for _, b := range [][]byte{data, mine} {
		var got avrobench.Order
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
	var got avrobench.Order
	if err := p.evolved(old, &got); err != nil {
		return err
	}
	return equal(got, want)
}

// ourSerde is what is measured of ours.
type ourSerde struct {
	serializer              *serde.Serializer[avrobench.Order]
	arena, copying, evolved *serde.Deserializer[avrobench.Order]
}

func newOurs(client *srclient.Client, text, newer string) (s ourSerde, err error) {
	if s.serializer, err = avro.NewSerializer[avrobench.Order](client, text, serde.WithAutoRegister()); err != nil {
		return s, err
	}
	for _, d := range []struct {
		to    **serde.Deserializer[avrobench.Order]
		text  string
		codec []avro.Option
	}{{&s.arena, text, []avro.Option{avro.WithArena()}}, {&s.copying, text, nil}, {&s.evolved, newer, []avro.Option{avro.WithArena()}}} {
		f, err := avro.NewFormat[avrobench.Order](avro.FormatOptions{Text: d.text, Codec: d.codec})
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
func franzPeer(id schema.ID) (*wholePeer, error) {
	parsed, err := hamba.Parse(avrobench.OrderText)
	if err != nil {
		return nil, err
	}
	var s sr.Serde
	s.Register(int(id), &avrobench.Order{},
		sr.EncodeFn(func(v any) ([]byte, error) { return hamba.Marshal(parsed, v) }),
		sr.DecodeFn(func(b []byte, v any) error { return hamba.Unmarshal(parsed, b, v) }))
	return &wholePeer{
		name:        franzName,
		serialize:   func(v *avrobench.Order) ([]byte, error) { return s.Encode(v) },
		deserialize: func(data []byte, v *avrobench.Order) error { return s.Decode(data, v) },
	}, nil
}
