package broker

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicTraffic is what happens in a topic of late. Rates are means that forget
// with a time constant of a minute.
type TopicTraffic struct {
	Topic    string
	Internal bool
	// Skew is how many times the mean of the partitions the busiest one takes, in
	// bytes per second; 1 is even, 0 means that nothing is written.
	Skew float64
	Rate
	LogBytes   int64
	Partitions []PartitionTraffic
	// HotKeys are the keys with the largest shares of the records of the last ten
	// minutes or so, at most maxHotKeys; NoKeyShare is the share of records
	// without a key. Both are estimates.
	HotKeys    []HotKey
	NoKeyShare float64
}

// Rate is how much is written and read per second.
type Rate struct {
	RecordsIn, BytesIn, BytesOut float64
}

// PartitionTraffic is the same of one partition.
type PartitionTraffic struct {
	Partition  int32
	LogStart   int64
	LogEnd     int64 // the high watermark
	LogBytes   int64
	Rate       Rate
	ByteShare  float64 // of the topic's bytes written per second, from 0 to 1
	Offline    bool
	OfflineWhy string
}

const maxHotKeys = 10

// Viewer is on whose behalf a program in the same process looks at the broker:
// only what ACLs let that principal describe is shown. The zero value sees all.
type Viewer struct {
	Principal string // "User:name"
	Host      string // as ACLs name it; "" is any
}

func (b *Broker) shows(v Viewer, kind kmsg.ACLResourceType, name string) bool {
	return v.Principal == "" || b.auth.allows(v.Principal, cmp.Or(v.Host, "*"), kmsg.ACLOperationDescribe, kind, name)
}

// Traffic returns the traffic of topics by name: of the named ones that are there,
// or of all.
func (b *Broker) Traffic(v Viewer, names ...string) []TopicTraffic {
	if !b.isRunning() {
		return nil
	}
	out := []TopicTraffic{}
	for _, t := range b.topics.all() {
		if (len(names) == 0 || slices.Contains(names, t.Name)) && b.shows(v, kmsg.ACLResourceTypeTopic, t.Name) {
			out = append(out, b.trafficOf(t))
		}
	}
	return out
}

func (b *Broker) trafficOf(t *topic) TopicTraffic {
	out := TopicTraffic{Topic: t.Name, Internal: t.Internal, Partitions: make([]PartitionTraffic, len(t.parts))}
	busiest := 0.0
	for i, p := range t.parts {
		o := p.offsets()
		one := PartitionTraffic{Partition: p.index, LogStart: o.Start, LogEnd: o.HighWatermark, Rate: p.traffic.rate()}
		if p.log != nil {
			one.LogBytes = p.log.SizeBytes()
		}
		if err := p.offline(); err != nil {
			one.Offline, one.OfflineWhy = true, err.Error()
		}
		out.RecordsIn += one.Rate.RecordsIn
		out.BytesIn += one.Rate.BytesIn
		out.BytesOut += one.Rate.BytesOut
		out.LogBytes += one.LogBytes
		busiest = max(busiest, one.Rate.BytesIn)
		out.Partitions[i] = one
	}
	if out.BytesIn > 0 {
		out.Skew = busiest / (out.BytesIn / float64(len(t.parts)))
		for i := range out.Partitions {
			out.Partitions[i].ByteShare = out.Partitions[i].Rate.BytesIn / out.BytesIn
		}
	}
	out.HotKeys, out.NoKeyShare = b.keys.of(t.Name).hottest(maxHotKeys)
	return out
}

// partitionTraffic are the meters of a partition and the key sketch of its topic.
type partitionTraffic struct {
	records, bytes, fetched meter
	keys                    *keySkew
	unseen                  atomic.Int64 // records appended whose keys were not looked at yet
}

func (t *partitionTraffic) start(now time.Time, keys *keySkew) {
	t.keys = keys
	for _, m := range t.meters() {
		m.start(now)
	}
}

func (t *partitionTraffic) meters() [3]*meter { return [3]*meter{&t.records, &t.bytes, &t.fetched} }

func (t *partitionTraffic) rate() Rate {
	return Rate{t.records.perSecond(), t.bytes.perSecond(), t.fetched.perSecond()}
}

// tickMeters brings all rates up to date.
func (b *Broker) tickMeters() {
	now := b.opts.Now()
	for _, t := range b.topics.state.Load().names {
		for _, p := range t.parts {
			for _, m := range p.traffic.meters() {
				m.tick(now)
			}
		}
	}
}

// keySkews are the key sketches of the topics. The zero value is ready for use.
type keySkews struct {
	mu      sync.Mutex
	byTopic map[string]*keySkew
}

func (k *keySkews) of(topic string) *keySkew {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byTopic == nil {
		k.byTopic = map[string]*keySkew{}
	}
	s := k.byTopic[topic]
	if s == nil {
		s = newKeySkew()
		k.byTopic[topic] = s
	}
	return s
}

func (k *keySkews) forget(topic string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byTopic, topic)
}
