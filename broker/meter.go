package broker

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// meter counts something that happens often and knows how often it happens of
// late: an average that forgets with a time constant of a minute, brought up to
// date by tick. It may be used concurrently.
type meter struct {
	total atomic.Int64

	mu     sync.Mutex
	born   time.Time
	at     time.Time // of the last tick
	then   int64     // total at that time
	second float64
}

// meterEvery is the time between two ticks.
const meterEvery = 5 * time.Second

func (m *meter) add(n int) { m.total.Add(int64(n)) }

// start must be called once, before tick.
func (m *meter) start(now time.Time) { m.born, m.at = now, now }

// tick brings the rate up to date. In the first minute it is the mean since start.
func (m *meter) tick(now time.Time) {
	total := m.total.Load()
	m.mu.Lock()
	defer m.mu.Unlock()
	since := now.Sub(m.at).Seconds()
	if since > 0 { // else the clock was set back
		rate := float64(total-m.then) / since
		m.second += max(1-math.Exp(-since/60), since/now.Sub(m.born).Seconds()) * (rate - m.second)
		if m.second < 1e-3 { // it would never reach zero
			m.second = 0
		}
	}
	m.at, m.then = now, total
}

// perSecond is the rate at the last tick.
func (m *meter) perSecond() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.second
}
