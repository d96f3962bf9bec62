package producer_test

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/dovetail-dev/dovetail/clients/producer"
)

func ExampleNew() {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "greetings"))
	if err != nil {
		panic(err)
	}
	defer broker.Close()

	// With schemas, a serde.Serializer takes the place of Raw.
	p, err := producer.New(producer.Raw[string]{}, producer.Raw[string]{},
		producer.WithSeeds(broker.ListenAddrs()...),
		producer.WithTopic("greetings"))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	defer p.Close(ctx)

	d, err := p.Send(ctx, producer.Record[string, string]{Key: "en", Value: "hello"})
	fmt.Println(d.Topic, d.Partition, d.Offset, err)
	// Output: greetings 0 0 <nil>
}
