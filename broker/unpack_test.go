package broker

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	gometrics "runtime/metrics"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// everyCodec are those that compress.
var everyCodec = []record.Codec{record.Gzip, record.Snappy, record.LZ4, record.Zstd}

// bomb is a batch that opens to a record "bad" and one of so many zeros.
func bomb(t *testing.T, codec record.Codec, zeros int) []byte {
	t.Helper()
	builder := record.NewBuilder(record.BatchOptions{Codec: codec})
	builder.Add(1_700_000_000_000, []byte("k"), []byte("bad"))
	builder.Add(1_700_000_000_000, []byte("k"), make([]byte, zeros))
	b, err := builder.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b)
}

// liveBytes is what the collector finds in use.
func liveBytes() int64 {
	runtime.GC()
	sample := []gometrics.Sample{{Name: "/gc/heap/live:bytes"}}
	gometrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// holding is a Validator that keeps batches open until it is let go.
type holding struct {
	mu      sync.Mutex
	open    int
	release chan struct{}
}

func (h *holding) ValidateBatch(ctx context.Context, topic ValidatedTopic, batch *record.Opened) ([]RecordError, error) {
	if _, err := batch.Records(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.open++
	h.mu.Unlock()
	<-h.release
	return noBadValues{}.ValidateBatch(ctx, topic, batch)
}

func (h *holding) held() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// TestBombsFromManyConnectionsStayWithinTheBudget has more bombs of every codec
// waiting to be opened than there is room for, and keeps those open that are: the
// memory in use is what was paid for.
func TestBombsFromManyConnectionsStayWithinTheBudget(t *testing.T) {
	const memory, zeros, perCodec = 64 << 20, 6 << 20, 4
	hold := &holding{release: make(chan struct{})}
	b := startBroker(t, func(o *Options) { o.Limits.MemoryBytes, o.Validator = memory, hold })
	createTopic(t, b, "checked", 1, map[string]string{"schema.validation.level": "payload"})
	createTopic(t, b, "t", 1, nil)
	honest := newClient(t, b, kgo.DefaultProduceTopic("t"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err := honest.ProduceSync(t.Context(), kgo.StringRecord("first")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var requests [][]byte
	requestBytes := 0
	for _, codec := range everyCodec {
		f := frameOf(produceRequest("checked", -1, bomb(t, codec, zeros)), 1)
		requests = append(requests, f)
		requestBytes += perCodec * 2 * len(f) // a pooled buffer is a power of two
	}
	before := liveBytes()
	var hostile []*rawClient
	for i := range perCodec * len(requests) {
		c := dialRaw(t, b)
		c.write(requests[i%len(requests)])
		hostile = append(hostile, c)
	}
	waiting := func() int {
		b.unpacking.mu.Lock()
		defer b.unpacking.mu.Unlock()
		return len(b.unpacking.waiting)
	}
	eventually(t, "every bomb is open or waits", func() bool { return hold.held()+waiting() == len(hostile) })
	if hold.held() < 2 || waiting() == 0 {
		t.Errorf("%d are open, %d wait", hold.held(), waiting())
	}
	// One that has a part already may take the rest beyond the budget, whatever its codec.
	bound := int64(memory/unpackPart + zeros + 1<<20)
	if used := b.unpacking.inUse(); used > bound {
		t.Errorf("%d bytes are paid for, more than %d", used, bound)
	}
	// Besides what is open: a pooled buffer of each that waits, of 64 KiB, and what a connection needs.
	bound += int64(requestBytes) + int64(len(hostile))*(connectionBytes+64<<10)
	if grown := liveBytes() - before; grown > bound {
		t.Errorf("%d MiB more are in use, %d are allowed for", grown>>20, bound>>20)
	}
	if err := honest.ProduceSync(t.Context(), kgo.StringRecord("meanwhile")).FirstErr(); err != nil {
		t.Errorf("an honest client: %v", err)
	}
	close(hold.release)
	for _, c := range hostile {
		if out := produced(c.answerTo(produceRequest("checked", -1, nil), 1)); out.ErrorCode != kerr.InvalidRecord.Code {
			t.Errorf("error %d", out.ErrorCode)
		}
	}
	if n := b.unpacking.inUse(); n != 0 {
		t.Errorf("%d bytes are still set aside", n)
	}
}

// connectionBytes is what a connection needs besides its frames: two goroutines' stacks,
// a read buffer of 8 KiB, the queue of replies, a small frame.
const connectionBytes = 64 << 10

// TestBatchesAreOpenedOnce: validation, the log's own checks, another codec, a compacted
// topic's demand for keys and the search for frequent keys look at the same records.
func TestBatchesAreOpenedOnce(t *testing.T) {
	b := startBroker(t, validating(nil))
	c := dialRaw(t, b)
	for topic, configs := range map[string]map[string]string{
		"plain":        nil,
		"payload":      {"schema.validation.level": "payload"},
		"id":           {"schema.validation.level": "id"},
		"other-codec":  {"schema.validation.level": "payload", "compression.type": "uncompressed"},
		"compacted":    {"schema.validation.level": "payload", "cleanup.policy": "compact"},
		"append-time":  {"schema.validation.level": "payload", "message.timestamp.type": "LogAppendTime"},
		"dead-letters": {"schema.validation.level": "payload", "schema.validation.mode": "dlq"},
	} {
		createTopic(t, b, topic, 1, configs)
		for _, codec := range everyCodec {
			before := record.Decompressions()
			if out := produced(c.ask(produceRequest(topic, -1, valuesBatch(t, codec, "good", "better")))); out.ErrorCode != 0 {
				t.Errorf("%s: %+v", topic, out)
			}
			if n := record.Decompressions() - before; n != 1 {
				t.Errorf("%s, %v: opened %d times", topic, codec, n)
			}
		}
	}
}

// TestWhatAValidatorChangedIsNotAppended: the checksum is compared after everybody has
// seen the records.
func TestWhatAValidatorChangedIsNotAppended(t *testing.T) {
	change := map[string]func(record.Batch){
		"a record":     func(b record.Batch) { b[len(b)-3] ^= 1 },
		"the header":   func(b record.Batch) { b[30] ^= 1 },
		"the count":    func(b record.Batch) { b[60]++ },
		"the checksum": func(b record.Batch) { b[17] ^= 1 },
	}
	for name, change := range change {
		for _, codec := range []record.Codec{record.None, record.Zstd} {
			b := startBroker(t, func(o *Options) { o.Validator = meddling(change) })
			createTopic(t, b, "t", 1, map[string]string{"schema.validation.level": "payload"})
			out := produced(dialRaw(t, b).ask(produceRequest("t", -1, valuesBatch(t, codec, "good", "better"))))
			if out.ErrorCode != kerr.CorruptMessage.Code {
				t.Errorf("%s, %v: %+v", name, codec, out)
			}
		}
	}
}

// meddling is a Validator that finds nothing and changes the batch.
type meddling func(record.Batch)

func (m meddling) ValidateBatch(_ context.Context, _ ValidatedTopic, batch *record.Opened) ([]RecordError, error) {
	it, err := batch.Records()
	if err != nil {
		return nil, err
	}
	for it.Next() {
	}
	m(batch.Batch())
	return nil, it.Err()
}

// TestNoHeaderGetsABatchPastTheValidator: a base offset, which means nothing in a
// request, is no reason not to look.
func TestNoHeaderGetsABatchPastTheValidator(t *testing.T) {
	b := startBroker(t, validating(nil))
	createTopic(t, b, "t", 1, map[string]string{"schema.validation.level": "payload"})
	c := dialRaw(t, b)
	for at := range record.HeaderBytes {
		for _, set := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			batch := record.Batch(valuesBatch(t, record.None, "bad"))
			batch[at] = set
			if at >= 21 {
				batch.Reseal()
			}
			out := produced(c.ask(produceRequest("t", -1, batch)))
			if out.ErrorCode == 0 {
				t.Errorf("byte %d of the header is %#x: a bad record is appended at offset %d", at, set, out.BaseOffset)
			}
		}
	}
}

// TestLookingForATimeStaysWithinTheBudget has more clients look for records by time in
// compressed batches than there is room for what the batches open to.
func TestLookingForATimeStaysWithinTheBudget(t *testing.T) {
	const memory, zeros, clients = 64 << 20, 6 << 20, 20
	b := startBroker(t, func(o *Options) { o.Limits.MemoryBytes = memory })
	newTopic(t, b, "t")
	writer := dialRaw(t, b)
	batch := bomb(t, record.Zstd, zeros)
	if out := produced(writer.ask(produceRequest("t", -1, batch))); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	eventually(t, "the batch is closed again", func() bool { return b.unpacking.inUse() == 0 })
	ask := at(4, &kmsg.ListOffsetsRequest{ReplicaID: -1, Topics: []kmsg.ListOffsetsRequestTopic{{Topic: "t",
		Partitions: []kmsg.ListOffsetsRequestTopicPartition{{CurrentLeaderEpoch: -1, Timestamp: 1_700_000_000_000}}}}})

	// Nothing is opened while others have used the budget up.
	all := lease{from: b.unpacking}
	if err := all.grow(t.Context(), b.unpacking.limit); err != nil {
		t.Fatal(err)
	}
	var waiting []*rawClient
	for range clients {
		c := dialRaw(t, b)
		c.write(frameOf(ask, 1))
		waiting = append(waiting, c)
	}
	eventually(t, "all wait for room", func() bool {
		b.unpacking.mu.Lock()
		defer b.unpacking.mu.Unlock()
		return len(b.unpacking.waiting) == clients
	})
	// One that goes away leaves the line, and is no fault of the log.
	_ = waiting[0].conn.Close()
	all.release()
	for _, c := range waiting[1:] {
		if got := c.answerTo(ask, 1).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]; got.ErrorCode != 0 || got.Offset != 0 || got.Timestamp != 1_700_000_000_000 {
			t.Errorf("%+v", got)
		}
	}
	eventually(t, "everything is given back", func() bool { return b.unpacking.inUse() == 0 })
	if got := writer.ask(ask).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]; got.ErrorCode != 0 {
		t.Errorf("afterwards: %+v", got)
	}
}

// TestAShareGroupThatBeginsByTimePaysForWhatItOpens looks for where a share group begins.
func TestAShareGroupThatBeginsByTimePaysForWhatItOpens(t *testing.T) {
	b := startBroker(t)
	p := newTopic(t, b, "t")
	if out := produced(dialRaw(t, b).ask(produceRequest("t", -1, bomb(t, record.Gzip, 1<<20)))); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	alter := at(1, &kmsg.IncrementalAlterConfigsRequest{Resources: []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "queue",
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "share.auto.offset.reset", Value: kmsg.StringPtr("by_duration:P9999D")}}}}})
	if resp := dialRaw(t, b).ask(alter).(*kmsg.IncrementalAlterConfigsResponse); resp.Resources[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	eventually(t, "the batch is closed again", func() bool { return b.unpacking.inUse() == 0 })
	all := lease{from: b.unpacking}
	if err := all.grow(t.Context(), b.unpacking.limit); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if at, err := b.shares.startOf(ctx, "queue", p); !errors.Is(err, context.Canceled) {
		t.Errorf("without room: offset %d, %v", at, err)
	}
	all.release()
	if at, err := b.shares.startOf(t.Context(), "queue", p); err != nil || at != 0 {
		t.Errorf("with room: offset %d, %v", at, err)
	}
}
