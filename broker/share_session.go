package broker

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/share"
)

// shareKeyText is the text that chooses the coordinator of a share partition,
// the same that Kafka chooses.
func shareKeyText(k share.Key) string {
	return fmt.Sprintf("%s:%s:%d", k.Group, base64.RawURLEncoding.EncodeToString(k.Topic[:]), k.Partition)
}

// A share session remembers which share partitions a member reads. It is named
// by group and member, and lives as long as the connection that opened it: when
// that ends, or the session is closed (epoch −1), what the member has acquired
// goes back.
type shareSession struct {
	of        group.Member
	principal string
	conn      *conn
	closed    atomic.Bool

	// Under the mutex of shareSessions.
	epoch int32 // the next that the client may send
	has   map[share.Key]bool
	parts []share.Key
	turn  int // of parts, the first to be read next
}

func (f *shareSession) change(set, forget []share.Key) {
	for _, k := range set {
		if !f.has[k] {
			f.has[k] = true
			f.parts = append(f.parts, k)
		}
	}
	if len(forget) > 0 {
		for _, k := range forget {
			delete(f.has, k)
		}
		f.parts = slices.DeleteFunc(f.parts, func(k share.Key) bool { return !f.has[k] })
	}
}

// shareSessions are all share sessions.
type shareSessions struct {
	shares *shareCoordinators
	max    int

	mu   sync.Mutex
	byID map[group.Member]*shareSession
	// maxParts bounds the share partitions of all sessions together, which total counts.
	maxParts, total int
}

func newShareSessions(shares *shareCoordinators, l Limits) *shareSessions {
	return &shareSessions{shares: shares, max: l.ShareSessions, maxParts: sessionsOfEach * l.Partitions, byID: map[group.Member]*shareSession{}}
}

// change brings a session up to date, unless all together would remember too much. It
// requires s.mu, and that the session is one of s.byID.
func (s *shareSessions) change(f *shareSession, set, forget []share.Key) *kerr.Error {
	if s.total+len(set) > s.maxParts {
		return kerr.ShareSessionLimitReached
	}
	before := len(f.parts)
	f.change(set, forget)
	s.total += len(f.parts) - before
	return nil
}

// remove forgets a session. It requires s.mu.
func (s *shareSessions) remove(f *shareSession) {
	delete(s.byID, f.of)
	s.total -= len(f.parts)
}

// open makes a session in place of one that the member may have had, whose
// records stay acquired.
func (s *shareSessions) open(r *request, m group.Member, parts []share.Key) (*shareSession, *kerr.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.byID[m]
	switch {
	case old != nil && old.principal != r.as:
		return nil, kerr.ShareSessionNotFound
	case old == nil && len(s.byID) >= s.max, s.total+len(parts) > s.maxParts:
		return nil, kerr.ShareSessionLimitReached
	}
	if old != nil {
		old.closed.Store(true)
		s.remove(old)
	}
	n := &shareSession{of: m, principal: r.as, conn: r.conn, epoch: 1, has: map[share.Key]bool{}}
	s.byID[m] = n
	return n, s.change(n, parts, nil)
}

// resume finds the session of a request and brings it to its next epoch.
func (s *shareSessions) resume(r *request, m group.Member, epoch int32, set, forget []share.Key) (*shareSession, *kerr.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.byID[m]
	switch {
	case f == nil || f.principal != r.as:
		return nil, kerr.ShareSessionNotFound
	case f.epoch != epoch:
		return nil, kerr.InvalidShareSessionEpoch
	}
	if refused := s.change(f, set, forget); refused != nil {
		return nil, refused
	}
	if f.epoch++; epoch == math.MaxInt32 {
		f.epoch = 1
	}
	return f, nil
}

// inTurn returns the partitions of a session, each time from the next one on.
func (s *shareSessions) inTurn(f *shareSession) []share.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(f.parts) == 0 {
		return nil
	}
	f.turn = (f.turn + 1) % len(f.parts)
	return append(slices.Clone(f.parts[f.turn:]), f.parts[:f.turn]...)
}

// find returns a session that may be closed.
func (s *shareSessions) find(r *request, m group.Member) (*shareSession, *kerr.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.byID[m]
	if f == nil || f.principal != r.as {
		return nil, kerr.ShareSessionNotFound
	}
	return f, nil
}

// close ends a session and gives back what its member has. delivered says that
// the member may have seen it.
func (s *shareSessions) close(f *shareSession, delivered bool) {
	s.mu.Lock()
	if s.byID[f.of] == f {
		s.remove(f)
	}
	f.closed.Store(true)
	s.mu.Unlock()
	s.shares.release(f.of, delivered)
}

// drop forgets the session of a member that is no longer one.
func (s *shareSessions) drop(m group.Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.byID[m]; f != nil {
		f.closed.Store(true)
		s.remove(f)
	}
}

// ended closes the sessions that a connection has opened.
func (s *shareSessions) ended(c *conn) {
	s.mu.Lock()
	var all []*shareSession
	for _, f := range s.byID {
		if f.conn == c {
			all = append(all, f)
		}
	}
	s.mu.Unlock()
	for _, f := range all {
		s.close(f, true)
	}
}

func (s *shareSessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID)
}
