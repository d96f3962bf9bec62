package broker

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

var toDeadLetters = map[string]string{"schema.validation.level": "payload", "schema.validation.mode": "dlq"}

// TestBeforeVersion8TheCodeAloneSaysThatRecordsAreRefused: there is no room in the answer
// for more.
func TestBeforeVersion8TheCodeAloneSaysThatRecordsAreRefused(t *testing.T) {
	b := startBroker(t, validating(nil))
	createTopic(t, b, "t", 1, map[string]string{"schema.validation.level": "payload"})
	c := dialRaw(t, b)
	for version := int16(3); version < 8; version++ {
		req := produceRequest("t", -1, valuesBatch(t, record.None, "good", "bad"))
		req.SetVersion(version)
		if out := produced(c.ask(req)); out.ErrorCode != kerr.InvalidRecord.Code || out.BaseOffset != -1 || len(out.ErrorRecords) != 0 || out.ErrorMessage != nil {
			t.Errorf("version %d: %+v", version, out)
		}
	}
}

// TestBatchesOfTransactionsAreRefusedAlsoWithDeadLetters: a letter would stay when its
// transaction is aborted.
func TestBatchesOfTransactionsAreRefusedAlsoWithDeadLetters(t *testing.T) {
	b := startBroker(t, validating(nil))
	createTopic(t, b, "t", 1, toDeadLetters)
	client := newClient(t, b, kgo.DefaultProduceTopic("t"), kgo.TransactionalID("orders"))
	send := func(value string, end kgo.TransactionEndTry) error {
		t.Helper()
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		sent := client.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr()
		if err := client.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		return sent
	}
	if err := send("bad", kgo.TryAbort); !errors.Is(err, kerr.InvalidRecord) {
		t.Errorf("a bad record: %v", err)
	}
	if err := send("good", kgo.TryCommit); err != nil {
		t.Errorf("a good record: %v", err)
	}
	if b.topics.byName("t.dlq") != nil {
		t.Error("there are dead letters")
	}
	if got := consume(t, b, "t", 1, kgo.FetchIsolationLevel(kgo.ReadCommitted())); string(got[0].Value) != "good" {
		t.Errorf("%s was committed", got[0].Value)
	}
}

// TestADeadLetterTopicIsNotValidatedWhenLettersArrive: what is wrong with them is known.
func TestADeadLetterTopicIsNotValidatedWhenLettersArrive(t *testing.T) {
	b := startBroker(t, validating(nil))
	createTopic(t, b, "t", 1, toDeadLetters)
	createTopic(t, b, "t.dlq", 3, toDeadLetters)
	c := dialRaw(t, b)
	if out := produced(c.ask(produceRequest("t", -1, valuesBatch(t, record.None, "good", "bad")))); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	if got := consume(t, b, "t.dlq", 1); string(got[0].Value) != "bad" {
		t.Errorf("%+v", got[0])
	}
	if b.topics.byName("t.dlq.dlq") != nil {
		t.Error("dead letters have dead letters")
	}
	// Who produces to it himself is checked like anybody.
	if out := produced(c.ask(produceRequest("t.dlq", -1, valuesBatch(t, record.None, "bad")))); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	if b.topics.byName("t.dlq.dlq") == nil {
		t.Error("a bad record of a client is not put aside")
	}
}

// TestWithoutItsDeadLetterTopicABatchIsRefused: nothing of it is appended, the producer
// may try again, and the fault is told until it is over.
func TestWithoutItsDeadLetterTopicABatchIsRefused(t *testing.T) {
	disk := &vfs.Faulty{FS: vfs.OS}
	b := startBroker(t, validating(nil), func(o *Options) { o.fs = disk })
	createTopic(t, b, "t", 1, toDeadLetters)
	c := dialRaw(t, b)
	send := func() kmsg.ProduceResponseTopicPartition {
		return produced(c.ask(produceRequest("t", -1, valuesBatch(t, record.None, "good", "bad"))))
	}
	disk.Arm(vfs.OpMkdir, 1, true, syscall.EACCES)
	for range 3 {
		if out := send(); out.ErrorCode != kerr.KafkaStorageError.Code || !strings.Contains(*out.ErrorMessage, "dead-letter topic") {
			t.Fatalf("%+v", out)
		}
	}
	faults := b.Faults(Viewer{})
	if len(faults) != 1 || faults[0].Kind != FaultDeadLetters || faults[0].Topic != "t" || !strings.Contains(faults[0].What, syscall.EACCES.Error()) || faults[0].Remedy == "" {
		t.Errorf("%+v", faults)
	}
	if end := b.topics.byName("t").parts[0].log.EndOffset(); end != 0 {
		t.Errorf("the topic ends at %d", end)
	}
	disk.Arm(0, 0, false, nil)
	if out := send(); out.ErrorCode != 0 || out.BaseOffset != 0 {
		t.Fatalf("%+v", out)
	}
	if got := consume(t, b, "t.dlq", 1); string(got[0].Value) != "bad" {
		t.Errorf("%+v", got[0])
	}
	if faults := b.Faults(Viewer{}); len(faults) != 0 {
		t.Errorf("%+v", faults)
	}
}

// TestAnOfflineDeadLetterTopicRefusesTheBatch: what has no bad record is taken as before.
func TestAnOfflineDeadLetterTopicRefusesTheBatch(t *testing.T) {
	disk := &vfs.Faulty{FS: vfs.OS, Under: string(filepath.Separator) + "t.dlq-0"}
	b := startBroker(t, validating(nil), func(o *Options) { o.fs = disk })
	createTopic(t, b, "t", 1, toDeadLetters)
	c := dialRaw(t, b)
	send := func(values ...string) kmsg.ProduceResponseTopicPartition {
		return produced(c.ask(produceRequest("t", -1, valuesBatch(t, record.None, values...))))
	}
	if out := send("bad"); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	disk.Arm(vfs.OpSync, 1, true, syscall.EIO)
	if out := send("bad"); out.ErrorCode != kerr.KafkaStorageError.Code {
		t.Fatalf("%+v", out)
	}
	if out := send("good", "bad"); out.ErrorCode != kerr.KafkaStorageError.Code || !strings.Contains(*out.ErrorMessage, "dead-letter topic") {
		t.Fatalf("%+v", out)
	}
	if out := send("good"); out.ErrorCode != 0 || out.BaseOffset != 1 {
		t.Fatalf("what is good: %+v", out)
	}
	kinds := map[FaultKind]string{}
	for _, f := range b.Faults(Viewer{}) {
		kinds[f.Kind] = f.Topic
	}
	if len(kinds) != 2 || kinds[FaultOffline] != "t.dlq" || kinds[FaultDeadLetters] != "t" {
		t.Errorf("%v", kinds)
	}
}
