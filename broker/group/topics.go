package group

import "slices"

// TopicID is the UUID of a topic.
type TopicID [16]byte

// Topic is what a coordinator needs to know of a topic.
type Topic struct {
	Name       string
	ID         TopicID
	Partitions int32
}

// Topics is an immutable picture of the topics that exist. The owner of a
// coordinator makes a new one when topics change and hands it to
// [Coordinator.SetTopics].
type Topics struct {
	byName map[string]Topic
	byID   map[TopicID]Topic
	names  []string // sorted
}

// NewTopics makes a picture of topics.
func NewTopics(topics []Topic) *Topics {
	t := &Topics{byName: make(map[string]Topic, len(topics)), byID: make(map[TopicID]Topic, len(topics))}
	for _, topic := range topics {
		t.byName[topic.Name] = topic
		t.byID[topic.ID] = topic
		t.names = append(t.names, topic.Name)
	}
	slices.Sort(t.names)
	return t
}

// Named returns the topic of that name.
func (t *Topics) Named(name string) (Topic, bool) {
	topic, ok := t.byName[name]
	return topic, ok
}

// WithID returns the topic of that ID.
func (t *Topics) WithID(id TopicID) (Topic, bool) {
	topic, ok := t.byID[id]
	return topic, ok
}
