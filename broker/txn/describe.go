package txn

import (
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Describe describes one transactional ID.
func (c *Coordinator) Describe(id string) kmsg.DescribeTransactionsResponseTransactionState {
	out := kmsg.NewDescribeTransactionsResponseTransactionState()
	out.TransactionalID = id
	t := c.transactions[id]
	switch {
	case id == "":
		out.ErrorCode = kerr.InvalidRequest.Code
		return out
	case t == nil:
		out.ErrorCode = kerr.TransactionalIDNotFound.Code
		return out
	}
	out.State, out.TimeoutMillis, out.StartTimestamp = t.state.String(), int32(t.timeout.Milliseconds()), -1
	out.ProducerID, out.ProducerEpoch = t.producer.ID, t.producer.Epoch
	if !t.started.IsZero() {
		out.StartTimestamp = t.started.UnixMilli()
	}
	for _, p := range t.sortedPartitions() {
		if len(out.Topics) == 0 || out.Topics[len(out.Topics)-1].Topic != p.Topic {
			topic := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
			topic.Topic = p.Topic
			out.Topics = append(out.Topics, topic)
		}
		last := &out.Topics[len(out.Topics)-1]
		last.Partitions = append(last.Partitions, p.Partition)
	}
	return out
}

// Filter chooses transactions to list. Empty parts choose all.
type Filter struct {
	States      []string
	ProducerIDs []int64
	Duration    time.Duration  // open for at least as long; 0 or less: any
	Pattern     *regexp.Regexp // of the transactional ID
}

// UnknownStates returns the names that are not states.
func (f Filter) UnknownStates() []string {
	var out []string
	for _, s := range f.States {
		if !slices.Contains(stateNames[:], s) {
			out = append(out, s)
		}
	}
	return out
}

// List lists the transactional IDs that the filter chooses.
func (c *Coordinator) List(now time.Time, f Filter) []kmsg.ListTransactionsResponseTransactionState {
	var out []kmsg.ListTransactionsResponseTransactionState
	for _, id := range slices.Sorted(maps.Keys(c.transactions)) {
		t := c.transactions[id]
		switch {
		case len(f.States) > 0 && !slices.Contains(f.States, t.state.String()),
			len(f.ProducerIDs) > 0 && !slices.Contains(f.ProducerIDs, t.producer.ID),
			f.Duration > 0 && (t.started.IsZero() || now.Sub(t.started) < f.Duration),
			f.Pattern != nil && !f.Pattern.MatchString(id):
			continue
		}
		lt := kmsg.NewListTransactionsResponseTransactionState()
		lt.TransactionalID, lt.ProducerID, lt.TransactionState = id, t.producer.ID, t.state.String()
		out = append(out, lt)
	}
	return out
}
