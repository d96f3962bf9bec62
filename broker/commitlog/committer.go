package commitlog

import (
	"fmt"
	"sync"
	"time"
)

// Policy says when appended data is synced, and with that what the high watermark
// promises.
type Policy uint8

const (
	// SyncEach syncs after every append, many appends together: the high
	// watermark is the durable offset. The default.
	SyncEach Policy = iota
	// SyncInterval syncs from time to time: a power cut takes what was appended
	// since; a killed process takes nothing.
	SyncInterval
	// SyncOS leaves it to the operating system.
	SyncOS
)

var policyNames = [...]string{"fsync", "interval", "os"}

func (p Policy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return fmt.Sprintf("policy(%d)", uint8(p))
}

// ParsePolicy is the inverse of String.
func ParsePolicy(name string) (Policy, bool) {
	for p, n := range policyNames {
		if n == name {
			return Policy(p), true
		}
	}
	return SyncEach, false
}

// Committer makes appended data durable. One serves many logs. It calls [Log.Flush]
// and [Log.Checkpoint], or, with a journal of its own, something cheaper.
type Committer interface {
	Policy() Policy
	// Appended is told of every append, in order for each log, and must not
	// block. With flush the high watermark waits for it; with checkpoint it is
	// time for one.
	Appended(l *Log, flush, checkpoint bool)
	// Forget returns once the committer no longer works on the log.
	Forget(l *Log)
}

// CommitterOptions configure a GroupCommitter. The zero value works.
type CommitterOptions struct {
	Policy Policy
	// Interval is that of SyncInterval; 0 means 200 ms.
	Interval time.Duration
	// Parallel is how many files are synced at the same time; 0 means 16.
	Parallel int
	// CheckpointAge is after how long an appended-to log is checkpointed even if
	// it grew little; 0 means 5 s.
	CheckpointAge time.Duration
}

// GroupCommitter is the [Committer] for one machine. Logs with something to sync
// stand in a queue; workers take them, sync each file once for everything that was
// appended to it by then, and release whoever waits. While a file is being synced
// the next group gathers behind it: the slower the disk, the larger the groups.
//
//	        Appended          worker takes it      synced, nothing new
//	idle ─────────────▶ queued ─────────────▶ busy ───────────────▶ idle
//	                      ▲                    │ Appended meanwhile
//	                      └────────────────────┘
type GroupCommitter struct {
	options CommitterOptions

	mu      sync.Mutex
	ready   *sync.Cond        // a log was queued to be flushed, or stop
	checkup *sync.Cond        // a log was queued to be checkpointed, or stop
	idle    *sync.Cond        // a log ceased to be busy
	flushes []*Log            // to be flushed
	checks  []*Log            // to be checkpointed
	dirty   map[*Log]struct{} // appended to since their last checkpoint
	stopped bool
	stop    chan struct{}
	wg      sync.WaitGroup
}

// queueState is where a log stands in the committer's queues; guarded by its mu.
type queueState struct {
	flushQueued, flushBusy bool
	checkQueued, checkBusy bool
	unsynced               bool // appended to since the last flush, with SyncInterval
	checked                time.Time
}

// NewGroupCommitter starts a committer; Close stops it.
func NewGroupCommitter(o CommitterOptions) *GroupCommitter {
	if o.Interval <= 0 {
		o.Interval = 200 * time.Millisecond
	}
	if o.Parallel <= 0 {
		o.Parallel = 16
	}
	if o.CheckpointAge <= 0 {
		o.CheckpointAge = 5 * time.Second
	}
	c := &GroupCommitter{options: o, dirty: map[*Log]struct{}{}, stop: make(chan struct{})}
	c.ready, c.checkup, c.idle = sync.NewCond(&c.mu), sync.NewCond(&c.mu), sync.NewCond(&c.mu)
	c.wg.Add(o.Parallel + 2)
	for range o.Parallel {
		go c.flushLoop()
	}
	go c.checkpointLoop()
	go c.tickLoop()
	return c
}

// Policy implements [Committer].
func (c *GroupCommitter) Policy() Policy { return c.options.Policy }

// Appended implements [Committer].
func (c *GroupCommitter) Appended(l *Log, flush, checkpoint bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &l.queue
	q.unsynced = true
	c.dirty[l] = struct{}{}
	if flush {
		c.queueFlush(l)
	}
	if checkpoint && !q.checkQueued {
		q.checkQueued = true
		c.checks = append(c.checks, l)
		c.checkup.Signal()
	}
}

// queueFlush requires mu.
func (c *GroupCommitter) queueFlush(l *Log) {
	if l.queue.flushQueued {
		return
	}
	l.queue.flushQueued = true
	if !l.queue.flushBusy { // else the worker puts it back
		c.flushes = append(c.flushes, l)
		c.ready.Signal()
	}
}

func (c *GroupCommitter) flushLoop() {
	defer c.wg.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for len(c.flushes) == 0 {
			if c.stopped {
				return
			}
			c.ready.Wait()
		}
		l := pop(&c.flushes)
		q := &l.queue
		q.flushQueued, q.flushBusy, q.unsynced = false, true, false
		c.mu.Unlock()
		l.Flush() // a failure is kept by the log and reported to who waits there
		c.mu.Lock()
		q.flushBusy = false
		if q.flushQueued {
			c.flushes = append(c.flushes, l)
		}
		c.idle.Broadcast()
	}
}

func pop(queue *[]*Log) *Log {
	q := *queue
	l := q[0]
	copy(q, q[1:])
	q[len(q)-1] = nil
	*queue = q[:len(q)-1]
	return l
}

func (c *GroupCommitter) checkpointLoop() {
	defer c.wg.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for len(c.checks) == 0 {
			if c.stopped {
				return
			}
			c.checkup.Wait()
		}
		l := pop(&c.checks)
		q := &l.queue
		q.checkQueued, q.checkBusy = false, true
		delete(c.dirty, l)
		c.mu.Unlock()
		l.Checkpoint() // a failure is logged there; the next one tries again
		c.mu.Lock()
		q.checkBusy, q.checked = false, time.Now()
		c.idle.Broadcast()
	}
}

// tickLoop does what time alone brings about.
func (c *GroupCommitter) tickLoop() {
	defer c.wg.Done()
	period := time.Second
	if c.options.Policy == SyncInterval {
		period = min(period, c.options.Interval)
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case now := <-ticker.C:
			c.tick(now)
		}
	}
}

func (c *GroupCommitter) tick(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range c.dirty {
		q := &l.queue
		if q.unsynced && (c.options.Policy == SyncInterval || l.Config().FlushAge < forever) {
			c.queueFlush(l)
		}
		if !q.checkQueued && now.Sub(q.checked) >= c.options.CheckpointAge {
			q.checkQueued = true
			c.checks = append(c.checks, l)
			c.checkup.Signal()
		}
	}
}

// Forget implements [Committer].
func (c *GroupCommitter) Forget(l *Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	remove := func(queue *[]*Log) {
		kept := (*queue)[:0]
		for _, other := range *queue {
			if other != l {
				kept = append(kept, other)
			}
		}
		clear((*queue)[len(kept):])
		*queue = kept
	}
	q := &l.queue
	for {
		delete(c.dirty, l)
		remove(&c.flushes)
		remove(&c.checks)
		q.flushQueued, q.checkQueued = false, false
		if !q.flushBusy && !q.checkBusy {
			return
		}
		c.idle.Wait()
	}
}

// Close stops the committer after what is queued was done. Close its logs first.
func (c *GroupCommitter) Close() {
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		return
	}
	c.stopped = true
	close(c.stop)
	c.ready.Broadcast()
	c.checkup.Broadcast()
	c.mu.Unlock()
	c.wg.Wait()
}
