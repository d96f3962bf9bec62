package group

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions of record keys, which name the kind of record (Kafka's
// group-coordinator messages). Kinds that are not listed belong to group types
// that this coordinator does not keep.
const (
	keyOffsetV0          = 0
	keyOffset            = 1
	keyGroup             = 2
	keyConsumerGroup     = 3
	keyPartitionMetadata = 4 // written by Kafka up to 4.0; read and dropped
	keyConsumerMember    = 5
	keyTargetEpoch       = 6
	keyTargetMember      = 7
	keyCurrentAssignment = 8
	keyShareMember       = 10
	keyShareGroup        = 11
	keyShareTargetEpoch  = 12
	keyShareTarget       = 13
	keyShareCurrent      = 14
	keyShareKnown        = 15
	keyRegex             = 16
)

// stored is a record in typed form. Its apply is the only code that changes
// what survives a restart.
type stored interface {
	key() []byte
	value() []byte // nil is a tombstone
	apply(c *Coordinator)
}

// offsetRecord is a committed offset; without an offset, its removal.
type offsetRecord struct {
	group string
	at    topicPartition
	set   *committed
}

// groupRecord is a finished generation of a classic group, or its removal.
type groupRecord struct {
	group string
	set   *kmsg.GroupMetadataValue
}

// consumerGroupRecord is the epoch of a KIP-848 group, or its removal.
type consumerGroupRecord struct {
	group         string
	set           *consumerEpoch
	writtenMillis int64 // of one that is replayed
}

type consumerEpoch struct {
	epoch        int32
	metadataHash int64 // of the subscribed topics, at the time of the epoch
}

// consumerMemberRecord is what a KIP-848 member told about itself, or its removal.
type consumerMemberRecord struct {
	group, member string
	set           *memberMetadata
}

// targetEpochRecord is the group epoch for which the target assignment was made.
type targetEpochRecord struct {
	group string
	set   *int32
}

// targetRecord is what the assignor gave to one member.
type targetRecord struct {
	group, member string
	set           *assignment // nil removes
}

// currentRecord is where one member is on its way to its target.
type currentRecord struct {
	group, member string
	set           *currentAssignment
}

// regexRecord is the topics that a subscribed expression stands for.
type regexRecord struct {
	group, regex string
	set          *resolvedRegex
}

type resolvedRegex struct {
	topics    []string
	version   int64
	timestamp int64 // milliseconds
}

func keyOf(version uint16, parts ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, version)
	for _, p := range parts {
		b = appendString(b, p)
	}
	return b
}

func (r offsetRecord) key() []byte {
	b := keyOf(keyOffset, r.group, r.at.topic)
	return binary.BigEndian.AppendUint32(b, uint32(r.at.partition))
}

func (r offsetRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	v := kmsg.NewOffsetCommitValue()
	v.Version = 3
	if r.set.expireMillis >= 0 {
		v.Version = 1 // the only version that has an expiry of its own
	}
	v.Offset, v.LeaderEpoch, v.Metadata = r.set.offset, r.set.leaderEpoch, r.set.metadata
	v.CommitTimestamp, v.ExpireTimestamp = r.set.commitMillis, r.set.expireMillis
	return v.AppendTo(nil)
}

func (r groupRecord) key() []byte { return keyOf(keyGroup, r.group) }
func (r groupRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	return r.set.AppendTo(nil)
}

func (r consumerGroupRecord) key() []byte { return keyOf(keyConsumerGroup, r.group) }
func (r consumerGroupRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(r.set.epoch))
	if r.set.metadataHash == 0 {
		return append(b, 0)
	}
	b = append(b, 1, 0, 8)
	return binary.BigEndian.AppendUint64(b, uint64(r.set.metadataHash))
}

func (r consumerMemberRecord) key() []byte { return keyOf(keyConsumerMember, r.group, r.member) }
func (r consumerMemberRecord) value() []byte {
	m := r.set
	if m == nil {
		return nil
	}
	b := []byte{0, 0}
	b = appendCompactNullableString(b, m.instanceID)
	b = appendCompactNullableString(b, m.rackID)
	b = appendCompactString(b, m.client.ID)
	b = appendCompactString(b, m.client.Host)
	b = appendUvarint(b, len(m.topics)+1)
	for _, t := range m.topics {
		b = appendCompactString(b, t)
	}
	b = appendCompactNullableString(b, m.regex)
	b = binary.BigEndian.AppendUint32(b, uint32(m.rebalanceMillis))
	b = appendCompactNullableString(b, m.assignor)
	if m.classic == nil {
		return append(b, 0)
	}
	body := binary.BigEndian.AppendUint32([]byte{1}, uint32(m.classic.sessionMillis))
	body = appendUvarint(body, len(m.classic.protocols)+1)
	for _, p := range m.classic.protocols {
		body = appendCompactString(body, p.name)
		body = append(appendUvarint(body, len(p.metadata)+1), p.metadata...)
		body = append(body, 0)
	}
	body = append(body, 0)
	b = appendUvarint(append(b, 1, 0), len(body))
	return append(b, body...)
}

func (r targetEpochRecord) key() []byte { return keyOf(keyTargetEpoch, r.group) }
func (r targetEpochRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	return append(binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(*r.set)), 0)
}

func (r targetRecord) key() []byte { return keyOf(keyTargetMember, r.group, r.member) }
func (r targetRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	return append(appendAssignment([]byte{0, 0}, *r.set), 0)
}

func (r currentRecord) key() []byte { return keyOf(keyCurrentAssignment, r.group, r.member) }
func (r currentRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(r.set.epoch))
	b = binary.BigEndian.AppendUint32(b, uint32(r.set.previousEpoch))
	b = append(b, byte(r.set.state))
	b = appendHeld(b, r.set.assigned, r.set.since)
	b = appendHeld(b, r.set.revoking, r.set.since)
	return append(b, 0)
}

func (r regexRecord) key() []byte { return keyOf(keyRegex, r.group, r.regex) }
func (r regexRecord) value() []byte {
	if r.set == nil {
		return nil
	}
	b := appendUvarint([]byte{0, 0}, len(r.set.topics)+1)
	for _, t := range r.set.topics {
		b = appendCompactString(b, t)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.set.version))
	b = binary.BigEndian.AppendUint64(b, uint64(r.set.timestamp))
	return append(b, 0)
}

func appendAssignment(b []byte, a assignment) []byte {
	topics := a.sortedTopics()
	b = appendUvarint(b, len(topics)+1)
	for _, id := range topics {
		b = append(b, id[:]...)
		b = appendInt32s(b, a[id])
		b = append(b, 0)
	}
	return b
}

// appendHeld is appendAssignment with the epochs at which partitions were
// assigned in tagged field 0 (KIP-1251), where all of a topic's are known.
func appendHeld(b []byte, a assignment, since heldSince) []byte {
	topics := a.sortedTopics()
	b = appendUvarint(b, len(topics)+1)
	for _, id := range topics {
		b = append(b, id[:]...)
		b = appendInt32s(b, a[id])
		var epochs []int32
		for _, p := range a[id] {
			if epoch, ok := since[id][p]; ok {
				epochs = append(epochs, epoch)
			}
		}
		if len(epochs) == 0 || len(epochs) < len(a[id]) {
			b = append(b, 0)
			continue
		}
		body := appendInt32s(nil, epochs)
		b = appendUvarint(append(b, 1, 0), len(body))
		b = append(b, body...)
	}
	return b
}

func (c *cursor) assignment() assignment { return c.held(nil) }

// held reads an assignment, and into since, if it is not nil, the epochs at
// which its partitions were assigned.
func (c *cursor) held(since heldSince) assignment {
	a := assignment{}
	for n := c.compactArrayLen(18); n > 0 && c.err == nil; n-- {
		var id TopicID
		copy(id[:], c.take(len(id)))
		partitions := c.int32s()
		for _, p := range partitions {
			a.add(id, p)
		}
		c.tags(func(tag uint32, body *cursor) {
			if tag != 0 || since == nil {
				return
			}
			if epochs := body.int32s(); len(epochs) == len(partitions) {
				for i, p := range partitions {
					since.set(id, p, epochs[i])
				}
			}
		})
	}
	return a
}

// decodeRecord returns the typed form of a record, or nil for a kind that is
// known and not kept.
func decodeRecord(rec Record) (stored, error) {
	k := cursor{b: rec.Key}
	version := k.int16()
	if k.err != nil {
		return nil, fmt.Errorf("record key: %w", k.err)
	}
	tombstone := rec.Value == nil
	v := cursor{b: rec.Value}
	var out stored
	switch version {
	case keyOffsetV0, keyOffset:
		r := offsetRecord{group: k.string(), at: topicPartition{topic: k.string(), partition: k.int32()}}
		if !tombstone {
			val := kmsg.NewOffsetCommitValue()
			if err := val.ReadFrom(rec.Value); err != nil {
				return nil, fmt.Errorf("offset of group %q: %w", r.group, err)
			}
			r.set = &committed{offset: val.Offset, leaderEpoch: -1, metadata: val.Metadata, commitMillis: val.CommitTimestamp, expireMillis: -1}
			if val.Version >= 3 {
				r.set.leaderEpoch = val.LeaderEpoch
			}
			if val.Version == 1 {
				r.set.expireMillis = val.ExpireTimestamp
			}
		}
		out = r
	case keyGroup:
		r := groupRecord{group: k.string()}
		if !tombstone {
			val := kmsg.NewGroupMetadataValue()
			if err := val.ReadFrom(rec.Value); err != nil {
				return nil, fmt.Errorf("group %q: %w", r.group, err)
			}
			r.set = &val
		}
		out = r
	case keyConsumerGroup:
		r := consumerGroupRecord{group: k.string()}
		if !tombstone {
			v.int16()
			r.set = &consumerEpoch{epoch: v.int32()}
			v.tags(func(tag uint32, body *cursor) {
				if tag == 0 {
					r.set.metadataHash = body.int64()
				}
			})
		}
		out = r
	case keyPartitionMetadata:
		return nil, nil
	case keyConsumerMember:
		r := consumerMemberRecord{group: k.string(), member: k.string()}
		if !tombstone {
			r.set = v.memberMetadata()
		}
		out = r
	case keyTargetEpoch:
		r := targetEpochRecord{group: k.string()}
		if !tombstone {
			v.int16()
			epoch := v.int32()
			r.set = &epoch
			v.tags(nil)
		}
		out = r
	case keyTargetMember:
		r := targetRecord{group: k.string(), member: k.string()}
		if !tombstone {
			v.int16()
			a := v.assignment()
			r.set = &a
			v.tags(nil)
		}
		out = r
	case keyCurrentAssignment:
		r := currentRecord{group: k.string(), member: k.string()}
		if !tombstone {
			v.int16()
			r.set = &currentAssignment{epoch: v.int32(), previousEpoch: v.int32(), state: memberState(v.int8())}
			r.set.since = heldSince{}
			r.set.assigned, r.set.revoking = v.held(r.set.since), v.held(r.set.since)
			v.tags(nil)
			if s := r.set.state; v.err == nil && (s < memberStable || s > memberUnreleased) {
				v.fail(fmt.Errorf("member state %d", s))
			}
		}
		out = r
	case keyRegex:
		r := regexRecord{group: k.string(), regex: k.string()}
		if !tombstone {
			v.int16()
			r.set = &resolvedRegex{topics: v.compactStrings()}
			r.set.version, r.set.timestamp = v.int64(), v.int64()
			v.tags(nil)
		}
		out = r
	case keyShareMember, keyShareGroup, keyShareTargetEpoch, keyShareTarget, keyShareCurrent, keyShareKnown:
		out = decodeShareRecord(version, &k, &v, tombstone)
	default:
		return nil, nil // streams groups, or newer than we are
	}
	if k.err != nil {
		return nil, fmt.Errorf("record key of kind %d: %w", version, k.err)
	}
	if v.err != nil {
		return nil, fmt.Errorf("record value of kind %d: %w", version, v.err)
	}
	return out, nil
}

func (c *cursor) compactStrings() []string {
	out := make([]string, c.compactArrayLen(1))
	for i := range out {
		out[i] = c.compactString()
	}
	return out
}

func (c *cursor) memberMetadata() *memberMetadata {
	c.int16()
	m := &memberMetadata{instanceID: c.compactNullableString(), rackID: c.compactNullableString()}
	m.client = Client{ID: c.compactString(), Host: c.compactString()}
	m.topics = c.compactStrings()
	m.regex = c.compactNullableString()
	m.rebalanceMillis = c.int32()
	m.assignor = c.compactNullableString()
	c.tags(func(tag uint32, body *cursor) {
		if tag != 0 || body.int8() != 1 {
			return
		}
		m.classic = &classicProtocols{sessionMillis: body.int32()}
		for n := body.compactArrayLen(3); n > 0 && body.err == nil; n-- {
			m.classic.protocols = append(m.classic.protocols, protocol{name: body.compactString(), metadata: body.compactBytes()})
			body.tags(nil)
		}
		body.tags(nil)
	})
	return m
}

// Replay applies one record of the partition. Set from, the producer of the
// record's batch, if the batch is transactional. An error names a record that
// cannot be read; the state is as before.
func (c *Coordinator) Replay(from *Producer, rec Record) error {
	r, err := decodeRecord(rec)
	if err != nil || r == nil {
		return err
	}
	if g, ok := r.(consumerGroupRecord); ok {
		g.writtenMillis = rec.WrittenMillis
		r = g
	}
	if from != nil {
		if o, ok := r.(offsetRecord); ok && o.set != nil {
			txnOffsetRecord{offsetRecord: o, producer: *from}.apply(c)
			return nil
		}
	}
	r.apply(c)
	return nil
}
