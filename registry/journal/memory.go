package journal

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Memory is a Journal that lives as long as its process: for tests, and for
// registries that may forget. The zero value is ready to use.
type Memory struct {
	// Now stamps records; nil means time.Now.
	Now func() time.Time

	mu      sync.Mutex
	records []Record
	end     Offset
	grown   chan struct{} // closed by the next append; nil while nobody waits
	closed  bool
}

var errClosed = errors.New("journal: closed")

// Append implements Journal. It copies the records.
func (m *Memory) Append(ctx context.Context, at Offset, records []Record) (Offset, error) {
	return m.append(ctx, at, records, true)
}

// Start implements Starter. What is in memory is as durable as it gets.
func (m *Memory) Start(ctx context.Context, at Offset, records []Record) (Offset, func(context.Context) error, error) {
	end, err := m.append(ctx, at, records, false)
	return end, func(context.Context) error { return nil }, err
}

func (m *Memory) append(ctx context.Context, at Offset, records []Record, stamp bool) (Offset, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, errClosed
	}
	if at != m.end {
		return 0, ErrMoved
	}
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	ts := now().UnixMilli()
	for _, r := range records {
		if !stamp {
			ts = r.Timestamp
		}
		m.records = append(m.records, Record{Offset: m.end, Timestamp: ts, Key: copyBytes(r.Key), Value: copyBytes(r.Value)})
		m.end++
	}
	if m.grown != nil && len(records) > 0 {
		close(m.grown)
		m.grown = nil
	}
	return m.end, nil
}

func copyBytes(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// Read implements Journal. The records' bytes must not be changed.
func (m *Memory) Read(ctx context.Context, from Offset, max int) ([]Record, Offset, error) {
	if err := ctx.Err(); err != nil {
		return nil, from, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, from, errClosed
	}
	if from > m.end {
		return nil, from, ErrLost
	}
	lo, hi := 0, len(m.records)
	for lo < hi {
		if mid := (lo + hi) / 2; m.records[mid].Offset < from {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	n := min(max, len(m.records)-lo)
	if n <= 0 {
		if max <= 0 {
			return nil, from, nil
		}
		return nil, m.end, nil
	}
	out := m.records[lo : lo+n : lo+n]
	if lo+n == len(m.records) {
		return out, m.end, nil
	}
	return out, out[n-1].Offset + 1, nil
}

// End implements Journal.
func (m *Memory) End(ctx context.Context) (Offset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, errClosed
	}
	return m.end, ctx.Err()
}

// Wait implements Journal.
func (m *Memory) Wait(ctx context.Context, end Offset) error {
	for {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return errClosed
		}
		if m.end > end {
			m.mu.Unlock()
			return nil
		}
		if m.grown == nil {
			m.grown = make(chan struct{})
		}
		grown := m.grown
		m.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close implements Journal; it ends every Wait.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.grown != nil {
		close(m.grown)
		m.grown = nil
	}
	return nil
}

// Compact drops every record that a later one with the same key replaces, and
// tombstones too if tombstones is set, as a compacted topic does sooner or
// later. Offsets stay.
func (m *Memory) Compact(tombstones bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := make(map[string]Offset, len(m.records))
	for _, r := range m.records {
		last[string(r.Key)] = r.Offset
	}
	kept := make([]Record, 0, len(last))
	for _, r := range m.records {
		if last[string(r.Key)] == r.Offset && (r.Value != nil || !tombstones) {
			kept = append(kept, r)
		}
	}
	m.records = kept
}
