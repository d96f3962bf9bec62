package group

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committed is the committed offset of one partition.
type committed struct {
	offset       int64
	leaderEpoch  int32 // −1: not told
	metadata     string
	commitMillis int64
	expireMillis int64 // −1: expires with the group
}

// openTxn is what one producer committed in its open transaction.
type openTxn struct {
	epoch   int16
	offsets map[string]map[topicPartition]committed // by group
}

func (r offsetRecord) apply(c *Coordinator) {
	if r.set != nil {
		c.ensure(r.group).offsets[r.at] = *r.set
		return
	}
	if g := c.groups[r.group]; g != nil {
		delete(g.offsets, r.at)
		for producer := range g.pending[r.at] {
			delete(c.open[producer].offsets[r.group], r.at)
		}
		delete(g.pending, r.at)
		c.forgetIfBlank(g)
	}
}

// txnOffsetRecord is an offset committed in a transaction: it counts once the
// transaction is committed.
type txnOffsetRecord struct {
	offsetRecord
	producer Producer
}

func (r txnOffsetRecord) apply(c *Coordinator) {
	txn := c.open[r.producer.ID]
	if txn == nil {
		txn = &openTxn{offsets: make(map[string]map[topicPartition]committed)}
		c.open[r.producer.ID] = txn
	}
	txn.epoch = r.producer.Epoch
	if txn.offsets[r.group] == nil {
		txn.offsets[r.group] = make(map[topicPartition]committed)
	}
	txn.offsets[r.group][r.at] = *r.set
	g := c.ensure(r.group)
	if g.pending == nil {
		g.pending = make(map[topicPartition]map[int64]struct{})
	}
	if g.pending[r.at] == nil {
		g.pending[r.at] = make(map[int64]struct{})
	}
	g.pending[r.at][r.producer.ID] = struct{}{}
}

// EndTransaction ends a producer's transaction in this partition: its offsets
// count from now on, or never did. The marker in the effects is written even
// if the producer has no offsets here, so that the log says the same.
func (c *Coordinator) EndTransaction(m Marker) Effects {
	c.ReplayMarker(m)
	e := c.take()
	e.Marker = &m
	return e
}

// ReplayMarker applies a control marker of the partition.
func (c *Coordinator) ReplayMarker(m Marker) {
	txn := c.open[m.Producer.ID]
	if txn == nil {
		return
	}
	delete(c.open, m.Producer.ID)
	for id, offsets := range txn.offsets {
		g := c.groups[id]
		if g == nil { // its offsets were deleted with it
			continue
		}
		for at, o := range offsets {
			delete(g.pending[at], m.Producer.ID)
			if len(g.pending[at]) == 0 {
				delete(g.pending, at)
			}
			if m.Commit {
				g.offsets[at] = o
			}
		}
		c.forgetIfBlank(g)
	}
}

// forgetIfBlank drops a group that never had a protocol and has no offsets left.
func (c *Coordinator) forgetIfBlank(g *group) {
	if g.classic == nil && g.consumer == nil && g.share == nil && len(g.offsets) == 0 && len(g.pending) == 0 {
		delete(c.groups, g.id)
	}
}

// OffsetCommit stores offsets. A member must be known and of the current
// generation; a caller without generation (−1) may commit only while the group
// has no members. The topics that do not exist must be sorted out by the
// caller; topics are told apart by name here, also in version 10, and the IDs
// are handed back as they came.
func (c *Coordinator) OffsetCommit(now time.Time, req *kmsg.OffsetCommitRequest) (*kmsg.OffsetCommitResponse, Effects) {
	who := committer{group: req.Group, member: req.MemberID, instance: req.InstanceID, epoch: req.Generation, version: req.Version}
	code := c.mayCommit(now, who)
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetCommitResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetCommitResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			o := committed{offset: p.Offset, leaderEpoch: p.LeaderEpoch, commitMillis: now.UnixMilli(), expireMillis: -1}
			if p.Metadata != nil {
				o.metadata = *p.Metadata
			}
			if req.Version == 1 && p.Timestamp > 0 {
				o.commitMillis = p.Timestamp
			}
			if req.Version >= 2 && req.Version <= 4 && req.RetentionTimeMillis >= 0 {
				o.expireMillis = now.UnixMilli() + req.RetentionTimeMillis
			}
			if code == 0 || code == kerr.StaleMemberEpoch.Code && c.late(who, t.Topic, p.Partition) {
				rp.ErrorCode = c.storeOffset(req.Group, nil, t.Topic, p.Partition, o)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, c.take()
}

// TxnOffsetCommit stores offsets within the producer's transaction. That the
// producer has an open transaction with this group in it is the caller's to check.
func (c *Coordinator) TxnOffsetCommit(now time.Time, req *kmsg.TxnOffsetCommitRequest) (*kmsg.TxnOffsetCommitResponse, Effects) {
	who := committer{group: req.Group, member: req.MemberID, instance: req.InstanceID, epoch: req.Generation, transactional: true}
	code := c.mayCommit(now, who)
	producer := Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}
	resp := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewTxnOffsetCommitResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			o := committed{offset: p.Offset, leaderEpoch: p.LeaderEpoch, commitMillis: now.UnixMilli(), expireMillis: -1}
			if p.Metadata != nil {
				o.metadata = *p.Metadata
			}
			if code == 0 || code == kerr.IllegalGeneration.Code && c.late(who, t.Topic, p.Partition) {
				rp.ErrorCode = c.storeOffset(req.Group, &producer, t.Topic, p.Partition, o)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	e := c.take()
	if len(e.Records) > 0 {
		e.Transaction = &producer
	}
	return resp, e
}

func (c *Coordinator) storeOffset(group string, producer *Producer, topic string, partition int32, o committed) int16 {
	switch {
	case len(o.metadata) > c.opts.MaxOffsetMetadataBytes:
		return kerr.OffsetMetadataTooLarge.Code
	case partition < 0 || o.offset < -1:
		return kerr.InvalidRequest.Code
	}
	r := offsetRecord{group: group, at: topicPartition{topic, partition}, set: &o}
	if producer == nil {
		c.write(r)
	} else {
		c.write(txnOffsetRecord{offsetRecord: r, producer: *producer})
	}
	return 0
}

// committer is who wants to commit.
type committer struct {
	group, member string
	instance      *string
	epoch         int32 // generation or member epoch
	version       int16 // of OffsetCommit
	transactional bool
}

func (c *Coordinator) mayCommit(now time.Time, w committer) int16 {
	g := c.groups[w.group]
	switch {
	case g != nil && g.share != nil:
		return kerr.GroupIDNotFound.Code // its positions are not committed offsets
	case g == nil || (g.classic == nil && g.consumer == nil):
		switch {
		case w.epoch < 0:
			return 0
		case w.group == "":
			return kerr.InvalidGroupID.Code
		case w.version >= 9:
			return kerr.GroupIDNotFound.Code
		}
		return kerr.IllegalGeneration.Code
	case g.consumer != nil:
		return c.consumerMayCommit(now, g, w)
	default:
		return c.classicMayCommit(now, g, w)
	}
}

// OffsetFetch returns the committed offsets that one group of an OffsetFetch
// asks for; nil topics ask for all. With stable set, a partition with an open
// transactional commit says UNSTABLE_OFFSET_COMMIT.
func (c *Coordinator) OffsetFetch(req kmsg.OffsetFetchRequestGroup, stable bool) kmsg.OffsetFetchResponseGroup {
	resp := kmsg.NewOffsetFetchResponseGroup()
	resp.Group = req.Group
	g := c.groups[req.Group]
	if g != nil && g.share != nil {
		resp.ErrorCode = kerr.GroupIDNotFound.Code
		return resp
	}
	if g != nil && g.consumer != nil {
		if resp.ErrorCode = g.consumer.mayFetchOffsets(req); resp.ErrorCode != 0 {
			return resp
		}
	}
	if req.Topics == nil {
		req.Topics = allOffsets(g)
	}
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetFetchResponseGroupTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, partition := range t.Partitions {
			rt.Partitions = append(rt.Partitions, fetchOffset(g, topicPartition{t.Topic, partition}, stable))
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func fetchOffset(g *group, at topicPartition, stable bool) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = at.partition, -1, -1, kmsg.StringPtr("")
	if g == nil {
		return p
	}
	if stable && len(g.pending[at]) > 0 {
		p.ErrorCode = kerr.UnstableOffsetCommit.Code
		return p
	}
	if o, ok := g.offsets[at]; ok {
		p.Offset, p.LeaderEpoch, p.Metadata = o.offset, o.leaderEpoch, &o.metadata
	}
	return p
}

func allOffsets(g *group) []kmsg.OffsetFetchRequestGroupTopic {
	if g == nil {
		return nil
	}
	var out []kmsg.OffsetFetchRequestGroupTopic
	for _, p := range sortedOffsets(g) {
		if len(out) == 0 || out[len(out)-1].Topic != p.topic {
			t := kmsg.NewOffsetFetchRequestGroupTopic()
			t.Topic = p.topic
			out = append(out, t)
		}
		last := &out[len(out)-1]
		last.Partitions = append(last.Partitions, p.partition)
	}
	return out
}

func compareTopicPartition(a, b topicPartition) int {
	return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
}

// OffsetDelete removes offsets of a group, but none of a topic that a member
// is subscribed to.
func (c *Coordinator) OffsetDelete(req *kmsg.OffsetDeleteRequest) (*kmsg.OffsetDeleteResponse, Effects) {
	resp := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
	g := c.groups[req.Group]
	if g == nil || g.share != nil {
		resp.ErrorCode = kerr.GroupIDNotFound.Code
		return resp, Effects{}
	}
	subscribed, known := c.subscribedTopics(g)
	if !known {
		resp.ErrorCode = kerr.NonEmptyGroup.Code
		return resp, Effects{}
	}
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetDeleteResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition = p.Partition
			at := topicPartition{t.Topic, p.Partition}
			if _, ok := subscribed[t.Topic]; ok {
				rp.ErrorCode = kerr.GroupSubscribedToTopic.Code
			} else if _, ok := g.offsets[at]; ok {
				c.write(offsetRecord{group: g.id, at: at})
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, c.take()
}

// subscribedTopics returns the topics that members of the group are subscribed
// to; known is false if there are members of whose subscription we know nothing.
func (c *Coordinator) subscribedTopics(g *group) (topics map[string]struct{}, known bool) {
	switch {
	case g.classic != nil:
		return g.classic.subscribedTopics()
	case g.consumer != nil:
		return c.consumerSubscribedTopics(g.consumer), true
	case g.share != nil:
		return g.share.subscribed(), true
	}
	return nil, true
}

// dropOffsets writes tombstones for every offset of the group, those of open
// transactions among them.
func (c *Coordinator) dropOffsets(g *group) {
	for _, at := range sortedOffsets(g) {
		c.write(offsetRecord{group: g.id, at: at})
	}
}

func (c *Coordinator) dropOffsetsOf(topic string) {
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		g := c.groups[id]
		for _, at := range sortedOffsets(g) {
			if at.topic == topic {
				c.write(offsetRecord{group: g.id, at: at})
			}
		}
	}
}

// sortedOffsets returns the partitions that have an offset, or an open
// transaction that commits one.
func sortedOffsets(g *group) []topicPartition {
	at := slices.Collect(maps.Keys(g.offsets))
	for p := range g.pending {
		if _, ok := g.offsets[p]; !ok {
			at = append(at, p)
		}
	}
	slices.SortFunc(at, compareTopicPartition)
	return at
}

func (c *Coordinator) scheduleExpiry(now time.Time) {
	c.timers.set(timerKey{purpose: timerExpiry}, now.Add(c.opts.OffsetsRetentionCheck), c.expire)
}

// expire removes offsets whose time is up, and groups that have neither
// members nor offsets (KIP-211): offsets of a group with members live as long
// as the group is subscribed to their topic; those of a group that lost its
// last member, from then on for the retention; those of a consumer without a
// group protocol, from their commit on.
func (c *Coordinator) expire(now time.Time) {
	removed := 0
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		g := c.groups[id]
		emptySince, empty := g.emptySince()
		subscribed, known := c.subscribedTopics(g)
		for _, at := range sortedOffsets(g) {
			o := g.offsets[at]
			if len(g.pending[at]) > 0 {
				continue
			}
			from := o.commitMillis
			switch {
			case g.classic == nil && g.consumer == nil:
			case empty:
				from = max(from, emptySince)
			case !known || g.classic != nil && g.classic.state != Stable: // who subscribes to what is not settled
				continue
			default:
				if _, ok := subscribed[at.topic]; ok {
					continue
				}
			}
			due := from + c.opts.OffsetsRetention.Milliseconds()
			if o.expireMillis >= 0 {
				due = o.expireMillis
			}
			if now.UnixMilli() >= due {
				c.write(offsetRecord{group: id, at: at})
				removed++
			}
		}
		if empty && len(g.offsets) == 0 && len(g.pending) == 0 && now.UnixMilli() >= emptySince+c.opts.OffsetsRetention.Milliseconds() {
			c.dropGroup(g)
		}
	}
	if removed > 0 {
		c.log.Info("committed offsets expired", "offsets", removed)
	}
	c.scheduleExpiry(now)
}

// emptySince returns since when the group has had no members, in milliseconds.
func (g *group) emptySince() (int64, bool) {
	switch {
	case g.classic != nil:
		return g.classic.sinceMillis, g.classic.state == Empty
	case g.consumer != nil:
		return g.consumer.emptySinceMillis, len(g.consumer.members) == 0
	}
	return 0, false
}
