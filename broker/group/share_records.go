package group

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
)

// Records of share groups have the layouts of Kafka 4.1, key versions 10 to 15.

// shareGroupRecord is the epoch of a share group, or its removal.
type shareGroupRecord struct {
	group string
	set   *consumerEpoch
}

// shareMemberRecord is what a member told about itself, or its removal.
type shareMemberRecord struct {
	group, member string
	set           *shareMetadata
}

// shareTargetEpochRecord is the group epoch for which targets were made.
type shareTargetEpochRecord struct {
	group string
	set   *int32
}

// shareTargetRecord is what the assignor gave to one member.
type shareTargetRecord struct {
	group, member string
	set           *assignment
}

// shareCurrentRecord is what one member was last told.
type shareCurrentRecord struct {
	group, member string
	set           *shareCurrent
}

// shareKnownRecord is the topics that may have a state of delivery.
type shareKnownRecord struct {
	group string
	set   *map[TopicID]shareTopic
}

func (r shareGroupRecord) key() []byte       { return keyOf(keyShareGroup, r.group) }
func (r shareMemberRecord) key() []byte      { return keyOf(keyShareMember, r.group, r.member) }
func (r shareTargetEpochRecord) key() []byte { return keyOf(keyShareTargetEpoch, r.group) }
func (r shareTargetRecord) key() []byte      { return keyOf(keyShareTarget, r.group, r.member) }
func (r shareCurrentRecord) key() []byte     { return keyOf(keyShareCurrent, r.group, r.member) }
func (r shareKnownRecord) key() []byte       { return keyOf(keyShareKnown, r.group) }

func (r shareGroupRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(r.set.epoch))
	return append(binary.BigEndian.AppendUint64(b, uint64(r.set.metadataHash)), 0)
}

func (r shareMemberRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	b := appendCompactNullableString([]byte{0, 0}, r.set.rackID)
	b = appendCompactString(b, r.set.client.ID)
	b = appendCompactString(b, r.set.client.Host)
	b = appendUvarint(b, len(r.set.topics)+1)
	for _, t := range r.set.topics {
		b = appendCompactString(b, t)
	}
	return append(b, 0)
}

func (r shareTargetEpochRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	return append(binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(*r.set)), 0)
}

func (r shareTargetRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	return append(appendAssignment([]byte{0, 0}, *r.set), 0)
}

func (r shareCurrentRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(r.set.epoch))
	b = binary.BigEndian.AppendUint32(b, uint32(r.set.previousEpoch))
	b = append(b, byte(memberStable))
	return append(appendAssignment(b, r.set.assigned), 0)
}

// value writes the topics as initialized; none is ever on its way there.
func (r shareKnownRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	known := *r.set
	b := appendUvarint([]byte{0, 0, 1}, len(known)+1)
	ids := slices.SortedFunc(maps.Keys(known), func(x, y TopicID) int { return bytes.Compare(x[:], y[:]) })
	for _, id := range ids {
		b = appendCompactString(append(b, id[:]...), known[id].name)
		b = appendInt32s(b, known[id].partitions)
		b = append(binary.BigEndian.AppendUint64(b, uint64(known[id].since)), 0)
	}
	return append(b, 1, 0)
}

func (r shareGroupRecord) apply(c *Coordinator) {
	if r.set != nil {
		g := c.share(r.group)
		g.epoch, g.metadataHash = r.set.epoch, r.set.metadataHash
		return
	}
	if g := c.groups[r.group]; g != nil {
		g.share = nil
		c.forgetIfBlank(g)
	}
}

func (r shareMemberRecord) apply(c *Coordinator) {
	if r.set != nil {
		c.share(r.group).member(r.member).shareMetadata = *r.set
	} else if g := c.existingShare(r.group); g != nil {
		delete(g.members, r.member)
	}
}

func (r shareTargetEpochRecord) apply(c *Coordinator) {
	if r.set != nil {
		c.share(r.group).targetEpoch = *r.set
	} else if g := c.existingShare(r.group); g != nil {
		g.targetEpoch = 0
	}
}

func (r shareTargetRecord) apply(c *Coordinator) {
	if r.set != nil {
		c.share(r.group).target[r.member] = *r.set
	} else if g := c.existingShare(r.group); g != nil {
		delete(g.target, r.member)
	}
}

func (r shareCurrentRecord) apply(c *Coordinator) {
	if r.set != nil {
		c.share(r.group).member(r.member).shareCurrent = *r.set
	} else if g := c.existingShare(r.group); g != nil && g.members[r.member] != nil {
		g.members[r.member].shareCurrent = shareCurrent{assigned: assignment{}}
	}
}

func (r shareKnownRecord) apply(c *Coordinator) {
	if r.set != nil {
		c.share(r.group).known = *r.set
	} else if g := c.existingShare(r.group); g != nil {
		g.known = make(map[TopicID]shareTopic)
	}
}

func (c *cursor) shareMetadata() *shareMetadata {
	c.int16()
	m := &shareMetadata{rackID: c.compactNullableString()}
	m.client = Client{ID: c.compactString(), Host: c.compactString()}
	m.topics = c.compactStrings()
	c.tags(nil)
	return m
}

// shareTopics reads topics on their way to being known, those that are known,
// and, to pass over them, those on their way out.
func (c *cursor) shareTopics() *map[TopicID]shareTopic {
	c.int16()
	known := map[TopicID]shareTopic{}
	for range 2 {
		for n := c.compactArrayLen(27); n > 0 && c.err == nil; n-- {
			var id TopicID
			copy(id[:], c.take(len(id)))
			t := shareTopic{name: c.compactString(), partitions: c.int32s(), since: c.int64()}
			c.tags(nil)
			slices.Sort(t.partitions)
			t.partitions = slices.Compact(t.partitions)
			known[id] = t
		}
	}
	for n := c.compactArrayLen(18); n > 0 && c.err == nil; n-- {
		c.take(16)
		_ = c.compactString()
		c.tags(nil)
	}
	c.tags(nil)
	return &known
}

// decodeShareRecord reads the records of share groups.
func decodeShareRecord(version int16, k, v *cursor, tombstone bool) stored {
	group := k.string()
	switch version {
	case keyShareMember:
		r := shareMemberRecord{group: group, member: k.string()}
		if !tombstone {
			r.set = v.shareMetadata()
		}
		return r
	case keyShareGroup:
		r := shareGroupRecord{group: group}
		if !tombstone {
			v.int16()
			r.set = &consumerEpoch{epoch: v.int32(), metadataHash: v.int64()}
			v.tags(nil)
		}
		return r
	case keyShareTargetEpoch:
		r := shareTargetEpochRecord{group: group}
		if !tombstone {
			v.int16()
			epoch := v.int32()
			r.set = &epoch
			v.tags(nil)
		}
		return r
	case keyShareTarget:
		r := shareTargetRecord{group: group, member: k.string()}
		if !tombstone {
			v.int16()
			a := v.assignment()
			r.set = &a
			v.tags(nil)
		}
		return r
	case keyShareCurrent:
		r := shareCurrentRecord{group: group, member: k.string()}
		if !tombstone {
			v.int16()
			r.set = &shareCurrent{epoch: v.int32(), previousEpoch: v.int32()}
			v.int8()
			r.set.assigned = v.assignment()
			v.tags(nil)
		}
		return r
	}
	r := shareKnownRecord{group: group}
	if !tombstone {
		r.set = v.shareTopics()
	}
	return r
}
