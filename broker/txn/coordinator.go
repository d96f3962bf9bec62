package txn

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Record is one record of `__transaction_state`. A nil Value is a tombstone.
type Record struct{ Key, Value []byte }

// Waiter is the caller's name for a request whose answer may come later.
type Waiter uint64

// Answer is the answer to a waiting request.
type Answer struct {
	To       Waiter
	Response kmsg.Response
}

// Ending is a transaction whose outcome is decided and durable, with the
// partitions that need a marker.
type Ending struct {
	TransactionalID string
	Producer        Producer // as the markers name it
	Commit          bool
	Partitions      []TopicPartition
}

// Effects is what one operation asks of the caller: append Records as one
// batch and, once they are durable, send Answers and write the markers of
// Endings. All parts may be empty.
type Effects struct {
	Records []Record
	Answers []Answer
	Endings []Ending
}

// Coordinator holds the transactional IDs of one partition of
// `__transaction_state`. It is not safe for concurrent use.
type Coordinator struct {
	opts         Options
	log          *slog.Logger
	transactions map[string]*transaction
	waiting      map[string][]waiting // EndTxn requests to answer when markers are written
	scan         time.Time            // next look for timeouts
	effects      Effects
}

// waiting is an EndTxn that is answered once its transaction is over.
type waiting struct {
	to       Waiter
	response *kmsg.EndTxnResponse
}

// New returns a coordinator without transactions. A nil logger logs nothing.
func New(opts Options, log *slog.Logger) *Coordinator {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Coordinator{opts: opts.withDefaults(), log: log,
		transactions: make(map[string]*transaction), waiting: make(map[string][]waiting)}
}

// Replay applies one record of the partition. An error names a record that
// cannot be read; the state is as before.
func (c *Coordinator) Replay(rec Record) error {
	id, t, err := decode(rec)
	if err != nil {
		return err
	}
	c.apply(id, t)
	return nil
}

// Loaded must be called once after the last Replay. It asks for the markers of
// transactions whose outcome was decided when the last process ended.
func (c *Coordinator) Loaded(now time.Time) Effects {
	for _, id := range slices.Sorted(maps.Keys(c.transactions)) {
		if t := c.transactions[id]; t.state.preparing() {
			c.effects.Endings = append(c.effects.Endings, t.ending())
		}
	}
	c.scan = now.Add(c.opts.ScanInterval)
	return c.take()
}

// NextTimer returns when Tick must be called next.
func (c *Coordinator) NextTimer() time.Time { return c.scan }

// Tick aborts transactions whose time is up, and forgets transactional IDs
// that have not been used for long.
func (c *Coordinator) Tick(now time.Time) Effects {
	if now.Before(c.scan) {
		return Effects{}
	}
	c.scan = now.Add(c.opts.ScanInterval)
	for _, id := range slices.Sorted(maps.Keys(c.transactions)) {
		t := c.transactions[id]
		switch {
		case t.state == Ongoing && !now.Before(t.started.Add(t.timeout)):
			c.log.Info("transaction timed out", "transactional id", id, "producer id", t.producer.ID, "timeout", t.timeout)
			c.fence(now, t)
		case t.state != Ongoing && !t.state.preparing() && !now.Before(t.updated.Add(c.opts.IDExpiration)):
			c.write(id, nil)
		}
	}
	return c.take()
}

// write adds a transaction's next version to the effects, or its removal, and
// makes what a replay would read the current one.
func (c *Coordinator) write(id string, next *transaction) {
	rec := Record{Key: keyOf(id)}
	if next != nil {
		rec.Value = next.value()
	}
	c.effects.Records = append(c.effects.Records, rec)
	if err := c.Replay(rec); err != nil {
		panic("txn: a record of our own cannot be read: " + err.Error())
	}
}

func (c *Coordinator) apply(id string, t *transaction) {
	if t == nil {
		delete(c.transactions, id)
		return
	}
	c.transactions[id] = t
}

func (c *Coordinator) take() Effects {
	e := c.effects
	c.effects = Effects{}
	return e
}

func (c *Coordinator) answer(to Waiter, response kmsg.Response) {
	c.effects.Answers = append(c.effects.Answers, Answer{To: to, Response: response})
}
