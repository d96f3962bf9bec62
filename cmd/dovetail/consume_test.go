package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestConsumeEndsWhenTheTailIsCompactedAway has a broker that keeps ten offsets,
// of which the last ones hold nothing any more.
func TestConsumeEndsWhenTheTailIsCompactedAway(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "words"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("words"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const kept, all = 4, 10
	for i := range all { // a batch each
		if err := client.ProduceSync(ctx, kgo.StringRecord(strings.Repeat("x", i+1))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		req := r.(*kmsg.FetchRequest)
		answer := req.ResponseKind().(*kmsg.FetchResponse)
		for _, topic := range req.Topics {
			at := kmsg.NewFetchResponseTopic()
			at.Topic, at.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				if p.FetchOffset < kept {
					return nil, nil, false
				}
				part := kmsg.NewFetchResponseTopicPartition()
				part.Partition, part.HighWatermark, part.LastStableOffset = p.Partition, all, all
				at.Partitions = append(at.Partitions, part)
			}
			answer.Topics = append(answer.Topics, at)
		}
		return answer, nil, true
	})
	c := &consumeCommand{from: "4", partition: -1, raw: true, valueOnly: true}
	c.kafka, c.timeout = strings.Join(cluster.ListenAddrs(), ","), 30*time.Second
	var out strings.Builder
	if err := c.run(ctx, "words", &out, time.Now()); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("it ended only because it was stopped")
	}
	if out.Len() > 0 {
		t.Errorf("printed %q", out.String())
	}
}
