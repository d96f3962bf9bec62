package broker

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// Quotas bound what clients may use per second: bytes produced and fetched, time of the
// broker (100 per cent is one processor), partitions created and deleted, by user and
// client ID, and new connections by address. Who uses more is told to wait (the
// throttle time of any answer that has one), and is not read from until then,
// whatever it does.
const (
	quotaProduce     = "producer_byte_rate"
	quotaFetch       = "consumer_byte_rate"
	quotaRequest     = "request_percentage"
	quotaConnections = "connection_creation_rate"
	quotaMutations   = "controller_mutation_rate"
)

const quotaKind = "quota"

// quotaEntity is who a quota is about. A pointer to "" is the default of its
// kind, nil means that the kind does not matter.
type quotaEntity struct {
	User     *string `json:"user,omitempty"`
	ClientID *string `json:"clientID,omitempty"`
	IP       *string `json:"ip,omitempty"`
}

// quotaEntry is what is kept of an entity.
type quotaEntry struct {
	Entity quotaEntity        `json:"entity"`
	Values map[string]float64 `json:"values"`
}

func (e quotaEntity) key() string {
	raw, err := json.Marshal(e)
	if err != nil {
		panic("broker: an entity is always JSON: " + err.Error())
	}
	return string(raw)
}

// quotas decides how long clients have to wait.
type quotas struct {
	store *topics.Store
	now   func() time.Time

	entries atomic.Pointer[[]quotaEntry]

	mu      sync.Mutex
	buckets map[bucketKey]*bucket
}

// bucketKey is who shares a quota: clients to whom the same entry applies, and
// who are the same as far as the entry tells clients apart.
type bucketKey struct {
	quota, entity, user, client string
}

// bucket is a budget that refills with time and may be overdrawn.
type bucket struct {
	left float64
	at   time.Time
}

// maxThrottle bounds one wait.
const maxThrottle = 30 * time.Second

// maxBuckets bounds how many clients are told apart; beyond that, those that
// have not been heard of longest start anew.
const maxBuckets = 10_000

func newQuotas(store *topics.Store, now func() time.Time) (*quotas, error) {
	q := &quotas{store: store, now: now, buckets: map[bucketKey]*bucket{}}
	return q, q.load()
}

// load takes the quotas as the store has them now.
func (q *quotas) load() error {
	var entries []quotaEntry
	for _, f := range q.store.Facts(quotaKind) {
		var e quotaEntry
		if err := json.Unmarshal(f.Value, &e); err != nil {
			return fmt.Errorf("quota %s: %w", f.Key, err)
		}
		entries = append(entries, e)
	}
	q.entries.Store(&entries)
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.buckets)
	return nil
}

func (q *quotas) all() []quotaEntry { return *q.entries.Load() }

// limit finds the entry that applies to a client: the most exact one, as Kafka
// orders them.
func (q *quotas) limit(quota, user, client string) (rate float64, key bucketKey, ok bool) {
	best := 0
	for _, e := range q.all() {
		v, has := e.Values[quota]
		if !has || e.Entity.IP != nil {
			continue
		}
		rank := e.Entity.rank(user, client)
		if rank <= best {
			continue
		}
		best, rate, ok = rank, v, true
		key = bucketKey{quota: quota, entity: e.Entity.key()}
		if e.Entity.User != nil {
			key.user = user
		}
		if e.Entity.ClientID != nil {
			key.client = client
		}
	}
	return rate, key, ok
}

// rank is how exactly an entity fits a client, 0 if not at all: the user counts
// more than the client ID, and a name more than a default.
func (e quotaEntity) rank(user, client string) int {
	part := func(of *string, name string) int {
		switch {
		case of == nil:
			return 0
		case *of == name && name != "":
			return 2
		case *of == "":
			return 1
		}
		return -1
	}
	u, c := part(e.User, user), part(e.ClientID, client)
	if u < 0 || c < 0 || u+c == 0 {
		return 0
	}
	return 3*u + c
}

// charge takes amount out of the client's budget and returns how long it has to
// wait until the budget is no longer overdrawn.
func (q *quotas) charge(r *request, quota string, amount float64) time.Duration {
	if len(q.all()) == 0 || amount <= 0 {
		return 0
	}
	rate, key, ok := q.limit(quota, userName(r.principal()), r.clientID)
	if !ok {
		return 0
	}
	if quota == quotaRequest {
		rate /= 100 // per cent of a second, per second
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.bucket(key, rate, rate)
	b.left -= amount
	return b.wait(rate)
}

// bucket is what key has left now, of most at most. It requires q.mu.
func (q *quotas) bucket(key bucketKey, rate, most float64) *bucket {
	now := q.now()
	b := q.buckets[key]
	if b == nil {
		q.makeRoom()
		b = &bucket{left: most, at: now}
		q.buckets[key] = b
	}
	b.left = min(most, b.left+rate*max(0, now.Sub(b.at).Seconds()))
	b.at = now
	return b
}

// wait is how long it takes until the bucket is no longer overdrawn.
func (b *bucket) wait(rate float64) time.Duration {
	switch {
	case b.left >= 0:
		return 0
	case rate <= 0:
		return maxThrottle
	}
	// As a number of seconds first: it may be more than a Duration holds.
	return time.Duration(min(maxThrottle.Seconds(), -b.left/rate) * float64(time.Second))
}

func (q *quotas) makeRoom() {
	if len(q.buckets) < maxBuckets {
		return
	}
	var oldest bucketKey
	var at time.Time
	for k, b := range q.buckets {
		if at.IsZero() || b.at.Before(at) {
			oldest, at = k, b.at
		}
	}
	delete(q.buckets, oldest)
}

func (q *quotas) produced(r *request, bytes int) time.Duration {
	return q.charge(r, quotaProduce, float64(bytes))
}

func (q *quotas) fetched(r *request, bytes int) time.Duration {
	return q.charge(r, quotaFetch, float64(bytes))
}

// handled charges the time that a request took the broker.
func (q *quotas) handled(r *request, took time.Duration) time.Duration {
	return q.charge(r, quotaRequest, took.Seconds())
}

// userName is a principal without its kind.
func userName(principal string) string {
	if len(principal) > 5 && principal[:5] == "User:" {
		return principal[5:]
	}
	return principal
}

// wholeQuota says whether a quota counts what has no parts.
func wholeQuota(name string) bool {
	return name == quotaProduce || name == quotaFetch || name == quotaConnections
}

func knownQuota(name string) bool {
	return slices.Contains([]string{quotaProduce, quotaFetch, quotaRequest, quotaConnections, quotaMutations}, name)
}
