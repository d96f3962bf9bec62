package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/share"
)

// ShareFetch (78), versions 1 and 2 (KIP-932).
//
//	2  limits that cut batches (KIP-1206), renewal of locks (KIP-1222)
//
// A member names the partitions that it was assigned once, with epoch 0, and
// then only what changes. Acknowledgements come with the fetch and are taken
// before it. The answer is sent as soon as the member has acquired something,
// or when max wait has passed; it holds whole batches, of which the member has
// the offsets that are told as acquired. Epoch −1 closes the session, gives back
// what the member still has, and fetches nothing.
//
// Left out: min bytes, since locks begin when records are acquired and would run
// out over waiting for more.
func (b *Broker) shareFetch(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ShareFetchRequest)
	resp := req.ResponseKind().(*kmsg.ShareFetchResponse)
	refuse := func(err *kerr.Error, why string) reply {
		resp.ErrorCode, resp.ErrorMessage = err.Code, kmsg.StringPtr(why)
		return answer(resp)
	}
	member, err, why := b.shareMember(r, req.GroupID, req.MemberID)
	if err != nil {
		return refuse(err, why)
	}
	f := &shareFetching{b: b, r: r, req: req, resp: resp, member: member,
		acks: acknowledging{b: b, r: r, member: member, renew: req.IsRenewAck}}
	any := false
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			part := f.acks.add(req.Topics[i].TopicID, p.Partition)
			for _, a := range p.AcknowledgementBatches {
				part.acks, any = append(part.acks, share.Ack{First: a.FirstOffset, Last: a.LastOffset, Types: a.AcknowledgeTypes}), true
			}
		}
	}
	switch {
	case req.ShareSessionEpoch < finalEpoch:
		return refuse(kerr.InvalidShareSessionEpoch, "epochs begin with 0")
	case any && req.ShareSessionEpoch == initialEpoch:
		return refuse(kerr.InvalidRequest, "a session that begins has nothing to acknowledge")
	case req.IsRenewAck && (req.MaxBytes != 0 || req.MaxRecords != 0 || req.MaxWaitMillis != 0 || req.MinBytes != 0):
		return refuse(kerr.InvalidRequest, "a request that renews locks fetches nothing: its limits must be 0")
	}
	switch req.ShareSessionEpoch {
	case initialEpoch:
		f.session, err = b.shareSessions.open(r, member, f.acks.keys())
	case finalEpoch:
		f.session, err = b.shareSessions.find(r, member)
	default:
		f.session, err = b.shareSessions.resume(r, member, req.ShareSessionEpoch, f.acks.keys(), f.forgotten())
	}
	if err != nil {
		return refuse(err, err.Description)
	}
	f.acks.send()
	if req.ShareSessionEpoch == finalEpoch {
		b.shareSessions.close(f.session, false)
	}
	return later(f.run)
}

// shareFetching is the state of one request.
type shareFetching struct {
	b       *Broker
	r       *request
	req     *kmsg.ShareFetchRequest
	resp    *kmsg.ShareFetchResponse
	member  group.Member
	session *shareSession
	acks    acknowledging

	reading []*shareReading
	lease   lease
	bytes   int
	records int
}

func (f *shareFetching) forgotten() []share.Key {
	var all []share.Key
	for i := range f.req.ForgottenTopicsData {
		t := &f.req.ForgottenTopicsData[i]
		for _, p := range t.Partitions {
			all = append(all, share.Key{Group: f.member.Group, Topic: t.TopicID, Partition: p})
		}
	}
	return all
}

// run waits until the acknowledgements are on the disk and there is something to
// answer with, and answers.
func (f *shareFetching) run(ctx context.Context) reply {
	f.lease.from = f.b.memory
	f.acks.wait()
	wants := f.req.MaxBytes > 0 && f.req.MaxRecords > 0 && !f.session.closed.Load()
	if wants {
		f.await(ctx)
	}
	f.resp.AcquisitionLockTimeoutMillis = f.b.lockMillis(f.member.Group)
	f.answerAcks()
	for _, p := range f.reading {
		if len(p.got) > 0 || p.err != nil {
			f.partition(p.key, func(out *kmsg.ShareFetchResponseTopicPartition) { p.answer(out) })
		}
	}
	throttle := f.b.quotas.fetched(f.r, f.bytes)
	f.resp.ThrottleMillis = int32(throttle.Milliseconds())
	buf := appendResponseHeader(make([]byte, 0, 256+f.bytes), f.r.correlation, taggedResponse(f.resp))
	buf = f.resp.AppendTo(buf)
	finishFrame(buf, len(buf))
	return reply{body: &body{parts: []bodyPart{{data: buf}}, throttleAt: throttleFirst(true), release: f.lease.release}, mute: throttle}
}

// answerAcks tells what came of acknowledgements, and which partitions cannot be
// read.
func (f *shareFetching) answerAcks() {
	for _, p := range f.acks.parts {
		if p.code == 0 && len(p.acks) == 0 {
			continue
		}
		f.partition(p.key, func(out *kmsg.ShareFetchResponseTopicPartition) {
			if len(p.acks) > 0 {
				out.AcknowledgeErrorCode, out.AcknowledgeErrorMessage = p.code, p.why
			}
			if p.partition == nil || p.partition.log == nil || len(p.acks) == 0 {
				out.ErrorCode, out.ErrorMessage = p.code, p.why
			}
		})
	}
}

// partition finds or makes the answer for a partition.
func (f *shareFetching) partition(k share.Key, change func(out *kmsg.ShareFetchResponseTopicPartition)) {
	var t *kmsg.ShareFetchResponseTopic
	for i := range f.resp.Topics {
		if f.resp.Topics[i].TopicID == k.Topic {
			t = &f.resp.Topics[i]
		}
	}
	if t == nil {
		made := kmsg.NewShareFetchResponseTopic()
		made.TopicID = k.Topic
		f.resp.Topics = append(f.resp.Topics, made)
		t = &f.resp.Topics[len(f.resp.Topics)-1]
	}
	for i := range t.Partitions {
		if t.Partitions[i].Partition == k.Partition {
			change(&t.Partitions[i])
			return
		}
	}
	out := kmsg.NewShareFetchResponseTopicPartition()
	out.Partition, out.Records = k.Partition, []byte{}
	out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = -1, -1
	change(&out)
	t.Partitions = append(t.Partitions, out)
}

// await reads the session's partitions in turn, again and again until the
// member has acquired something, one cannot be read, or the time is up.
func (f *shareFetching) await(ctx context.Context) {
	moved := make(chan struct{}, 1)
	for _, k := range f.b.shareSessions.inTurn(f.session) {
		p := &shareReading{f: f, key: k}
		if p.find() {
			p.partition.watch.add(moved)
			defer p.partition.watch.remove(moved)
			f.b.shares.waiting.add(k, moved)
			defer f.b.shares.waiting.remove(k, moved)
			f.reading = append(f.reading, p)
		}
	}
	wait := min(time.Duration(max(0, f.req.MaxWaitMillis))*time.Millisecond, maxFetchWait)
	timer := time.NewTimer(time.Until(f.r.received.Add(wait)))
	defer timer.Stop()
	for {
		failed := false
		for _, p := range f.reading {
			if f.records >= int(f.req.MaxRecords) || f.bytes >= int(min(f.req.MaxBytes, f.b.opts.Limits.FetchBytes)) || ctx.Err() != nil || f.session.closed.Load() {
				break
			}
			p.read(ctx)
			failed = failed || p.err != nil
		}
		if f.records > 0 || failed || ctx.Err() != nil || f.session.closed.Load() {
			return
		}
		select {
		case <-moved:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
