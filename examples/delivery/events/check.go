package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/dovetail-dev/dovetail/clients/consumer"
	"github.com/dovetail-dev/dovetail/clients/srclient"
)

const checkGroup = "events-check"

// checker is the state that makes a reader indifferent to repeats: for each
// key, which of its events comes next.
type checker struct {
	decoder *decoder
	left    int64 // records to come
	done    context.CancelFunc

	mu   sync.Mutex
	next map[string]int64 // topic and key → sequence number
	got  map[string]*sent
}

// check reads what produce sent as a group, and compares.
func check(ctx context.Context, s settings) error {
	want, err := readSent(s.ledger)
	if err != nil {
		return err
	}
	registry, err := srclient.New([]string{s.registry})
	if err != nil {
		return err
	}
	defer registry.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	c := &checker{next: map[string]int64{}, got: map[string]*sent{}}
	if c.decoder, err = newDecoder(registry); err != nil {
		return err
	}
	for topic, t := range want {
		c.got[topic] = &sent{}
		c.left += t.Events + t.Repeated
	}
	client, err := consumer.New(consumer.Raw[string]{}, consumer.Raw[[]byte]{},
		consumer.WithSeeds(s.kafka), consumer.WithGroup(checkGroup), consumer.WithTopics(slices.Collect(maps.Keys(want))...),
		consumer.WithRetry(consumer.Retry{Attempts: 1}))
	if err != nil {
		return err
	}
	defer client.Close()
	reading, done := context.WithCancel(ctx)
	c.done = done
	if err := client.Run(reading, c.handle); err != nil {
		return err
	}
	if c.left != 0 {
		return fmt.Errorf("%d records did not come: %w", c.left, context.Cause(ctx))
	}
	for _, topic := range slices.Sorted(maps.Keys(want)) {
		if got := c.got[topic]; *got != *want[topic] {
			return fmt.Errorf("%s: read %d events and %d repeats; sent were %d and %d", topic, got.Events, got.Repeated, want[topic].Events, want[topic].Repeated)
		}
		proven("%-28s %9s events in the order of their keys; %s repeats recognized", topic, thousands(want[topic].Events), thousands(want[topic].Repeated))
	}
	return checkCommits(ctx, kadm.NewClient(client.Client()), want)
}

// handle takes records of one key in order, and several keys at once. A
// record is new if it is the one that comes next, and a repeat if it came
// before. One that comes too early means that the order was lost.
func (c *checker) handle(ctx context.Context, r *consumer.Record[string, []byte]) error {
	key, seq, err := c.decoder.sequence(ctx, r.Topic, r.Value)
	if err != nil {
		return consumer.Permanent(err)
	}
	if key != r.Key {
		return consumer.Permanent(fmt.Errorf("%s: the record of %s has the key %s", r.Topic, key, r.Key))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := r.Topic + " " + key
	switch next := c.next[at]; {
	case seq == next:
		c.next[at]++
		c.got[r.Topic].Events++
	case seq < next:
		c.got[r.Topic].Repeated++
	default:
		return consumer.Permanent(fmt.Errorf("%s: event %d came when %d was next", at, seq, next))
	}
	if c.left--; c.left == 0 {
		c.done()
	}
	return nil
}

// checkCommits compares the group's offsets with what was sent.
func checkCommits(ctx context.Context, admin *kadm.Client, want map[string]*sent) error {
	offsets, err := admin.FetchOffsets(ctx, checkGroup)
	if err = errors.Join(err, offsets.Error()); err != nil {
		return err
	}
	committed := map[string]int64{}
	offsets.Each(func(o kadm.OffsetResponse) { committed[o.Topic] += o.At })
	for topic, t := range want {
		if sum := t.Events + t.Repeated; committed[topic] != sum {
			return fmt.Errorf("%s: the committed offsets add up to %d, sent were %d", topic, committed[topic], sum)
		}
	}
	proven("group %s has committed all of it: dovetail group describe %s", checkGroup, checkGroup)
	return nil
}
