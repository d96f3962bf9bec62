package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/broker/share"
)

// shareReading is one partition of a ShareFetch.
type shareReading struct {
	f         *shareFetching
	key       share.Key
	topic     *topic
	partition *Partition

	got     []share.Acquisition
	records []byte // the batches that hold them
	err     *kerr.Error
}

// find looks up the partition. A topic that went away, or that the member may no
// longer read, is passed over; the client learns of it by its heartbeat.
func (p *shareReading) find() bool {
	if p.topic = p.f.b.topics.byID(p.key.Topic); p.topic == nil || !p.f.b.allowedTopic(p.f.r, kmsg.ACLOperationRead, p.topic.Name) {
		return false
	}
	p.partition = p.topic.partition(p.key.Partition)
	return p.partition != nil && p.partition.log != nil
}

// answer is the partition's part of the answer.
func (p *shareReading) answer(out *kmsg.ShareFetchResponseTopicPartition) {
	if p.err != nil {
		out.ErrorCode, out.ErrorMessage = p.err.Code, kmsg.StringPtr(p.err.Description)
		return
	}
	out.Records = p.records
	for _, a := range p.got {
		acquired := kmsg.NewShareFetchResponseTopicPartitionAcquiredRecord()
		acquired.FirstOffset, acquired.LastOffset, acquired.DeliveryCount = a.First, a.Last, a.DeliveryCount
		out.AcquiredRecords = append(out.AcquiredRecords, acquired)
	}
}

// read acquires what there is for the member. Somebody else may have what was
// read by the time that it is asked for: then it looks at what comes next, until
// there is nothing.
func (p *shareReading) read(ctx context.Context) {
	f := p.f
	shard, err := f.b.shares.shard(p.key)
	if err != nil {
		return
	}
	for len(p.got) == 0 && p.err == nil && ctx.Err() == nil && !p.partition.gone() {
		position, ok := p.position(ctx, shard)
		if !ok || position.Full {
			return
		}
		upTo, limit := p.bound()
		if position.Offset >= limit {
			return
		}
		res, ok := p.fetch(ctx, position.Offset, upTo)
		if !ok {
			return
		}
		p.acquire(ctx, shard, position.Offset, res, upTo)
		res.Release()
	}
}

// bound is how far members of the group may read.
func (p *shareReading) bound() (commitlog.Bound, int64) {
	o := p.partition.offsets()
	if p.f.b.groupConfigs.committedOnly(p.key.Group) {
		return commitlog.UpToLastStable, o.LastStable
	}
	return commitlog.UpToHighWatermark, o.HighWatermark
}

// position asks where to read, and makes the share partition's state if it has
// none.
func (p *shareReading) position(ctx context.Context, shard *shareShard) (at share.Position, ok bool) {
	for range 2 {
		known := true
		code := shard.ask(ctx, func(now time.Time) (e share.Effects) {
			if known = shard.c.Has(p.key); known {
				at, e = shard.c.Position(now, p.key, p.partition.log.StartOffset())
			}
			return e
		})
		if code != 0 {
			return at, false // it is being read anew, or the broker stops
		}
		if known {
			return at, true
		}
		if !p.open(ctx, shard) {
			return at, false
		}
	}
	return at, false
}

// open makes the state of a share partition that the group knows.
func (p *shareReading) open(ctx context.Context, shard *shareShard) bool {
	b := p.f.b
	var known *kerr.Error
	code := b.groups.ask(ctx, p.key.Group, func(c *group.Coordinator, _ time.Time) group.Effects {
		known = c.SharesPartition(p.key.Group, p.key.Topic, p.key.Partition)
		return group.Effects{}
	})
	switch {
	case code != 0:
		return false
	case known != nil:
		p.err = known
		return false
	}
	start, err := b.shares.startOf(ctx, p.key.Group, p.partition)
	if err != nil {
		p.err = kerr.KafkaStorageError
		return false
	}
	return shard.ask(ctx, func(now time.Time) share.Effects { return shard.c.Open(now, p.key, start) }) == 0
}

// sharePartitionBytes is what is read of one partition at a time.
const sharePartitionBytes = 1 << 20

// fetch reads from offset on.
func (p *shareReading) fetch(ctx context.Context, offset int64, upTo commitlog.Bound) (res commitlog.ReadResult, ok bool) {
	f := p.f
	want := int64(min(int(min(f.req.MaxBytes, f.b.opts.Limits.FetchBytes))-f.bytes, sharePartitionBytes))
	if want <= 0 {
		return res, false
	}
	if !f.lease.tryGrow(2 * want) { // as it is read, and as it is written
		if want = min(want, leastRead); f.lease.growReserved(ctx, 2*want) != nil {
			return res, false
		}
	}
	res, err := p.partition.log.Read(commitlog.ReadOptions{Offset: offset, MaxBytes: int(want), MinOneBatch: f.bytes == 0, UpTo: upTo})
	if err != nil {
		f.lease.shrink(2 * want)
		if code := int16(commitlog.KafkaCode(err)); code != kerr.OffsetOutOfRange.Code { // its start has just moved
			p.err = kerr.TypedErrorForCode(code)
		}
		return res, false
	}
	if rest := want - int64(len(res.Records)); rest > 0 {
		f.lease.shrink(2 * rest)
	} else {
		f.lease.force(-2 * rest)
	}
	if len(res.Records) == 0 {
		res.Release()
		return res, false
	}
	return res, true
}

// acquire asks for what was read, and keeps the batches of what the member gets.
func (p *shareReading) acquire(ctx context.Context, shard *shareShard, from int64, res commitlog.ReadResult, upTo commitlog.Bound) {
	f := p.f
	read := share.Read{From: from, To: res.NextOffset}
	var ends []int // of batches, in res.Records
	at := 0
	for batch, err := range record.All(res.Records) {
		if err != nil {
			p.err = kerr.CorruptMessage
			return
		}
		skip := batch.IsControl() || batch.Count() == 0 || upTo == commitlog.UpToLastStable && wasAborted(batch, res.Aborted)
		read.Batches = append(read.Batches, share.Batch{First: batch.BaseOffset(), Last: batch.LastOffset(), Skip: skip})
		at += len(batch)
		ends = append(ends, at)
	}
	want := share.Want{MaxRecords: int(f.req.MaxRecords) - f.records, Strict: f.req.ShareAcquireMode == 1, JoinUpTo: int(max(f.req.BatchSize, 1))}
	var got []share.Acquisition
	code := shard.ask(ctx, func(now time.Time) (e share.Effects) {
		if !f.session.closed.Load() {
			got, _, e = shard.c.Acquire(now, p.key, f.member.ID, read, want)
		}
		return e
	})
	if code != 0 || len(got) == 0 {
		f.lease.shrink(2 * int64(len(res.Records)))
		if code != 0 || f.session.closed.Load() {
			p.err = kerr.NotLeaderForPartition
		}
		return
	}
	first, last := got[0].First, got[len(got)-1].Last
	begin, end := 0, 0
	for i, batch := range read.Batches {
		if batch.Last < first {
			begin = ends[i]
		}
		if batch.First <= last {
			end = ends[i]
		}
	}
	p.got, p.records = got, append([]byte(nil), res.Records[begin:end]...)
	f.lease.shrink(2 * int64(len(res.Records)-len(p.records)))
	f.bytes += len(p.records)
	for _, a := range got {
		f.records += int(a.Last - a.First + 1)
	}
	p.partition.counters.fetched.Add(float64(len(p.records)))
}

// wasAborted says whether a batch belongs to one of the aborted transactions.
func wasAborted(b record.Batch, aborted []commitlog.AbortedTxn) bool {
	if !b.IsTransactional() || b.IsControl() {
		return false
	}
	for _, a := range aborted {
		if a.ProducerID == b.ProducerID() && a.FirstOffset <= b.BaseOffset() && b.LastOffset() <= a.LastOffset {
			return true
		}
	}
	return false
}
