// Command franz is franz-go's sr, with its Serde, as a client of the registry
// scenarios. It brings no formats: Avro is twmb/avro, Protobuf dynamicpb, JSON
// the standard library.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"

	"github.com/dovetail-dev/dovetail/clients/interop/registry_go/wire"
)

func main() { wire.Serve(answer) }

func answer(r wire.Request) (a wire.Answer, err error) {
	if r.Op == "version" {
		return wire.Answer{Text: version()}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := sr.NewClient(sr.URLs(os.Getenv("REGISTRY")))
	if err != nil {
		return wire.Answer{}, err
	}
	if r.Normalize {
		ctx = sr.WithParams(ctx, sr.Normalize)
	}
	var found sr.SubjectSchema
	switch r.Op {
	case "serialize":
		a.Payload, err = serialize(ctx, client, r)
	case "deserialize":
		a.Value, err = deserialize(ctx, client, r)
	case "register":
		found, err = client.CreateSchema(ctx, r.Subject, definition(r))
		a.ID, a.Version = found.ID, found.Version
	case "lookup":
		found, err = client.LookupSchema(ctx, r.Subject, definition(r))
		a.ID, a.Version = found.ID, found.Version
	case "compatible":
		var got sr.CheckCompatibilityResult
		got, err = client.CheckCompatibility(ctx, r.Subject, -1, definition(r))
		a.Compatible = got.Is
	case "get":
		var s sr.Schema
		s, err = client.SchemaByID(ctx, r.ID)
		a.Text = s.Schema
	default:
		err = fmt.Errorf("unknown request %s", r.Op)
	}
	return a, err
}

func version() string {
	text := "franz-go/pkg/sr"
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, m := range b.Deps {
			switch m.Path {
			case "github.com/twmb/franz-go/pkg/sr":
				text += " " + m.Version
			case "github.com/twmb/avro":
				text = "twmb/avro " + m.Version + ", " + text
			}
		}
	}
	return text
}

func definition(r wire.Request) sr.Schema {
	s := sr.Schema{Schema: r.Schema, Type: map[string]sr.SchemaType{"AVRO": sr.TypeAvro, "JSON": sr.TypeJSON, "PROTOBUF": sr.TypeProtobuf}[r.Format]}
	for _, ref := range r.References {
		s.References = append(s.References, sr.SchemaReference(ref))
	}
	return s
}

// value is what the Serde knows by its type.
type value struct{ fields map[string]any }

func serialize(ctx context.Context, client *sr.Client, r wire.Request) ([]byte, error) {
	subject := r.Topic + "-value"
	var found sr.SubjectSchema
	var err error
	switch r.Mode {
	case "auto":
		found, err = client.CreateSchema(ctx, subject, definition(r))
	case "lookup":
		found, err = client.LookupSchema(ctx, subject, definition(r))
	case "latest":
		found, err = client.SchemaByVersion(ctx, subject, -1)
	}
	if err != nil {
		return nil, err
	}
	fields, err := r.Fields()
	if err != nil {
		return nil, err
	}
	serde := sr.NewSerde()
	switch r.Format {
	case "AVRO":
		// What CreateSchema returns leaves the references out.
		stored, err := client.SchemaByID(ctx, found.ID)
		if err != nil {
			return nil, err
		}
		writer, err := parse(ctx, client, stored)
		if err != nil {
			return nil, err
		}
		serde.Register(found.ID, value{}, sr.EncodeFn(func(v any) ([]byte, error) { return writer.Encode(v.(value).fields) }))
	case "JSON":
		serde.Register(found.ID, value{}, sr.EncodeFn(func(v any) ([]byte, error) { return json.Marshal(v.(value).fields) }))
	case "PROTOBUF":
		m, err := r.FilledMessage()
		if err != nil {
			return nil, err
		}
		serde.Register(found.ID, value{}, sr.Index(m.Descriptor().Index()), sr.EncodeFn(func(any) ([]byte, error) { return proto.Marshal(m) }))
	}
	return serde.Encode(value{fields})
}

// parse compiles an Avro schema behind those that it refers to.
func parse(ctx context.Context, client *sr.Client, s sr.Schema) (*avro.Schema, error) {
	var cache avro.SchemaCache
	var behind func(refs []sr.SchemaReference) error
	behind = func(refs []sr.SchemaReference) error {
		for _, ref := range refs {
			found, err := client.SchemaByVersion(ctx, ref.Subject, ref.Version)
			if err != nil {
				return err
			}
			if err := behind(found.References); err != nil {
				return err
			}
			if _, err := cache.Parse(found.Schema.Schema); err != nil {
				return err
			}
		}
		return nil
	}
	if err := behind(s.References); err != nil {
		return nil, err
	}
	return cache.Parse(s.Schema)
}

func deserialize(ctx context.Context, client *sr.Client, r wire.Request) (any, error) {
	serde := sr.NewSerde()
	id, _, err := serde.DecodeID(r.Payload)
	if err != nil {
		return nil, err
	}
	stored, err := client.SchemaByID(ctx, id)
	if err != nil {
		return nil, err
	}
	switch r.Format {
	case "AVRO":
		writer, err := parse(ctx, client, stored)
		if err != nil {
			return nil, err
		}
		if r.Schema != "" {
			reader, err := parse(ctx, client, definition(r))
			if err != nil {
				return nil, err
			}
			if writer, err = avro.Resolve(writer, reader); err != nil {
				return nil, err
			}
		}
		serde.Register(id, value{}, sr.DecodeFn(func(b []byte, v any) error {
			rest, err := writer.Decode(b, &v.(*value).fields)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("%d bytes are left over", len(rest))
			}
			return err
		}))
	case "JSON":
		serde.Register(id, value{}, sr.DecodeFn(func(b []byte, v any) error { return json.Unmarshal(b, &v.(*value).fields) }))
	case "PROTOBUF":
		m, err := r.NewMessage()
		if err != nil {
			return nil, err
		}
		serde.Register(id, value{}, sr.Index(m.Descriptor().Index()), sr.DecodeFn(func(b []byte, _ any) error { return proto.Unmarshal(b, m) }))
		if err := serde.Decode(r.Payload, &value{}); err != nil {
			return nil, err
		}
		return wire.Plain(m)
	}
	var v value
	err = serde.Decode(r.Payload, &v)
	return v.fields, err
}
