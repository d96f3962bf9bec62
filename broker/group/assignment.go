package group

import (
	"bytes"
	"maps"
	"slices"
)

// assignment is a set of partitions: sorted partition numbers by topic. Topics
// without partitions are not in it.
type assignment map[TopicID][]int32

func (a assignment) add(id TopicID, partition int32) {
	list := a[id]
	i, found := slices.BinarySearch(list, partition)
	if !found {
		a[id] = slices.Insert(list, i, partition)
	}
}

func (a assignment) has(id TopicID, partition int32) bool {
	_, found := slices.BinarySearch(a[id], partition)
	return found
}

func (a assignment) each(f func(id TopicID, partition int32)) {
	for _, id := range a.sortedTopics() {
		for _, p := range a[id] {
			f(id, p)
		}
	}
}

// filter returns the partitions that keep says yes to.
func (a assignment) filter(keep func(id TopicID, partition int32) bool) assignment {
	out := assignment{}
	a.each(func(id TopicID, p int32) {
		if keep(id, p) {
			out[id] = append(out[id], p)
		}
	})
	return out
}

func (a assignment) equal(b assignment) bool {
	return maps.EqualFunc(a, b, func(x, y []int32) bool { return slices.Equal(x, y) })
}

func (a assignment) count() int {
	n := 0
	for _, list := range a {
		n += len(list)
	}
	return n
}

// subset says whether all of a is in b.
func (a assignment) subset(b assignment) bool {
	for id, list := range a {
		for _, p := range list {
			if !b.has(id, p) {
				return false
			}
		}
	}
	return true
}

func (a assignment) overlaps(b assignment) bool {
	for id, list := range a {
		for _, p := range list {
			if b.has(id, p) {
				return true
			}
		}
	}
	return false
}

func (a assignment) sortedTopics() []TopicID {
	return slices.SortedFunc(maps.Keys(a), func(x, y TopicID) int { return bytes.Compare(x[:], y[:]) })
}
