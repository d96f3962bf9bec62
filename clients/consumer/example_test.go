package consumer_test

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/consumer"
)

// greetings starts a broker with one record.
func greetings() *kfake.Cluster {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "greetings", "answers"))
	if err != nil {
		panic(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	client.ProduceSync(context.Background(), &kgo.Record{Topic: "greetings", Key: []byte("en"), Value: []byte("hello")})
	return broker
}

func ExampleConsumer_Run() {
	broker := greetings()
	defer broker.Close()

	// With schemas, a serde.Deserializer takes the place of Raw.
	c, err := consumer.New(consumer.Raw[string]{}, consumer.Raw[string]{},
		consumer.WithSeeds(broker.ListenAddrs()...),
		consumer.WithGroup("readers"),
		consumer.WithTopics("greetings"),
		consumer.WithWorkers(32),
		consumer.WithDeadLetter("greetings.dead"))
	if err != nil {
		panic(err)
	}
	defer c.Close()

	ctx, cancel := context.WithCancel(context.Background())
	err = c.Run(ctx, func(_ context.Context, r *consumer.Record[string, string]) error {
		fmt.Println(r.Key, r.Value)
		cancel() // an application would run until it is told to stop
		return nil
	})
	fmt.Println(err)
	// Output:
	// en hello
	// <nil>
}

func ExampleConsumer_Poll() {
	broker := greetings()
	defer broker.Close()
	c, err := consumer.New(consumer.Raw[string]{}, consumer.Raw[string]{},
		consumer.WithSeeds(broker.ListenAddrs()...), consumer.WithGroup("readers"), consumer.WithTopics("greetings"))
	if err != nil {
		panic(err)
	}
	defer c.Close()

	ctx := context.Background()
	records, err := c.Poll(ctx, 100)
	if err != nil {
		panic(err)
	}
	for _, r := range records {
		fmt.Println(r.Key, r.Value)
	}
	fmt.Println(c.Commit(ctx))
	// Output:
	// en hello
	// <nil>
}

func ExampleNewProcessor() {
	broker := greetings()
	defer broker.Close()
	p, err := consumer.NewProcessor(consumer.Raw[string]{}, consumer.Raw[string]{},
		consumer.WithSeeds(broker.ListenAddrs()...), consumer.WithGroup("answerers"), consumer.WithTopics("greetings"),
		consumer.WithTransactionalID("answerer-0"))
	if err != nil {
		panic(err)
	}
	defer p.Close()

	ctx, cancel := context.WithCancel(context.Background())
	err = p.Run(ctx, func(ctx context.Context, records []*consumer.Record[string, string], out *consumer.Output) error {
		for _, r := range records {
			out.Send(ctx, &kgo.Record{Topic: "answers", Key: []byte(r.Key), Value: []byte(r.Value + " yourself")})
			fmt.Println("answering", r.Value)
		}
		cancel() // the batch is finished and committed all the same
		return nil
	})
	fmt.Println(err)

	// What is committed is in the topic.
	reader, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...),
		kgo.ConsumeTopics("answers"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		panic(err)
	}
	defer reader.Close()
	limit, done := context.WithTimeout(context.Background(), time.Minute)
	defer done()
	fetches := reader.PollFetches(limit)
	if err := fetches.Err(); err != nil {
		panic(err)
	}
	for _, r := range fetches.Records() {
		fmt.Println(string(r.Key), string(r.Value))
	}
	// Output:
	// answering hello
	// <nil>
	// en hello yourself
}
