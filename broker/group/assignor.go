package group

import (
	"cmp"
	"slices"
)

// Names of the server-side assignors (KIP-848), the default first.
const (
	assignorUniform = "uniform"
	assignorRange   = "range"
)

var assignors = map[string]func([]assignee, map[TopicID]int32) map[string]assignment{
	assignorUniform: assignUniform,
	assignorRange:   assignRange,
}

// assignee is a member as an assignor sees it.
type assignee struct {
	id       string
	instance *string
	topics   []TopicID // subscribed, existing, sorted
	holds    assignment
}

func (a assignee) subscribed(id TopicID) bool {
	_, ok := slices.BinarySearchFunc(a.topics, id, compareTopicID)
	return ok
}

func compareTopicID(a, b TopicID) int { return slices.Compare(a[:], b[:]) }

// byName sorts static members by instance ID before dynamic ones by member ID,
// so that a restart of a static member changes nothing.
func byName(members []assignee) []assignee {
	return slices.SortedFunc(slices.Values(members), func(a, b assignee) int {
		switch {
		case a.instance != nil && b.instance != nil:
			return cmp.Compare(*a.instance, *b.instance)
		case a.instance != nil:
			return -1
		case b.instance != nil:
			return 1
		}
		return cmp.Compare(a.id, b.id)
	})
}

// assignRange gives each topic's partitions to its subscribers in contiguous
// ranges, so that topics with equally many partitions and the same subscribers
// are split the same way.
func assignRange(members []assignee, partitions map[TopicID]int32) map[string]assignment {
	out := make(map[string]assignment, len(members))
	subscribers := make(map[TopicID][]string)
	for _, m := range byName(members) {
		out[m.id] = assignment{}
		for _, t := range m.topics {
			subscribers[t] = append(subscribers[t], m.id)
		}
	}
	for t, ids := range subscribers {
		n, each, extra := partitions[t], partitions[t]/int32(len(ids)), partitions[t]%int32(len(ids))
		next := int32(0)
		for i, id := range ids {
			take := each
			if int32(i) < extra {
				take++
			}
			for range take {
				if next < n {
					out[id][t] = append(out[id][t], next)
					next++
				}
			}
		}
	}
	return out
}

// assignUniform gives every member as nearly as it can the same number of
// partitions, and moves as few as that needs.
//
// Every member first keeps what it has, and with equal subscriptions no more than
// its fair part; what nobody has goes to the member with the least. With equal
// subscriptions counts then differ by at most one, and as many partitions stayed
// as can. Otherwise partitions move from members that have at least two more than
// another subscriber, until there are none.
func assignUniform(members []assignee, partitions map[TopicID]int32) map[string]assignment {
	u := &uniform{members: byName(members), partitions: partitions}
	u.keep()
	if alike(members) {
		u.trim()
	}
	u.fill()
	u.balance()
	out := make(map[string]assignment, len(members))
	for i, m := range u.members {
		out[m.id] = u.has[i]
	}
	return out
}

// alike says whether all members are subscribed to the same topics.
func alike(members []assignee) bool {
	return !slices.ContainsFunc(members, func(m assignee) bool { return !slices.Equal(m.topics, members[0].topics) })
}

type uniform struct {
	members    []assignee
	partitions map[TopicID]int32
	has        []assignment
	count      []int
	bySub      map[TopicID][]int // members subscribed to a topic
}

func (u *uniform) keep() {
	u.has = make([]assignment, len(u.members))
	u.count = make([]int, len(u.members))
	u.bySub = make(map[TopicID][]int)
	taken := make(map[TopicID]map[int32]struct{})
	for i, m := range u.members {
		for _, t := range m.topics {
			u.bySub[t] = append(u.bySub[t], i)
			if taken[t] == nil {
				taken[t] = make(map[int32]struct{})
			}
		}
		u.has[i] = m.holds.filter(func(id TopicID, p int32) bool {
			if p >= u.partitions[id] || !m.subscribed(id) {
				return false
			}
			if _, ok := taken[id][p]; ok {
				return false
			}
			taken[id][p] = struct{}{}
			return true
		})
		u.count[i] = u.has[i].count()
	}
}

// trim takes from members what they have beyond their fair part. If some may have
// one more than others, those may that have most.
func (u *uniform) trim() {
	total := 0
	for t := range u.bySub {
		total += int(u.partitions[t])
	}
	byCount := make([]int, len(u.members))
	for i := range byCount {
		byCount[i] = i
	}
	slices.SortFunc(byCount, func(a, b int) int { return cmp.Or(cmp.Compare(u.count[b], u.count[a]), cmp.Compare(b, a)) })
	for rank, i := range byCount {
		fair := total / len(u.members)
		if rank < total%len(u.members) {
			fair++
		}
		left := fair
		u.has[i] = u.has[i].filter(func(TopicID, int32) bool { left--; return left >= 0 })
		u.count[i] = min(u.count[i], fair)
	}
}

func (u *uniform) topics() []TopicID {
	ids := make([]TopicID, 0, len(u.bySub))
	for id := range u.bySub {
		ids = append(ids, id)
	}
	// Topics with few subscribers first: they have the least choice.
	slices.SortFunc(ids, func(a, b TopicID) int {
		return cmp.Or(cmp.Compare(len(u.bySub[a]), len(u.bySub[b])), compareTopicID(a, b))
	})
	return ids
}

func (u *uniform) fill() {
	taken := make(map[TopicID]map[int32]struct{}, len(u.bySub))
	for _, has := range u.has {
		for t, list := range has {
			if taken[t] == nil {
				taken[t] = make(map[int32]struct{})
			}
			for _, p := range list {
				taken[t][p] = struct{}{}
			}
		}
	}
	for _, t := range u.topics() {
		q := newLeast(u.bySub[t], u.count)
		for p := range u.partitions[t] {
			if _, ok := taken[t][p]; ok {
				continue
			}
			i := q.min()
			u.has[i].add(t, p)
			u.count[i]++
			q.grew()
		}
	}
}

// balance moves partitions while that makes two members' counts more equal.
// Every move lowers the sum of the squares of the counts, so it ends.
func (u *uniform) balance() {
	for moved := true; moved; {
		moved = false
		for _, t := range u.topics() {
			subs := u.bySub[t]
			if len(subs) < 2 {
				continue
			}
			q := newLeast(subs, u.count)
			for _, from := range slices.SortedFunc(slices.Values(subs), func(a, b int) int {
				return cmp.Or(cmp.Compare(u.count[b], u.count[a]), cmp.Compare(a, b))
			}) {
				for len(u.has[from][t]) > 0 {
					to := q.min()
					if u.count[from]-u.count[to] < 2 {
						break
					}
					list := u.has[from][t]
					p := list[len(list)-1]
					if u.has[from][t] = list[:len(list)-1]; len(list) == 1 {
						delete(u.has[from], t)
					}
					u.has[to].add(t, p)
					u.count[from]--
					u.count[to]++
					q.grew()
					moved = true
				}
			}
		}
	}
}

// least is a heap of members by how much they have.
type least struct {
	ids   []int
	count []int
}

func newLeast(ids, count []int) *least {
	q := &least{ids: slices.Clone(ids), count: count}
	slices.SortFunc(q.ids, func(a, b int) int { return cmp.Or(cmp.Compare(count[a], count[b]), cmp.Compare(a, b)) })
	return q
}

func (q *least) min() int { return q.ids[0] }

func (q *least) less(i, j int) bool {
	a, b := q.ids[i], q.ids[j]
	return cmp.Or(cmp.Compare(q.count[a], q.count[b]), cmp.Compare(a, b)) < 0
}

// grew puts the first member back in its place after its count grew.
func (q *least) grew() {
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(q.ids) {
			return
		}
		if child+1 < len(q.ids) && q.less(child+1, child) {
			child++
		}
		if !q.less(child, i) {
			return
		}
		q.ids[i], q.ids[child] = q.ids[child], q.ids[i]
		i = child
	}
}
