package broker

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// tcpPair is both ends of a connection.
func tcpPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client
}

// randomFile is a file of so many random bytes.
func randomFile(t *testing.T, n int) (*os.File, []byte) {
	t.Helper()
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(data)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, data
}

// TestPartsAreSentInOrderWhateverTheyAre: memory and sections of one file, by many
// connections at once.
func TestPartsAreSentInOrderWhateverTheyAre(t *testing.T) {
	f, data := randomFile(t, 5<<20)
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		server, client := tcpPair(t)
		if !sendsFiles(server) {
			t.Skip("files are not sent on this system")
		}
		rng := rand.New(rand.NewPCG(seed, 3))
		var parts []bodyPart
		var want []byte
		for range 40 {
			pos := rng.IntN(len(data))
			n := min(rng.IntN(1<<uint(rng.IntN(22))+1), len(data)-pos)
			if rng.IntN(2) == 0 {
				parts = append(parts, bodyPart{data: data[pos : pos+n]})
			} else {
				parts = append(parts, bodyPart{file: f, pos: int64(pos), fileBytes: int64(n)})
			}
			want = append(want, data[pos:pos+n]...)
		}
		wg.Go(func() {
			w := connWriter{conn: server, step: time.Minute}
			if err := w.writeParts(parts); err != nil {
				t.Error(err)
			}
			server.Close()
		})
		wg.Go(func() {
			got, err := io.ReadAll(client)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("seed %d: %d bytes, %v; want %d", seed, len(got), err, len(want))
			}
		})
	}
	wg.Wait()
}

// TestAShortFileIsNotMadeUp: what a file does not have is never sent.
func TestAShortFileIsNotMadeUp(t *testing.T) {
	f, data := randomFile(t, 100_000)
	server, client := tcpPair(t)
	if !sendsFiles(server) {
		t.Skip("files are not sent on this system")
	}
	if err := f.Truncate(70_000); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		w := connWriter{conn: server, step: time.Minute}
		sent <- w.writeParts([]bodyPart{{data: []byte("head")}, {file: f, pos: 10_000, fileBytes: 80_000}, {data: []byte("tail")}})
		server.Close()
	}()
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, append([]byte("head"), data[10_000:70_000]...)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := <-sent; !errors.Is(err, errShortFile) {
		t.Error(err)
	}
}

// TestAFileIsSentWithADeadline: a client that takes nothing does not hold the writer.
func TestAFileIsSentWithADeadline(t *testing.T) {
	f, _ := randomFile(t, 32<<20)
	server, _ := tcpPair(t)
	if !sendsFiles(server) {
		t.Skip("files are not sent on this system")
	}
	w := connWriter{conn: server, step: 50 * time.Millisecond}
	if err := w.writeParts([]bodyPart{{file: f, fileBytes: 32 << 20}}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// tellingBatch is two records whose values are made of their offsets.
func tellingBatch(t *testing.T, base int64, valueBytes int) []byte {
	t.Helper()
	b := record.NewBuilder(record.BatchOptions{})
	for offset := base; offset < base+2; offset++ {
		b.Add(time.Now().UnixMilli(), fmt.Appendf(nil, "k%d", offset%11), tellingValue(offset, valueBytes))
	}
	batch, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func tellingValue(offset int64, valueBytes int) []byte {
	text := fmt.Appendf(nil, "%d ", offset)
	return bytes.Repeat(text, valueBytes/len(text)+1)[:valueBytes]
}

// TestWhatIsFetchedIsWhatWasStored reads a topic from its start to its end again and
// again, over plain connections, where files are sent, and over TLS, where they are
// read, while it is written, compacted and cut at its start.
func TestWhatIsFetchedIsWhatWasStored(t *testing.T) {
	cert, pool := certificate(t)
	b := startBroker(t, func(o *Options) {
		o.Listeners = []Listener{
			{Name: "PLAIN", Addr: "127.0.0.1:0"},
			{Name: "SSL", Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{cert}}},
		}
	})
	const topic, valueBytes, batches = "telling", 50_000, 100
	plain := func() *rawClient { return rawOver(t, dialNamed(t, b, "PLAIN", nil)) }
	made := kmsg.NewPtrCreateTopicsRequest()
	made.SetVersion(2)
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, 1, 1
	for k, v := range map[string]string{"segment.bytes": "1048576", "cleanup.policy": "compact,delete", "min.cleanable.dirty.ratio": "0", "file.delete.delay.ms": "0"} {
		rc := kmsg.NewCreateTopicsRequestTopicConfig()
		rc.Name, rc.Value = k, &v
		rt.Configs = append(rt.Configs, rc)
	}
	made.Topics = append(made.Topics, rt)
	if resp := plain().ask(made).(*kmsg.CreateTopicsResponse); resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp.Topics[0])
	}
	log := b.topics.byName(topic).parts[0].log
	done := make(chan struct{})
	var wg sync.WaitGroup
	writer := plain()
	wg.Go(func() {
		defer close(done)
		for i := range int64(batches) {
			if p := produced(writer.ask(produceRequest(topic, -1, tellingBatch(t, 2*i, valueBytes)))); p.ErrorCode != 0 || p.BaseOffset != 2*i {
				t.Errorf("%+v", p)
				return
			}
		}
	})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if _, err := log.Compact(time.Now()); err != nil {
				t.Error(err)
			}
			if o := log.Offsets(); i%3 == 0 {
				if _, err := log.DeleteRecordsBefore(o.Start + (o.HighWatermark-o.Start)/4); err != nil {
					t.Error(err)
				}
			}
			if _, err := log.Retain(time.Now()); err != nil {
				t.Error(err)
			}
		}
	})
	for _, c := range []*rawClient{plain(), plain(), rawOver(t, dialNamed(t, b, "SSL", &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}))} {
		wg.Go(func() {
			for running := true; running; {
				select {
				case <-done:
					running = false
				default:
				}
				o := log.Offsets()
				for offset := o.Start; offset < o.HighWatermark; {
					got := c.ask(fetchRequest(topic, offset, nil)).(*kmsg.FetchResponse).Topics[0].Partitions[0]
					if got.ErrorCode != 0 { // the start has moved on
						break
					}
					next, err := checkTelling(got.RecordBatches, offset, valueBytes)
					if err != nil {
						t.Error(err)
						return
					}
					if next == offset {
						break
					}
					offset = next
				}
			}
		})
	}
	wg.Wait()
	if sendsFiles(writer.conn) {
		ref, ok := log.Locate(commitlog.ReadOptions{Offset: log.Offsets().End - 1, MaxBytes: 1 << 20})
		if ref.Release(); !ok {
			t.Error("plain connections were not sent files")
		}
	}
}

func checkTelling(p []byte, offset int64, valueBytes int) (next int64, err error) {
	for len(p) > 0 {
		batch, rest, err := record.Next(p)
		if err == nil {
			err = batch.CheckCRC()
		}
		if err != nil {
			return 0, err
		}
		if batch.LastOffset() < offset {
			return 0, fmt.Errorf("a batch to offset %d where %d was asked for", batch.LastOffset(), offset)
		}
		it, err := batch.Records(0)
		if err != nil {
			return 0, err
		}
		for it.Next() {
			at := batch.BaseOffset() + int64(it.Record().OffsetDelta)
			if !bytes.Equal(it.Record().Value, tellingValue(at, valueBytes)) {
				return 0, fmt.Errorf("offset %d has the value %.30q", at, it.Record().Value)
			}
		}
		if err := it.Err(); err != nil {
			return 0, err
		}
		it.Close()
		p, offset = rest, batch.NextOffset()
	}
	return offset, nil
}

// dialNamed connects to a listener.
func dialNamed(t *testing.T, b *Broker, listener string, conf *tls.Config) net.Conn {
	t.Helper()
	addr := b.Addr(listener).String()
	var conn net.Conn
	var err error
	if conf == nil {
		conn, err = net.Dial("tcp", addr)
	} else {
		conn, err = tls.Dial("tcp", addr, conf)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	t.Cleanup(func() { conn.Close() })
	return conn
}
