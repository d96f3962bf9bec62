package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// Metadata (3), versions 0 to 13.
//
//	0   no topics means all of them
//	1   null means all and an empty list none; controller, rack, internal topics
//	2   cluster ID
//	3   throttle time
//	4   clients say whether a topic may be created
//	5   offline replicas
//	7   leader epochs
//	8   authorized operations, of topics and, to version 10, of the cluster
//	9   flexible
//	10  topic IDs in the answer
//	12  topics may be asked for by ID; a name beside it, which Java clients
//	    leave empty, is not looked at
//	13  error code of the whole answer
//
// A topic that is created by being asked for is there when the answer leaves;
// clients need not ask again. What a client is told to connect to is the
// advertised address of the listener that it asked on.
//
// Left out: racks, offline replicas, the rebootstrap error: there is one node.
func (b *Broker) metadata(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.MetadataRequest)
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	resp.Brokers = []kmsg.MetadataResponseBroker{b.metadataBroker(r)}
	resp.ClusterID = kmsg.StringPtr(b.clusterID)
	resp.ControllerID = b.opts.NodeID
	if req.IncludeClusterAuthorizedOperations && b.allowedCluster(r, kmsg.ACLOperationDescribe) {
		resp.AuthorizedOperations = b.authorizedOperations(r, kmsg.ACLResourceTypeCluster, clusterName)
	}
	if asksForAll(req) {
		for _, t := range b.topics.all() {
			if b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Name) {
				resp.Topics = append(resp.Topics, b.metadataTopic(r, req, t))
			}
		}
		return answer(resp)
	}
	create := req.AllowAutoTopicCreation || req.Version < 4
	changes := mutating{quotas: b.quotas, r: r}
	seen := make(map[metadataKey]struct{}, len(req.Topics))
	for i := range req.Topics {
		asked := &req.Topics[i]
		key := metadataKey{id: asked.TopicID}
		if asked.Topic != nil && !asksByID(asked) {
			key.name = *asked.Topic
		}
		if _, again := seen[key]; again {
			continue
		}
		seen[key] = struct{}{}
		resp.Topics = append(resp.Topics, b.metadataAsked(r, req, asked, create, &changes))
	}
	return changes.answer(resp)
}

// metadataKey is what a topic was asked for by; who asks twice is answered once.
type metadataKey struct {
	name string
	id   [16]byte
}

// asksForAll says whether a request is for all topics.
func asksForAll(req *kmsg.MetadataRequest) bool {
	return req.Topics == nil || req.Version == 0 && len(req.Topics) == 0
}

// asksByID says whether a topic is asked for by its ID and not by its name.
func asksByID(asked *kmsg.MetadataRequestTopic) bool {
	return asked.Topic == nil || asked.TopicID != [16]byte{}
}

func (b *Broker) metadataBroker(r *request) kmsg.MetadataResponseBroker {
	n := kmsg.NewMetadataResponseBroker()
	n.NodeID = b.opts.NodeID
	n.Host, n.Port = r.conn.listener.advertised.host, r.conn.listener.advertised.port
	return n
}

// metadataAsked describes one topic that was asked for by name or ID.
func (b *Broker) metadataAsked(r *request, req *kmsg.MetadataRequest, asked *kmsg.MetadataRequestTopic, create bool, changes *mutating) kmsg.MetadataResponseTopic {
	none := kmsg.NewMetadataResponseTopic()
	none.Topic, none.TopicID = asked.Topic, asked.TopicID
	if asksByID(asked) {
		if req.Version < 12 {
			none.ErrorCode, none.Topic = kerr.InvalidRequest.Code, kmsg.StringPtr("")
			return none
		}
		if t := b.topics.byID(asked.TopicID); t != nil && b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Name) {
			return b.metadataTopic(r, req, t)
		}
		none.ErrorCode, none.Topic = kerr.UnknownTopicID.Code, nil
		return none
	}
	name := *asked.Topic
	if !b.allowedTopic(r, kmsg.ACLOperationDescribe, name) {
		none.ErrorCode = kerr.TopicAuthorizationFailed.Code
		return none
	}
	t := b.topics.byName(name)
	if t == nil && create && !b.opts.NoAutoCreateTopics {
		if topics.CheckName(name) == nil && !b.allowedCluster(r, kmsg.ACLOperationCreate) && !b.allowedTopic(r, kmsg.ACLOperationCreate, name) {
			none.ErrorCode = kerr.TopicAuthorizationFailed.Code
			return none
		}
		var err error
		if t, err = b.autoCreate(name); err != nil {
			none.ErrorCode = topicErrorCode(err)
			return none
		}
		changes.partitions(len(t.parts))
	}
	if t == nil {
		none.ErrorCode = kerr.UnknownTopicOrPartition.Code
		if topics.CheckName(name) != nil {
			none.ErrorCode = kerr.InvalidTopicException.Code
		}
		return none
	}
	return b.metadataTopic(r, req, t)
}

func (b *Broker) metadataTopic(r *request, req *kmsg.MetadataRequest, t *topic) kmsg.MetadataResponseTopic {
	m := kmsg.NewMetadataResponseTopic()
	m.Topic, m.TopicID, m.IsInternal = kmsg.StringPtr(t.Name), t.ID, t.Internal
	if req.IncludeTopicAuthorizedOperations {
		m.AuthorizedOperations = b.authorizedOperations(r, kmsg.ACLResourceTypeTopic, t.Name)
	}
	m.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.parts))
	for i, p := range t.parts {
		mp := kmsg.NewMetadataResponseTopicPartition()
		mp.Partition, mp.Leader, mp.LeaderEpoch = int32(i), b.opts.NodeID, p.leaderEpoch()
		mp.Replicas, mp.ISR, mp.OfflineReplicas = b.self, b.self, []int32{}
		if p.offline() != nil {
			mp.ErrorCode, mp.Leader, mp.OfflineReplicas = kerr.LeaderNotAvailable.Code, -1, b.self
		}
		m.Partitions[i] = mp
	}
	return m
}
