package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker"
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

// TestADamagedPartitionIsSeenInEveryView: by topic, by group, and by doctor, which exits
// with 1 and says what to do.
func TestADamagedPartitionIsSeenInEveryView(t *testing.T) {
	dir := t.TempDir()
	start := func() (*broker.Broker, *kgo.Client) {
		b, err := broker.New(broker.Options{DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr("").String()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		return b, client
	}
	stop := func(b *broker.Broker, client *kgo.Client) {
		client.Close()
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	b, client := start()
	adm := kadm.NewClient(client)
	if _, err := adm.CreateTopic(t.Context(), 2, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	offsets := kadm.Offsets{}
	for p := range int32(2) {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: p, Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		offsets.Add(kadm.Offset{Topic: "t", Partition: p, At: 0, LeaderEpoch: -1})
	}
	if err := adm.CommitAllOffsets(t.Context(), "g", offsets); err != nil {
		t.Fatal(err)
	}
	stop(b, client)
	log := filepath.Join(dir, "t-1", "00000000000000000000.log")
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	content[8] ^= 0x10 // of the batch's length
	if err := os.WriteFile(log, content, 0o644); err != nil {
		t.Fatal(err)
	}

	b, client = start()
	defer stop(b, client)
	web := httptest.NewServer(trafficHandler{broker: b, secure: &security{}})
	defer web.Close()
	run := func(args ...string) (string, error) {
		root := newRoot()
		var out strings.Builder
		root.SetOut(&out)
		root.SetArgs(append(args, "--kafka", b.Addr("").String(), "--registry", web.URL, "--timeout", "60s"))
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	for _, c := range []struct {
		args  []string
		fails bool
		want  []string
	}{
		{[]string{"topic", "describe", "t"}, false, []string{"\n0          1       0      1    1 ", "\n1          -       -      -    offline", "partition 1: offline: ", "is damaged at byte 0"}},
		{[]string{"topic", "list"}, false, []string{"t      2 ", "t partition 1: offline"}},
		{[]string{"group", "describe", "g"}, false, []string{"t      0          0          1        1 ", "t      1          0          offline"}},
		{[]string{"doctor"}, true, []string{"log-damaged of t partition 1: ", "do: nothing was changed", "dovetail log repair"}},
		{[]string{"group", "reset", "g", "--to", "latest"}, true, nil},
	} {
		got, err := run(c.args...)
		if (err != nil) != c.fails {
			t.Errorf("%v: %v", c.args, err)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%v: no %q in\n%s", c.args, want, got)
			}
		}
	}
	if _, err := run("group", "reset", "g", "--to", "latest"); err == nil || !strings.Contains(err.Error(), "a partition is offline") {
		t.Errorf("reset: %v", err)
	}
	stranger := broker.Viewer{Principal: "User:ann"}
	if got := b.Faults(stranger); len(got) != 1 {
		t.Errorf("without ACLs everybody sees %d", len(got))
	}
}

func TestStaticMembersOfTheConsumerProtocolHaveTheirInstance(t *testing.T) {
	c := startChecked(t)
	c.topic("t", nil)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.broker.Addr("").String()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.InstanceID = "g", "AAAAAAAAAAAAAAAAAAAAAQ", kmsg.StringPtr("till-3")
	req.RebalanceTimeoutMillis, req.SubscribedTopicNames, req.Topics = 600_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	resp, err := req.RequestWith(t.Context(), client)
	if err != nil || resp.ErrorCode != 0 {
		t.Fatal(err, resp)
	}
	root := newRoot()
	var out strings.Builder
	root.SetOut(&out)
	root.SetArgs([]string{"group", "describe", "g", "--kafka", c.broker.Addr("").String(), "--timeout", "60s", "--registry", "http://127.0.0.1:1"})
	if err := root.ExecuteContext(t.Context()); err != nil || !strings.Contains(out.String(), "AAAAAAAAAAAAAAAAAAAAAQ  till-3 ") {
		t.Errorf("%v\n%s", err, &out)
	}
}
