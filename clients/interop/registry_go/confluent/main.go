// Command confluent is confluent-kafka-go's schemaregistry with its serdes
// avrov2, protobuf and jsonschema as a client of the registry scenarios.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	sr "github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/avrov2"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/jsonschema"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/protobuf"

	"github.com/dovetail-dev/dovetail/clients/interop/registry_go/wire"
)

const module = "github.com/confluentinc/confluent-kafka-go/v2"

// order is what the serializers derive a schema from when they register by
// themselves.
type order struct {
	ID       int64   `json:"id" avro:"id"`
	Customer string  `json:"customer" avro:"customer"`
	Total    float64 `json:"total" avro:"total"`
	Note     string  `json:"note" avro:"note"`
}

func main() { wire.Serve(answer) }

func answer(r wire.Request) (wire.Answer, error) {
	if r.Op == "version" {
		return wire.Answer{Text: version()}, nil
	}
	client, err := sr.NewClient(sr.NewConfig(os.Getenv("REGISTRY")))
	if err != nil {
		return wire.Answer{}, err
	}
	defer client.Close()
	var a wire.Answer
	switch r.Op {
	case "serialize":
		return serialize(client, r)
	case "deserialize":
		a.Value, err = deserialize(client, r)
	case "register":
		a.ID, err = client.Register(r.Subject, info(r), r.Normalize)
	case "lookup":
		if a.ID, err = client.GetID(r.Subject, info(r), r.Normalize); err == nil {
			a.Version, err = client.GetVersion(r.Subject, info(r), r.Normalize)
		}
	case "compatible":
		a.Compatible, err = client.TestSubjectCompatibility(r.Subject, info(r))
	case "get":
		var found sr.SchemaInfo
		found, err = client.GetBySubjectAndID(r.Subject, r.ID)
		a.Text = found.Schema
	default:
		err = fmt.Errorf("unknown request %s", r.Op)
	}
	return a, err
}

func version() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, m := range b.Deps {
			if m.Path == module {
				return "confluent-kafka-go " + m.Version
			}
		}
	}
	return module
}

func info(r wire.Request) sr.SchemaInfo {
	s := sr.SchemaInfo{Schema: r.Schema, SchemaType: r.Format}
	for _, ref := range r.References {
		s.References = append(s.References, sr.Reference{Name: ref.Name, Subject: ref.Subject, Version: ref.Version})
	}
	return s
}

// serializer is what the three serializers have in common.
type serializer interface {
	SerializeWithHeaders(topic string, msg any) ([]kafka.Header, []byte, error)
}

func serialize(client sr.Client, r wire.Request) (wire.Answer, error) {
	conf := serde.NewSerializerConfig()
	conf.AutoRegisterSchemas, conf.UseLatestVersion, conf.NormalizeSchemas = r.Mode == "auto", r.Mode == "latest", r.Normalize
	value, err := message(r)
	if err != nil {
		return wire.Answer{}, err
	}
	var s serializer
	base := new(serde.BaseSerializer)
	switch r.Format {
	case "AVRO":
		made, e := avrov2.NewSerializer(client, serde.ValueSerde, &avrov2.SerializerConfig{SerializerConfig: *conf})
		s, err, base = made, e, &made.BaseSerializer
	case "JSON":
		made, e := jsonschema.NewSerializer(client, serde.ValueSerde, &jsonschema.SerializerConfig{SerializerConfig: *conf, EnableValidation: true})
		s, err, base = made, e, &made.BaseSerializer
	case "PROTOBUF":
		made, e := protobuf.NewSerializer(client, serde.ValueSerde, &protobuf.SerializerConfig{SerializerConfig: *conf})
		s, err, base = made, e, &made.BaseSerializer
	}
	if err != nil {
		return wire.Answer{}, err
	}
	if r.Header {
		base.SchemaIDSerializer = serde.HeaderSchemaIDSerializer
	}
	headers, payload, err := s.SerializeWithHeaders(r.Topic, value)
	a := wire.Answer{Payload: payload, Headers: map[string][]byte{}}
	for _, h := range headers {
		a.Headers[h.Key] = h.Value
	}
	return a, err
}

// message returns the value as the serializers take it: a struct if they are to
// derive the schema from it.
func message(r wire.Request) (any, error) {
	switch {
	case r.Format == "PROTOBUF":
		return r.FilledMessage()
	case r.Mode == "latest":
		fields, err := r.Fields()
		return &fields, err
	}
	v := new(order)
	return v, json.Unmarshal(r.Value, v)
}

// deserializer is what the three deserializers have in common.
type deserializer interface {
	DeserializeWithHeadersInto(topic string, headers []kafka.Header, payload []byte, msg any) error
}

func deserialize(client sr.Client, r wire.Request) (any, error) {
	conf := serde.NewDeserializerConfig()
	conf.UseLatestVersion = r.Mode == "latest"
	var headers []kafka.Header
	for k, v := range r.Headers {
		headers = append(headers, kafka.Header{Key: k, Value: v})
	}
	var d deserializer
	var err error
	switch r.Format {
	case "AVRO":
		d, err = avrov2.NewDeserializer(client, serde.ValueSerde, &avrov2.DeserializerConfig{DeserializerConfig: *conf})
	case "JSON":
		// It can validate what it reads into structs only.
		d, err = jsonschema.NewDeserializer(client, serde.ValueSerde, &jsonschema.DeserializerConfig{DeserializerConfig: *conf})
	case "PROTOBUF":
		m, e := r.NewMessage()
		if e != nil {
			return nil, e
		}
		made, e := protobuf.NewDeserializer(client, serde.ValueSerde, &protobuf.DeserializerConfig{DeserializerConfig: *conf})
		if e != nil {
			return nil, e
		}
		if err := made.DeserializeWithHeadersInto(r.Topic, headers, r.Payload, m); err != nil {
			return nil, err
		}
		return wire.Plain(m)
	}
	if err != nil {
		return nil, err
	}
	var value map[string]any
	err = d.DeserializeWithHeadersInto(r.Topic, headers, r.Payload, &value)
	return value, err
}
