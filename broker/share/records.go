package share

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Record is one record of `__share_group_state`. A nil Value is a tombstone.
type Record struct {
	Key, Value []byte
	// Of is the share partition, and Whole says that nothing before this record
	// is needed to know its state.
	Of    Key
	Whole bool
}

// Key names a share partition.
type Key struct {
	Group     string
	Topic     [16]byte
	Partition int32
}

// Versions of record keys, which name the kind of record.
const (
	keySnapshot = 0
	keyUpdate   = 1
)

// stored is a snapshot or an update in typed form.
type stored struct {
	of     Key
	update bool
	set    *delivery // nil is a tombstone
}

// delivery is the value of a snapshot or an update.
type delivery struct {
	snapshotEpoch, stateEpoch, leaderEpoch int32
	start                                  int64 // -1 in an update: as it was
	finished                               int32 // -1: not known
	created, written                       int64 // milliseconds; of snapshots
	batches                                []run
}

func (s stored) key() []byte {
	b := []byte{0, keySnapshot}
	if s.update {
		b[1] = keyUpdate
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.of.Group)))
	b = append(b, s.of.Group...)
	b = append(b, s.of.Topic[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(s.of.Partition))
}

func (s stored) value() []byte {
	d := s.set
	if d == nil {
		return nil
	}
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(d.snapshotEpoch))
	if !s.update {
		b = binary.BigEndian.AppendUint32(b, uint32(d.stateEpoch))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(d.leaderEpoch))
	b = binary.BigEndian.AppendUint64(b, uint64(d.start))
	if !s.update {
		b = binary.BigEndian.AppendUint64(b, uint64(d.created))
		b = binary.BigEndian.AppendUint64(b, uint64(d.written))
	}
	b = binary.AppendUvarint(b, uint64(len(d.batches)+1))
	for _, r := range d.batches {
		b = binary.BigEndian.AppendUint64(b, uint64(r.first))
		b = binary.BigEndian.AppendUint64(b, uint64(r.last))
		b = append(b, byte(r.state))
		b = binary.BigEndian.AppendUint16(b, uint16(r.count))
		b = append(b, 0)
	}
	if d.finished < 0 {
		return append(b, 0)
	}
	return binary.BigEndian.AppendUint32(append(b, 1, 0, 4), uint32(d.finished)) // tagged field 0, 4 bytes
}

// storedBatchBytes is what a batch takes at least.
const storedBatchBytes = 20

// decodeRecord reads a record. It is nil for a kind that is not known.
func decodeRecord(key, value []byte) (*stored, error) {
	k := cursor{b: key}
	kind := k.int16()
	if k.err == nil && kind != keySnapshot && kind != keyUpdate {
		return nil, nil
	}
	s := &stored{update: kind == keyUpdate}
	s.of.Group = string(k.take(int(k.int16())))
	copy(s.of.Topic[:], k.take(16))
	s.of.Partition = k.int32()
	if k.err != nil {
		return nil, fmt.Errorf("key of a share partition's record: %w", k.err)
	}
	if value == nil {
		return s, nil
	}
	v := cursor{b: value}
	v.int16()
	d := &delivery{snapshotEpoch: v.int32(), finished: -1}
	if !s.update {
		d.stateEpoch = v.int32()
	}
	d.leaderEpoch, d.start = v.int32(), v.int64()
	if !s.update {
		d.created, d.written = v.int64(), v.int64()
	}
	n := int(v.uvarint()) - 1
	if n > len(v.b)/storedBatchBytes {
		v.fail(fmt.Errorf("%d batches in %d bytes", n, len(v.b)))
	}
	for ; n > 0 && v.err == nil; n-- {
		r := run{first: v.int64(), last: v.int64(), state: State(v.int8()), count: v.int16()}
		v.tags(nil)
		if v.err == nil {
			v.fail(r.fault())
		}
		d.batches = append(d.batches, r)
	}
	v.tags(func(tag uint32, body *cursor) {
		if tag == 0 {
			d.finished = max(-1, body.int32())
		}
	})
	if v.err == nil && d.start < -1 || d.start == -1 && !s.update && len(d.batches) > 0 {
		v.fail(fmt.Errorf("start offset %d", d.start))
	}
	if v.err != nil {
		return nil, fmt.Errorf("state of share partition %s: %w", s.of, v.err)
	}
	s.set = d
	return s, nil
}

func (r run) fault() error {
	switch {
	case r.first < 0 || r.last < r.first || r.last == 1<<63-1:
		return fmt.Errorf("batch of offsets %d to %d", r.first, r.last)
	case r.state != Available && !r.state.done():
		return fmt.Errorf("delivery state %d", r.state)
	case r.count < 0:
		return fmt.Errorf("delivery count %d", r.count)
	}
	return nil
}

func (k Key) String() string { return fmt.Sprintf("%s:%x:%d", k.Group, k.Topic, k.Partition) }

var errShort = errors.New("ends too early")

// cursor reads Kafka's wire types. The first fault sticks; a length is checked
// against the bytes left before anything is made of it.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) fail(err error) {
	if err == nil {
		return
	}
	if c.err == nil {
		c.err = err
	}
	c.b = nil
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.fail(errShort)
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

// number reads n bytes as a big-endian number.
func (c *cursor) number(n int) (v uint64) {
	for _, b := range c.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (c *cursor) int8() int8   { return int8(c.number(1)) }
func (c *cursor) int16() int16 { return int16(c.number(2)) }
func (c *cursor) int32() int32 { return int32(c.number(4)) }
func (c *cursor) int64() int64 { return int64(c.number(8)) }

func (c *cursor) uvarint() uint32 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > 1<<31-1 {
		c.fail(errors.New("bad varint"))
		return 0
	}
	c.b = c.b[n:]
	return uint32(v)
}

// tags reads tagged fields, handing each to known; what known does not take is
// skipped.
func (c *cursor) tags(known func(tag uint32, body *cursor)) {
	for n := c.uvarint(); n > 0 && c.err == nil; n-- {
		tag := c.uvarint()
		body := cursor{b: c.take(int(c.uvarint()))}
		if known != nil && c.err == nil {
			known(tag, &body)
			c.fail(body.err)
		}
	}
}
