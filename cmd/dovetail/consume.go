package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/serde/service"
)

// consumeCommand is `dovetail consume`.
type consumeCommand struct {
	connection
	from        string
	group       string
	partition   int32
	limit       int
	follow      bool
	valueOnly   bool
	raw         bool
	uncommitted bool
	notes       io.Writer // where to say what is odd
}

func newConsume() *cobra.Command {
	c := &consumeCommand{}
	cmd := &cobra.Command{
		Use:   "consume topic",
		Short: "Print records, one line of JSON each",
		Long: `Consume prints the records of a topic up to what is there now, or with --follow until
it is stopped. Keys and values that were written with a schema of the registry
are printed as documents, whatever version they have; everything else as it is.

--from says where to begin: start, end, an offset (of each partition), a point in
time (2026-03-01T12:00:00Z; UTC if it names no zone), or a duration ago (15m). With
--group the group's committed offsets go before it, partitions are shared with its
other members, and what was printed is committed.

Each line is a JSON object with topic, partition, offset, timestamp, key, headers,
schemaId and value. What is no text is {"base64":…}. Ctrl-C ends --follow, with exit
status 0.`,
		Example: `  dovetail consume orders
  dovetail consume orders --from 15m --follow
  dovetail consume orders -n 10 --from end --follow --value-only
  dovetail consume orders --group audit --follow`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: positions(c.completeTopics),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.notes = cmd.ErrOrStderr()
			return c.run(cmd.Context(), args[0], cmd.OutOrStdout(), time.Now())
		},
	}
	c.connection.flags(cmd, true, true)
	f := cmd.Flags()
	f.StringVar(&c.from, "from", "start", "where to begin: start, end, an offset, a time or a duration ago")
	f.StringVarP(&c.group, "group", "g", "", "consume as a member of this group, and commit")
	f.Int32VarP(&c.partition, "partition", "p", -1, "only this partition")
	f.IntVarP(&c.limit, "limit", "n", 0, "stop after so many records")
	f.BoolVarP(&c.follow, "follow", "f", false, "wait for further records")
	f.BoolVar(&c.valueOnly, "value-only", false, "print the values alone")
	f.BoolVar(&c.raw, "raw", false, "take nothing for framed; ask no registry")
	f.BoolVar(&c.uncommitted, "uncommitted", false, "print records of open and aborted transactions, too")
	oneOf(cmd, "from", "start", "end", "15m", "1h", "24h")
	complete(cmd, "group", c.completeGroups)
	return cmd
}

func (c *consumeCommand) run(ctx context.Context, topic string, w io.Writer, now time.Time) error {
	if topic == "" {
		return exitStatus{exitUsage, errNoTopic}
	}
	if c.group != "" && c.partition >= 0 {
		return exitStatus{2, errors.New("--group shares partitions by itself: leave --partition out")}
	}
	if c.limit < 0 {
		return exitStatus{2, fmt.Errorf("--limit %d: want a number of records; 0 is all", c.limit)}
	}
	offset, err := parseFrom(c.from, now)
	if err != nil {
		return exitStatus{2, err}
	}
	reader := &recordReader{}
	if !c.raw {
		registry, err := c.openRegistry()
		if err != nil {
			return err
		}
		defer registry.Close()
		if reader.converter, err = service.New(registry, service.Options{}); err != nil {
			return err
		}
	}
	t := newTarget()
	opts := []kgo.Opt{kgo.KeepControlRecords(), kgo.ConsumeResetOffset(offset)}
	if !c.uncommitted {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if c.group != "" {
		opts = append(opts, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(c.group), kgo.DisableAutoCommit(),
			kgo.OnPartitionsAssigned(func(ctx context.Context, client *kgo.Client, assigned map[string][]int32) {
				t.fail(c.assign(ctx, client, t, topic, offset, assigned[topic]))
			}),
			kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { t.drop(lost[topic]) }),
			kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { t.drop(lost[topic]) }))
	}
	client, err := c.openKafka(ctx, opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	if c.group == "" {
		if err := c.partitions(ctx, client, t, topic, offset); err != nil {
			return kafkaError(err)
		}
	}
	out := bufio.NewWriter(w)
	err = c.print(ctx, client, topic, t, reader, out)
	if err != nil {
		return kafkaError(err)
	}
	return out.Flush()
}

// parseFrom reads --from.
func parseFrom(s string, now time.Time) (kgo.Offset, error) {
	switch s {
	case "", "start":
		return kgo.NewOffset().AtStart(), nil
	case "end":
		return kgo.NewOffset().AtEnd(), nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return kgo.NewOffset().At(n), nil
	}
	if d, err := time.ParseDuration(strings.TrimPrefix(s, "-")); err == nil && d >= 0 {
		return kgo.NewOffset().AfterMilli(now.Add(-d).UnixMilli()), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return kgo.NewOffset().AfterMilli(at.UnixMilli()), nil
		}
	}
	return kgo.Offset{}, fmt.Errorf("--from %q: want start, end, an offset, a time such as 2026-03-01T12:00:00Z or a duration ago such as 15m", s)
}

// partitions adds the partitions of a run without group, from where they begin.
func (c *consumeCommand) partitions(ctx context.Context, client *kgo.Client, t *target, topic string, offset kgo.Offset) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	details, err := kadm.NewClient(client).ListTopicsWithInternal(ctx, topic)
	if err != nil {
		return err
	}
	if err := details[topic].Err; err != nil {
		return fmt.Errorf("topic %s: %w", topic, err)
	}
	var all []int32
	from := map[int32]kgo.Offset{}
	for _, p := range details[topic].Partitions.Numbers() {
		if c.partition < 0 || p == c.partition {
			all = append(all, p)
			from[p] = offset
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("topic %s has no partition %d, only 0 to %d", topic, c.partition, len(details[topic].Partitions)-1)
	}
	err = c.assign(ctx, client, t, topic, offset, all)
	t.fail(err)
	if err == nil {
		client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	}
	return err
}

// assign finds out what there is to read in partitions.
func (c *consumeCommand) assign(ctx context.Context, client *kgo.Client, t *target, topic string, offset kgo.Offset, partitions []int32) error {
	if c.follow || len(partitions) == 0 {
		return nil
	}
	admin := kadm.NewClient(client)
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return err
	}
	begins, err := c.begins(ctx, admin, topic, offset)
	if err != nil {
		return err
	}
	committed := kadm.OffsetResponses{}
	if c.group != "" {
		if committed, err = admin.FetchOffsets(ctx, c.group); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, number := strconv.ParseInt(c.from, 10, 64)
	beyond := number == nil // every partition ends before the offset of --from
	for _, p := range partitions {
		end, _ := ends.Lookup(topic, p)
		begin, _ := begins.Lookup(topic, p)
		if err := errors.Join(end.Err, begin.Err); err != nil {
			return fmt.Errorf("topic %s, partition %d: %w", topic, p, err)
		}
		at := begin.Offset
		if o, ok := committed.Lookup(topic, p); ok && o.At >= 0 {
			at, beyond = o.At, false
		}
		beyond = beyond && at > end.Offset
		if at < end.Offset {
			t.remaining[p] = span{next: at, end: end.Offset}
		}
	}
	if beyond && c.notes != nil {
		end, _ := ends.Lookup(topic, partitions[0])
		ends := fmt.Sprintf("partition %d ends at %d", partitions[0], end.Offset)
		if len(partitions) > 1 {
			ends = fmt.Sprintf("each of %d partitions ends before", len(partitions))
		}
		fmt.Fprintf(c.notes, "nothing to read in %s from offset %s on: %s\n", topic, c.from, ends)
	}
	return nil
}

// begins are the offsets that --from stands for.
func (c *consumeCommand) begins(ctx context.Context, admin *kadm.Client, topic string, offset kgo.Offset) (kadm.ListedOffsets, error) {
	e := offset.EpochOffset()
	switch {
	case c.from == "end":
		return admin.ListEndOffsets(ctx, topic)
	case strings.HasPrefix(c.from, "start") || c.from == "":
		return admin.ListStartOffsets(ctx, topic)
	}
	if n, err := strconv.ParseInt(c.from, 10, 64); err == nil {
		starts, err := admin.ListStartOffsets(ctx, topic)
		for _, ps := range starts {
			for p, o := range ps {
				o.Offset = max(o.Offset, n)
				ps[p] = o
			}
		}
		return starts, err
	}
	return admin.ListOffsetsAfterMilli(ctx, e.Offset, topic)
}

// print writes records until there is enough.
func (c *consumeCommand) print(ctx context.Context, client *kgo.Client, topic string, t *target, reader *recordReader, out *bufio.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	printed := 0
	for {
		if done, err := t.reached(); err != nil || (done && !c.follow) {
			return err
		}
		fetches, err := c.poll(ctx, client, t)
		if err != nil || fetches == nil {
			return err
		}
		if fetches.Empty() && !c.follow {
			// Compaction may have left nothing up to the end.
			if err := t.settle(ctx, client, topic, !c.uncommitted); err != nil {
				return err
			}
		}
		var last []*kgo.Record
		for iter := fetches.RecordIter(); !iter.Done(); {
			rec := iter.Next()
			if !rec.Attrs.IsControl() {
				line, err := reader.line(ctx, rec)
				if err != nil {
					return fmt.Errorf("%w; --raw prints without schemas", c.registryError(err))
				}
				var v any = line
				if c.valueOnly {
					v = line.Value
				}
				if err := encoder.Encode(v); err != nil {
					return err
				}
				printed++
			}
			last = append(last, rec)
			t.read(rec.Partition, rec.Offset)
			if c.limit > 0 && printed == c.limit {
				break
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if c.group != "" && len(last) > 0 {
			if err := client.CommitRecords(context.WithoutCancel(ctx), last...); err != nil {
				return fmt.Errorf("commit: %w", err)
			}
		}
		if c.limit > 0 && printed == c.limit {
			return nil
		}
	}
}

// quiet is how long a run without --follow waits for records before it asks
// whether any are left.
const quiet = 500 * time.Millisecond

// poll waits for records. It returns nothing when the command is stopped, and
// empty fetches when the assignment has changed, or none have come for a while.
func (c *consumeCommand) poll(ctx context.Context, client *kgo.Client, t *target) (kgo.Fetches, error) {
	waiting, cancel := context.WithCancel(ctx)
	if !c.follow {
		waiting, cancel = context.WithTimeout(ctx, quiet)
	}
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-t.changed:
			cancel()
		case <-stop:
		}
	}()
	fetches := client.PollFetches(waiting)
	if ctx.Err() != nil {
		return nil, nil
	}
	for _, e := range fetches.Errors() {
		if waiting.Err() != nil && errors.Is(e.Err, waiting.Err()) {
			continue
		}
		return nil, fmt.Errorf("topic %s, partition %d: %w", e.Topic, e.Partition, e.Err)
	}
	if fetches == nil {
		fetches = kgo.Fetches{}
	}
	return fetches, nil
}
