package broker

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A fetch session (KIP-227) remembers which partitions a client reads, so that
// it names only those that change, and the answer only those with news.
//
//	session ID  epoch   the client
//	0           -1      wants no session
//	any         0       names all it reads and wants a new session
//	n           -1      closes session n and wants no session
//	n           e > 0   sends the e-th change of session n

const (
	noSession    int32 = 0
	finalEpoch   int32 = -1
	initialEpoch int32 = 0
)

// fetchKey names a partition of a request: by topic name to version 12, by ID
// from 13 on.
type fetchKey struct {
	topic     string
	id        [16]byte
	partition int32
}

// fetchAsked is what a client asks of one partition.
type fetchAsked struct {
	fetchKey
	currentEpoch int32
	offset       int64
	lastEpoch    int32
	maxBytes     int32
}

// fetchSession is owned by whoever holds mu.
type fetchSession struct {
	id        int32
	principal string
	byID      bool // topics are named by ID
	used      time.Time

	mu    sync.Mutex
	epoch int32 // the next that the client may send
	parts map[fetchKey]*sessionPartition
	order []*sessionPartition
	gone  bool // it is none of fetchSessions any more
}

// sessionPartition is a partition of a session and what the client was told.
type sessionPartition struct {
	fetchAsked
	told                    bool
	highWatermark, logStart int64
}

// sessionEviction is how long a session is safe from being dropped for another.
const sessionEviction = 2 * time.Minute

// fetchSessions are all sessions.
type fetchSessions struct {
	mu   sync.Mutex
	max  int
	byID map[int32]*fetchSession
	// maxParts bounds the partitions of all sessions together, those that do not exist
	// included, which total counts.
	maxParts int64
	total    atomic.Int64
}

// sessionsOfEach is for how many clients the sessions may remember all partitions that
// there may be.
const sessionsOfEach = 8

func newFetchSessions(l Limits) *fetchSessions {
	return &fetchSessions{max: l.FetchSessions, maxParts: sessionsOfEach * int64(l.Partitions), byID: map[int32]*fetchSession{}}
}

// open makes a session, or returns nil if there is no room for one.
func (s *fetchSessions) open(principal string, byID bool, asked []fetchAsked, now time.Time) *fetchSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.byID) >= s.max || s.total.Load()+int64(len(asked)) > s.maxParts {
		var oldest *fetchSession
		for _, f := range s.byID {
			if oldest == nil || f.used.Before(oldest.used) {
				oldest = f
			}
		}
		if oldest == nil || now.Sub(oldest.used) < sessionEviction {
			return nil
		}
		s.drop(oldest)
	}
	f := &fetchSession{principal: principal, byID: byID, used: now, epoch: 1, parts: make(map[fetchKey]*sessionPartition, len(asked))}
	for f.id == noSession || s.byID[f.id] != nil {
		f.id = rand.Int32N(math.MaxInt32)
	}
	for _, a := range asked {
		f.set(a)
	}
	s.byID[f.id] = f
	s.total.Add(int64(len(f.parts)))
	return f
}

// drop forgets a session. It requires s.mu.
func (s *fetchSessions) drop(f *fetchSession) {
	delete(s.byID, f.id)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	s.total.Add(-int64(len(f.parts)))
}

func (s *fetchSessions) close(id int32, principal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.byID[id]; f != nil && f.principal == principal {
		s.drop(f)
	}
}

// resume finds a session for its next change.
func (s *fetchSessions) resume(req *kmsg.FetchRequest, principal string, now time.Time) (*fetchSession, *kerr.Error) {
	s.mu.Lock()
	f := s.byID[req.SessionID]
	if f != nil && f.principal == principal {
		f.used = now
	}
	s.mu.Unlock()
	if f == nil || f.principal != principal {
		return nil, kerr.FetchSessionIDNotFound
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID != (req.Version >= 13) {
		return nil, kerr.FetchSessionTopicIDError
	}
	if req.SessionEpoch != f.epoch {
		return nil, kerr.InvalidFetchSessionEpoch
	}
	if f.epoch++; f.epoch < 0 {
		f.epoch = 1
	}
	return f, nil
}

// change takes a request's changes in and returns all that the session reads. A session
// that grows beyond the bound is at its end: the client begins anew, or without one.
func (s *fetchSessions) change(f *fetchSession, set []fetchAsked, forget []fetchKey) ([]fetchAsked, *kerr.Error) {
	all, grown := f.change(set, forget, &s.total)
	if grown && s.total.Load() > s.maxParts {
		s.close(f.id, f.principal)
		return nil, kerr.FetchSessionIDNotFound
	}
	return all, nil
}

// change does the same to the session alone, and says whether it has more partitions
// than before.
func (f *fetchSession) change(set []fetchAsked, forget []fetchKey, total *atomic.Int64) (all []fetchAsked, grown bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.parts)
	for _, key := range forget {
		delete(f.parts, key)
	}
	for _, a := range set {
		f.set(a)
	}
	kept := f.order[:0]
	all = make([]fetchAsked, 0, len(f.parts))
	for _, p := range f.order {
		if f.parts[p.fetchKey] == p {
			kept = append(kept, p)
			all = append(all, p.fetchAsked)
		}
	}
	clear(f.order[len(kept):])
	f.order = kept
	if !f.gone {
		total.Add(int64(len(f.parts) - before))
	}
	return all, len(f.parts) > before
}

// set adds or changes a partition. f.mu must be held, or f be new.
func (f *fetchSession) set(a fetchAsked) {
	if p := f.parts[a.fetchKey]; p != nil {
		p.fetchAsked = a
		return
	}
	p := &sessionPartition{fetchAsked: a}
	f.parts[a.fetchKey] = p
	f.order = append(f.order, p)
}

// news says whether an answer is news to the client, and notes that it is told.
func (f *fetchSession) news(key fetchKey, p *fetchedPartition) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.parts[key]
	if s == nil {
		return false
	}
	news := !s.told || p.size() > 0 || p.errorCode != 0 || p.diverging != nil ||
		p.highWatermark != s.highWatermark || p.logStart != s.logStart
	s.told, s.highWatermark, s.logStart = p.errorCode == 0, p.highWatermark, p.logStart
	return news
}

// rotate puts the partitions that were answered with records at the end of the
// line, so that the first ones do not use up every answer.
func (f *fetchSession) rotate(answered map[fetchKey]bool) {
	if len(answered) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	front := make([]*sessionPartition, 0, len(f.order))
	var back []*sessionPartition
	for _, p := range f.order {
		if answered[p.fetchKey] {
			back = append(back, p)
		} else {
			front = append(front, p)
		}
	}
	f.order = append(front, back...)
}
