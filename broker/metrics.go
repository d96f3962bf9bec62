package broker

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/share"
)

// metrics are the broker's numbers. Labels are API names, topics and reasons
// out of fixed lists, so their number is bounded by what exists.
type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	bytesIn   *prometheus.CounterVec
	bytesOut  *prometheus.CounterVec
	closedBy  prometheus.Counter
	refusedBy prometheus.Counter
	byAPI     map[int16]apiMetrics

	topicRecords *prometheus.CounterVec
	topicBytes   *prometheus.CounterVec
	topicFetched *prometheus.CounterVec
	rejects      *prometheus.CounterVec
	shares       *prometheus.CounterVec
	deadLetters  *prometheus.CounterVec
	diskFull     prometheus.Counter
}

// apiMetrics are the labelled metrics of one API, looked up once.
type apiMetrics struct {
	requests, in, out prometheus.Counter
	seconds           prometheus.Observer
}

const namespace = "dovetail_broker"

func newMetrics(reg prometheus.Registerer, b *Broker) (*metrics, error) {
	label := []string{"api"}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "requests_total", Help: "Requests answered."}, label),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "request_seconds", Help: "Time from the last byte of a request to the last byte of its answer.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}, label),
		bytesIn:   prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "request_bytes_total", Help: "Bytes of requests."}, label),
		bytesOut:  prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "response_bytes_total", Help: "Bytes of answers."}, label),
		closedBy:  prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "connections_closed_total", Help: "Connections that the broker closed because of what the client did."}),
		refusedBy: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "connections_refused_total", Help: "Connections beyond the limits."}),
		byAPI:     map[int16]apiMetrics{},

		topicRecords: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "topic_records_total", Help: "Records appended."}, []string{"topic"}),
		topicBytes:   prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "topic_bytes_total", Help: "Bytes of record batches appended."}, []string{"topic"}),
		topicFetched: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "topic_fetched_bytes_total", Help: "Bytes of record batches fetched."}, []string{"topic"}),
		rejects:      prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "records_rejected_total", Help: "Records that were not what their schemas say."}, []string{"topic", "reason"}),
		shares:       prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "share_records_total", Help: "Records of share groups, by what became of them."}, []string{"outcome"}),
		deadLetters:  prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "dead_letters_total", Help: "Bad records, by what became of them in mode dlq: kept in the dead-letter topic, or refused with their batch because it could not take them."}, []string{"topic", "outcome"}),
		diskFull:     prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "disk_full_refusals_total", Help: "Writes refused because the disk is full."}),
	}
	for key := range b.apis {
		name := kmsg.NameForKey(key)
		m.byAPI[key] = apiMetrics{
			requests: m.requests.WithLabelValues(name), seconds: m.seconds.WithLabelValues(name),
			in: m.bytesIn.WithLabelValues(name), out: m.bytesOut.WithLabelValues(name),
		}
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.requests, m.seconds, m.bytesIn, m.bytesOut, m.closedBy, m.refusedBy,
		m.topicRecords, m.topicBytes, m.topicFetched, m.rejects, m.shares, m.deadLetters, m.diskFull, newTrafficMetrics(b), newFaultMetrics(b),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "share_sessions", Help: "Open share sessions."},
			func() float64 { return float64(b.shareSessions.count()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "connections", Help: "Open connections."},
			func() float64 { return float64(b.conns.count()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "request_memory_bytes", Help: "Memory in use for requests and answers."},
			func() float64 { return float64(b.memory.inUse()) }),
	} {
		errs = append(errs, reg.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("broker metrics: %w", err)
	}
	return m, nil
}

func (m *metrics) closed()  { m.closedBy.Inc() }
func (m *metrics) refused() { m.refusedBy.Inc() }

// request counts a request that was answered with sent bytes.
func (m *metrics) request(r *request, sent int) {
	a, ok := m.byAPI[r.key]
	if !ok {
		return
	}
	a.requests.Inc()
	a.in.Add(float64(r.bytes + 4))
	a.out.Add(float64(sent))
	a.seconds.Observe(time.Since(r.received).Seconds())
}

// topicCounters are the counters of one topic, looked up once.
type topicCounters struct {
	records, bytes, fetched prometheus.Counter
}

func (m *metrics) topic(name string) topicCounters {
	return topicCounters{m.topicRecords.WithLabelValues(name), m.topicBytes.WithLabelValues(name), m.topicFetched.WithLabelValues(name)}
}

// forget drops the numbers of a topic that was deleted.
func (m *metrics) forget(topic string) {
	by := prometheus.Labels{"topic": topic}
	m.topicRecords.DeletePartialMatch(by)
	m.topicBytes.DeletePartialMatch(by)
	m.topicFetched.DeletePartialMatch(by)
	m.rejects.DeletePartialMatch(by)
	m.deadLetters.DeletePartialMatch(by)
}

// rejected counts records that a validator refused. Their kinds come from a
// short list; what does not look like it counts as other.
func (m *metrics) rejected(topic string, faults []RecordError) {
	for _, f := range faults {
		kind := f.Kind
		if kind == "" || len(kind) > 40 || strings.ContainsFunc(kind, func(c rune) bool { return !('a' <= c && c <= 'z' || c == '-') }) {
			kind = "other"
		}
		m.rejects.WithLabelValues(topic, kind).Inc()
	}
}

// shared counts what became of records of share groups.
func (m *metrics) shared(c share.Counts) {
	if c == (share.Counts{}) {
		return
	}
	for outcome, n := range map[string]int64{
		"acquired": c.Acquired, "accepted": c.Accepted, "released": c.Released, "rejected": c.Rejected,
		"renewed": c.Renewed, "timed-out": c.TimedOut, "exhausted": c.Exhausted,
	} {
		if n > 0 {
			m.shares.WithLabelValues(outcome).Add(float64(n))
		}
	}
}
