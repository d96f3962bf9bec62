package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterPartitionReassignments (45), versions 0 and 1.
//
//	1  whether the replication factor may change
//
// There is one node: a partition can be moved to where it is, which is nothing
// to do, and nowhere else. No move is under way that could be cancelled.
func (b *Broker) alterPartitionReassignments(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.AlterPartitionAssignmentsRequest)
	resp := req.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
	if !b.allowedCluster(r, kmsg.ACLOperationAlter) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return answer(resp)
	}
	for i := range req.Topics {
		asked := &req.Topics[i]
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = asked.Topic
		t := b.topics.byName(asked.Topic)
		for j := range asked.Partitions {
			p := &asked.Partitions[j]
			o := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			o.Partition = p.Partition
			fail := func(e *kerr.Error, why string) { o.ErrorCode, o.ErrorMessage = e.Code, kmsg.StringPtr(why) }
			switch {
			case t == nil || t.partition(p.Partition) == nil:
				fail(kerr.UnknownTopicOrPartition, "there is no such partition")
			case p.Replicas == nil:
				fail(kerr.NoReassignmentInProgress, "no reassignment is in progress")
			case len(p.Replicas) != 1 || p.Replicas[0] != b.opts.NodeID:
				fail(kerr.InvalidReplicaAssignment, "the only broker is "+b.node())
			}
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return answer(resp)
}
