package dedup

import (
	"container/list"
	"context"
	"crypto/rand"
	"sync"
	"time"
)

func randomOwner() string { return rand.Text() }

// Memory is a Store of one process: it forgets everything when that ends, and
// the IDs touched longest ago when it is full.
type Memory struct {
	limit int
	clock func() time.Time

	mu    sync.Mutex
	ids   map[string]*list.Element // of *memoryID
	order list.List                // touched last at the front
}

type memoryID struct {
	id, owner string
	handled   bool
	until     time.Time
}

// NewMemory returns a store of at most limit IDs. clock is time.Now if nil.
func NewMemory(limit int, clock func() time.Time) *Memory {
	if clock == nil {
		clock = time.Now
	}
	return &Memory{limit: max(limit, 1), clock: clock, ids: map[string]*list.Element{}}
}

var _ Store = (*Memory)(nil)

// Claim implements Store.
func (m *Memory) Claim(_ context.Context, id, owner string, lease time.Duration) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	if e, ok := m.ids[id]; ok {
		if known := e.Value.(*memoryID); now.Before(known.until) {
			if known.handled {
				return Handled, nil
			}
			return Claimed, nil
		}
	}
	m.put(&memoryID{id: id, owner: owner, until: now.Add(lease)})
	return Fresh, nil
}

// Done implements Store.
func (m *Memory) Done(_ context.Context, id, owner string, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(&memoryID{id: id, owner: owner, handled: true, until: m.clock().Add(ttl)})
	return nil
}

// Release implements Store.
func (m *Memory) Release(_ context.Context, id, owner string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.ids[id]; ok {
		if known := e.Value.(*memoryID); !known.handled && known.owner == owner {
			m.order.Remove(e)
			delete(m.ids, id)
		}
	}
	return nil
}

// put needs mu.
func (m *Memory) put(v *memoryID) {
	if e, ok := m.ids[v.id]; ok {
		m.order.Remove(e)
	}
	m.ids[v.id] = m.order.PushFront(v)
	for len(m.ids) > m.limit {
		oldest := m.order.Back()
		delete(m.ids, oldest.Value.(*memoryID).id)
		m.order.Remove(oldest)
	}
}
