package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/txn"
)

// WriteTxnMarkers (27), versions 1 and 2.
//
//	1  flexible
//	2  transaction version, which is not used
//
// Admins use it to end transactions that hang in a partition
// (Admin.abortTransaction, kafka-transactions); brokers use it among each other.
func (b *Broker) writeTxnMarkers(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.WriteTxnMarkersRequest)
	resp := req.ResponseKind().(*kmsg.WriteTxnMarkersResponse)
	allowed := b.allowedCluster(r, kmsg.ACLOperationClusterAction) || b.allowedCluster(r, kmsg.ACLOperationAlter)
	return later(func(ctx context.Context) reply {
		for i := range req.Markers {
			resp.Markers = append(resp.Markers, b.writeAsked(ctx, &req.Markers[i], allowed))
		}
		return answer(resp)
	})
}

func (b *Broker) writeAsked(ctx context.Context, m *kmsg.WriteTxnMarkersRequestMarker, allowed bool) kmsg.WriteTxnMarkersResponseMarker {
	var at []txn.TopicPartition
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			at = append(at, txn.TopicPartition{Topic: t.Topic, Partition: p})
		}
	}
	codes := make([]int16, len(at))
	if allowed {
		codes = b.writeMarkers(ctx, group.Marker{Producer: group.Producer{ID: m.ProducerID, Epoch: m.ProducerEpoch},
			CoordinatorEpoch: m.CoordinatorEpoch, Commit: m.Committed}, at)
	} else {
		for i := range codes {
			codes[i] = kerr.ClusterAuthorizationFailed.Code
		}
	}
	out := kmsg.NewWriteTxnMarkersResponseMarker()
	out.ProducerID = m.ProducerID
	for _, t := range m.Topics {
		rt := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
			rp.Partition, rp.ErrorCode = p, codes[0]
			codes = codes[1:]
			rt.Partitions = append(rt.Partitions, rp)
		}
		out.Topics = append(out.Topics, rt)
	}
	return out
}
