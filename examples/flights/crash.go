package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
)

func (s *story) flightWriter() (func(Flight) (string, []byte, error), error) {
	w, err := serdeavro.NewSerializer[Flight](s.registry, flightV1, serde.WithLookup())
	if err != nil {
		return nil, err
	}
	return func(f Flight) (string, []byte, error) {
		value, err := w.Append(context.Background(), nil, flightsTopic, f)
		return f.Origin, value, err
	}, nil
}

// whyRefused asks the broker with a request of our own: not every client shows
// the reason that the answer carries.
func (s *story) whyRefused(ctx context.Context, value []byte) (string, error) {
	probe, err := kgo.NewClient(kgo.SeedBrokers(s.server.kafkaAddr), kgo.DisableIdempotentWrite(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return "", err
	}
	defer probe.Close()
	topics, err := s.admin.ListTopics(ctx, flightsTopic)
	if err != nil {
		return "", err
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID = flightsTopic, topics[flightsTopic].ID // by name or by ID, as the version has it
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = recordBatch(value)
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := probe.Broker(1).Request(ctx, req)
	if err != nil {
		return "", err
	}
	for _, t := range resp.(*kmsg.ProduceResponse).Topics {
		for _, p := range t.Partitions {
			for _, e := range p.ErrorRecords {
				if e.ErrorMessage != nil {
					return fmt.Sprintf("record %d: %s", e.RelativeOffset, *e.ErrorMessage), nil
				}
			}
			if p.ErrorMessage != nil {
				return "", fmt.Errorf("the broker names no record, only: %s", *p.ErrorMessage)
			}
		}
	}
	return "", errors.New("the broker gave no reason")
}

// crash kills the server in the middle of producing, starts it again, and looks
// for everything that was acknowledged before.
func (s *story) crash(ctx context.Context) error {
	writer, err := s.flightWriter()
	if err != nil {
		return err
	}
	type place struct {
		partition int32
		offset    int64
	}
	var (
		mu        sync.Mutex
		confirmed = map[place]Flight{}
		failures  int
		inFlight  atomic.Int64
	)
	// A client that gives up quickly, so that the story can go on.
	client, err := kgo.NewClient(kgo.SeedBrokers(s.server.kafkaAddr), kgo.RecordDeliveryTimeout(2*time.Second), kgo.RecordRetries(2), kgo.MaxBufferedRecords(5000))
	if err != nil {
		return err
	}
	defer client.Close()
	produceCtx, stop := context.WithCancel(ctx)
	defer stop()
	var producing sync.WaitGroup
	producing.Go(func() {
		for i := 0; produceCtx.Err() == nil; i++ {
			f := s.flights[i%len(s.flights)]
			key, value, err := writer(f)
			if err != nil {
				return
			}
			inFlight.Add(1)
			client.Produce(produceCtx, &kgo.Record{Topic: flightsTopic, Key: []byte(key), Value: value}, func(r *kgo.Record, err error) {
				inFlight.Add(-1)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failures++
					return
				}
				confirmed[place{r.Partition, r.Offset}] = f
			})
		}
	})
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(confirmed)
	}
	if err := await(ctx, "some records were acknowledged", func() bool { return count() > 20_000 }); err != nil {
		return err
	}
	if err := s.server.kill(); err != nil {
		return err
	}
	open := inFlight.Load()
	stop()
	producing.Wait()
	client.Close()
	say("SIGKILL with %s records acknowledged and %s on their way", thousands(count()), thousands(int(open)))

	took, err := s.server.start(ctx)
	if err != nil {
		return err
	}
	proven("started again on the same data: ready after %d ms", took.Milliseconds())

	end, err := s.endOfFlights(ctx)
	if err != nil {
		return err
	}
	reader, err := serdeavro.NewDeserializer[Flight](s.registry, flightV1)
	if err != nil {
		return err
	}
	read := int64(0)
	if err := s.readAll(ctx, flightsTopic, end, func(r *kgo.Record) error {
		read++
		at := place{r.Partition, r.Offset}
		want, ok := confirmed[at]
		if !ok {
			return nil // from before, or written and not acknowledged
		}
		delete(confirmed, at)
		var got Flight
		if err := reader.Decode(ctx, flightsTopic, r.Value, &got); err != nil {
			return err
		}
		if !got.Scheduled.Equal(want.Scheduled) || got.Origin != want.Origin || got.Destination != want.Destination {
			return fmt.Errorf("partition %d offset %d holds another record than the one that was acknowledged", r.Partition, r.Offset)
		}
		return nil
	}); err != nil {
		return err
	}
	if len(confirmed) > 0 {
		return fmt.Errorf("%d acknowledged records are lost", len(confirmed))
	}
	if read < s.acked {
		return fmt.Errorf("the topic holds %d records, %d were acknowledged before the kill alone", read, s.acked)
	}
	proven("every acknowledged record is where it was acknowledged, and is the same")
	if err := s.checkAfterCrash(ctx); err != nil {
		return err
	}
	if _, err := send(ctx, s.client, flightsTopic, s.flights[:1000], writer); err != nil {
		return err
	}
	now, err := s.endOfFlights(ctx)
	if err != nil {
		return err
	}
	if now != end+1000 {
		return fmt.Errorf("the topic ends at %d after 1,000 more records, it ended at %d before", now, end)
	}
	proven("the story goes on: 1,000 more flights")
	return nil
}

func (s *story) checkAfterCrash(ctx context.Context) error {
	offsets, err := s.committedOffsets(ctx)
	if err != nil {
		return err
	}
	for p, want := range s.committed {
		if offsets[p] != want {
			return fmt.Errorf("partition %d: offset %d was committed, now it is %d", p, want, offsets[p])
		}
	}
	proven("every committed offset of group %s is there", group)
	subjects, err := s.registry.Subjects(ctx, srclient.SubjectsOptions{})
	if err != nil {
		return err
	}
	for name, id := range s.ids {
		var subject string
		var version int
		if _, err := fmt.Sscan(name, &subject, &version); err != nil {
			return err
		}
		got, err := s.registry.Version(ctx, schema.Subject(subject), schema.Version(version), false)
		if err != nil {
			return err
		}
		if int(got.ID) != id {
			return fmt.Errorf("%s version %d had ID %d, now it has %d", subject, version, id, got.ID)
		}
	}
	proven("subjects %v, their versions and IDs are the same", subjects)
	return nil
}

// recordBatch is a batch of one record, as the protocol has it.
func recordBatch(value []byte) []byte {
	now := time.Now().UnixMilli()
	r := kmsg.NewRecord()
	r.Value = value
	body := r.AppendTo(nil)[1:] // without the length, which is one zero byte yet
	record := append(binary.AppendVarint(nil, int64(len(body))), body...)
	b := kmsg.NewRecordBatch()
	b.PartitionLeaderEpoch, b.Magic = -1, 2
	b.FirstTimestamp, b.MaxTimestamp = now, now
	b.ProducerID, b.ProducerEpoch, b.FirstSequence = -1, -1, -1
	b.NumRecords, b.Records = 1, record
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}
