package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/consumer"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/examples/delivery/city"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

// patience bounds waits for records, and for a group whose member has died.
const patience = time.Minute

type record = consumer.Record[string, city.Order]

// loader is one load.
type loader struct {
	settings
	store   *store
	admin   *kadm.Client
	spans   map[int32]*span // what is left to load
	pending map[int32][]*record
	rows    int64
	commits int
}

func load(ctx context.Context, s settings) error {
	began := time.Now()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka))
	if err != nil {
		return err
	}
	defer client.Close()
	l := &loader{settings: s, store: &store{s.dir, s.topic}, admin: kadm.NewClient(client), pending: map[int32][]*record{}}
	left, err := l.store.recover()
	if err != nil {
		return err
	}
	if left > 0 {
		say("%d files of a load that died before its commit: removed", left)
	}
	if err := l.plan(ctx); err != nil {
		return err
	}
	if len(l.spans) > 0 {
		if err := l.setGroup(ctx); err != nil {
			return err
		}
		if err := l.read(ctx); err != nil {
			return err
		}
	}
	proven("loaded %s records in %d commits, %.1f s", thousands(l.rows), l.commits, time.Since(began).Seconds())
	return nil
}

// plan decides which offsets to load: from where the folder ends to the first
// record of the time to end at. The broker turns times into offsets.
func (l *loader) plan(ctx context.Context) error {
	from, err := l.offsetsAt(ctx, l.from)
	if err != nil {
		return err
	}
	until := kadm.ListedOffsets{}
	if l.until.IsZero() {
		until, err = l.admin.ListEndOffsets(ctx, l.topic)
	} else {
		until, err = l.offsetsAt(ctx, l.until)
	}
	if err = errors.Join(err, from.Error(), until.Error()); err != nil {
		return err
	}
	ends, err := l.store.ends()
	if err != nil {
		return err
	}
	l.spans = map[int32]*span{}
	all := int64(0)
	until.Each(func(o kadm.ListedOffset) {
		start, ok := ends[o.Partition]
		if !ok {
			first, _ := from.Lookup(l.topic, o.Partition)
			start = first.Offset
		}
		if start < o.Offset {
			l.spans[o.Partition] = &span{o.Partition, start, o.Offset}
			all += o.Offset - start
		}
	})
	say("%s new records in %d partitions of %s", thousands(all), len(l.spans), l.topic)
	return nil
}

func (l *loader) offsetsAt(ctx context.Context, t time.Time) (kadm.ListedOffsets, error) {
	if t.IsZero() {
		return l.admin.ListStartOffsets(ctx, l.topic)
	}
	return l.admin.ListOffsetsAfterMilli(ctx, t.UnixMilli(), l.topic)
}

// setGroup moves the group to where the folder ends. It waits until the group
// is empty: a member that was killed is in it until its session ends.
func (l *loader) setGroup(ctx context.Context) error {
	offsets := kadm.Offsets{}
	for p, s := range l.spans {
		offsets.AddOffset(l.topic, p, s.From, -1)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for told := false; ; {
		answers, err := l.admin.CommitOffsets(ctx, l.group, offsets)
		if err == nil {
			err = answers.Error()
		}
		if err == nil {
			return nil
		}
		groups, failed := l.admin.DescribeGroups(ctx, l.group)
		if failed != nil || len(groups[l.group].Members) == 0 {
			return fmt.Errorf("group %s: %w", l.group, err)
		}
		if !told {
			say("group %s still has a member: waiting until its session ends", l.group)
			told = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("group %s has another member: %w", l.group, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// read takes the records of all spans and commits them chunk by chunk.
func (l *loader) read(ctx context.Context) error {
	registry, err := srclient.New([]string{l.registry})
	if err != nil {
		return err
	}
	defer registry.Close()
	values, err := avro.NewDeserializer[city.Order](registry, city.OrderSchema)
	if err != nil {
		return err
	}
	c, err := consumer.New(consumer.Raw[string]{}, values, consumer.WithSeeds(l.kafka), consumer.WithGroup(l.group), consumer.WithTopics(l.topic),
		consumer.WithCommit(consumer.CommitManual), consumer.WithKafka(kgo.SessionTimeout(10*time.Second)))
	if err != nil {
		return err
	}
	defer c.Close()
	for len(l.spans) > 0 {
		records, err := l.poll(ctx, c)
		if err != nil {
			return err
		}
		for _, r := range records {
			if r.Err != nil {
				return r.Err
			}
			if err := l.take(ctx, c, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) poll(ctx context.Context, c *consumer.Consumer[string, city.Order]) ([]*record, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	records, err := c.Poll(ctx, 500)
	if errors.Is(err, context.DeadlineExceeded) {
		for _, s := range l.spans {
			return nil, fmt.Errorf("no record came for %s: partition %d has been read to offset %d of %d", patience, s.Partition, s.From+int64(len(l.pending[s.Partition])), s.To)
		}
	}
	return records, err
}

// take adds a record to its partition's chunk; one beyond the span is for the
// next load.
func (l *loader) take(ctx context.Context, c *consumer.Consumer[string, city.Order], r *record) error {
	s := l.spans[r.Partition]
	if s == nil || r.Offset >= s.To {
		return nil
	}
	l.pending[r.Partition] = append(l.pending[r.Partition], r)
	if next := r.Offset + 1; next == s.To || len(l.pending[r.Partition]) >= l.chunk {
		return l.commit(ctx, c, span{r.Partition, s.From, next})
	}
	return nil
}

// commit writes a chunk, commits it to the folder, and then tells the group.
func (l *loader) commit(ctx context.Context, c *consumer.Consumer[string, city.Order], at span) error {
	records := l.pending[at.Partition]
	rows := make([]row, len(records))
	for i, r := range records {
		o := r.Value
		rows[i] = row{o.OrderID, o.RestaurantID, o.CourierID, o.TotalCents, o.PlacedAt, r.Partition, r.Offset}
	}
	done, err := l.store.write(at, rows)
	if err != nil {
		return err
	}
	if l.commits+1 == l.die {
		say("killed between the files of %s and their commit", at.name(l.topic))
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		_ = self.Kill()
		select {} // the signal is on its way
	}
	if err := l.store.add(done); err != nil {
		return err
	}
	l.commits++
	l.rows += int64(len(rows))
	delete(l.pending, at.Partition)
	if l.spans[at.Partition].From = at.To; at.To == l.spans[at.Partition].To {
		delete(l.spans, at.Partition)
	}
	return c.CommitRecords(ctx, records...)
}
