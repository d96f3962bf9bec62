package group

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// cast is random members of a group, and the topics that there are.
type cast struct {
	joined     int // members so far
	members    []assignee
	partitions map[TopicID]int32
}

func randomCast(r *rand.Rand, alike bool) cast {
	c := cast{partitions: map[TopicID]int32{}}
	var all []TopicID
	for i := range 1 + r.IntN(6) {
		id := TopicID{byte(i + 1)}
		all = append(all, id)
		c.partitions[id] = int32(r.IntN(20))
	}
	for range 1 + r.IntN(9) {
		c.join(r, all, alike)
	}
	return c
}

func (c *cast) join(r *rand.Rand, all []TopicID, alike bool) {
	c.joined++
	m := assignee{id: fmt.Sprintf("m%02d-%d", r.IntN(50), c.joined), holds: assignment{}}
	if r.IntN(3) == 0 {
		instance := fmt.Sprintf("i%02d-%d", r.IntN(50), c.joined)
		m.instance = &instance
	}
	for _, t := range all {
		if alike || r.IntN(3) > 0 {
			m.topics = append(m.topics, t)
		}
	}
	slices.SortFunc(m.topics, compareTopicID)
	c.members = append(c.members, m)
}

// settle makes what was assigned what the members hold.
func (c *cast) settle(got map[string]assignment) {
	for i := range c.members {
		c.members[i].holds = got[c.members[i].id]
	}
}

// covered says what is wrong with an assignment, whichever way it was made: every
// partition of a topic with subscribers belongs to exactly one of them, and no
// other partition to anybody.
func (c *cast) covered(got map[string]assignment) error {
	owners := map[TopicID]map[int32]string{}
	subscribers := map[TopicID]bool{}
	if len(got) != len(c.members) {
		return fmt.Errorf("%d members have an assignment, there are %d", len(got), len(c.members))
	}
	for _, m := range c.members {
		for _, t := range m.topics {
			subscribers[t] = true
		}
		for t, list := range got[m.id] {
			if owners[t] == nil {
				owners[t] = map[int32]string{}
			}
			for i, p := range list {
				switch {
				case !m.subscribed(t):
					return fmt.Errorf("%s has topic %d and is not subscribed to it", m.id, t[0])
				case p < 0 || p >= c.partitions[t]:
					return fmt.Errorf("%s has partition %d of topic %d, which has %d", m.id, p, t[0], c.partitions[t])
				case owners[t][p] != "":
					return fmt.Errorf("partition %d of topic %d is with %s and %s", p, t[0], owners[t][p], m.id)
				case i > 0 && list[i-1] >= p:
					return fmt.Errorf("partitions %v are not in order", list)
				}
				owners[t][p] = m.id
			}
		}
	}
	for t := range subscribers {
		if len(owners[t]) != int(c.partitions[t]) {
			return fmt.Errorf("topic %d has %d partitions, %d have an owner", t[0], c.partitions[t], len(owners[t]))
		}
	}
	return nil
}

// change is what may happen to a group between two assignments.
func (c *cast) change(r *rand.Rand, alike bool) {
	var all []TopicID
	for t := range c.partitions {
		all = append(all, t)
	}
	slices.SortFunc(all, compareTopicID)
	switch r.IntN(4) {
	case 0:
		c.join(r, all, alike)
	case 1:
		if len(c.members) > 1 {
			i := r.IntN(len(c.members))
			c.members = slices.Delete(c.members, i, i+1)
		}
	case 2:
		c.partitions[all[r.IntN(len(all))]] += int32(r.IntN(4))
	case 3:
		c.partitions[all[r.IntN(len(all))]] = int32(r.IntN(20)) // the topic was made anew
	}
}

// TestUniformAssignorIsBalancedAndSticky: with equal subscriptions the members'
// numbers of partitions differ by one at most, and no assignment that is so
// balanced leaves more partitions where they were.
func TestUniformAssignorIsBalancedAndSticky(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		c := randomCast(r, true)
		for round := range 6 {
			total, kept, most := 0, 0, 0
			for _, n := range c.partitions {
				total += int(n)
			}
			var held []int
			for _, m := range c.members {
				held = append(held, m.holds.filter(func(id TopicID, p int32) bool { return p < c.partitions[id] }).count())
			}
			slices.Sort(held)
			slices.Reverse(held)
			each, more := total/len(c.members), total%len(c.members)
			for i, n := range held { // those who have most may keep one more
				if i < more {
					most += min(n, each+1)
				} else {
					most += min(n, each)
				}
			}
			got := assignUniform(c.members, c.partitions)
			if err := c.covered(got); err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
			for _, m := range c.members {
				if n := got[m.id].count(); n < each || n > each+1 || more == 0 && n != each {
					t.Fatalf("seed %d, round %d: %s has %d of %d partitions, there are %d members", seed, round, m.id, n, total, len(c.members))
				}
				kept += got[m.id].filter(m.holds.has).count()
			}
			if kept != most {
				t.Fatalf("seed %d, round %d: %d partitions stayed where they were, %d could have", seed, round, kept, most)
			}
			c.settle(got)
			c.change(r, true)
		}
	}
}

// TestUniformAssignorOfDifferentSubscriptions: no partition can move to another
// subscriber and make the two more equal; nothing moves when nothing has changed.
func TestUniformAssignorOfDifferentSubscriptions(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		c := randomCast(r, false)
		for round := range 6 {
			got := assignUniform(c.members, c.partitions)
			if err := c.covered(got); err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
			for _, from := range c.members {
				for _, to := range c.members {
					for id := range got[from.id] {
						if to.subscribed(id) && got[from.id].count()-got[to.id].count() > 1 {
							t.Fatalf("seed %d, round %d: %s has %d, topic %d among them, and %s has %d", seed, round,
								from.id, got[from.id].count(), id[0], to.id, got[to.id].count())
						}
					}
				}
			}
			c.settle(got)
			for id, again := range assignUniform(c.members, c.partitions) {
				if !again.equal(got[id]) {
					t.Fatalf("seed %d, round %d: %s had %v and has %v although nothing changed", seed, round, id, got[id], again)
				}
			}
			c.change(r, false)
		}
	}
}

// TestRangeAssignorPutsEqualPartitionsTogether: topics that are partitioned alike
// are split alike, so that records that belong together meet; each member's part
// is contiguous, and parts differ by one partition at most.
func TestRangeAssignorPutsEqualPartitionsTogether(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		c := randomCast(r, true)
		for id := range c.partitions {
			c.partitions[id] = c.partitions[TopicID{1}]
		}
		got := assignRange(c.members, c.partitions)
		if err := c.covered(got); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		each := int(c.partitions[TopicID{1}]) / len(c.members)
		for _, m := range c.members {
			for id := range c.partitions {
				mine := got[m.id][id]
				if !slices.Equal(mine, got[m.id][TopicID{1}]) {
					t.Fatalf("seed %d: %s has %v", seed, m.id, got[m.id])
				}
				if len(mine) < each || len(mine) > each+1 || len(mine) > 0 && int(mine[len(mine)-1]-mine[0]) != len(mine)-1 {
					t.Fatalf("seed %d: %s has %v of %d, there are %d members", seed, m.id, mine, c.partitions[id], len(c.members))
				}
			}
		}
		c = randomCast(r, false)
		if err := c.covered(assignRange(c.members, c.partitions)); err != nil {
			t.Fatalf("seed %d, different subscriptions: %v", seed, err)
		}
	}
}

// TestAssignorsKnowStaticMembersByTheirInstance: a static member that comes back
// under another member ID has what it had, and nobody else notices.
func TestAssignorsKnowStaticMembersByTheirInstance(t *testing.T) {
	for name, assign := range assignors {
		for seed := range uint64(100) {
			r := rand.New(rand.NewPCG(seed, 6))
			c := randomCast(r, true)
			instance := "static"
			at := r.IntN(len(c.members))
			c.members[at].instance = &instance
			before := assign(c.members, c.partitions)
			c.settle(before)
			was := c.members[at].id
			c.members[at].id = fmt.Sprintf("n%02d", r.IntN(100))
			after := assign(c.members, c.partitions)
			for _, m := range c.members {
				old := m.id
				if m.id == c.members[at].id {
					old = was
				}
				if !after[m.id].equal(before[old]) {
					t.Fatalf("%s, seed %d: %s had %v, and has %v", name, seed, m.id, before[old], after[m.id])
				}
			}
		}
	}
}
