package seal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/journal/journaltest"
	"github.com/dovetail-dev/dovetail/registry/journal/kafka"
)

// onKafka returns a function that opens a topic of a cluster in this process.
func onKafka(t *testing.T) func(t *testing.T, topic string) journal.Journal {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return func(t *testing.T, topic string) journal.Journal {
		t.Helper()
		j, err := kafka.Open(t.Context(), kafka.Options{Brokers: c.ListenAddrs(), Topic: topic})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = j.Close() })
		return j
	}
}

func TestJournalOnKafka(t *testing.T) {
	topic, n := onKafka(t), 0
	journaltest.Run(t, func(t *testing.T) journal.Journal {
		n++
		return wrap(t, topic(t, fmt.Sprintf("schemas-%d", n)), topic(t, fmt.Sprintf("encoders-%d", n)), "s", "")
	})
}

// TestInstancesOnKafkaShareOneKeyset: who comes second takes the keys of the
// first, reads what it wrote, and takes over from it; nothing in the topic is
// readable.
func TestInstancesOnKafkaShareOneKeyset(t *testing.T) {
	topic := onKafka(t)
	first := openRegistry(t, wrap(t, topic(t, "_schemas"), topic(t, "_schema_encoders"), "s", ""))
	register(t, first, "a", request(secretValue))

	second := openRegistry(t, wrap(t, topic(t, "_schemas"), topic(t, "_schema_encoders"), "s", ""))
	wantOwner(t, second, "a", secretValue)
	register(t, second, "b", request("also "+secretValue))
	wantOwner(t, openRegistry(t, wrap(t, topic(t, "_schemas"), topic(t, "_schema_encoders"), "s", "")), "b", "also "+secretValue)

	records := stored(t, topic(t, "_schemas"))
	if len(records) < 2 {
		t.Fatalf("%d records", len(records))
	}
	for _, r := range records {
		if strings.Contains(string(r.Value), secretValue) {
			t.Errorf("the topic says %s", r.Value)
		}
	}
}
