package broker

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// controller_mutation_rate bounds how many partitions per second a client creates and
// deletes (KIP-599). Clients that know the error THROTTLING_QUOTA_EXCEEDED are refused
// while they are over it; of older ones everything is done, and they wait afterwards.

// mutationBurst is how many seconds' worth may be used at once, as in Kafka with its
// default of eleven windows of a second.
const mutationBurst = 11

// mutating charges what one request creates and deletes.
type mutating struct {
	quotas *quotas
	r      *request
	strict bool // the client knows that it may be refused
	wait   time.Duration
}

// partitions charges for n partitions. It reports false if they must be left as they are.
func (m *mutating) partitions(n int) bool {
	wait, ok := m.quotas.mutated(m.r, n, m.strict)
	m.wait = max(m.wait, wait)
	return ok
}

// refusal is what the client is told when partitions has reported false.
func (m *mutating) refusal() string {
	return fmt.Sprintf("the quota %s is used up: try again in %s", quotaMutations, m.wait.Round(time.Millisecond))
}

// answer is a reply that tells the wait.
func (m *mutating) answer(resp kmsg.Response) reply {
	rep := answer(resp)
	rep.mute = m.wait
	return rep
}

// mutated charges for n partitions, unless strict is set and the quota is overdrawn.
func (q *quotas) mutated(r *request, n int, strict bool) (wait time.Duration, ok bool) {
	if len(q.all()) == 0 {
		return 0, true
	}
	rate, key, limited := q.limit(quotaMutations, userName(r.principal()), r.clientID)
	if !limited {
		return 0, true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.bucket(key, rate, mutationBurst*rate)
	if strict && b.left < 0 {
		return b.wait(rate), false
	}
	b.left -= float64(n)
	if strict {
		return 0, true
	}
	return b.wait(rate), true
}
