package broker

import (
	"strings"
	"sync"
	"time"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// rejections puts what a validator refused into the log, since some clients show
// their user the code of an answer and not its text: a line per topic in
// rejectionsPause, with the first bad record of a batch, and how many records were
// refused without a line since the last one.
type rejections struct {
	mu     sync.Mutex
	topics map[topics.ID]*rejected
}

type rejected struct {
	last   time.Time
	silent int // records since last
}

const (
	rejectionsPause     = 10 * time.Second
	maxLoggedReasonSize = 500 // bytes
)

func (j *rejections) tell(b *Broker, r *request, t *topic, partition int32, faults []RecordError, line string) {
	before, ok := j.allow(t.ID, b.opts.Now(), len(faults))
	if !ok {
		return
	}
	reason := faults[0].Reason // begins with the path in the document
	if len(reason) > maxLoggedReasonSize {
		reason = strings.ToValidUTF8(reason[:maxLoggedReasonSize], "") + "…"
	}
	b.log.Warn(line, "topic", t.Name, "partition", partition,
		"record", faults[0].Index, "reason", reason, "bad_records", len(faults), "more_before", before, "client", r.conn.host)
}

// allow says whether a line may be logged, and how many records had none since the last.
func (j *rejections) allow(id topics.ID, now time.Time, records int) (before int, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := j.topics[id]
	if at == nil {
		if j.topics == nil {
			j.topics = map[topics.ID]*rejected{}
		}
		j.topics[id] = &rejected{last: now}
		return 0, true
	}
	if now.Sub(at.last) < rejectionsPause && !now.Before(at.last) {
		at.silent += records
		return 0, false
	}
	before, at.silent, at.last = at.silent, 0, now
	return before, true
}

// forget drops what is known of a topic that is gone.
func (j *rejections) forget(id topics.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.topics, id)
}
