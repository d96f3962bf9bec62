package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// schemasTopic is the topic of the embedded journal. Its name and its records
// are those of Confluent's registry. encodersTopic, next to it, holds the keys
// that sensitive metadata is encrypted with.
const (
	schemasTopic  = "_schemas"
	encodersTopic = "_schema_encoders"
)

// brokerJournal is a partition of the bundled broker as the registry's journal.
type brokerJournal struct {
	topic     string
	partition *broker.Partition
}

// openBrokerJournal creates the topic if need be.
func openBrokerJournal(b *broker.Broker, topic string) (*brokerJournal, error) {
	if err := b.EnsureInternalTopic(topic, 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		return nil, fmt.Errorf("topic %s: %w", topic, err)
	}
	p, err := b.Partition(topic, 0)
	if err != nil {
		return nil, err
	}
	return &brokerJournal{topic, p}, nil
}

// Append implements journal.Journal.
func (j *brokerJournal) Append(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, error) {
	batch := make([]broker.Record, len(records))
	for i, r := range records {
		batch[i] = broker.Record{Key: r.Key, Value: r.Value}
	}
	end, err := j.partition.AppendRecords(ctx, int64(at), batch...)
	if errors.Is(err, broker.ErrMoved) {
		return 0, journal.ErrMoved
	}
	return journal.Offset(end), err
}

// Start implements journal.Starter.
func (j *brokerJournal) Start(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, func(context.Context) error, error) {
	batch := make([]broker.Record, len(records))
	for i, r := range records {
		batch[i] = broker.Record{Timestamp: time.UnixMilli(r.Timestamp), Key: r.Key, Value: r.Value}
	}
	end, err := j.partition.StartRecords(ctx, int64(at), batch...)
	if errors.Is(err, broker.ErrMoved) {
		err = journal.ErrMoved
	}
	wait := func(ctx context.Context) error { return j.partition.WaitDurable(ctx, end) }
	return journal.Offset(end), wait, err
}

// Read implements journal.Journal.
func (j *brokerJournal) Read(ctx context.Context, from journal.Offset, limit int) ([]journal.Record, journal.Offset, error) {
	if end := j.partition.EndOffset(); int64(from) > end {
		return nil, from, fmt.Errorf("%w: %s ends at offset %d and was read up to %d", journal.ErrLost, j.topic, end, from)
	}
	stored, next, err := j.partition.ReadRecords(ctx, int64(from), limit)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("topic %s: %w", j.topic, err)
		if errors.Is(err, record.ErrCRC) {
			err = fmt.Errorf("%w; the registry does not go on with a part of its schemas: stop, and restore the folder %s-0 of the data directory from a copy", err, j.topic)
		}
	}
	records := make([]journal.Record, len(stored))
	for i, r := range stored {
		records[i] = journal.Record{Offset: journal.Offset(r.Offset), Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
	}
	return records, journal.Offset(next), err
}

// End implements journal.Journal.
func (j *brokerJournal) End(context.Context) (journal.Offset, error) {
	return journal.Offset(j.partition.EndOffset()), nil
}

// Wait implements journal.Journal.
func (j *brokerJournal) Wait(ctx context.Context, end journal.Offset) error {
	return j.partition.WaitBeyond(ctx, int64(end))
}

// Close implements journal.Journal. The partition is the broker's to close.
func (j *brokerJournal) Close() error { return nil }
