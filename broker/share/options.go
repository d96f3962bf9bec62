package share

import (
	"errors"
	"fmt"
	"time"
)

// Options are the settings of a coordinator, under the names of Kafka's broker
// settings where there is one. The zero value works.
type Options struct {
	// DeliveryLimit is how often a record is delivered at most
	// (group.share.delivery.count.limit). Default: 5.
	DeliveryLimit int
	// LockDuration is how long an acquired record is kept for who has it
	// (group.share.record.lock.duration.ms). Default: 30 s.
	LockDuration time.Duration
	// MaxInFlight bounds the records of a share partition between its start and
	// its end offset (group.share.partition.max.record.locks). One batch of
	// records may go beyond it. Default: 2000.
	MaxInFlight int
	// SnapshotEvery is the number of updates after which a share partition is
	// written whole (share.coordinator.snapshot.update.records.per.snapshot).
	// Default: 500.
	SnapshotEvery int
	// Of, if set, tells what a group has set for itself; zeros are what all
	// groups have.
	Of func(group string) Settings
}

// Settings are what a group may set for itself.
type Settings struct {
	LockDuration  time.Duration // share.record.lock.duration.ms
	DeliveryLimit int           // share.delivery.count.limit
	MaxInFlight   int           // share.partition.max.record.locks
}

// Defaulted returns the options as a coordinator uses them.
func (o Options) Defaulted() Options {
	if o.DeliveryLimit == 0 {
		o.DeliveryLimit = 5
	}
	if o.LockDuration == 0 {
		o.LockDuration = 30 * time.Second
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 2000
	}
	if o.SnapshotEvery == 0 {
		o.SnapshotEvery = 500
	}
	return o
}

// Validate reports every fault of the options at once.
func (o Options) Validate() error {
	o = o.Defaulted()
	var errs []error
	positive := func(name string, n int) {
		if n < 1 {
			errs = append(errs, fmt.Errorf("share: %s is %d, must be positive", name, n))
		}
	}
	positive("DeliveryLimit", o.DeliveryLimit)
	positive("MaxInFlight", o.MaxInFlight)
	positive("SnapshotEvery", o.SnapshotEvery)
	if o.LockDuration < 0 {
		errs = append(errs, fmt.Errorf("share: LockDuration is %v, must be positive", o.LockDuration))
	}
	return errors.Join(errs...)
}

// settings are what counts for a group.
func (c *Coordinator) settings(group string) Settings {
	s := Settings{LockDuration: c.opts.LockDuration, DeliveryLimit: c.opts.DeliveryLimit, MaxInFlight: c.opts.MaxInFlight}
	if c.opts.Of == nil {
		return s
	}
	own := c.opts.Of(group)
	if own.LockDuration > 0 {
		s.LockDuration = own.LockDuration
	}
	if own.DeliveryLimit > 0 {
		s.DeliveryLimit = own.DeliveryLimit
	}
	if own.MaxInFlight > 0 {
		s.MaxInFlight = own.MaxInFlight
	}
	return s
}
