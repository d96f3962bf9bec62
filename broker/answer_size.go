package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// An answer may be far larger than its request: all topics, all rules. Its reader may be
// slow, and more requests may be on the way. So answers are bounded in three ways:
//
//   - What an answer about topics and rules will need is known before it is made, and
//     paid for out of the budget until it is sent (api.needs).
//   - What coordinators say is not. Such an answer is made when all before it on its
//     connection are sent (api.alone), and counts as used memory while it is.
//   - A long request that names things again and again is refused (repeats), so
//     that no answer is larger than what there is to tell.

// Bytes that parts of answers need, in memory and as they are sent.
const (
	partitionAnswerBytes = 256
	topicAnswerBytes     = 512
	configAnswerBytes    = 512 // with synonyms
	configTextBytes      = 512 // the documentation
	configsOfResource    = 64  // at most
	configsOfGroup       = 16
	ruleAnswerBytes      = 768
	// freeAnswerBytes is how large an answer may be without being paid for.
	freeAnswerBytes = 16 << 10
)

func topicNeeds(t *topic) int64 {
	return topicAnswerBytes + int64(len(t.parts))*partitionAnswerBytes
}

func (b *Broker) allTopicsNeed() (n int64) {
	for _, t := range b.topics.state.Load().names {
		n += topicNeeds(t)
	}
	return n
}

func (b *Broker) topicCount() int64 { return int64(len(b.topics.state.Load().names)) }

func (b *Broker) metadataNeeds(req kmsg.Request) int64 {
	asked := req.(*kmsg.MetadataRequest)
	if asksForAll(asked) {
		return b.allTopicsNeed()
	}
	var n int64
	for i := range asked.Topics {
		t := b.topics.byID(asked.Topics[i].TopicID)
		if name := asked.Topics[i].Topic; name != nil {
			t = b.topics.byName(*name)
		}
		if t != nil {
			n += topicNeeds(t)
		}
	}
	return n
}

func (b *Broker) describeTopicPartitionsNeeds(kmsg.Request) int64 {
	// All names are looked at, and so many partitions told.
	return min(b.allTopicsNeed(), b.topicCount()*topicAnswerBytes+maxDescribedPartitions*partitionAnswerBytes)
}

func (b *Broker) describeLogDirsNeeds(kmsg.Request) int64 { return b.allTopicsNeed() }

func (b *Broker) describeConfigsNeeds(req kmsg.Request) int64 {
	asked := req.(*kmsg.DescribeConfigsRequest)
	each := int64(configAnswerBytes)
	if asked.IncludeDocumentation {
		each += configTextBytes
	}
	n := int64(0)
	for i := range asked.Resources {
		if asked.Resources[i].ResourceType == kmsg.ConfigResourceTypeGroupConfig {
			n += configsOfGroup * each
		} else {
			n += configsOfResource * each
		}
	}
	return n
}

func (b *Broker) listConfigResourcesNeeds(kmsg.Request) int64 {
	return b.topicCount() * topicAnswerBytes
}

func (b *Broker) describeACLsNeeds(kmsg.Request) int64 {
	return int64(len(*b.auth.rules.Load())) * ruleAnswerBytes
}

func (b *Broker) describeClientQuotasNeeds(kmsg.Request) int64 {
	return int64(len(b.quotas.all())) * ruleAnswerBytes
}

// payAnswer pays for the answer of a request of so many elements. What is said about
// everything that exists is said however little memory there is; a list of
// anything that needs more than that and than the whole budget is refused.
func (b *Broker) payAnswer(ctx context.Context, r *request, l *lease, elements int) error {
	n := r.api.needs(b, r.body)
	if n <= freeAnswerBytes {
		return nil
	}
	everything := (b.topicCount() + 1) * configsOfResource * (configAnswerBytes + configTextBytes)
	if most := max(b.memory.limit, everything); n > most && elements > freeElements {
		return &errRequest{r.requestHeader, fmt.Sprintf("the answer would need %d bytes, more than the %d there are for all: ask for less at a time", n, most)}
	}
	l.from = b.memory
	return l.growReserved(ctx, n)
}

// maxRepeating is how many things a request may name among which the same is twice.
const maxRepeating = 64

// repeats says what a long request names twice, if it does.
func repeats(req kmsg.Request) string {
	switch req := req.(type) {
	case *kmsg.DescribeConfigsRequest:
		return repeated(req.Resources, func(r kmsg.DescribeConfigsRequestResource) string {
			return fmt.Sprint(r.ResourceType, " ", r.ResourceName)
		})
	case *kmsg.DescribeGroupsRequest:
		return repeated(req.Groups, itself)
	case *kmsg.ConsumerGroupDescribeRequest:
		return repeated(req.Groups, itself)
	case *kmsg.ShareGroupDescribeRequest:
		return repeated(req.GroupIDs, itself)
	case *kmsg.OffsetFetchRequest:
		return repeated(req.Groups, func(g kmsg.OffsetFetchRequestGroup) string { return g.Group })
	case *kmsg.DescribeShareGroupOffsetsRequest:
		return repeated(req.Groups, func(g kmsg.DescribeShareGroupOffsetsRequestGroup) string { return g.GroupID })
	case *kmsg.DescribeTransactionsRequest:
		return repeated(req.TransactionalIDs, itself)
	case *kmsg.DescribeProducersRequest:
		for _, t := range req.Topics {
			if again := repeated(t.Partitions, func(p int32) string { return fmt.Sprint(t.Topic, "-", p) }); again != "" {
				return again
			}
		}
		return repeated(req.Topics, func(t kmsg.DescribeProducersRequestTopic) string { return t.Topic })
	}
	return ""
}

func itself(name string) string { return name }

// repeated returns what is there twice in a list that is too long for that.
func repeated[T any](all []T, name func(T) string) string {
	if len(all) <= maxRepeating {
		return ""
	}
	seen := make(map[string]struct{}, len(all))
	for _, x := range all {
		n := name(x)
		if _, ok := seen[n]; ok {
			return n
		}
		seen[n] = struct{}{}
	}
	return ""
}
