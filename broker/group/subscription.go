package group

import (
	"encoding/binary"
	"fmt"
)

// consumerProtocol is the protocol type of classic groups of consumers, whose
// metadata and assignments have a layout that brokers know too. Groups of
// other types (Connect) keep bytes that mean nothing here.
const consumerProtocol = "consumer"

// subscription is the metadata of a classic consumer:
//
//	version int16 │ topics []string │ user data bytes │ v1: owned [](topic, []partition) │ v2: generation int32 │ v3: rack string
type subscription struct {
	version    int16
	topics     []string
	owned      []ownedTopic
	generation int32 // −1: not told
	rack       *string
}

type ownedTopic struct {
	topic      string
	partitions []int32
}

// decodeSubscription reads a subscription. Versions above 3 are read as 3, as
// the protocol asks for.
func decodeSubscription(b []byte) (subscription, error) {
	c := cursor{b: b}
	s := subscription{version: c.int16(), generation: -1}
	if c.err == nil && s.version < 0 {
		return s, fmt.Errorf("consumer subscription: version %d", s.version)
	}
	for n := c.arrayLen(2); n > 0 && c.err == nil; n-- {
		s.topics = append(s.topics, c.string())
	}
	c.nullableBytes()
	if s.version >= 1 && len(c.b) > 0 {
		s.owned = c.ownedTopics()
	}
	if s.version >= 2 && len(c.b) > 0 {
		s.generation = c.int32()
	}
	if s.version >= 3 && len(c.b) > 0 {
		s.rack = c.nullableString()
	}
	if c.err != nil {
		return subscription{}, fmt.Errorf("consumer subscription: %w", c.err)
	}
	return s, nil
}

func (c *cursor) ownedTopics() []ownedTopic {
	var out []ownedTopic
	for n := c.arrayLen(6); n > 0 && c.err == nil; n-- {
		t := ownedTopic{topic: c.string()}
		for p := c.arrayLen(4); p > 0 && c.err == nil; p-- {
			t.partitions = append(t.partitions, c.int32())
		}
		out = append(out, t)
	}
	return out
}

// decodeAssignment reads a classic consumer's assignment:
//
//	version int16 │ [](topic, []partition) │ user data bytes
func decodeAssignment(b []byte) ([]ownedTopic, error) {
	if len(b) == 0 {
		return nil, nil
	}
	c := cursor{b: b}
	if v := c.int16(); c.err == nil && v < 0 {
		return nil, fmt.Errorf("consumer assignment: version %d", v)
	}
	out := c.ownedTopics()
	c.nullableBytes()
	if c.err != nil {
		return nil, fmt.Errorf("consumer assignment: %w", c.err)
	}
	return out, nil
}

// appendSubscription writes a subscription without user data.
func appendSubscription(b []byte, s subscription) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(s.version))
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.topics)))
	for _, t := range s.topics {
		b = appendString(b, t)
	}
	b = binary.BigEndian.AppendUint32(b, 0xffffffff)
	if s.version >= 1 {
		b = appendOwned(b, s.owned)
	}
	if s.version >= 2 {
		b = binary.BigEndian.AppendUint32(b, uint32(s.generation))
	}
	if s.version >= 3 {
		if s.rack == nil {
			b = append(b, 0xff, 0xff)
		} else {
			b = appendString(b, *s.rack)
		}
	}
	return b
}

// encodeAssignment writes a classic consumer's assignment without user data.
func encodeAssignment(version int16, topics []ownedTopic) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(version))
	b = appendOwned(b, topics)
	return binary.BigEndian.AppendUint32(b, 0xffffffff)
}

func appendOwned(b []byte, topics []ownedTopic) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(topics)))
	for _, t := range topics {
		b = appendString(b, t.topic)
		b = binary.BigEndian.AppendUint32(b, uint32(len(t.partitions)))
		for _, p := range t.partitions {
			b = binary.BigEndian.AppendUint32(b, uint32(p))
		}
	}
	return b
}
