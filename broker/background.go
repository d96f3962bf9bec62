package broker

import "time"

// checkpointEvery is how often the data directory's checkpoints are written.
const checkpointEvery = time.Minute

// startBackground starts what runs from time to time until the broker stops.
func (b *Broker) startBackground() {
	b.every(checkpointEvery, "checkpoint", func() {
		if err := b.checkpoint(); err != nil {
			b.log.Error("checkpoints of the data directory could not be written", "err", err)
		}
	})
}

// every runs f again and again, with a pause, in a goroutine that Close waits
// for.
func (b *Broker) every(pause time.Duration, _ string, f func()) {
	b.background.Go(func() {
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				f()
			case <-b.stopping.Done():
				return
			}
		}
	})
}
