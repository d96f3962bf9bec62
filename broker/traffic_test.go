package broker

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestSkewAndLagAreInSight(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := startBroker(t, func(o *Options) { o.Metrics = registry })
	createTopic(t, b, "orders", 4, nil)
	client := newClient(t, b, kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	old := time.Now().Add(-time.Hour)
	for i := range 100 { // 70 of one key in partition 2, the others anywhere
		r := &kgo.Record{Key: []byte("acme"), Value: []byte("v"), Partition: 2, Timestamp: old.Add(time.Duration(i) * time.Minute / 2)}
		if i%10 >= 7 {
			r.Key, r.Partition = []byte{byte(i)}, int32(i%4)
		}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "orders", Partition: 2, At: 3, LeaderEpoch: -1})
	offsets.Add(kadm.Offset{Topic: "orders", Partition: 1, At: 0, LeaderEpoch: -1})
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	end1, _ := ends.Lookup("orders", 1)
	end2, _ := ends.Lookup("orders", 2)
	offsets.Add(kadm.Offset{Topic: "orders", Partition: 1, At: end1.Offset, LeaderEpoch: -1})
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), "billing", offsets); err != nil {
		t.Fatal(err)
	}
	for _, p := range b.topics.byName("orders").parts { // as the background does
		for _, m := range p.traffic.meters() {
			m.tick(time.Now().Add(meterEvery))
		}
	}

	traffic := b.Traffic(Viewer{}, "orders")
	if len(traffic) != 1 || len(traffic[0].Partitions) != 4 {
		t.Fatalf("%+v", traffic)
	}
	got := traffic[0]
	if got.Skew < 2.5 || got.Partitions[2].ByteShare < .6 || got.RecordsIn <= 0 || got.LogBytes == 0 || got.Partitions[2].LogEnd != end2.Offset {
		t.Errorf("%+v", got)
	}
	if hot := got.HotKeys[0]; string(hot.Key) != "acme" || math.Abs(hot.Share-.7) > 1e-2 || hot.Partition != 2 {
		t.Errorf("hottest key %+v", hot)
	}

	lags, err := b.Lags(t.Context(), Viewer{}, "billing")
	if err != nil || len(lags) != 1 || len(lags[0].Partitions) != 2 {
		t.Fatalf("%+v, %v", lags, err)
	}
	lag := lags[0]
	if lag.Records != end2.Offset-3 || lag.Partitions[0].Records != 0 || lag.Partitions[0].Time != 0 {
		t.Errorf("%+v", lag)
	}
	if lag.Time < 55*time.Minute || lag.Time > 3*time.Hour || lag.Time != lag.Partitions[1].Time {
		t.Errorf("%s behind", lag.Time)
	}
	if none, err := b.Lags(t.Context(), Viewer{}, "nobody"); err != nil || len(none) != 0 {
		t.Errorf("a group that is not there: %+v, %v", none, err)
	}

	// A member that has not committed anything is behind by all that there is.
	for name, opts := range protocols {
		m := startMember(t, b, "new "+name, "orders", opts...)
		eventually(t, "a member has all", fairlyShared("orders", 4, m))
		lags, err := b.Lags(t.Context(), Viewer{}, "new "+name)
		if err != nil || len(lags) != 1 || len(lags[0].Partitions) != 4 || lags[0].Members != 1 {
			t.Fatalf("%s: %+v, %v", name, lags, err)
		}
		one := lags[0].Partitions[2]
		if lags[0].Records != 100 || one.Records != end2.Offset || one.Committed != -1 || !one.CommitTime.IsZero() {
			t.Errorf("%s: %+v", name, lags[0])
		}
		if one.Time < 55*time.Minute || one.Time > 3*time.Hour || lags[0].Time < one.Time {
			t.Errorf("%s: %s behind, partition 2 %s", name, lags[0].Time, one.Time)
		}
	}

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
				if strings.Contains(l.GetValue(), "acme") {
					t.Errorf("%s has a key as a label", f.GetName())
				}
			}
			if m.Gauge != nil {
				values[name] = m.Gauge.GetValue()
			}
		}
	}
	for name, ok := range map[string]func(v float64) bool{
		"dovetail_broker_topic_log_bytes orders":            func(v float64) bool { return v == float64(got.LogBytes) },
		"dovetail_broker_topic_partition_skew orders":       func(v float64) bool { return v > 2.5 },
		"dovetail_broker_topic_hottest_key_ratio orders":    func(v float64) bool { return math.Abs(v-.7) < 1e-2 },
		"dovetail_broker_partition_high_watermark 2 orders": func(v float64) bool { return v == float64(end2.Offset) },
		"dovetail_broker_group_lag_records billing orders":  func(v float64) bool { return v == float64(lag.Records) },
		"dovetail_broker_group_lag_seconds billing orders":  func(v float64) bool { return v >= lag.Time.Seconds() },
		"dovetail_broker_series_left_out partition":         func(v float64) bool { return v == 0 },
		"dovetail_broker_series_left_out group":             func(v float64) bool { return v == 0 },
	} {
		if v, there := values[name]; !there || !ok(v) {
			t.Errorf("%s is %v (%v)", name, v, there)
		}
	}
}

func TestPartitionsBeyondTheBoundHaveNoMetricsOfTheirOwn(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := startBroker(t)
	createTopic(t, b, "wide", 12, nil)
	m := newTrafficMetrics(b)
	m.maxPartitions = 7
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		switch f.GetName() {
		case "dovetail_broker_partition_log_bytes":
			if len(f.Metric) != 7 {
				t.Errorf("%d partitions have metrics", len(f.Metric))
			}
		case "dovetail_broker_series_left_out":
			for _, m := range f.Metric {
				if v := m.Gauge.GetValue(); m.Label[0].GetValue() == "partition" && v != 5 {
					t.Errorf("%f partitions left out", v)
				}
			}
		}
	}
}

func TestViewersSeeWhatTheyMayDescribe(t *testing.T) {
	b := startBroker(t, func(o *Options) { o.Authorize, o.SuperUsers = true, []string{"User:ANONYMOUS"} })
	createTopic(t, b, "mine", 1, nil)
	createTopic(t, b, "theirs", 1, nil)
	adm := kadm.NewClient(newClient(t, b))
	rules := kadm.NewACLs().Allow("User:ann").AllowHosts("*").Topics("mine").Operations(kadm.OpDescribe).ResourcePatternType(kadm.ACLPatternLiteral)
	if _, err := adm.CreateACLs(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	if got := b.Traffic(Viewer{Principal: "User:ann"}); len(got) != 1 || got[0].Topic != "mine" {
		t.Errorf("ann sees %+v", got)
	}
	if got := b.Traffic(Viewer{}); len(got) != 2 {
		t.Errorf("the program sees %d topics", len(got))
	}
}
