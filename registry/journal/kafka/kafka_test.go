package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/journal/journaltest"
)

// cluster is a broker in this process. The same tests run against Apache Kafka
// among the interop scenarios.
func cluster(t *testing.T) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

func open(t *testing.T, brokers []string, topic string) *Journal {
	t.Helper()
	j, err := Open(t.Context(), Options{Brokers: brokers, Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func TestJournal(t *testing.T) {
	brokers, n := cluster(t), 0
	journaltest.Run(t, func(t *testing.T) journal.Journal {
		n++
		return open(t, brokers, fmt.Sprintf("journal-%d", n))
	})
}

func append1(j *Journal, key string) error {
	end, err := j.End(context.Background())
	if err == nil {
		_, err = j.Append(context.Background(), end, []journal.Record{{Key: []byte(key), Value: []byte("{}")}})
	}
	return err
}

func TestWhoTakesOverFencesAndTheFencedReadsOn(t *testing.T) {
	brokers := cluster(t)
	first, second := open(t, brokers, ""), open(t, brokers, "")
	for _, step := range []struct {
		by  *Journal
		key string
	}{{first, "a"}, {first, "b"}, {second, "c"}} {
		if err := append1(step.by, step.key); err != nil {
			t.Fatalf("append %s: %v", step.key, err)
		}
	}
	if err := first.Ready(t.Context()); err != nil {
		t.Errorf("who has not tried to write is ready to: %v", err)
	}
	for range 2 { // for good
		if err := append1(first, "d"); !errors.Is(err, ErrFenced) {
			t.Errorf("the first writer got %v, want ErrFenced", err)
		}
	}
	if err := first.Ready(t.Context()); !errors.Is(err, ErrFenced) {
		t.Errorf("the fenced instance says of itself: %v, want ErrFenced", err)
	}
	if err := second.Ready(t.Context()); err != nil {
		t.Errorf("the writer says of itself: %v", err)
	}
	if got := keys(t, first); got != "a b c" {
		t.Errorf("the fenced instance reads %q, want \"a b c\"", got)
	}
}

func TestOpenRefusesWhatIsNoJournal(t *testing.T) {
	brokers := cluster(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	compact, drop := "compact", "delete"
	for _, c := range []struct {
		name, want string
		partitions int32
		policy     string
	}{
		{"wide", "has 3 partitions", 3, compact},
		{"short-lived", "set it to compact", 1, drop},
	} {
		if _, err := admin.CreateTopic(t.Context(), c.partitions, 1, map[string]*string{"cleanup.policy": &c.policy}, c.name); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Brokers: brokers, Topic: c.name}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("topic %s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Open(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "no brokers") {
		t.Errorf("without brokers: %v", err)
	}
}

// A client that aborts where it was told to commit must not make the journal
// acknowledge what nobody will ever read.
func TestAbortedCommitIsNotAcknowledged(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	j := open(t, c.ListenAddrs(), "")
	if err := append1(j, "a"); err != nil {
		t.Fatal(err)
	}
	c.ControlKey(int16(kmsg.EndTxn), func(request kmsg.Request) (kmsg.Response, error, bool) {
		request.(*kmsg.EndTxnRequest).Commit = false
		c.DropControl()
		return nil, nil, false
	})
	if err := append1(j, "b"); err == nil || !strings.Contains(err.Error(), "aborted by the cluster") {
		t.Errorf("appending with the commit turned into an abort: %v", err)
	}
	if err := append1(j, "c"); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, j); got != "a c" {
		t.Errorf("the journal holds %q, want \"a c\"", got)
	}
}

// TestFailedProduceIsNotTheEnd lets the broker refuse a record in a way that the
// client does not retry; the writer must be replaced.
func TestFailedProduceIsNotTheEnd(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	j := open(t, c.ListenAddrs(), "")
	c.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		produce := request.(*kmsg.ProduceRequest)
		response := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.ErrorCode = kerr.MessageTooLarge.Code
			answer.Partitions = append(answer.Partitions, partition)
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
	if err := append1(j, "a"); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("a refused record: %v", err)
	}
	if err := append1(j, "b"); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, j); got != "b" {
		t.Errorf("the journal holds %q, want b", got)
	}
}

// keys reads the keys of all records, one after the other.
func keys(t *testing.T, j *Journal) string {
	t.Helper()
	var keys []string
	for at := journal.Offset(0); ; {
		records, next, err := j.Read(t.Context(), at, 2)
		if err != nil {
			t.Fatal(err)
		}
		if next == at {
			return strings.Join(keys, " ")
		}
		for _, r := range records {
			keys = append(keys, string(r.Key))
		}
		at = next
	}
}

func TestDeletedTopicIsALoss(t *testing.T) {
	brokers := cluster(t)
	j := open(t, brokers, "")
	if err := append1(j, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := j.admin.DeleteTopic(t.Context(), "_schemas"); err != nil {
		t.Fatal(err)
	}
	if _, err := j.End(t.Context()); !errors.Is(err, journal.ErrLost) {
		t.Fatalf("the end of a topic that was deleted: %v, want ErrLost", err)
	}
	if _, _, err := j.Read(t.Context(), 0, 10); !errors.Is(err, journal.ErrLost) {
		t.Errorf("reading it: %v, want ErrLost", err)
	}
}
