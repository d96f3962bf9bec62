package main

import (
	"encoding/binary"
	"os"
	"sort"
	"sync"
)

// bareLog is one partition of the bare loop: a file of batches, and where each
// of them begins.
type bareLog struct {
	f *os.File

	mu       sync.Mutex
	at, next int64 // byte position, offset of what is appended next
	starts   []bareStart
	durable  int // batches that are on the disk
}

type bareStart struct{ offset, at int64 }

// append checks one batch, gives it its offset and writes it.
func (p *bareLog) append(batch []byte) (base int64, err error) {
	if len(batch) < 61 || crcOf(batch[21:]) != binary.BigEndian.Uint32(batch[17:]) {
		return 0, errRequest
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	base = p.next
	binary.BigEndian.PutUint64(batch, uint64(base))
	if _, err := p.f.WriteAt(batch, p.at); err != nil {
		return 0, err
	}
	p.starts = append(p.starts, bareStart{base, p.at})
	p.at += int64(len(batch))
	p.next += int64(binary.BigEndian.Uint32(batch[57:]))
	return base, nil
}

func (p *bareLog) batches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.starts)
}

func (p *bareLog) synced(batches int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.durable = max(p.durable, batches)
}

// start is where the n-th batch begins, or will.
func (p *bareLog) start(n int) bareStart {
	if n < len(p.starts) {
		return p.starts[n]
	}
	return bareStart{p.next, p.at}
}

// find returns where whole durable batches lie from an offset on: at most atMost
// bytes, but at least one batch if there is one. end is the offset after the last
// durable batch.
func (p *bareLog) find(offset, atMost int64) (at, n, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := max(0, sort.Search(len(p.starts), func(i int) bool { return p.starts[i].offset > offset })-1)
	at, end = p.start(i).at, p.start(p.durable).offset
	for j := i; j < p.durable && offset < end; j++ {
		to := p.start(j + 1).at
		if n > 0 && to-at > atMost {
			break
		}
		n = to - at
	}
	return at, n, end
}
