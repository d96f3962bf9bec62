package group

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Record is one record of `__consumer_offsets`. A nil Value is a tombstone.
// WrittenMillis, for [Coordinator.Replay] only, is when it was appended; zero: not
// known.
type Record struct {
	Key, Value    []byte
	WrittenMillis int64
}

// Client is who sent a request, as shown by describe.
type Client struct{ ID, Host string }

// Waiter is the caller's name for a request whose answer may come later.
type Waiter uint64

// Answer is the answer to a waiting request.
type Answer struct {
	To       Waiter
	Response kmsg.Response
}

// Producer names a transactional producer.
type Producer struct {
	ID    int64
	Epoch int16
}

// Marker ends a transaction in the partition.
type Marker struct {
	Producer         Producer
	CoordinatorEpoch int32
	Commit           bool
}

// Member names a member of a group.
type Member struct{ Group, ID string }

// Effects is what one operation asks of the caller: append Records as one
// batch (transactional, if Transaction is set), or append Marker as a control
// batch, then, once that is durable, send Answers. What the members of share
// groups named in Fenced have acquired is to be released. All parts may be empty.
type Effects struct {
	Records     []Record
	Transaction *Producer
	Marker      *Marker
	Answers     []Answer
	Fenced      []Member
}

// Coordinator holds the groups of one partition of `__consumer_offsets`. It is
// not safe for concurrent use.
type Coordinator struct {
	opts    Options
	log     *slog.Logger
	topics  *Topics
	groups  map[string]*group
	open    map[int64]*openTxn // offsets of transactions that have not ended, by producer ID
	timers  timers
	effects Effects
}

// group is one group of any protocol: at most one of classic, consumer and share is set.
type group struct {
	id       string
	classic  *classicGroup
	consumer *consumerGroup
	share    *shareGroup
	offsets  map[topicPartition]committed
	pending  map[topicPartition]map[int64]struct{} // producers with an open transactional commit
}

type topicPartition struct {
	topic     string
	partition int32
}

// New returns a coordinator without groups. A nil logger logs nothing.
func New(opts Options, log *slog.Logger) *Coordinator {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Coordinator{
		opts:   opts.withDefaults(),
		log:    log,
		topics: NewTopics(nil),
		groups: make(map[string]*group),
		open:   make(map[int64]*openTxn),
	}
}

// NextTimer returns when Tick must be called next, or the zero time if no
// timer runs. It may change with every operation.
func (c *Coordinator) NextTimer() time.Time { return c.timers.next() }

// Tick does what is due: sessions, rebalances and offsets that ran out.
func (c *Coordinator) Tick(now time.Time) Effects {
	c.timers.run(now)
	return c.take()
}

// Loaded must be called once after the last Replay. It gives every member a
// fresh session and starts the search for expired offsets.
func (c *Coordinator) Loaded(now time.Time) Effects {
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		g := c.groups[id]
		switch {
		case g.classic != nil:
			c.classicLoaded(now, g)
		case g.consumer != nil:
			c.consumerLoaded(now, g)
		case g.share != nil:
			c.shareLoaded(now, g)
		}
	}
	c.scheduleExpiry(now)
	return c.take()
}

// SetTopics replaces the picture of the topics. Offsets of topics that are
// gone are removed; KIP-848 groups notice changes at their next heartbeat.
func (c *Coordinator) SetTopics(now time.Time, topics *Topics) Effects {
	before := c.topics
	c.topics = topics
	for _, name := range before.names {
		was := before.byName[name]
		if is, ok := topics.Named(name); !ok || is.ID != was.ID {
			c.dropOffsetsOf(name)
			c.dropShareTopic(was.ID)
		}
	}
	return c.take()
}

// write applies a record and adds it to the effects.
func (c *Coordinator) write(r stored) {
	c.append(r)
	r.apply(c)
}

// append adds a record to the effects.
func (c *Coordinator) append(r stored) {
	c.effects.Records = append(c.effects.Records, Record{Key: r.key(), Value: r.value()})
}

func (c *Coordinator) answer(to Waiter, response kmsg.Response) {
	c.effects.Answers = append(c.effects.Answers, Answer{To: to, Response: response})
}

func (c *Coordinator) take() Effects {
	e := c.effects
	c.effects = Effects{}
	return e
}

// ensure returns the group, made without a protocol if there is none.
func (c *Coordinator) ensure(id string) *group {
	g, ok := c.groups[id]
	if !ok {
		g = &group{id: id, offsets: make(map[topicPartition]committed)}
		c.groups[id] = g
	}
	return g
}
