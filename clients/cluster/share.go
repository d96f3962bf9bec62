package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// shareProtocol is the protocol type of share groups.
const shareProtocol = "share"

// shared describes share groups. Their partitions belong to all members that
// have them assigned, so positions name none; their lag is what the broker says:
// records that are not done, whoever has them.
func (v *View) shared(ctx context.Context, names []string, f faults) error {
	described, err := v.admin.DescribeShareGroups(ctx, names...)
	if err != nil {
		return err
	}
	offsets, err := v.admin.DescribeShareGroupOffsets(ctx, names...)
	if err != nil {
		return err
	}
	topics := map[string]bool{}
groups:
	for name, d := range described {
		if err := cmp.Or(d.Err, offsets[name].Err); err != nil {
			if err := f.note(name, shareProtocol, err); err != nil {
				return err
			}
			continue
		}
		g := &Group{Group: name, Protocol: shareProtocol, State: d.GroupState, Assignor: d.Assignor, Members: []Member{}, Positions: []Position{}}
		for _, m := range d.Members {
			member := Member{Member: m.MemberID, Client: m.ClientID, Host: m.ClientHost}
			m.Assignment.Each(func(string, int32) { member.Partitions++ })
			g.Members = append(g.Members, member)
		}
		for topic, partitions := range offsets[name].Offsets {
			topics[topic] = true
			for partition, o := range partitions {
				if o.Err != nil {
					if err := f.note(name, shareProtocol, fmt.Errorf("partition %s-%d: %w", topic, partition, o.Err)); err != nil {
						return err
					}
					continue groups
				}
				lag := max(0, o.Lag) // before the first fetch nobody knows
				g.Positions = append(g.Positions, Position{Topic: topic, Partition: partition, Committed: o.StartOffset, Lag: lag})
				g.Lag += lag
			}
		}
		slices.SortFunc(g.Positions, func(a, b Position) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		})
		f.groups[name] = g
	}
	if len(topics) == 0 {
		return nil
	}
	list := make([]string, 0, len(topics))
	for t := range topics {
		list = append(list, t)
	}
	ends, err := led(v.admin.ListEndOffsets(ctx, list...))
	if err != nil {
		return err
	}
	for _, name := range names {
		g := f.groups[name]
		if g == nil {
			continue
		}
		for i := range g.Positions {
			p := &g.Positions[i]
			if end, ok := ends.Lookup(p.Topic, p.Partition); ok && end.Err == nil {
				p.EndOffset = end.Offset
			}
		}
	}
	return nil
}
