package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/clients/cluster"
)

func TestAGroupIsNotZeroSecondsBehindWhatItNeverCommitted(t *testing.T) {
	views := []cluster.Group{{Group: "g", State: "Stable", Lag: 101, Positions: []cluster.Position{
		{Topic: "t", Partition: 0, Committed: 5, EndOffset: 5},
		{Topic: "t", Partition: 1, Committed: -1, EndOffset: 101, Lag: 101},
	}}}
	l := &live{groups: map[string]*groupLag{"g": {Group: "g", Partitions: []partitionLag{{Topic: "t", Partition: 0}}}}}
	got := describedGroups(views, l)[0]
	if got.LagSeconds != nil || got.Positions[0].LagSeconds == nil || got.Positions[1].LagSeconds != nil {
		t.Errorf("%+v", got)
	}
	var text bytes.Buffer
	groupTable(&text, got)
	if strings.Contains(strings.SplitN(text.String(), "\n", 2)[0], "behind") {
		t.Errorf("%s", &text)
	}
	views[0].Positions[1].Lag = 0
	if got := describedGroups(views, l)[0]; got.LagSeconds == nil || *got.LagSeconds != 0 {
		t.Errorf("without lag: %+v", got)
	}
}

func TestAnOfflinePartitionIsCalledSo(t *testing.T) {
	err := error(&cluster.TopicError{Topic: "t", Message: "partition 1", Err: errors.Join(kerr.LeaderNotAvailable, kerr.LeaderNotAvailable)})
	known := &live{topics: map[string]*topicTraffic{"t": {Topic: "t", Partitions: []partitionTraffic{
		{Partition: 0}, {Partition: 1, Offline: "00000000000000000000.log: permission denied"}}}}}
	for l, want := range map[*live]string{
		known:     "topic t: partition 1 is offline: 00000000000000000000.log: permission denied",
		(&live{}): "topic t: partition 1 is offline, it has no leader",
	} {
		if got := kafkaError(l.offline(err)).Error(); !strings.HasPrefix(got, want) || strings.Contains(got, "election") {
			t.Errorf("%s, want %s", got, want)
		}
	}
	other := fmt.Errorf("topic t: %w", kerr.UnknownTopicOrPartition)
	if got := known.offline(other); got != other {
		t.Errorf("another error: %v", got)
	}
	if got := known.offline(nil); got != nil {
		t.Errorf("no error: %v", got)
	}
}
