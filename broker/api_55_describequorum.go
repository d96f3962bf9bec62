package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeQuorum (55), versions 0 to 2.
//
//	1  timestamps of the replicas
//	2  directory IDs, error messages, the nodes' addresses
//
// The quorum that decides about topics and configurations is this one node. Its
// log is not a partition that could be fetched; the offsets told are the number
// of changes since the broker started.
func (b *Broker) describeQuorum(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeQuorumRequest)
	resp := req.ResponseKind().(*kmsg.DescribeQuorumResponse)
	if !b.allowedCluster(r, kmsg.ACLOperationDescribe) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return answer(resp)
	}
	now, end := b.opts.Now().UnixMilli(), b.store.Changes()
	for i := range req.Topics {
		asked := &req.Topics[i]
		out := kmsg.NewDescribeQuorumResponseTopic()
		out.Topic = asked.Topic
		for _, p := range asked.Partitions {
			o := kmsg.NewDescribeQuorumResponseTopicPartition()
			o.Partition = p.Partition
			if asked.Topic != "__cluster_metadata" || p.Partition != 0 {
				o.ErrorCode, o.LeaderID = kerr.UnknownTopicOrPartition.Code, -1
			} else {
				voter := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
				voter.ReplicaID, voter.LogEndOffset = b.opts.NodeID, end
				voter.LastFetchTimestamp, voter.LastCaughtUpTimestamp = now, now
				o.LeaderID, o.LeaderEpoch, o.HighWatermark = b.opts.NodeID, 1, end
				o.CurrentVoters = append(o.CurrentVoters, voter)
			}
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	node := kmsg.NewDescribeQuorumResponseNode()
	node.NodeID = b.opts.NodeID
	for _, l := range b.listeners {
		nl := kmsg.NewDescribeQuorumResponseNodeListener()
		nl.Name, nl.Host, nl.Port = l.Name, l.advertised.host, uint16(l.advertised.port)
		node.Listeners = append(node.Listeners, nl)
	}
	resp.Nodes = append(resp.Nodes, node)
	return answer(resp)
}
