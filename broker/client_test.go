package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// newClient is a franz-go client of b.
func newClient(t *testing.T, b *Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addr("").String()), kgo.AllowAutoTopicCreation()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func createTopic(t *testing.T, b *Broker, name string, partitions int32, configs map[string]string) {
	t.Helper()
	pointers := map[string]*string{}
	for k, v := range configs {
		pointers[k] = &v
	}
	adm := kadm.NewClient(newClient(t, b))
	if _, err := adm.CreateTopic(t.Context(), partitions, 1, pointers, name); err != nil {
		t.Fatal(err)
	}
}

// consume reads n records of a topic from its start.
func consume(t *testing.T, b *Broker, topic string, n int, opts ...kgo.Opt) []*kgo.Record {
	t.Helper()
	client := newClient(t, b, append([]kgo.Opt{kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, opts...)...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var all []*kgo.Record
	for len(all) < n {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d records of %s: %v\n%s", len(all), n, topic, err, situation(b))
		}
		fetches.EachError(func(topic string, p int32, err error) { t.Errorf("fetch %s-%d: %v", topic, p, err) })
		all = append(all, fetches.Records()...)
	}
	return all
}

// situation describes partitions and groups, for a test that waited in vain.
func situation(b *Broker) string {
	var out strings.Builder
	for _, t := range b.topics.state.Load().names {
		for _, p := range t.parts {
			if o := p.offsets(); o.End > 0 {
				fmt.Fprintf(&out, "%s-%d: %+v, offline: %v\n", p.topic, p.index, o, p.offline())
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr("").String()))
	if err != nil {
		return out.String() + err.Error()
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	groups, err := adm.DescribeGroups(ctx)
	for _, g := range groups.Sorted() {
		fmt.Fprintf(&out, "group %s is %s\n", g.Group, g.State)
		for _, m := range g.Members {
			assigned, _ := m.Assigned.AsConsumer()
			fmt.Fprintf(&out, "\tmember %s: %+v\n", m.MemberID, assigned)
		}
	}
	txns, txnErr := adm.DescribeTransactions(ctx)
	for _, x := range txns.Sorted() {
		fmt.Fprintf(&out, "transaction %+v\n", x)
	}
	if err = errors.Join(err, txnErr); err != nil {
		fmt.Fprintln(&out, err)
	}
	return out.String()
}

func TestProducedRecordsOfEveryCodecAreConsumed(t *testing.T) {
	b := startBroker(t)
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			topic := "codec-" + name
			client := newClient(t, b, kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic(topic))
			const n = 1000
			var records []*kgo.Record
			for i := range n {
				records = append(records, &kgo.Record{Key: fmt.Appendf(nil, "key-%d", i), Value: fmt.Appendf(nil, "value-%d", i),
					Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}})
			}
			if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			for i, r := range consume(t, b, topic, n) {
				if r.Offset != int64(i) || string(r.Value) != fmt.Sprintf("value-%d", i) || string(r.Key) != fmt.Sprintf("key-%d", i) || len(r.Headers) != 1 {
					t.Fatalf("record %d: %+v", i, r)
				}
			}
		})
	}
}
