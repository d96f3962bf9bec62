package txn

import (
	"errors"
	"fmt"
	"time"
)

// Options are the settings of a coordinator, under the names of Kafka's broker
// settings where there is one. The zero value works, but for ProducerIDs.
type Options struct {
	// MaxTimeout is the longest transaction timeout that a producer may ask for
	// (transaction.max.timeout.ms). Default: 15 min.
	MaxTimeout time.Duration

	// IDExpiration is how long a transactional ID that is not used is kept
	// (transactional.id.expiration.ms). Default: 7 days.
	IDExpiration time.Duration

	// ScanInterval is how often transactions are looked at for timeouts
	// (transaction.abort.timed.out.transaction.cleanup.interval.ms, where
	// Kafka looks every 10 s). Default: 1 s.
	ScanInterval time.Duration

	// MaxPartitions bounds the partitions of one transaction. Default: 100,000.
	MaxPartitions int

	// ProducerIDs gives a producer ID that was never given before, also not by
	// an earlier process. It must be set.
	ProducerIDs func() (int64, error)
}

func (o Options) withDefaults() Options {
	if o.MaxTimeout == 0 {
		o.MaxTimeout = 15 * time.Minute
	}
	if o.IDExpiration == 0 {
		o.IDExpiration = 7 * 24 * time.Hour
	}
	if o.ScanInterval == 0 {
		o.ScanInterval = time.Second
	}
	if o.MaxPartitions == 0 {
		o.MaxPartitions = 100_000
	}
	return o
}

// Validate reports every fault of the options at once.
func (o Options) Validate() error {
	d := o.withDefaults()
	var errs []error
	for name, v := range map[string]time.Duration{"MaxTimeout": d.MaxTimeout, "IDExpiration": d.IDExpiration, "ScanInterval": d.ScanInterval} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("txn: %s is %v, must be positive", name, v))
		}
	}
	if d.MaxPartitions < 1 {
		errs = append(errs, errors.New("txn: MaxPartitions must be positive"))
	}
	if o.ProducerIDs == nil {
		errs = append(errs, errors.New("txn: ProducerIDs is not set"))
	}
	return errors.Join(errs...)
}

// Defaulted returns the options as a coordinator uses them.
func (o Options) Defaulted() Options { return o.withDefaults() }
