package broker

import (
	"bytes"
	"runtime"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// TestBombsFromManyConnectionsStayWithinTheBudget sends batches of a few kilobytes
// that open to 60 MB, to a topic that checks records and to one that stores them in
// another codec. The heap is looked at while they are opened: a bound that holds
// at every moment, whenever it is looked at.
func TestBombsFromManyConnectionsStayWithinTheBudget(t *testing.T) {
	const memory, connections = 32 << 20, 10
	b := startBroker(t, validating(nil), func(o *Options) { o.Limits.MemoryBytes = memory })
	createTopic(t, b, "checked", 1, map[string]string{"schema.validation.level": "payload"})
	createTopic(t, b, "stored", 1, map[string]string{"compression.type": "uncompressed"})
	createTopic(t, b, "t", 1, nil)
	zeros := make([]byte, 60<<20)
	var bombs [][]byte
	for _, codec := range []record.Codec{record.Zstd, record.LZ4} {
		builder := record.NewBuilder(record.BatchOptions{Codec: codec})
		builder.Add(1_700_000_000_000, nil, []byte("bad"))
		builder.Add(1_700_000_000_000, nil, zeros)
		bomb, err := builder.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		bombs = append(bombs, bytes.Clone(bomb))
	}
	honest := newClient(t, b, kgo.DefaultProduceTopic("t"))
	if err := honest.ProduceSync(t.Context(), kgo.StringRecord("first")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	before := heapBytes()
	var hostile sync.WaitGroup
	for i := range connections {
		c := dialRaw(t, b)
		hostile.Go(func() {
			topic, want := "checked", kerr.InvalidRecord.Code
			if i%2 == 0 {
				topic, want = "stored", kerr.MessageTooLarge.Code
			}
			if out := produced(c.ask(produceRequest(topic, -1, bombs[i/2%2]))); out.ErrorCode != want {
				t.Errorf("%s: error %d, want %d", topic, out.ErrorCode, want)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		hostile.Wait()
		close(done)
	}()
	var most int64
	for n, open := 0, true; open || n < 10; n++ {
		select {
		case <-done:
			open = false
		default:
		}
		if err := honest.ProduceSync(t.Context(), kgo.StringRecord("v")).FirstErr(); err != nil {
			t.Fatalf("an honest client: %v", err)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, int64(m.HeapAlloc)-before)
	}
	// A batch is opened into a buffer that grows, or copied to another codec: twice
	// its size at most, besides the requests. What the ones before left behind
	// while the collector ran is counted once more.
	if bound := memory + 4*unpackBytes(memory) + 32<<20; most > bound {
		t.Errorf("the heap grew by %d MiB, at most %d are allowed for", most>>20, bound>>20)
	}
	if n := b.unpacking.inUse(); n != 0 {
		t.Errorf("%d bytes are still set aside", n)
	}
	if got := consume(t, b, "t", 11); string(got[0].Value) != "first" {
		t.Errorf("%s", got[0].Value)
	}
}

func TestRoomForOpeningIsBoundedByTheCodec(t *testing.T) {
	for codec, ratio := range map[record.Codec]int64{record.None: 0, record.Gzip: 1032, record.Snappy: 22, record.LZ4: 255} {
		batch := record.Batch(valuesBatch(t, codec, "v"))
		if n := unpackedAtMost(batch); n != int64(len(batch))*ratio {
			t.Errorf("%v: %d", codec, n)
		}
	}
	if n := unpackedAtMost(valuesBatch(t, record.Zstd, "v")); n != record.DefaultMaxUncompressedBytes {
		t.Errorf("zstd: %d", n)
	}
}
