package broker

import (
	"context"
	"fmt"
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
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all []*kgo.Record
	for len(all) < n {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d records of %s: %v", len(all), n, topic, err)
		}
		fetches.EachError(func(topic string, p int32, err error) { t.Errorf("fetch %s-%d: %v", topic, p, err) })
		all = append(all, fetches.Records()...)
	}
	return all
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
