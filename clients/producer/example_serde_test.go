package producer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/dovetail-dev/dovetail/clients/producer"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

type greeting struct {
	Text string `avro:"text"`
}

// A typed record is serialized with the schema that the registry knows.
func ExampleProducer_Send() {
	// Stands for a registry: the schema gets the ID 1.
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id":1}`)
	}))
	defer registry.Close()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "greetings"))
	if err != nil {
		panic(err)
	}
	defer broker.Close()

	client, err := srclient.New([]string{registry.URL})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	values, err := avro.NewSerializer[greeting](client, `{"type":"record","name":"Greeting","fields":[{"name":"text","type":"string"}]}`)
	if err != nil {
		panic(err)
	}
	p, err := producer.New(producer.Raw[string]{}, values,
		producer.WithSeeds(broker.ListenAddrs()...), producer.WithTopic("greetings"))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	defer p.Close(ctx)

	d, err := p.Send(ctx, producer.Record[string, greeting]{Key: "en", Value: greeting{"hello"}})
	fmt.Println(d.Offset, err)
	// Output: 0 <nil>
}
