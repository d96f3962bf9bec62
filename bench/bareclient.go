package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The bare client is the least that can be called a client: prebuilt requests,
// and answers of which only sizes, error codes and offsets are looked at. What it
// measures is the server, where a real client is most of the work.
const (
	bareConns    = 4
	bareInFlight = 16 // produce requests of one connection
)

// bareFetch reads so many records of a topic from its start: every connection
// has its share of the partitions and one request at a time.
func (n node) bareFetch(topic string, partitions int, count int64) error {
	var read atomic.Int64
	return n.onBareConns(func(i int, c net.Conn, stop func()) error {
		next := map[int32]int64{}
		for p := i; p < partitions; p += bareConns {
			next[int32(p)] = 0
		}
		var req, frame []byte
		for read.Load() < count {
			req = appendFetch(req[:0], topic, next)
			if _, err := c.Write(req); err != nil {
				return err
			}
			var err error
			if frame, err = readAnswer(c, frame); err != nil {
				return err
			}
			records, err := fetchedOffsets(frame, next)
			if err != nil {
				return err
			}
			if read.Add(records) >= count {
				stop()
			}
		}
		return nil
	})
}

// bareProduce sends batches of one topic until so many records are acknowledged.
func (n node) bareProduce(topic string, partitions int, batch []byte, records int, count int64) error {
	var sent, acked atomic.Int64
	return n.onBareConns(func(i int, c net.Conn, stop func()) error {
		var reqs [][]byte
		for p := i; p < partitions; p += bareConns {
			reqs = append(reqs, produceRequest(topic, int32(p), batch, 7))
		}
		inFlight, gone := make(chan struct{}, bareInFlight), make(chan struct{})
		defer close(gone)
		go func() {
			for k := 0; sent.Add(int64(records))-int64(records) < count; k++ {
				select {
				case inFlight <- struct{}{}:
				case <-gone:
					return
				}
				if _, err := c.Write(reqs[k%len(reqs)]); err != nil {
					return // which the reader meets, too
				}
			}
		}()
		var frame []byte
		for acked.Load() < count {
			var err error
			if frame, err = readAnswer(c, frame); err != nil {
				return err
			}
			if err := producedCode(frame); err != nil {
				return err
			}
			<-inFlight
			if acked.Add(int64(records)) >= count {
				stop()
			}
		}
		return nil
	})
}

// onBareConns runs work on every connection. The first that calls stop ends them all.
func (n node) onBareConns(work func(i int, c net.Conn, stop func()) error) error {
	conns := make([]net.Conn, bareConns)
	closeAll := func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}
	defer closeAll()
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("tcp", n.addr); err != nil {
			return err
		}
		if err := conns[i].SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			return err
		}
	}
	var stopped atomic.Bool
	errs := make([]error, bareConns)
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			err := work(i, c, func() { stopped.Store(true); closeAll() })
			if err != nil && !stopped.Load() {
				errs[i] = fmt.Errorf("%s: %w", n.name, err)
				closeAll()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// readAnswer reads one frame into buf and returns what follows its correlation ID.
func readAnswer(c net.Conn, buf []byte) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return buf, err
	}
	n := int(binary.BigEndian.Uint32(head[:])) - 4
	if n < 0 || n > 256<<20 {
		return buf, fmt.Errorf("an answer of %d bytes", n)
	}
	if cap(buf) < n {
		buf = make([]byte, n+n/4)
	}
	buf = buf[:n]
	_, err := io.ReadFull(c, buf)
	return buf, err
}

// appendFetch appends a fetch request, version 4, with kgo's limits.
func appendFetch(b []byte, topic string, next map[int32]int64) []byte {
	be := binary.BigEndian
	b = append(b, 0, 0, 0, 0, 0, byte(kmsg.Fetch), 0, 4, 0, 0, 0, 1, 0, 5)
	b = append(b, "bench"...)
	b = be.AppendUint32(b, ^uint32(0)) // no replica
	b = be.AppendUint32(b, 500)        // max wait
	b = be.AppendUint32(b, 1)          // min bytes
	b = be.AppendUint32(b, 50<<20)     // max bytes
	b = be.AppendUint32(append(b, 0), 1)
	b = append(be.AppendUint16(b, uint16(len(topic))), topic...)
	b = be.AppendUint32(b, uint32(len(next)))
	for p, offset := range next {
		b = be.AppendUint32(b, uint32(p))
		b = be.AppendUint64(b, uint64(offset))
		b = be.AppendUint32(b, 1<<20)
	}
	be.PutUint32(b, uint32(len(b)-4))
	return b
}

var errAnswer = errors.New("not an answer to what was asked")

// fetchedOffsets looks at an answer to one topic's fetch, moves next behind the
// whole batches in it and returns how many offsets they are.
func fetchedOffsets(b []byte, next map[int32]int64) (records int64, err error) {
	be := binary.BigEndian
	take := func(n int) []byte {
		if n < 0 || n > len(b) {
			err, b = errAnswer, nil
			return make([]byte, max(n, 0))
		}
		p := b[:n]
		b = b[n:]
		return p
	}
	take(4) // throttle time
	if be.Uint32(take(4)) != 1 {
		return 0, errAnswer
	}
	take(int(be.Uint16(take(2))))
	for range be.Uint32(take(4)) {
		partition := int32(be.Uint32(take(4)))
		if code := int16(be.Uint16(take(2))); code != 0 {
			return 0, fmt.Errorf("partition %d: %w", partition, kerr.ErrorForCode(code))
		}
		take(16) // high watermark, last stable offset
		if aborted := int32(be.Uint32(take(4))); aborted > 0 {
			take(int(aborted) * 16)
		}
		batches := take(int(int32(be.Uint32(take(4)))))
		if err != nil {
			return 0, err
		}
		for len(batches) >= 61 {
			size := int(be.Uint32(batches[8:])) + 12
			if size > len(batches) {
				break // the server has cut it
			}
			base := int64(be.Uint64(batches))
			if base != next[partition] {
				return 0, fmt.Errorf("partition %d: a batch at offset %d, wanted %d", partition, base, next[partition])
			}
			count := int64(be.Uint32(batches[23:])) + 1
			next[partition] += count
			records += count
			batches = batches[size:]
		}
	}
	return records, err
}

// producedCode is the error of an answer to a produce request for one partition,
// version 7.
func producedCode(b []byte) error {
	be := binary.BigEndian
	if len(b) < 6 || be.Uint32(b) != 1 {
		return errAnswer
	}
	b = b[4:]
	if n := int(be.Uint16(b)) + 2; len(b) < n+10 || be.Uint32(b[n:]) != 1 {
		return errAnswer
	} else {
		return kerr.ErrorForCode(int16(be.Uint16(b[n+8:])))
	}
}

// recordBatch is the bytes of an uncompressed batch of so many records with values
// of so many bytes, as a producer without an ID sends it.
func recordBatch(records, valueBytes int) []byte {
	var body []byte
	value := make([]byte, valueBytes)
	for i := range records {
		// Attributes, no timestamp delta, offset delta, no key, value, no headers.
		rec := binary.AppendVarint([]byte{0, 0}, int64(i))
		rec = binary.AppendVarint(rec, -1)
		rec = append(binary.AppendVarint(rec, int64(valueBytes)), value...)
		rec = binary.AppendVarint(rec, 0)
		body = append(binary.AppendVarint(body, int64(len(rec))), rec...)
	}
	batch := kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		LastOffsetDelta: int32(records - 1), NumRecords: int32(records), Records: body}
	now := time.Now().UnixMilli()
	batch.FirstTimestamp, batch.MaxTimestamp = now, now
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crcOf(raw[21:]))
	return raw
}

// produceRequest is the frame of a produce request with one batch, acks=all.
func produceRequest(topic string, partition int32, batch []byte, version int16) []byte {
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis, req.Topics = -1, 30_000, append(req.Topics, t)
	req.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, req, 1)
}
