package deadletter_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/consumer"
	"github.com/dovetail-dev/dovetail/clients/deadletter"
	"github.com/dovetail-dev/dovetail/clients/producer"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/rest"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

const text = `{"type":"record","name":"User","fields":[{"name":"name","type":"string"},{"name":"age","type":"int"}]}`

type user struct {
	Name string `avro:"name"`
	Age  int    `avro:"age"`
}

// TestRefusedRecordsGoToTheRulesTopic writes what a rule refuses, reads what
// another one refuses, and sends both again.
func TestRefusedRecordsGoToTheRulesTopic(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	reg, err := registry.Open(ctx, registry.Options{Journal: &journal.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	server := httptest.NewServer(rest.Handler(reg, rest.Options{}))
	defer server.Close()
	client, err := srclient.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "users", "unborn", "nameless"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	seeds := cluster.ListenAddrs()
	letters, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		t.Fatal(err)
	}
	defer letters.Close()
	engine, err := rules.New(rules.Options{DeadLetters: deadletter.New(letters)})
	if err != nil {
		t.Fatal(err)
	}
	set := &schema.RuleSet{DomainRules: []schema.Rule{
		{Name: "born", Kind: "CONDITION", Mode: "WRITE", Type: "CEL", Expr: "message.age >= 0", OnFailure: "DLQ", Params: map[string]string{"dlq.topic": "unborn"}},
		{Name: "named", Kind: "CONDITION", Mode: "READ", Type: "CEL", Expr: "message.name != ''", OnFailure: "DLQ", Params: map[string]string{"dlq.topic": "nameless"}},
	}}
	format, err := avro.NewFormat[user](avro.FormatOptions{Text: text, RuleSet: set})
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(client, format, serde.WithRules(engine))
	if err != nil {
		t.Fatal(err)
	}
	p, err := producer.New(producer.Raw[string]{}, producer.Encoder[user](s), producer.WithSeeds(seeds...), producer.WithTopic("users"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(ctx)
	send := func(u user, headers ...producer.Header) error {
		_, err := p.Send(ctx, producer.Record[string, user]{Key: "k", Value: u, Headers: append(headers, producer.Header{Key: "trace", Value: []byte("7")})})
		return err
	}
	if err := send(user{"ann", -1}); err == nil || !strings.Contains(err.Error(), `rule "born"`) {
		t.Fatalf("a record that a rule refuses was sent: %v", err)
	}
	dead := read(ctx, t, seeds, "unborn")
	if string(dead.Key) != "k" || string(dead.Value) != `{"age":-1,"name":"ann"}` {
		t.Errorf("the letter is %s: %s", dead.Key, dead.Value)
	}
	for name, want := range map[string]string{
		"trace": "7", "__rule.name": "born", "__rule.mode": "WRITE", "__rule.topic": "users", "__rule.subject": "users-value", "__rule.exception": "the condition does not hold: message.age >= 0",
	} {
		if got := header(dead, name); got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	if err := send(user{"ann", -1}, producer.Header{Key: "__rule.name", Value: []byte("born")}); err != nil {
		t.Errorf("sent again: %v", err)
	}

	d, err := avro.NewDeserializer[user](client, text, serde.WithRules(engine))
	if err != nil {
		t.Fatal(err)
	}
	c, err := consumer.New(consumer.Raw[string]{}, consumer.Decoder[user](d), consumer.WithSeeds(seeds...), consumer.WithGroup("g"), consumer.WithTopics("users"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := send(user{"", 1}); err != nil {
		t.Fatal(err)
	}
	if err := send(user{"", 2}, producer.Header{Key: "__rule.name", Value: []byte("named")}); err != nil {
		t.Fatal(err)
	}
	var got []*consumer.Record[string, user]
	for len(got) < 3 {
		records, err := c.Poll(ctx, 10)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, records...)
	}
	if got[0].Err != nil || got[1].Err == nil || got[2].Err != nil {
		t.Errorf("read %v, %v, %v", got[0].Err, got[1].Err, got[2].Err)
	}
	dead = read(ctx, t, seeds, "nameless")
	if string(dead.Key) != "k" || string(dead.Value) != string(got[1].Raw().Value) || header(dead, "__rule.name") != "named" || header(dead, "__rule.mode") != "READ" {
		t.Errorf("the letter is %s: %q, %v", dead.Key, dead.Value, dead.Headers)
	}
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

func read(ctx context.Context, t *testing.T, seeds []string, topic string) *kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%s: %v", topic, err)
		}
		if all := fetches.Records(); len(all) > 0 {
			if len(all) > 1 {
				t.Errorf("%s has %d letters, want 1", topic, len(all))
			}
			return all[0]
		}
	}
}
