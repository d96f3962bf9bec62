package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
	serdejson "github.com/dovetail-dev/dovetail/serde/jsonschema"
	serdeprotobuf "github.com/dovetail-dev/dovetail/serde/protobuf"
)

// ourClient is Dovetail's own client and serializers as a client of the registry
// scenarios.
type ourClient struct{ registry string }

func (c ourClient) ask(r wireRequest) (a wireAnswer, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	client, err := srclient.New([]string{"http://" + c.registry})
	if err != nil {
		return a, err
	}
	subject, def := schema.Subject(r.Subject), definition(r)
	switch r.Op {
	case "version":
		a.Text = "this checkout"
	case "register":
		var made serde.Registered
		made, err = client.Register(ctx, subject, def, serde.RegisterOptions{Normalize: r.Normalize})
		a.ID, a.Version = int(made.ID), int(made.Version)
	case "lookup":
		var found serde.Registered
		found, err = client.Lookup(ctx, subject, def, serde.LookupOptions{Normalize: r.Normalize})
		a.ID, a.Version = int(found.ID), int(found.Version)
	case "compatible":
		var got srclient.Compatibility
		got, err = client.Compatible(ctx, subject, 0, def, false)
		a.Compatible = got.Compatible
	case "get":
		a.Text, err = client.TextByID(ctx, schema.ID(r.ID), subject, "")
	case "serialize":
		err = ourSerialize(ctx, client, r, &a)
	case "deserialize":
		var v any
		if v, err = ourDeserialize(ctx, client, r); err == nil {
			a.Value, err = json.Marshal(v)
		}
	default:
		err = fmt.Errorf("unknown request %s", r.Op)
	}
	if err != nil {
		return wireAnswer{Error: err.Error()}, nil
	}
	return a, nil
}

func definition(r wireRequest) schema.Definition {
	d := schema.Definition{Type: schema.Type(r.Format), Text: r.Schema}
	for _, ref := range r.References {
		d.References = append(d.References, schema.Reference{Name: ref.Name, Subject: schema.Subject(ref.Subject), Version: schema.Version(ref.Version)})
	}
	return d
}

func ourSerialize(ctx context.Context, client *srclient.Client, r wireRequest, a *wireAnswer) error {
	opts := []serde.Option{map[string]serde.Option{
		"auto": serde.WithAutoRegister(), "lookup": serde.WithLookup(), "latest": serde.WithLatest(),
	}[r.Mode]}
	if r.Normalize {
		opts = append(opts, serde.WithNormalize())
	}
	if r.Header {
		opts = append(opts, serde.WithHeaderFraming())
	}
	var header []byte
	name := ""
	if r.Format == "PROTOBUF" {
		m, err := newMessage(r)
		if err != nil {
			return err
		}
		if err := protojson.Unmarshal(r.Value, m); err != nil {
			return err
		}
		s, err := serdeprotobuf.NewSerializer[proto.Message](client, opts...)
		if err != nil {
			return err
		}
		name = s.HeaderName()
		if a.Payload, header, err = s.AppendRecord(ctx, nil, r.Topic, m); err != nil {
			return err
		}
	} else {
		var f serde.Format[any]
		var err error
		if r.Format == "AVRO" {
			f, err = serdeavro.NewFormat[any](serdeavro.FormatOptions{Text: r.Schema})
		} else {
			f, err = serdejson.NewFormat[any](serdejson.FormatOptions{Text: r.Schema})
		}
		if err != nil {
			return err
		}
		s, err := serde.NewSerializer(client, f, opts...)
		if err != nil {
			return err
		}
		value, err := numbered64(r.Value)
		if err != nil {
			return err
		}
		name = s.HeaderName()
		if a.Payload, header, err = s.AppendRecord(ctx, nil, r.Topic, value); err != nil {
			return err
		}
	}
	if header != nil {
		a.Headers = map[string][]byte{name: header}
	}
	return nil
}

func ourDeserialize(ctx context.Context, client *srclient.Client, r wireRequest) (any, error) {
	if r.Format == "PROTOBUF" {
		d, err := serdeprotobuf.NewDeserializer[proto.Message](client)
		if err != nil {
			return nil, err
		}
		var m proto.Message
		if err := d.DecodeRecord(ctx, r.Topic, r.Headers[d.HeaderName()], r.Payload, &m); err != nil {
			return nil, err
		}
		b, err := protojson.Marshal(m)
		return json.RawMessage(b), err
	}
	var f serde.Format[any]
	var err error
	if r.Format == "AVRO" {
		f, err = serdeavro.NewFormat[any](serdeavro.FormatOptions{Text: r.Schema})
	} else {
		f, err = serdejson.NewFormat[any](serdejson.FormatOptions{Text: r.Schema})
	}
	if err != nil {
		return nil, err
	}
	d, err := serde.NewDeserializer(client, f)
	if err != nil {
		return nil, err
	}
	var v any
	err = d.DecodeRecord(ctx, r.Topic, r.Headers[d.HeaderName()], r.Payload, &v)
	return v, err
}

// numbered64 decodes JSON with whole numbers as int64, as Avro's long is.
func numbered64(text []byte) (any, error) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, err
	}
	for k, v := range fields {
		n, ok := v.(json.Number)
		if !ok {
			continue
		}
		whole, err := n.Int64()
		fields[k] = whole
		if err != nil {
			if fields[k], err = n.Float64(); err != nil {
				return nil, err
			}
		}
	}
	return fields, nil
}

func newMessage(r wireRequest) (*dynamicpb.Message, error) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(r.Descriptors, &set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, err
	}
	d, err := files.FindDescriptorByName(protoreflect.FullName(r.Message))
	if err != nil {
		return nil, err
	}
	m, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, errors.New(r.Message + " is no message")
	}
	return dynamicpb.NewMessage(m), nil
}
