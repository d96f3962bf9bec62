package broker

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// benchBroker is a broker with a topic of 8 partitions, and a client of it.
func benchBroker(b *testing.B, opts ...kgo.Opt) (*Broker, *kgo.Client) {
	broker, err := New(Options{DataDir: b.TempDir(), DefaultPartitions: 8})
	if err != nil {
		b.Fatal(err)
	}
	if err := broker.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = broker.Close(context.Background()) })
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(broker.Addr("").String()), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("bench"),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(100_000)}, opts...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return broker, client
}

// BenchmarkProduce measures acks=all with batches as franz-go makes them, client
// and broker on the same machine.
func BenchmarkProduce(b *testing.B) {
	for _, size := range []int{100, 1000} {
		b.Run(fmt.Sprint(size, "B"), func(b *testing.B) {
			_, client := benchBroker(b)
			value := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				client.Produce(context.Background(), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
					if err != nil {
						b.Error(err)
					}
				})
			}
			if err := client.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkConsume measures reading what was just produced.
func BenchmarkConsume(b *testing.B) {
	broker, client := benchBroker(b)
	value := make([]byte, 1000)
	for range b.N {
		client.Produce(context.Background(), &kgo.Record{Value: value}, nil)
	}
	if err := client.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr("").String()), kgo.ConsumeTopics("bench"), kgo.FetchMaxWait(100e6))
	if err != nil {
		b.Fatal(err)
	}
	defer reader.Close()
	b.SetBytes(1000)
	b.ResetTimer()
	for n := 0; n < b.N; {
		n += reader.PollFetches(context.Background()).NumRecords()
	}
}
