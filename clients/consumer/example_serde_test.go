package consumer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/consumer"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

type greeting struct {
	Text string `avro:"text"`
}

// Values are typed by the schema they were written with.
func ExampleNew() {
	// Stands for a registry with one schema.
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"schema":"{\"type\":\"record\",\"name\":\"Greeting\",\"fields\":[{\"name\":\"text\",\"type\":\"string\"}]}"}`)
	}))
	defer registry.Close()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "greetings"))
	if err != nil {
		panic(err)
	}
	defer broker.Close()
	ctx := context.Background()
	writer, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		panic(err)
	}
	defer writer.Close()
	writer.ProduceSync(ctx, &kgo.Record{Topic: "greetings", Value: []byte("\x00\x00\x00\x00\x01\x0ahello")})

	client, err := srclient.New([]string{registry.URL})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	values, err := avro.NewDeserializer[greeting](client, `{"type":"record","name":"Greeting","fields":[{"name":"text","type":"string"}]}`)
	if err != nil {
		panic(err)
	}
	c, err := consumer.New(consumer.Raw[string]{}, values,
		consumer.WithSeeds(broker.ListenAddrs()...), consumer.WithGroup("readers"), consumer.WithTopics("greetings"))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	records, err := c.Poll(ctx, 100)
	if err != nil {
		panic(err)
	}
	for _, r := range records {
		fmt.Printf("%+v\n", r.Value)
	}
	// Output: {Text:hello}
}
