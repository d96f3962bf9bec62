package broker

import "github.com/prometheus/client_golang/prometheus"

// faultMetrics tell what is wrong now, and of the disk.
type faultMetrics struct {
	b                  *Broker
	faults             *prometheus.Desc
	diskSize, diskFree *prometheus.Desc
}

func newFaultMetrics(b *Broker) *faultMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
	}
	return &faultMetrics{
		b:        b,
		faults:   desc("faults", "Things that are wrong now, by kind; GET /broker/faults says which, and what to do.", "kind"),
		diskSize: desc("disk_size_bytes", "Size of the disk that holds the data directory."),
		diskFree: desc("disk_free_bytes", "Bytes of that disk that the broker may still use."),
	}
}

// Describe implements prometheus.Collector.
func (m *faultMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.faults, m.diskSize, m.diskFree} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *faultMetrics) Collect(out chan<- prometheus.Metric) {
	if !m.b.isRunning() {
		return
	}
	count := map[FaultKind]int{}
	for _, f := range m.b.Faults(Viewer{}) {
		count[f.Kind]++
	}
	for _, kind := range faultKinds {
		out <- prometheus.MustNewConstMetric(m.faults, prometheus.GaugeValue, float64(count[kind]), string(kind))
	}
	if total, free := diskSpace(m.b.opts.DataDir); total >= 0 {
		out <- prometheus.MustNewConstMetric(m.diskSize, prometheus.GaugeValue, float64(total))
		out <- prometheus.MustNewConstMetric(m.diskFree, prometheus.GaugeValue, float64(free))
	}
}
