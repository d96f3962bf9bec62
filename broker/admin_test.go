package broker

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTopicsAreCreatedAsAsked(t *testing.T) {
	b := startBroker(t, func(o *Options) { o.DefaultPartitions = 3 })
	adm := kadm.NewClient(newClient(t, b))
	res, err := adm.CreateTopics(t.Context(), -1, 3, nil, "asked", "other")
	if err != nil || res.Error() != nil {
		t.Fatal(err, res.Error())
	}
	if r := res["asked"]; r.NumPartitions != 3 || r.ReplicationFactor != 3 || r.ID == (kadm.TopicID{}) || len(r.Configs) == 0 {
		t.Errorf("%+v", r)
	}
	details, err := adm.ListTopics(t.Context(), "asked")
	if err != nil || len(details["asked"].Partitions) != 3 || len(details["asked"].Partitions[0].Replicas) != 1 {
		t.Errorf("%+v, %v", details, err)
	}
	if got := b.topics.byName("asked").ReplicationFactor; got != 3 {
		t.Errorf("the asked replication factor is not remembered: %d", got)
	}
	if res, err := adm.ValidateCreateTopics(t.Context(), 1, 1, nil, "dry"); err != nil || res.Error() != nil || b.topics.byName("dry") != nil {
		t.Errorf("a dry run: %v %v", err, res.Error())
	}
	for name, want := range map[string]*kerr.Error{"asked": kerr.TopicAlreadyExists, "a b": kerr.InvalidTopicException} {
		if _, err := adm.CreateTopic(t.Context(), 1, 1, nil, name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := adm.UpdatePartitions(t.Context(), 5, "asked"); err != nil || r.Error() != nil || len(b.topics.byName("asked").parts) != 5 {
		t.Errorf("%v %v", err, r.Error())
	}
	if r, err := adm.DeleteTopics(t.Context(), "asked", "nowhere"); err != nil || r["asked"].Err != nil || !errors.Is(r["nowhere"].Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("%v %+v", err, r)
	}
}

func TestTopicsAreCreatedByBeingMentionedUnlessForbidden(t *testing.T) {
	for _, forbidden := range []bool{false, true} {
		b := startBroker(t, func(o *Options) { o.NoAutoCreateTopics = forbidden })
		client := newClient(t, b, kgo.UnknownTopicRetries(0), kgo.RecordRetries(1))
		err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "mentioned"}).FirstErr()
		if forbidden != errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Errorf("forbidden %t: %v", forbidden, err)
		}
	}
}

func TestOffsetsAreFoundByTime(t *testing.T) {
	b := startBroker(t)
	client := newClient(t, b, kgo.DefaultProduceTopic("t"))
	adm := kadm.NewClient(client)
	start := time.UnixMilli(1_700_000_000_000)
	for i := range 10 {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Timestamp: start.Add(time.Duration(i) * time.Second)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	after := func(ms int64) int64 {
		t.Helper()
		l, err := adm.ListOffsetsAfterMilli(t.Context(), ms, "t")
		if err != nil || l.Error() != nil {
			t.Fatal(err, l.Error())
		}
		return l["t"][0].Offset
	}
	for ms, want := range map[int64]int64{0: 0, start.UnixMilli(): 0, start.UnixMilli() + 1: 1, start.UnixMilli() + 9000: 9, start.UnixMilli() + 9001: 10} {
		if got := after(ms); got != want {
			t.Errorf("after %d: %d, want %d", ms, got, want)
		}
	}
	if l, err := adm.ListMaxTimestampOffsets(t.Context(), "t"); err != nil || l["t"][0].Offset != 9 {
		t.Errorf("largest timestamp: %+v, %v", l, err)
	}
	if res, err := adm.DeleteRecords(t.Context(), kadm.Offsets{"t": {0: {Topic: "t", Partition: 0, At: 4}}}); err != nil || res.Error() != nil || res["t"][0].LowWatermark != 4 {
		t.Errorf("%+v, %v", res, err)
	}
	if l, err := adm.ListStartOffsets(t.Context(), "t"); err != nil || l["t"][0].Offset != 4 {
		t.Errorf("start: %+v, %v", l, err)
	}
	if got := consume(t, b, "t", 6); got[0].Offset != 4 {
		t.Errorf("the first is %d", got[0].Offset)
	}
}

func TestDescriptionsOfTheOneNode(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 3, nil)
	c := dialRaw(t, b)
	for version := int16(0); version <= 2; version++ {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.SetVersion(version)
		req.EndpointType = 1
		resp := c.ask(req).(*kmsg.DescribeClusterResponse)
		if resp.ErrorCode != 0 || len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != 1 || resp.ClusterID != b.clusterID {
			t.Errorf("%+v", resp)
		}
	}
	pages := 0
	var cursor *kmsg.DescribeTopicPartitionsRequestCursor
	for seen := int32(0); ; pages++ {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.ResponsePartitionLimit, req.Cursor = 2, cursor
		resp := c.ask(req).(*kmsg.DescribeTopicPartitionsResponse)
		for _, topic := range resp.Topics {
			for _, p := range topic.Partitions {
				if *topic.Topic == "t" && p.Partition != seen {
					t.Errorf("partition %d, want %d", p.Partition, seen)
				}
				if *topic.Topic == "t" {
					seen++
				}
			}
		}
		if resp.NextCursor == nil {
			if seen != 3 {
				t.Errorf("%d partitions of t", seen)
			}
			break
		}
		next := kmsg.NewDescribeTopicPartitionsRequestCursor()
		next.Topic, next.Partition = resp.NextCursor.Topic, resp.NextCursor.Partition
		cursor = &next
	}
	if pages < 1 {
		t.Error("everything came on one page")
	}
	dirs, err := kadm.NewClient(newClient(t, b)).DescribeAllLogDirs(t.Context(), nil)
	if err != nil || fmt.Sprint(dirs) == "" {
		t.Error(err)
	}
}

func TestMetadataInEveryVersion(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 2, nil)
	id := b.topics.byName("t").ID
	c := dialRaw(t, b)
	for version := int16(0); version <= 13; version++ {
		ask := func(topics ...kmsg.MetadataRequestTopic) *kmsg.MetadataResponse {
			req := kmsg.NewPtrMetadataRequest()
			req.SetVersion(version)
			req.Topics = topics
			req.AllowAutoTopicCreation = false
			return c.ask(req).(*kmsg.MetadataResponse)
		}
		named := kmsg.NewMetadataRequestTopic()
		named.Topic = kmsg.StringPtr("t")
		resp := ask(named)
		if len(resp.Brokers) != 1 || len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != 0 || len(resp.Topics[0].Partitions) != 2 {
			t.Fatalf("version %d: %+v", version, resp)
		}
		if version >= 10 && resp.Topics[0].TopicID != id {
			t.Errorf("version %d: ID %v", version, resp.Topics[0].TopicID)
		}
		if all := ask(); len(all.Topics) < 1 {
			t.Errorf("version %d: all topics are %d", version, len(all.Topics))
		}
		if version >= 12 {
			byID := kmsg.NewMetadataRequestTopic()
			byID.TopicID = id
			if resp := ask(byID); resp.Topics[0].ErrorCode != 0 || *resp.Topics[0].Topic != "t" {
				t.Errorf("version %d by ID: %+v", version, resp.Topics[0])
			}
			byID.Topic = kmsg.StringPtr("") // so the Java client writes that it has no name
			if resp := ask(byID); resp.Topics[0].ErrorCode != 0 || *resp.Topics[0].Topic != "t" || len(resp.Topics[0].Partitions) != 2 {
				t.Errorf("version %d by ID, with an empty name: %+v", version, resp.Topics[0])
			}
			byID.TopicID[0]++
			if resp := ask(byID); resp.Topics[0].ErrorCode != kerr.UnknownTopicID.Code {
				t.Errorf("version %d, unknown ID with an empty name: %+v", version, resp.Topics[0])
			}
		}
	}
}
