package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// CreateTopics (19), versions 0 to 7.
//
//	1  error messages; validate only
//	2  throttle time
//	4  -1 for partitions and replication factor means the broker's default
//	5  flexible; the answer tells partitions, replication factor and configurations
//	6  THROTTLING_QUOTA_EXCEEDED where older clients are made to wait
//	7  topic IDs in the answer
//
// Any replication factor is accepted and remembered; there is one replica.
// Replicas that a client assigns count as partitions and replication factor;
// which brokers they name is of no importance.
func (b *Broker) createTopics(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.CreateTopicsRequest)
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	changes := mutating{quotas: b.quotas, r: r, strict: req.Version >= 6}
	times := map[string]int{}
	for _, t := range req.Topics {
		times[t.Topic]++
	}
	for i := range req.Topics {
		asked := &req.Topics[i]
		if times[asked.Topic] == 0 {
			continue // said once that it is there twice
		}
		t := kmsg.NewCreateTopicsResponseTopic()
		t.Topic = asked.Topic
		if times[asked.Topic] > 1 {
			times[asked.Topic] = 0
			t.ErrorCode, t.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr("the topic is in the request more than once")
		} else {
			b.createAsked(r, req, asked, &t, &changes)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return changes.answer(resp)
}

func (b *Broker) createAsked(r *request, req *kmsg.CreateTopicsRequest, asked *kmsg.CreateTopicsRequestTopic, t *kmsg.CreateTopicsResponseTopic, changes *mutating) {
	fail := func(code int16, message string) {
		t.ErrorCode, t.ErrorMessage = code, kmsg.StringPtr(message)
	}
	if !b.allowedCluster(r, kmsg.ACLOperationCreate) && !b.allowedTopic(r, kmsg.ACLOperationCreate, asked.Topic) {
		fail(kerr.TopicAuthorizationFailed.Code, "not allowed to create the topic")
		return
	}
	spec := topics.Topic{Name: asked.Topic, Partitions: asked.NumPartitions, ReplicationFactor: asked.ReplicationFactor}
	if topics.IsInternalName(asked.Topic) {
		spec.Internal = true
	}
	if len(asked.ReplicaAssignment) > 0 {
		if asked.NumPartitions != -1 || asked.ReplicationFactor != -1 {
			fail(kerr.InvalidRequest.Code, "replicas are assigned, so partitions and replication factor must be -1")
			return
		}
		var why string
		if spec.Partitions, spec.ReplicationFactor, why = assignedReplicas(asked.ReplicaAssignment); why != "" {
			fail(kerr.InvalidReplicaAssignment.Code, why)
			return
		}
	}
	if spec.Partitions == -1 {
		spec.Partitions = b.opts.DefaultPartitions
	}
	if spec.ReplicationFactor == -1 {
		spec.ReplicationFactor = 1
	}
	for _, c := range asked.Configs {
		if c.Value == nil {
			fail(kerr.InvalidConfig.Code, fmt.Sprintf("configuration %s has no value", c.Name))
			return
		}
		if spec.Configs == nil {
			spec.Configs = map[string]string{}
		}
		spec.Configs[c.Name] = *c.Value
	}
	if err := b.store.CheckCreate(spec); err != nil {
		fail(topicErrorCode(err), err.Error())
		return
	}
	if !req.ValidateOnly {
		if !changes.partitions(int(spec.Partitions)) {
			fail(kerr.ThrottlingQuotaExceeded.Code, changes.refusal())
			return
		}
		made, err := b.createTopic(spec)
		if err != nil {
			fail(topicErrorCode(err), err.Error())
			return
		}
		t.TopicID = made.ID
	}
	t.NumPartitions, t.ReplicationFactor = spec.Partitions, spec.ReplicationFactor
	if !b.allowedTopic(r, kmsg.ACLOperationDescribeConfigs, asked.Topic) {
		t.ConfigErrorCode, t.NumPartitions, t.ReplicationFactor = kerr.TopicAuthorizationFailed.Code, -1, -1
		return
	}
	t.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
	for _, c := range b.describeTopicConfigs(spec.Configs, nil, nil) {
		tc := kmsg.NewCreateTopicsResponseTopicConfig()
		tc.Name, tc.Value, tc.ReadOnly, tc.Source = c.Name, c.Value, c.ReadOnly, int8(c.Source)
		t.Configs = append(t.Configs, tc)
	}
}

// assignedReplicas checks that partitions are numbered from 0 without a gap and
// have the same number of replicas each.
func assignedReplicas(assigned []kmsg.CreateTopicsRequestTopicReplicaAssignment) (partitions int32, factor int16, why string) {
	seen := make([]bool, len(assigned))
	for _, a := range assigned {
		switch {
		case a.Partition < 0 || int(a.Partition) >= len(assigned) || seen[a.Partition]:
			return 0, 0, fmt.Sprintf("%d partitions are assigned, but not those from 0 to %d once each", len(assigned), len(assigned)-1)
		case len(slices.Compact(slices.Sorted(slices.Values(a.Replicas)))) != len(a.Replicas):
			return 0, 0, "a broker is assigned to one partition more than once"
		case len(a.Replicas) == 0 || len(a.Replicas) > 1<<15-1 || factor != 0 && len(a.Replicas) != int(factor):
			return 0, 0, "every partition needs the same number of replicas, at least one"
		}
		seen[a.Partition] = true
		factor = int16(len(a.Replicas))
	}
	return int32(len(assigned)), factor, ""
}
