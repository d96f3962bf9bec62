package broker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/share"
)

// ShareAcknowledge (79), versions 1 and 2 (KIP-932).
//
//	2  renewal of locks (KIP-1222), and how long they last
//
// It belongs to the share session that a ShareFetch has opened, and counts its
// epochs on; which partitions the session reads stays as it is. The answer comes once what was acknowledged is on the disk. Epoch
// −1 closes the session, and gives back what the member still has.
func (b *Broker) shareAcknowledge(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ShareAcknowledgeRequest)
	resp := req.ResponseKind().(*kmsg.ShareAcknowledgeResponse)
	refuse := func(err *kerr.Error, why string) reply {
		resp.ErrorCode, resp.ErrorMessage = err.Code, kmsg.StringPtr(why)
		return answer(resp)
	}
	member, err, why := b.shareMember(r, req.GroupID, req.MemberID)
	if err != nil {
		return refuse(err, why)
	}
	if req.ShareSessionEpoch == initialEpoch {
		return refuse(kerr.InvalidShareSessionEpoch, "a share session begins with a fetch")
	}
	resp.AcquisitionLockTimeoutMillis = b.lockMillis(member.Group)
	acks := acknowledging{b: b, r: r, member: member, renew: req.IsRenewAck}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			part := acks.add(req.Topics[i].TopicID, p.Partition)
			for _, a := range p.AcknowledgementBatches {
				part.acks = append(part.acks, share.Ack{First: a.FirstOffset, Last: a.LastOffset, Types: a.AcknowledgeTypes})
			}
		}
	}
	var session *shareSession
	if req.ShareSessionEpoch == finalEpoch {
		session, err = b.shareSessions.find(r, member)
	} else {
		session, err = b.shareSessions.resume(r, member, req.ShareSessionEpoch, nil, nil) // it reads what it has read
	}
	if err != nil {
		return refuse(err, err.Description)
	}
	acks.send()
	if req.ShareSessionEpoch == finalEpoch {
		b.shareSessions.close(session, false)
	}
	return later(func(context.Context) reply {
		acks.wait()
		for _, p := range acks.parts {
			out := kmsg.NewShareAcknowledgeResponseTopicPartition()
			out.Partition, out.ErrorCode, out.ErrorMessage = p.key.Partition, p.code, p.why
			out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = -1, -1
			i := slices.IndexFunc(resp.Topics, func(t kmsg.ShareAcknowledgeResponseTopic) bool { return t.TopicID == p.key.Topic })
			if i < 0 {
				t := kmsg.NewShareAcknowledgeResponseTopic()
				t.TopicID = p.key.Topic
				resp.Topics, i = append(resp.Topics, t), len(resp.Topics)
			}
			resp.Topics[i].Partitions = append(resp.Topics[i].Partitions, out)
		}
		return answer(resp)
	})
}

// shareMember says who sends a request of a share session.
func (b *Broker) shareMember(r *request, id, member *string) (group.Member, *kerr.Error, string) {
	switch {
	case id == nil || *id == "":
		return group.Member{}, kerr.InvalidRequest, "the group ID is missing"
	case member == nil || *member == "" || len(*member) > 255:
		return group.Member{}, kerr.InvalidRequest, "the member ID is missing, or longer than 255 bytes"
	case !b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, *id):
		return group.Member{}, kerr.GroupAuthorizationFailed, kerr.GroupAuthorizationFailed.Description
	}
	return group.Member{Group: *id, ID: *member}, nil, ""
}

// lockMillis is how long a group's records are locked.
func (b *Broker) lockMillis(id string) int32 {
	d := b.groupConfigs.delivery(id).LockDuration
	if d == 0 {
		d = b.shares.opts.LockDuration
	}
	return int32(d.Milliseconds())
}

// acknowledging is the acknowledgements of one request.
type acknowledging struct {
	b      *Broker
	r      *request
	member group.Member
	renew  bool // the request says that there are renewals
	parts  []*acknowledged
	all    sync.WaitGroup
}

// acknowledged is those of one partition, and what came of them.
type acknowledged struct {
	key       share.Key
	topic     *topic
	partition *Partition
	acks      []share.Ack
	code      int16
	why       *string
}

// add finds a partition that a request names. If it cannot be used, its code
// says why.
func (a *acknowledging) add(id [16]byte, partition int32) *acknowledged {
	p := &acknowledged{key: share.Key{Group: a.member.Group, Topic: id, Partition: partition}, topic: a.b.topics.byID(id)}
	a.parts = append(a.parts, p)
	switch {
	case p.topic == nil:
		p.refuse(kerr.UnknownTopicID, kerr.UnknownTopicID.Description)
	case !a.b.allowedTopic(a.r, kmsg.ACLOperationRead, p.topic.Name):
		p.refuse(kerr.TopicAuthorizationFailed, kerr.TopicAuthorizationFailed.Description)
	default:
		if p.partition = p.topic.partition(partition); p.partition == nil {
			p.refuse(kerr.UnknownTopicOrPartition, kerr.UnknownTopicOrPartition.Description)
		} else if p.partition.log == nil {
			p.refuse(kerr.KafkaStorageError, kerr.KafkaStorageError.Description)
		}
	}
	return p
}

func (p *acknowledged) refuse(err *kerr.Error, why string) {
	p.code, p.why = err.Code, kmsg.StringPtr(why)
}

// keys are the partitions that can be used.
func (a *acknowledging) keys() []share.Key {
	var all []share.Key
	for _, p := range a.parts {
		if p.code == 0 {
			all = append(all, p.key)
		}
	}
	return all
}

// send has the coordinators take the acknowledgements, in the order in which
// requests come.
func (a *acknowledging) send() {
	for _, p := range a.parts {
		if p.code != 0 || len(p.acks) == 0 {
			continue
		}
		if !a.renew && slices.ContainsFunc(p.acks, func(k share.Ack) bool { return slices.Contains(k.Types, share.Renew) }) {
			p.refuse(kerr.InvalidRequest, "there is a renewal, which the request does not say")
			continue
		}
		shard, err := a.b.shares.shard(p.key)
		if err != nil {
			p.refuse(kerr.CoordinatorNotAvailable, err.Error())
			continue
		}
		a.all.Add(1)
		var fault *share.Fault
		shard.do(func(now time.Time) (e share.Effects) {
			fault, e = shard.c.Acknowledge(now, p.key, a.member.ID, p.acks)
			return e
		}, func(code int16) {
			switch {
			case code != 0:
				p.refuse(kerr.NotLeaderForPartition, "the coordinator of the share partition is not available")
			case fault != nil:
				p.refuse(fault.Code, fault.Reason)
			}
			a.all.Done()
		})
	}
}

// wait waits until all is on the disk. It ends also when the broker stops.
func (a *acknowledging) wait() { a.all.Wait() }
