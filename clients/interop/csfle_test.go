package interop

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// registerContract registers the order schema for a topic with rules that
// encrypt two of its fields, and then the whole payload. The keys of the fields
// expire, so that ciphertexts name their version; those of the payload are
// deterministic. Clients create the keys.
func (s *server) registerContract(t *testing.T, topic string) {
	t.Helper()
	text, err := os.ReadFile("order.avsc")
	if err != nil {
		t.Fatal(err)
	}
	client, err := srclient.New([]string{"http://" + s.registry})
	if err != nil {
		t.Fatal(err)
	}
	// Tags stand in the text: confluent-kafka for Python 2.16 cannot hash a
	// schema whose metadata has tags.
	tagged := strings.NewReplacer(`"name": "customer",`, `"name": "customer", "confluent:tags": ["PII"],`, `"name": "note",`, `"name": "note", "confluent:tags": ["PII"],`)
	params := func(more map[string]string) map[string]string {
		p := map[string]string{"encrypt.kek.name": "kek-" + topic, "encrypt.kms.type": "local-kms", "encrypt.kms.key.id": "interop"}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
	_, err = client.Register(context.Background(), schema.Subject(topic+"-value"), schema.Definition{
		Type: schema.Avro, Text: tagged.Replace(string(text)),
		RuleSet: &schema.RuleSet{
			DomainRules: []schema.Rule{{Name: "fields", Kind: "TRANSFORM", Mode: "WRITEREAD", Type: "ENCRYPT", Tags: []string{"PII"},
				Params: params(map[string]string{"encrypt.dek.expiry.days": "7"})}},
			EncodingRules: []schema.Rule{{Name: "payload", Kind: "TRANSFORM", Mode: "WRITEREAD", Type: "ENCRYPT_PAYLOAD",
				Params: params(map[string]string{"encrypt.dek.algorithm": "AES256_SIV"})}},
		},
	}, serde.RegisterOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// checkEncrypted reads a topic without any rules: no value may hold the text.
func (s *server) checkEncrypted(t *testing.T, topic, text string, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for got := 0; got < count; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", got, count, err)
		}
		for it := fetches.RecordIter(); !it.Done(); got++ {
			if r := it.Next(); bytes.Contains(r.Value, []byte(text)) {
				t.Fatalf("the value of key %s is in clear: %q", r.Key, r.Value)
			}
		}
	}
}
