package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/clients/producer"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/examples/delivery/city"
)

// remember is after how many events the application writes down how far it
// got. What it sent after that it sends again when it has died in between.
const remember = 500

// outbox sends a list of events, at least once each.
type outbox struct {
	settings
	encoder *encoder
	events  []city.Event
	keyOf   func(*city.Event) string
	topicOf func(*city.Event) string

	position int // everything before it was sent: all that survives a restart

	mu       sync.Mutex
	first    error  // that kept a record from being delivered
	seen     []bool // was delivered before
	topics   map[string]*sent
	perTopic map[string]map[int32]int64 // records by partition
}

func produce(ctx context.Context, s settings) error {
	registry, err := srclient.New([]string{s.registry})
	if err != nil {
		return err
	}
	defer registry.Close()
	c, err := city.Simulate(s.city)
	if err != nil {
		return err
	}
	o := &outbox{settings: s, events: c.Events, keyOf: (*city.Event).Key, topicOf: (*city.Event).Topic, topics: map[string]*sent{}, perTopic: map[string]map[int32]int64{}}
	switch s.key {
	case "order":
	case "restaurant":
		o.keyOf = (*city.Event).RestaurantKey
		o.topicOf = func(e *city.Event) string { return e.Topic() + "-by-restaurant" }
		o.events = slices.DeleteFunc(o.events, func(e city.Event) bool { return e.Order == nil && e.Status == nil })
	default:
		return fmt.Errorf("--key is order or restaurant, not %q", s.key)
	}
	if o.encoder, err = newEncoder(registry); err != nil {
		return err
	}
	o.seen = make([]bool, len(o.events))
	for i := range o.events {
		if topic := o.topicOf(&o.events[i]); o.topics[topic] == nil {
			o.topics[topic], o.perTopic[topic] = &sent{}, map[int32]int64{}
		}
	}
	if err := o.createTopics(ctx); err != nil {
		return err
	}
	if err := o.sendAll(ctx); err != nil {
		return err
	}
	o.tell()
	if s.key != "order" { // the ledger is that of the real topics
		return nil
	}
	return errors.Join(writeOrders(s.ledger, c.Stories), writeSent(s.ledger, o.topics))
}

func (o *outbox) createTopics(ctx context.Context) error {
	p, err := o.newProducer()
	if err != nil {
		return err
	}
	defer p.Close(ctx)
	admin := kadm.NewClient(p.Client())
	for topic := range o.topics {
		var configs map[string]*string
		if topic == city.RestaurantsTopic {
			configs = map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}
		}
		_, err := admin.CreateTopic(ctx, int32(o.partitions), -1, configs, topic)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("topic %s exists, and sums are only right when it starts empty: delete it (dovetail topic delete %s)", topic, topic)
		}
		if err != nil {
			return fmt.Errorf("topic %s: %w", topic, err)
		}
	}
	return nil
}

func (o *outbox) newProducer() (*producer.Producer[string, []byte], error) {
	return producer.New(producer.Raw[string]{}, producer.Raw[[]byte]{}, producer.WithSeeds(o.kafka))
}

// sendAll sends the events by one producer after the other: each but the last
// dies somewhere, and the next starts where the outbox remembers it was.
func (o *outbox) sendAll(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(o.city.Seed, 0xdead))
	var deaths []int
	for i := range o.restarts {
		part := len(o.events) / (o.restarts + 1)
		at := part*(i+1) + rng.IntN(max(part/2, 1))
		if at%remember == 0 { // would be remembered
			at++
		}
		deaths = append(deaths, min(at, len(o.events)))
	}
	began := time.Now()
	for _, end := range append(deaths, len(o.events)) {
		from := o.position
		if err := o.sendUntil(ctx, end); err != nil {
			return err
		}
		if end < len(o.events) {
			say("the producer dies at event %s; the next one knows of %s and sends %d again", thousands(int64(end)), thousands(int64(o.position)), end-o.position)
		}
		if o.position < from {
			return errors.New("the outbox went back")
		}
	}
	say("%s events sent and acknowledged in %.1f s", thousands(int64(len(o.events))), time.Since(began).Seconds())
	return nil
}

// sendUntil sends the events up to end, not included, with a new producer. It
// remembers every so many, but not the last ones, unless they are the end.
func (o *outbox) sendUntil(ctx context.Context, end int) error {
	p, err := o.newProducer()
	if err != nil {
		return err
	}
	for i := o.position; i < end; i++ {
		if i%remember == 0 && i > o.position {
			if err := o.flush(ctx, p); err != nil {
				return err
			}
			o.position = i
		}
		e := &o.events[i]
		topic := o.topicOf(e)
		value, err := o.encoder.encode(ctx, topic, e)
		if err != nil {
			return err
		}
		p.SendAsync(ctx, producer.Record[string, []byte]{Topic: topic, Key: o.keyOf(e), Value: value, Timestamp: e.At}, func(d producer.Delivery, err error) { o.delivered(i, d, err) })
	}
	if err := o.flush(ctx, p); err != nil {
		return err
	}
	if end == len(o.events) {
		o.position = end
	}
	return p.Close(ctx)
}

func (o *outbox) flush(ctx context.Context, p *producer.Producer[string, []byte]) error {
	if err := p.Flush(ctx); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.first
}

func (o *outbox) delivered(i int, d producer.Delivery, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.first = errors.Join(o.first, err)
		return
	}
	if o.seen[i] {
		o.topics[d.Topic].Repeated++
	} else {
		o.topics[d.Topic].Events++
	}
	o.seen[i] = true
	o.perTopic[d.Topic][d.Partition]++
}

// tell prints what each topic got, and what its keys made of its partitions.
func (o *outbox) tell() {
	for _, topic := range slices.Sorted(maps.Keys(o.topics)) {
		t := o.topics[topic]
		most := int64(0)
		for _, n := range o.perTopic[topic] {
			most = max(most, n)
		}
		all := t.Events + t.Repeated
		proven("%-28s %9s records, %s of them repeats; the fullest of %d partitions has %.0f %%", topic, thousands(all), thousands(t.Repeated), o.partitions, 100*float64(most)/float64(all))
	}
}
