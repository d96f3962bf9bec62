package interop

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/consumer"
	"github.com/dovetail-dev/dovetail/clients/interop/orderpb"
	"github.com/dovetail-dev/dovetail/clients/producer"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/serde"
	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
	serdejson "github.com/dovetail-dev/dovetail/serde/jsonschema"
	serdeprotobuf "github.com/dovetail-dev/dovetail/serde/protobuf"
)

// The typed producer, consumer and processor do the same against Dovetail and
// against Apache Kafka, with values of every format.
func testSameCode(t *testing.T, kafka string) {
	ours := startServer(t)
	beside := startServer(t, "--journal=kafka://"+kafka)
	for name, s := range map[string]servers{
		"Dovetail":     {ours.kafka, ours.registry},
		"Apache Kafka": {kafka, beside.registry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("Avro", avroOrders(t, s).run)
			t.Run("JSON Schema", jsonOrders(t, s).run)
			t.Run("Protobuf", protobufOrders(t, s).run)
		})
	}
}

// servers is what an application needs: the same for both brokers.
type servers struct {
	broker, registry string
}

func (s servers) client(t *testing.T) *srclient.Client {
	t.Helper()
	c, err := srclient.New([]string{"http://" + s.registry})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// application is one of ours whose values are orders in one format.
type application[V any] struct {
	servers
	format string // in front of the names of topics and groups
	encode *serde.Serializer[V]
	decode *serde.Deserializer[V]
	make   func(id int64) V
	id     func(V) int64
	keyed  consumer.Raw[string]
}

// typedOrder has the schemas order.avsc and order.schema.json.
type typedOrder struct {
	ID       int64   `avro:"id" json:"id"`
	Customer string  `avro:"customer" json:"customer"`
	Total    float64 `avro:"total" json:"total"`
	Note     *string `avro:"note" json:"note"`
}

func newTypedOrder(id int64) typedOrder {
	return typedOrder{ID: id, Customer: fmt.Sprint("c", id), Total: float64(id) / 4}
}

func (o typedOrder) number() int64 { return o.ID }

func schemaText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newApplication[V any](t *testing.T, s servers, format string, make func(int64) V, id func(V) int64, serdes func(serde.Registry) (*serde.Serializer[V], *serde.Deserializer[V], error)) application[V] {
	t.Helper()
	encode, decode, err := serdes(s.client(t))
	if err != nil {
		t.Fatal(err)
	}
	return application[V]{servers: s, format: format, encode: encode, decode: decode, make: make, id: id}
}

func avroOrders(t *testing.T, s servers) application[typedOrder] {
	text := schemaText(t, "order.avsc")
	return newApplication(t, s, "avro", newTypedOrder, typedOrder.number, func(r serde.Registry) (*serde.Serializer[typedOrder], *serde.Deserializer[typedOrder], error) {
		e, err := serdeavro.NewSerializer[typedOrder](r, text)
		if err != nil {
			return nil, nil, err
		}
		d, err := serdeavro.NewDeserializer[typedOrder](r, text)
		return e, d, err
	})
}

func jsonOrders(t *testing.T, s servers) application[typedOrder] {
	text := schemaText(t, "order.schema.json")
	return newApplication(t, s, "json", newTypedOrder, typedOrder.number, func(r serde.Registry) (*serde.Serializer[typedOrder], *serde.Deserializer[typedOrder], error) {
		e, err := serdejson.NewSerializer[typedOrder](r, text)
		if err != nil {
			return nil, nil, err
		}
		d, err := serdejson.NewDeserializer[typedOrder](r, text)
		return e, d, err
	})
}

func protobufOrders(t *testing.T, s servers) application[*orderpb.Order] {
	order := func(id int64) *orderpb.Order {
		return &orderpb.Order{Id: id, Customer: fmt.Sprint("c", id), Total: float64(id) / 4}
	}
	return newApplication(t, s, "protobuf", order, (*orderpb.Order).GetId, func(r serde.Registry) (*serde.Serializer[*orderpb.Order], *serde.Deserializer[*orderpb.Order], error) {
		e, err := serdeprotobuf.NewSerializer[*orderpb.Order](r)
		if err != nil {
			return nil, nil, err
		}
		d, err := serdeprotobuf.NewDeserializer[*orderpb.Order](r)
		return e, d, err
	})
}

// run plays every scenario.
func (a application[V]) run(t *testing.T) {
	t.Run("commits", a.commits)
	t.Run("back-pressure", a.backPressure)
	t.Run("parallel", a.parallel)
	t.Run("idempotent", a.idempotent)
	t.Run("dead letters", a.deadLetters)
	t.Run("drain", a.drain)
	t.Run("transactions", a.transactions)
	t.Run("exactly once", a.exactlyOnce)
}

// patient is how long a scenario may take before it has failed.
const patient = 5 * time.Minute

func (a application[V]) context(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	t.Cleanup(cancel)
	return ctx
}

// topic makes a topic, and returns its name.
func (a application[V]) topic(t *testing.T, name string, partitions int32) string {
	t.Helper()
	name = a.format + "-" + name
	if _, err := kadm.NewClient(newKgo(t, a.broker)).CreateTopic(a.context(t), partitions, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func (a application[V]) producer(t *testing.T, topic string, opts ...producer.Option) *producer.Producer[string, V] {
	t.Helper()
	p, err := producer.New(producer.Raw[string]{}, a.encode, append([]producer.Option{producer.WithSeeds(a.broker), producer.WithTopic(topic), producer.WithDeliveryTimeout(patient)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

// produce sends orders and waits for them.
func (a application[V]) produce(t *testing.T, topic string, from, to int64) {
	t.Helper()
	results, err := a.producer(t, topic).SendAll(a.context(t), a.numbered(from, to))
	if err != nil || int64(len(results)) != to-from {
		t.Fatalf("%d results: %v", len(results), err)
	}
}

const keys = 10

// numbered returns orders from, … of ten keys.
func (a application[V]) numbered(from, to int64) (records []producer.Record[string, V]) {
	for id := from; id < to; id++ {
		records = append(records, producer.Record[string, V]{Key: fmt.Sprint(id % keys), Value: a.make(id)})
	}
	return records
}

// member is what all consumers of a group have in common. A machine that stalls is
// no reason to expel one, and a partition that is fetched from again must not wait
// for long until others have something.
func (a application[V]) member(group, topic string, opts ...consumer.Option) []consumer.Option {
	return append([]consumer.Option{
		consumer.WithSeeds(a.broker), consumer.WithGroup(a.format + "-" + group), consumer.WithTopics(topic), consumer.WithDrainTimeout(patient),
		consumer.WithKafka(kgo.SessionTimeout(patient), kgo.RebalanceTimeout(patient), kgo.FetchMaxWait(100*time.Millisecond)),
	}, opts...)
}

func (a application[V]) consumer(t *testing.T, group, topic string, opts ...consumer.Option) *consumer.Consumer[string, V] {
	t.Helper()
	c, err := consumer.New(a.keyed, a.decode, a.member(group, topic, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// start runs a consumer until stop, which waits for its end.
func (a application[V]) start(t *testing.T, c *consumer.Consumer[string, V], h consumer.Handler[string, V]) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(a.context(t))
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, h) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

// committedTotal is how many records a group has committed of topics that began
// empty and hold no holes.
func (a application[V]) committedTotal(ctx context.Context, admin *kadm.Client, group string) (total int64) {
	offsets, err := admin.FetchOffsets(ctx, a.format+"-"+group)
	if err != nil {
		return 0 // there is no such group yet
	}
	offsets.Each(func(o kadm.OffsetResponse) { total += max(o.At, 0) })
	return total
}

// await waits until something is so.
func (a application[V]) await(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx := a.context(t)
	for !so() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", patient, what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
