package group

import (
	"maps"
	"slices"
	"strings"
)

// Position is a committed offset.
type Position struct {
	Topic        string
	Partition    int32
	Offset       int64
	CommitMillis int64 // when it was committed
}

// Positions are the committed offsets of a group and what it is doing.
type Positions struct {
	Group     string
	State     State
	Members   int
	Committed []Position
}

// AllPositions returns the groups by name with their offsets, by topic and
// partition.
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
		}
		for at, o := range g.offsets {
			p.Committed = append(p.Committed, Position{Topic: at.topic, Partition: at.partition, Offset: o.offset, CommitMillis: o.commitMillis})
		}
		slices.SortFunc(p.Committed, func(a, b Position) int {
			if by := strings.Compare(a.Topic, b.Topic); by != 0 {
				return by
			}
			return int(a.Partition) - int(b.Partition)
		})
		out = append(out, p)
	}
	return out
}
