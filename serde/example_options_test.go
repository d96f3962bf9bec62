package serde_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/rest"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

// Order is what these examples write.
type Order struct {
	ID   int64  `avro:"id"`
	Note string `avro:"note"`
}

const (
	orderText = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"note","type":"string"}]}`
	// The same, and one more field that can be left out.
	orderTextV2 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"note","type":"string"},` +
		`{"name":"paid","type":"boolean","default":false}]}`
)

// startRegistry is a registry in memory; an application has one elsewhere, and
// only its address.
func startRegistry() (client *srclient.Client, stop func()) {
	reg, err := registry.Open(context.Background(), registry.Options{Journal: &journal.Memory{}, Parse: formats.Parse})
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(rest.Handler(reg, rest.Options{}))
	client, err = srclient.New([]string{server.URL})
	if err != nil {
		panic(err)
	}
	return client, func() { client.Close(); server.Close(); _ = reg.Close() }
}

func mustRegister(c *srclient.Client, s schema.Subject, d schema.Definition) srclient.Schema {
	out, err := c.RegisterSchema(context.Background(), s, srclient.Registration{Definition: d})
	if err != nil {
		panic(err)
	}
	return out
}

func orders(registry serde.Registry, opts ...serde.Option) *serde.Serializer[Order] {
	s, err := avro.NewSerializer[Order](registry, orderText, opts...)
	if err != nil {
		panic(err)
	}
	return s
}

// A pipeline that must not register: what is not there already is an error.
func ExampleWithLookup() {
	registry, stop := startRegistry()
	defer stop()
	_, err := orders(registry, serde.WithLookup()).Append(context.Background(), nil, "orders", Order{ID: 7})
	fmt.Println(err != nil)
	mustRegister(registry, "orders-value", schema.Definition{Type: schema.Avro, Text: orderText})
	b, err := orders(registry, serde.WithLookup()).Append(context.Background(), nil, "orders", Order{ID: 7})
	fmt.Printf("% x %v", b, err)
	// Output:
	// true
	// 00 00 00 00 01 0e 00 <nil>
}

// The newest version is written, whatever it is by then: fields that the
// application does not know get their defaults.
func ExampleWithLatest() {
	registry, stop := startRegistry()
	defer stop()
	mustRegister(registry, "orders-value", schema.Definition{Type: schema.Avro, Text: orderText})
	mustRegister(registry, "orders-value", schema.Definition{Type: schema.Avro, Text: orderTextV2})
	b, err := orders(registry, serde.WithLatest()).Append(context.Background(), nil, "orders", Order{ID: 7})
	fmt.Printf("% x %v", b, err)
	// Output: 00 00 00 00 02 0e 00 00 <nil>
}

// Applications of one major version write with its newest schema, while the next
// major version is there already.
func ExampleWithLatestMetadata() {
	registry, stop := startRegistry()
	defer stop()
	for major, text := range []string{orderText, orderTextV2} {
		mustRegister(registry, "orders-value", schema.Definition{Type: schema.Avro, Text: text,
			Metadata: &schema.Metadata{Properties: map[string]string{"major": fmt.Sprint(major + 1)}}})
	}
	s := orders(registry, serde.WithLatestMetadata(map[string]string{"major": "1"}))
	b, err := s.Append(context.Background(), nil, "orders", Order{ID: 7})
	fmt.Printf("% x %v", b, err)
	// Output: 00 00 00 00 01 0e 00 <nil>
}

// A schema that was approved, and no other.
func ExampleWithSchemaID() {
	registry, stop := startRegistry()
	defer stop()
	approved := mustRegister(registry, "orders-value", schema.Definition{Type: schema.Avro, Text: orderText})
	b, err := orders(registry, serde.WithSchemaID(approved.ID)).Append(context.Background(), nil, "orders", Order{ID: 7})
	fmt.Printf("% x %v", b, err)
	// Output: 00 00 00 00 01 0e 00 <nil>
}

// Texts that differ in what means nothing, such as the order of attributes, are
// one version.
func ExampleWithNormalize() {
	registry, stop := startRegistry()
	defer stop()
	mustRegister(registry, "orders-value", schema.Definition{Type: schema.Avro,
		Text: `{"namespace":"shop","name":"Order","type":"record","fields":[{"type":"long","name":"id"},{"type":{"type":"string"},"name":"note"}]}`})
	_, err := orders(registry, serde.WithNormalize()).Append(context.Background(), nil, "orders", Order{ID: 7})
	versions, _ := registry.Versions(context.Background(), "orders-value", srclient.VersionsOptions{})
	fmt.Println(versions, err)
	// Output: [1] <nil>
}

// The schema's GUID goes into a header of the record; the payload is bare.
// Deserializers need not be told.
func ExampleWithHeaderFraming() {
	registry, stop := startRegistry()
	defer stop()
	ctx := context.Background()
	writer := orders(registry, serde.WithHeaderFraming())
	payload, header, err := writer.AppendRecord(ctx, nil, "orders", Order{ID: 7, Note: "hi"})
	fmt.Printf("%s: %d bytes, payload % x, %v\n", writer.HeaderName(), len(header), payload, err)

	reader, err := avro.NewDeserializer[Order](registry, orderText)
	if err != nil {
		panic(err)
	}
	var order Order
	err = reader.DecodeRecord(ctx, "orders", header, payload, &order)
	fmt.Println(order, err)
	// Output:
	// __value_schema_id: 17 bytes, payload 0e 04 68 69, <nil>
	// {7 hi} <nil>
}

// Keys have a schema of their own.
func ExampleForKey() {
	registry, stop := startRegistry()
	defer stop()
	keys, err := avro.NewSerializer[int64](registry, `"long"`, serde.ForKey())
	if err != nil {
		panic(err)
	}
	b, err := keys.Append(context.Background(), nil, "orders", 7)
	subjects, _ := registry.Subjects(context.Background(), srclient.SubjectsOptions{})
	fmt.Printf("% x %v %v", b, subjects, err)
	// Output: 00 00 00 00 01 0e [orders-key] <nil>
}

// One subject for a type, whatever the topic.
func ExampleRecordName() {
	ctx := context.Background()
	subject, err := serde.RecordName(ctx, serde.SubjectInput{Topic: "orders", RecordName: "shop.Order"})
	fmt.Println(subject, err)
	// Output: shop.Order <nil>
}

// Several types in one topic.
func ExampleTopicRecordName() {
	ctx := context.Background()
	subject, err := serde.TopicRecordName(ctx, serde.SubjectInput{Topic: "orders", RecordName: "shop.Order"})
	fmt.Println(subject, err)
	// Output: orders-shop.Order <nil>
}

// The registry says which subject a topic has.
func ExampleAssociated() {
	registry, stop := startRegistry()
	defer stop()
	ctx := context.Background()
	mustRegister(registry, "shop.Order", schema.Definition{Type: schema.Avro, Text: orderText})
	_, err := registry.CreateAssociations(ctx, srclient.ResourceAssociations{
		ResourceName: "orders", ResourceNamespace: "main", ResourceID: "main:orders", ResourceType: "topic",
		Associations: []srclient.SubjectAssociation{{Subject: "shop.Order", AssociationType: "value"}},
	}, srclient.AssociationWrite{})
	if err != nil {
		panic(err)
	}
	strategy := serde.Associated(registry, serde.AssociatedOptions{Namespace: "main"})
	s := orders(registry, serde.WithSubjectStrategy(strategy), serde.WithLookup())
	b, err := s.Append(ctx, nil, "orders", Order{ID: 7})
	fmt.Printf("% x %v", b, err)
	// Output: 00 00 00 00 01 0e 00 <nil>
}

// The rules that were registered with the schema are kept by every writer.
func ExampleWithRules() {
	registry, stop := startRegistry()
	defer stop()
	mustRegister(registry, "orders-value", schema.Definition{Type: schema.Avro, Text: orderText, RuleSet: &schema.RuleSet{DomainRules: []schema.Rule{
		{Name: "positive", Kind: "CONDITION", Mode: "WRITE", Type: "CEL", Expr: "message.id > 0"},
	}}})
	engine, err := rules.New(rules.Options{})
	if err != nil {
		panic(err)
	}
	s := orders(registry, serde.WithLatest(), serde.WithRules(engine))
	_, err = s.Append(context.Background(), nil, "orders", Order{ID: 7})
	fmt.Println(err)
	_, err = s.Append(context.Background(), nil, "orders", Order{ID: -7})
	fmt.Println(err != nil)
	// Output:
	// <nil>
	// true
}

// Fields tagged PII are encrypted with a key of their own, which the registry
// keeps, itself encrypted by a key management service: here one whose key comes
// from a secret. Who reads without the key sees ciphertext.
func ExampleWithRules_encryption() {
	registry, stop := startRegistry()
	defer stop()
	mustRegister(registry, "orders-value", schema.Definition{Type: schema.Avro, Text: orderText,
		Metadata: &schema.Metadata{Tags: map[string][]string{"shop.Order.note": {"PII"}}},
		RuleSet: &schema.RuleSet{DomainRules: []schema.Rule{{
			Name: "hide", Kind: "TRANSFORM", Mode: "WRITEREAD", Type: "ENCRYPT", Tags: []string{"PII"},
			Params: map[string]string{"encrypt.kek.name": "orders", "encrypt.kms.type": "local-kms", "encrypt.kms.key.id": "k1"},
		}}}})
	engine, err := rules.New(rules.Options{Keys: registry, Params: map[string]string{"secret": "of the service"}})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	b, err := orders(registry, serde.WithLatest(), serde.WithRules(engine)).Append(ctx, nil, "orders", Order{ID: 7, Note: "ring twice"})
	fmt.Println(bytes.Contains(b, []byte("ring")), err)

	reader, err := avro.NewDeserializer[Order](registry, orderText, serde.WithRules(engine))
	if err != nil {
		panic(err)
	}
	var order Order
	err = reader.Decode(ctx, "orders", b, &order)
	fmt.Println(order, err)
	// Output:
	// false <nil>
	// {7 ring twice} <nil>
}
