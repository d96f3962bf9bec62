package broker

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// TestMetricsAreNamedAsPrometheusNamesThem: help, units, totals, and labels out of what
// exists only.
func TestMetricsAreNamedAsPrometheusNamesThem(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := startBroker(t, validating(nil), func(o *Options) { o.Metrics = registry })
	createTopic(t, b, "t", 2, toDeadLetters)
	client := newClient(t, b, kgo.DefaultProduceTopic("t"))
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("good")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if out := produced(dialRaw(t, b).ask(produceRequest("t", -1, valuesBatch(t, record.None, "bad")))); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]bool{"api": true, "topic": true, "partition": true, "group": true, "kind": true, "outcome": true, "reason": true}
	name := regexp.MustCompile(`^dovetail_broker_[a-z]+(_[a-z]+)*$`)
	seen := map[string]bool{}
	for _, f := range families {
		n := f.GetName()
		seen[n] = true
		if !name.MatchString(n) || f.GetHelp() == "" || !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s: %q", n, f.GetHelp())
		}
		if total := strings.HasSuffix(n, "_total"); total != (f.GetType().String() == "COUNTER") {
			t.Errorf("%s is a %s", n, f.GetType())
		}
		if strings.Contains(n, "_ms") || strings.Contains(n, "milli") || strings.Contains(n, "kilo") || strings.Contains(n, "_mb") {
			t.Errorf("%s is in no base unit", n)
		}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if !labels[l.GetName()] {
					t.Errorf("%s has the label %s", n, l.GetName())
				}
			}
		}
	}
	for _, n := range []string{"dovetail_broker_records_rejected_total", "dovetail_broker_dead_letters_total", "dovetail_broker_faults", "dovetail_broker_disk_free_bytes",
		"dovetail_broker_topic_partition_skew", "dovetail_broker_partition_high_watermark", "dovetail_broker_requests_total"} {
		if !seen[n] {
			t.Errorf("no %s", n)
		}
	}
	if got := gauges(t, registry, "dovetail_broker_dead_letters_total"); got["kept"] != 1 {
		t.Errorf("dead letters: %v", got)
	}
}
