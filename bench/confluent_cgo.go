//go:build cgo

package main

import (
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/avrov2"
)

// confluentPeer is confluent-kafka-go's Avro serde at its fastest setting: the
// latest version is used, nothing is registered.
func confluentPeer[T any](url string) (*wholePeer[T], error) {
	client, err := schemaregistry.NewClient(schemaregistry.NewConfig(url))
	if err != nil {
		return nil, err
	}
	sc := avrov2.NewSerializerConfig()
	sc.AutoRegisterSchemas, sc.UseLatestVersion = false, true
	s, err := avrov2.NewSerializer(client, serde.ValueSerde, sc)
	if err != nil {
		return nil, err
	}
	d, err := avrov2.NewDeserializer(client, serde.ValueSerde, avrov2.NewDeserializerConfig())
	if err != nil {
		return nil, err
	}
	dc := avrov2.NewDeserializerConfig()
	dc.UseLatestVersion = true
	latest, err := avrov2.NewDeserializer(client, serde.ValueSerde, dc)
	if err != nil {
		return nil, err
	}
	return &wholePeer[T]{
		name:        confluentName,
		serialize:   func(v *T) ([]byte, error) { return s.Serialize(plainTopic, v) },
		deserialize: func(data []byte, v *T) error { return d.DeserializeInto(plainTopic, data, v) },
		evolved:     func(data []byte, v *T) error { return latest.DeserializeInto(evolvedTopic, data, v) },
	}, nil
}
