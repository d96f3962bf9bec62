package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/clients/cluster"
)

// offsetSpec is where in a partition something is to happen: at its start, its end, an
// offset, or the first record of a time or later.
type offsetSpec struct {
	start, end bool
	offset     int64
	at         time.Time // if not zero
}

const placeForms = "earliest, latest, an offset, a time such as 2026-03-01T12:00:00Z, or how long ago, such as 2h"

func parseOffsetSpec(s string, now time.Time) (offsetSpec, error) {
	switch s {
	case "earliest":
		return offsetSpec{start: true}, nil
	case "latest":
		return offsetSpec{end: true}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return offsetSpec{offset: n}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return offsetSpec{at: now.Add(-d)}, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return offsetSpec{at: at}, nil
	}
	return offsetSpec{}, fmt.Errorf("%q: want %s", s, placeForms)
}

// partitionSet are the partitions of a topic that an argument names: orders, orders:0 or
// orders:0,3.
type partitionSet struct {
	topic      string
	partitions []int32 // none are all
}

func parsePartitions(s string) (partitionSet, error) {
	name, list, some := strings.Cut(s, ":")
	out := partitionSet{topic: name}
	for item := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseInt(item, 10, 32)
		if some && (err != nil || n < 0) {
			return out, fmt.Errorf("%q: want topic, topic:0 or topic:0,3", s)
		}
		if some {
			out.partitions = append(out.partitions, int32(n))
		}
	}
	return out, nil
}

func (s partitionSet) has(partition int32) bool {
	return len(s.partitions) == 0 || slices.Contains(s.partitions, partition)
}

// movedOffset is an offset of a partition before and after a change.
type movedOffset struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Before    int64  `json:"before"` // -1 if there was none
	After     int64  `json:"after"`
}

// resolve finds the offsets that it means in partitions, between first and end.
func (p offsetSpec) resolve(ctx context.Context, a *kadm.Client, sets []partitionSet) ([]movedOffset, error) {
	var names []string
	for _, s := range sets {
		names = append(names, s.topic)
	}
	starts, err := a.ListStartOffsets(ctx, names...)
	if err != nil {
		return nil, err
	}
	ends, err := a.ListEndOffsets(ctx, names...)
	if err != nil {
		return nil, err
	}
	found := ends
	if !p.at.IsZero() {
		if found, err = a.ListOffsetsAfterMilli(ctx, p.at.UnixMilli(), names...); err != nil {
			return nil, err
		}
	}
	var out []movedOffset
	for _, s := range sets {
		known := map[int32]bool{}
		for partition, end := range ends[s.topic] {
			if partition < 0 { // of a topic that is not there
				continue
			}
			known[partition] = true
			if !s.has(partition) {
				continue
			}
			start, _ := starts.Lookup(s.topic, partition)
			at, _ := found.Lookup(s.topic, partition)
			for _, err := range []error{start.Err, end.Err, at.Err} {
				if err != nil {
					return nil, &cluster.TopicError{Topic: s.topic, Message: fmt.Sprintf("partition %d", partition), Err: err}
				}
			}
			after := at.Offset
			switch {
			case p.start:
				after = start.Offset
			case !p.end && p.at.IsZero():
				after = p.offset
			}
			out = append(out, movedOffset{s.topic, partition, -1, min(max(after, start.Offset), end.Offset)})
		}
		if len(known) == 0 {
			return nil, &cluster.TopicError{Topic: s.topic, Err: kerr.UnknownTopicOrPartition}
		}
		for _, partition := range s.partitions {
			if !known[partition] {
				return nil, &cluster.TopicError{Topic: s.topic, Message: fmt.Sprintf("partition %d", partition), Err: kerr.UnknownTopicOrPartition}
			}
		}
	}
	slices.SortFunc(out, func(x, y movedOffset) int {
		if x.Topic != y.Topic {
			return strings.Compare(x.Topic, y.Topic)
		}
		return int(x.Partition - y.Partition)
	})
	return out, nil
}

// notDone is what a command says that was not told to do what it lists.
func notDone() error {
	return exitStatus{1, fmt.Errorf("nothing was changed: --yes does what is listed")}
}

func (g *groupCommand) reset() *cobra.Command {
	var topics []string
	var to string
	var yes bool
	cmd := &cobra.Command{
		Use:   "reset group",
		Short: "Set where a group goes on reading",
		Long: `Reset sets the committed offsets of a group without members: of the topics that it
has committed offsets of, or of those that --topic names (orders, or orders:0,3 for
some partitions). Without --yes it only says what it would do.

--to is ` + placeForms + `:
the first record of that time or later. Offsets before the first or beyond the end
become the first or the end.`,
		Example: `  dovetail group reset billing --to earliest
  dovetail group reset billing --topic orders:0 --to 1234 --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: positions(g.completeGroups),
		RunE: func(cmd *cobra.Command, args []string) error {
			where, err := parseOffsetSpec(to, time.Now())
			if err != nil {
				return exitStatus{2, fmt.Errorf("--to %w", err)}
			}
			var sets []partitionSet
			for _, t := range topics {
				s, err := parsePartitions(t)
				if err != nil {
					return exitStatus{2, fmt.Errorf("--topic %w", err)}
				}
				sets = append(sets, s)
			}
			return g.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
				moved, err := resetOffsets(ctx, a, args[0], where, sets, yes)
				if err != nil {
					return err
				}
				if err := g.print(cmd.OutOrStdout(), moved, movedTable("COMMITTED", moved)); err != nil || yes {
					return err
				}
				return notDone()
			})
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&topics, "topic", nil, "topic, or topic:partition,partition; repeat it for several; those of the group otherwise")
	f.StringVar(&to, "to", "", placeForms)
	f.BoolVar(&yes, "yes", false, "do it")
	_ = cmd.MarkFlagRequired("to")
	oneOf(cmd, "to", "earliest", "latest")
	return cmd
}

func movedTable(what string, moved []movedOffset) func(io.Writer) {
	return func(w io.Writer) {
		fmt.Fprintf(w, "TOPIC\tPARTITION\t%s\tTO\n", what)
		for _, m := range moved {
			before := "-"
			if m.Before >= 0 {
				before = fmt.Sprint(m.Before)
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\n", m.Topic, m.Partition, before, m.After)
		}
	}
}

func resetOffsets(ctx context.Context, a *kadm.Client, group string, where offsetSpec, sets []partitionSet, do bool) ([]movedOffset, error) {
	committed, err := a.FetchOffsets(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", group, err)
	}
	if len(sets) == 0 {
		for topic, partitions := range committed {
			s := partitionSet{topic: topic}
			for p := range partitions {
				s.partitions = append(s.partitions, p)
			}
			sets = append(sets, s)
		}
	}
	if len(sets) == 0 {
		return nil, exitStatus{2, fmt.Errorf("group %s has committed nothing: say where with --topic", group)}
	}
	moved, err := where.resolve(ctx, a, sets)
	if err != nil {
		return nil, err
	}
	offsets := kadm.Offsets{}
	for i := range moved {
		m := &moved[i]
		if old, ok := committed.Lookup(m.Topic, m.Partition); ok && old.Err == nil {
			m.Before = old.At
		}
		offsets.Add(kadm.Offset{Topic: m.Topic, Partition: m.Partition, At: m.After, LeaderEpoch: -1})
	}
	if !do {
		return moved, nil
	}
	if err := a.CommitAllOffsets(ctx, group, offsets); err != nil {
		return nil, fmt.Errorf("group %s cannot be reset: %w", group, err)
	}
	return moved, nil
}

func (t *topicCommand) deleteRecords() *cobra.Command {
	var before string
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete-records topic[:partition,partition]",
		Short: "Delete the records before an offset or a time",
		Long: `Delete-records moves the first offset of partitions up: records before it are gone,
and their segments are deleted as soon as no record in them is left. Without --yes
it only says what it would do.

--before is ` + placeForms + `.`,
		Example: `  dovetail topic delete-records orders --before 24h
  dovetail topic delete-records orders:0 --before 1234 --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: positions(t.completeTopics),
		RunE: t.run(func(ctx context.Context, a *kadm.Client, w io.Writer, args []string) error {
			where, err := parseOffsetSpec(before, time.Now())
			if err != nil {
				return exitStatus{2, fmt.Errorf("--before %w", err)}
			}
			set, err := parsePartitions(args[0])
			if err != nil {
				return exitStatus{2, err}
			}
			moved, err := where.resolve(ctx, a, []partitionSet{set})
			if err != nil {
				return err
			}
			starts, err := a.ListStartOffsets(ctx, set.topic)
			if err != nil {
				return err
			}
			offsets := kadm.Offsets{}
			for i := range moved {
				m := &moved[i]
				if start, ok := starts.Lookup(m.Topic, m.Partition); ok {
					m.Before = start.Offset
				}
				offsets.Add(kadm.Offset{Topic: m.Topic, Partition: m.Partition, At: m.After})
			}
			if yes {
				answers, err := a.DeleteRecords(ctx, offsets)
				if err != nil {
					return err
				}
				for _, r := range answers.Sorted() {
					if r.Err != nil {
						return &cluster.TopicError{Topic: r.Topic, Message: fmt.Sprintf("partition %d", r.Partition), Err: r.Err}
					}
				}
			}
			if err := t.print(w, moved, movedTable("START", moved)); err != nil || yes {
				return err
			}
			return notDone()
		}),
	}
	f := cmd.Flags()
	f.StringVar(&before, "before", "", placeForms)
	f.BoolVar(&yes, "yes", false, "do it")
	_ = cmd.MarkFlagRequired("before")
	oneOf(cmd, "before", "latest")
	return cmd
}
