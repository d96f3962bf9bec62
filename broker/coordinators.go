package broker

import "context"

// coordinators are the parts that keep groups and transactions: started when
// all logs are open and before the first connection, stopped after the last.
type coordinators struct{}

// startCoordinators replays the internal topics and starts the coordinators.
func (b *Broker) startCoordinators(context.Context) error { return nil }

// stopCoordinators ends what startCoordinators began. It may be called without it.
func (b *Broker) stopCoordinators() {}

// topicsChanged is called when topics or partitions came or went, with the
// catalog as it is now. Its caller holds the catalog's lock.
func (b *Broker) topicsChanged() {}

// coordinatorConfigs are the configurations of the coordinators, as clients see
// them.
func (b *Broker) coordinatorConfigs() []brokerConfig { return nil }
