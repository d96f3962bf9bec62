package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// settle waits until the client knows itself that it has produced to the topic.
//
// A record that waits for the first metadata of its topic is sent before the
// client has stored that metadata. Its acknowledgement can be here first, and
// EndTransaction then finds no partition that was produced to, aborts instead
// of committing, and returns no error (franz-go v1.22). The lock under which
// the client stores the metadata is also taken by AbortBufferedRecords, which
// does nothing else where nothing is buffered.
func (j *Journal) settle(ctx context.Context) error {
	return j.writer.AbortBufferedRecords(ctx)
}

// confirm asks the broker whether the transaction with this first record was
// committed: an acknowledgement must not rest on the client's word alone.
func (j *Journal) confirm(ctx context.Context, first *kgo.Record) error {
	leader, _, err := j.writer.PartitionLeader(j.opts.Topic, 0)
	if err != nil {
		return fmt.Errorf("kafka journal: confirm a commit: %w", err)
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = j.opts.Topic, j.topicID
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.FetchOffset, partition.PartitionMaxBytes = first.Offset, 1 // the first batch comes whole anyhow
	topic.Partitions = append(topic.Partitions, partition)
	request := kmsg.NewPtrFetchRequest()
	request.MaxBytes, request.IsolationLevel = 1<<20, 1
	request.Topics = append(request.Topics, topic)
	answer, err := j.writer.Broker(int(leader)).RetriableRequest(ctx, request)
	if err != nil {
		return fmt.Errorf("kafka journal: confirm a commit: %w", err)
	}
	response, ok := answer.(*kmsg.FetchResponse)
	if !ok || len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return fmt.Errorf("kafka journal: confirm a commit: the broker did not answer for topic %s", j.opts.Topic)
	}
	read := response.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(read.ErrorCode); err != nil {
		return fmt.Errorf("kafka journal: confirm a commit: %w", err)
	}
	for _, aborted := range read.AbortedTransactions {
		if aborted.ProducerID == first.ProducerID && aborted.FirstOffset == first.Offset {
			return fmt.Errorf("kafka journal: the transaction at offset %d was aborted by the cluster: nothing was written", first.Offset)
		}
	}
	return nil
}
