package group

import (
	"maps"
	"slices"
	"strings"
)

// Position is how far a group is in a partition.
type Position struct {
	Topic        string
	Partition    int32
	Offset       int64 // committed; −1: a member has the partition, and nothing was committed
	CommitMillis int64 // when it was committed, or 0
}

// Positions are the committed offsets of a group, the partitions that its members
// have without any, and what it is doing.
type Positions struct {
	Group   string
	State   State
	Members int
	At      []Position
}

// AllPositions returns the groups by name with their positions, by topic and
// partition. Of share groups, which commit no offsets, there are none.
func (c *Coordinator) AllPositions() []Positions {
	out := make([]Positions, 0, len(c.groups))
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		g := c.groups[id]
		p := Positions{Group: id, State: Empty}
		switch {
		case g.classic != nil:
			p.State, p.Members = g.classic.state, len(g.classic.members)
		case g.consumer != nil:
			p.State, p.Members = g.consumer.state(), len(g.consumer.members)
		case g.share != nil:
			p.State, p.Members = g.share.state(), len(g.share.members)
		}
		for at, o := range g.offsets {
			p.At = append(p.At, Position{Topic: at.topic, Partition: at.partition, Offset: o.offset, CommitMillis: o.commitMillis})
		}
		c.assigned(g, func(at topicPartition) {
			if _, ok := g.offsets[at]; !ok {
				p.At = append(p.At, Position{Topic: at.topic, Partition: at.partition, Offset: -1})
			}
		})
		slices.SortFunc(p.At, func(a, b Position) int {
			if by := strings.Compare(a.Topic, b.Topic); by != 0 {
				return by
			}
			return int(a.Partition) - int(b.Partition)
		})
		out = append(out, p)
	}
	return out
}

// assigned calls f once for every partition that a member of the group has, as far
// as that can be read.
func (c *Coordinator) assigned(g *group, f func(topicPartition)) {
	switch {
	case g.consumer != nil:
		for id, owners := range g.consumer.owners {
			t, ok := c.topics.WithID(id)
			for partition := range owners {
				if ok {
					f(topicPartition{t.Name, partition})
				}
			}
		}
	case g.classic != nil && g.classic.protocolType == consumerProtocol:
		seen := map[topicPartition]bool{}
		for _, m := range g.classic.members {
			topics, err := decodeAssignment(m.assignment)
			if err != nil {
				continue // what a member is told is the leader's to say
			}
			for _, t := range topics {
				for _, partition := range t.partitions {
					if at := (topicPartition{t.topic, partition}); !seen[at] {
						seen[at] = true
						f(at)
					}
				}
			}
		}
	}
}
