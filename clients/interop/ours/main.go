// Command ours is Dovetail's own serde as a client of the interop scenarios; see
// ../python/client.py for the commands.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/interop/orderpb"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/serde"
	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
	serdeprotobuf "github.com/dovetail-dev/dovetail/serde/protobuf"
	"github.com/dovetail-dev/dovetail/serde/rules"
	"github.com/dovetail-dev/dovetail/serde/rules/kms"
)

const name = "dovetail"

// order is the record of all serde scenarios.
type order struct {
	ID       int64   `avro:"id" json:"id"`
	Customer string  `avro:"customer" json:"customer"`
	Total    float64 `avro:"total" json:"total"`
	Note     *string `avro:"note" json:"note"`
}

func newOrder(i int) order {
	o := order{ID: int64(i), Customer: fmt.Sprintf("%s-%d", name, i), Total: float64(i) * 1.5}
	if i%2 == 0 {
		note := fmt.Sprintf("note %d", i)
		o.Note = &note
	}
	return o
}

func (o order) message() *orderpb.Order {
	return &orderpb.Order{Id: o.ID, Customer: o.Customer, Total: o.Total, Note: o.Note}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if args[0] == "version" {
		fmt.Println("this checkout,", runtime.Version())
		return nil
	}
	text, err := os.ReadFile("order.avsc")
	if err != nil {
		return err
	}
	registry, err := srclient.New([]string{os.Getenv("REGISTRY")})
	if err != nil {
		return err
	}
	topic := args[1]
	switch args[0] {
	case "produce-avro":
		s, err := serdeavro.NewSerializer[order](registry, string(text))
		if err != nil {
			return err
		}
		return produce(ctx, topic, args[2], func(o order) ([]byte, error) { return s.Append(ctx, nil, topic, o) })
	case "consume-avro":
		d, err := serdeavro.NewDeserializer[order](registry, string(text))
		if err != nil {
			return err
		}
		return consume(ctx, topic, args[2], args[3], func(b []byte) (o order, err error) {
			return o, d.Decode(ctx, topic, b, &o)
		})
	case "produce-csfle", "consume-csfle":
		return csfle(ctx, registry, args)
	case "produce-protobuf":
		s, err := serdeprotobuf.NewSerializer[*orderpb.Order](registry)
		if err != nil {
			return err
		}
		return produce(ctx, topic, args[2], func(o order) ([]byte, error) { return s.Append(ctx, nil, topic, o.message()) })
	case "consume-protobuf":
		d, err := serdeprotobuf.NewDeserializer[*orderpb.Order](registry)
		if err != nil {
			return err
		}
		return consume(ctx, topic, args[2], args[3], func(b []byte) (order, error) {
			var m *orderpb.Order
			err := d.Decode(ctx, topic, b, &m)
			return order{ID: m.GetId(), Customer: m.GetCustomer(), Total: m.GetTotal(), Note: m.Note}, err
		})
	}
	return fmt.Errorf("unknown command %s", args[0])
}

// csfle writes and reads with the newest schema of the registry and its rules.
func csfle(ctx context.Context, registry *srclient.Client, args []string) error {
	engine, err := rules.New(rules.Options{Keys: registry, Params: map[string]string{kms.SecretProperty: "interop"}})
	if err != nil {
		return err
	}
	topic := args[1]
	if args[0] == "produce-csfle" {
		s, err := serdeavro.NewSerializer[order](registry, "", serde.WithLatest(), serde.WithRules(engine))
		if err != nil {
			return err
		}
		return produce(ctx, topic, args[2], func(o order) ([]byte, error) { return s.Append(ctx, nil, topic, o) })
	}
	d, err := serdeavro.NewDeserializer[order](registry, "", serde.WithRules(engine))
	if err != nil {
		return err
	}
	return consume(ctx, topic, args[2], args[3], func(b []byte) (o order, err error) { return o, d.Decode(ctx, topic, b, &o) })
}

func produce(ctx context.Context, topic, count string, encode func(order) ([]byte, error)) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("BOOTSTRAP")))
	if err != nil {
		return err
	}
	defer client.Close()
	records := make([]*kgo.Record, n)
	for i := range records {
		value, err := encode(newOrder(i))
		if err != nil {
			return err
		}
		records[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "k-%d", i), Value: value}
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

func consume(ctx context.Context, topic, group, count string, decode func([]byte) (order, error)) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("BOOTSTRAP")), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group),
		kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	out := json.NewEncoder(os.Stdout)
	for got := 0; got < n; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for it := fetches.RecordIter(); !it.Done(); got++ {
			r := it.Next()
			o, err := decode(r.Value)
			if err != nil {
				return err
			}
			if err := out.Encode(map[string]any{"partition": r.Partition, "offset": r.Offset, "key": string(r.Key), "value": o}); err != nil {
				return err
			}
		}
	}
	return client.CommitUncommittedOffsets(ctx)
}
