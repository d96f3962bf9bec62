package main

import (
	"bytes"
	"strings"
	"testing"

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

func TestAnOfflinePartitionHidesNoOther(t *testing.T) {
	d := topicDescription{Topic: cluster.Topic{Name: "t", Records: 7, Compacted: true, Partitions: []cluster.Partition{
		{Partition: 0, Fault: "offline: it has no leader"}, {Partition: 1, EndOffset: 7, Records: 7, RecordShare: 1}}}}
	known := &topicTraffic{Topic: "t", Partitions: []partitionTraffic{{Partition: 0, Offline: "00000000000000000000.log: permission denied"}, {Partition: 1}}}
	for now, want := range map[*topicTraffic]string{
		known: "partition 0: offline: 00000000000000000000.log: permission denied", nil: "partition 0: offline: it has no leader; `dovetail doctor`",
	} {
		d.Traffic = now
		var text bytes.Buffer
		topicTable(&text, d)
		for _, words := range []string{want, "compacted, at most 7 records", "\n0\t-\t-\t-\toffline", "\n1\t0\t0\t7\t≤ 7\t100.0%"} {
			if !strings.Contains(text.String(), words) {
				t.Errorf("no %q in\n%s", words, &text)
			}
		}
	}
	var text bytes.Buffer
	offlineTable(&text, []cluster.Topic{d.Topic})
	if !strings.Contains(text.String(), "t partition 0: offline") {
		t.Errorf("%s", &text)
	}
}
