package broker

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// trafficMetrics are the metrics that are looked up when they are asked for: log
// sizes, skew and lag. Keys are never labels. Partitions, and pairs of group and
// topic, are, up to a bound: the largest logs and the largest lags are told, and
// how many were left out.
type trafficMetrics struct {
	b *Broker

	topicLog, topicSkew, topicKey         *prometheus.Desc
	partitionLog, partitionEnd            *prometheus.Desc
	lagRecords, lagSeconds, seriesLeftOut *prometheus.Desc

	maxPartitions, maxLags int

	mu   sync.Mutex
	at   time.Time
	lags []GroupLag
}

const (
	maxPartitionSeries = 1000 // partitions with metrics of their own
	maxLagSeries       = 1000 // pairs of group and topic
	// lagFresh is how long lags are told again without looking: who scrapes often
	// must not make the broker read many logs.
	lagFresh = 5 * time.Second
)

func newTrafficMetrics(b *Broker) *trafficMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
	}
	return &trafficMetrics{
		b:             b,
		maxPartitions: maxPartitionSeries,
		maxLags:       maxLagSeries,
		topicLog:      desc("topic_log_bytes", "Bytes of the segments that are kept.", "topic"),
		topicSkew:     desc("topic_partition_skew", "Bytes per second into the busiest partition, as a multiple of the mean; 0 without traffic.", "topic"),
		topicKey:      desc("topic_hottest_key_ratio", "Estimated share of the most frequent key in the records of the last minutes.", "topic"),
		partitionLog:  desc("partition_log_bytes", "Bytes of the segments that are kept.", "topic", "partition"),
		partitionEnd:  desc("partition_high_watermark", "Offset up to which consumers may read; its rate is that of the records.", "topic", "partition"),
		lagRecords:    desc("group_lag_records", "Records between committed offsets and high watermarks.", "group", "topic"),
		lagSeconds:    desc("group_lag_seconds", "Age of the oldest record that was not consumed, of the partition that is furthest behind.", "group", "topic"),
		seriesLeftOut: desc("series_left_out", "Partitions, and pairs of group and topic, that have no metrics because there are too many.", "kind"),
	}
}

// Describe implements prometheus.Collector.
func (m *trafficMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.topicLog, m.topicSkew, m.topicKey, m.partitionLog, m.partitionEnd, m.lagRecords, m.lagSeconds, m.seriesLeftOut} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *trafficMetrics) Collect(out chan<- prometheus.Metric) {
	if !m.b.isRunning() {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	m.collectTopics(gauge)
	m.collectLags(gauge)
}

type gaugeFunc func(d *prometheus.Desc, v float64, labels ...string)

func (m *trafficMetrics) collectTopics(gauge gaugeFunc) {
	type partition struct {
		topic string
		PartitionTraffic
	}
	var partitions []partition
	for _, t := range m.b.Traffic(Viewer{}) {
		gauge(m.topicLog, float64(t.LogBytes), t.Topic)
		gauge(m.topicSkew, t.Skew, t.Topic)
		hottest := 0.0
		for _, k := range t.HotKeys {
			hottest = max(hottest, k.AtLeast)
		}
		gauge(m.topicKey, hottest, t.Topic)
		for _, p := range t.Partitions {
			partitions = append(partitions, partition{t.Topic, p})
		}
	}
	if len(partitions) > m.maxPartitions {
		slices.SortStableFunc(partitions, func(a, b partition) int { return cmp.Compare(b.LogBytes, a.LogBytes) })
	}
	told := min(len(partitions), m.maxPartitions)
	for _, p := range partitions[:told] {
		number := strconv.Itoa(int(p.Partition))
		gauge(m.partitionLog, float64(p.LogBytes), p.topic, number)
		gauge(m.partitionEnd, float64(p.LogEnd), p.topic, number)
	}
	gauge(m.seriesLeftOut, float64(len(partitions)-told), "partition")
}

func (m *trafficMetrics) collectLags(gauge gaugeFunc) {
	type lag struct {
		group, topic string
		records      int64
		time         time.Duration
	}
	var all []lag
	for _, g := range m.recentLags() {
		for _, p := range g.Partitions { // by topic
			if n := len(all); n == 0 || all[n-1].group != g.Group || all[n-1].topic != p.Topic {
				all = append(all, lag{group: g.Group, topic: p.Topic})
			}
			last := &all[len(all)-1]
			last.records += p.Records
			last.time = max(last.time, p.Time)
		}
	}
	if len(all) > m.maxLags {
		slices.SortStableFunc(all, func(a, b lag) int { return cmp.Compare(b.records, a.records) })
	}
	told := min(len(all), m.maxLags)
	for _, l := range all[:told] {
		gauge(m.lagRecords, float64(l.records), l.group, l.topic)
		gauge(m.lagSeconds, l.time.Seconds(), l.group, l.topic)
	}
	gauge(m.seriesLeftOut, float64(len(all)-told), "group")
}

// recentLags are the lags of at most lagFresh ago. While coordinators do not
// answer, the last ones are told again.
func (m *trafficMetrics) recentLags() []GroupLag {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.b.opts.Now()
	if age := now.Sub(m.at); m.at.IsZero() || age >= lagFresh || age < 0 {
		ctx, cancel := context.WithTimeout(m.b.stopping, 5*time.Second)
		defer cancel()
		if lags, err := m.b.Lags(ctx, Viewer{}); err == nil {
			m.lags, m.at = lags, now
		}
	}
	return m.lags
}
