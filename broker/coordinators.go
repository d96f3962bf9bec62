package broker

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/share"
	"github.com/dovetail-dev/dovetail/broker/topics"
	"github.com/dovetail-dev/dovetail/broker/txn"
)

// CoordinatorOptions are the settings of groups and transactions. The zero
// value works.
type CoordinatorOptions struct {
	// Partitions is the number of partitions of each of the three internal
	// topics, which is how many coordinators work side by side
	// (offsets.topic.num.partitions, transaction.state.log.num.partitions,
	// share.coordinator.state.topic.num.partitions). It
	// counts when a topic is made, not later. Zero means 4; Kafka, which
	// spreads them over brokers, has 50.
	Partitions int32
	// Groups are the settings of consumer groups.
	Groups group.Options
	// Shares are the settings of what share groups deliver.
	Shares share.Options
	// MaxTransactionTimeout is the longest transaction timeout that a producer
	// may ask for (transaction.max.timeout.ms). Zero means 15 minutes.
	MaxTransactionTimeout time.Duration
	// TransactionalIDExpiration is how long an unused transactional ID is kept
	// (transactional.id.expiration.ms). Zero means 7 days.
	TransactionalIDExpiration time.Duration
}

func (o CoordinatorOptions) partitions() int32 {
	if o.Partitions == 0 {
		return 4
	}
	return o.Partitions
}

func (o CoordinatorOptions) validate() error {
	var errs []error
	if o.Partitions < 0 {
		errs = append(errs, errors.New("Coordinators.Partitions is negative"))
	}
	if o.MaxTransactionTimeout < 0 || o.TransactionalIDExpiration < 0 {
		errs = append(errs, errors.New("Coordinators.MaxTransactionTimeout and Coordinators.TransactionalIDExpiration must not be negative"))
	}
	return errors.Join(append(errs, o.Groups.Validate(), o.Shares.Validate())...)
}

// coordinators are the parts that keep groups and transactions: started when
// all logs are open and before the first connection, stopped after the last.
type coordinators struct {
	groups       *groupCoordinators
	transactions *txnCoordinators
	shares       *shareCoordinators
	producerIDs  *producerIDs

	end     context.CancelFunc
	running sync.WaitGroup
}

// startCoordinators replays the internal topics, where there are any yet, and
// starts the coordinators.
func (b *Broker) startCoordinators(context.Context) error {
	o := b.opts.Coordinators
	ctx, end := context.WithCancel(context.Background())
	b.end = end
	b.producerIDs = &producerIDs{store: b.store}
	if err := b.groupConfigs.load(b.store); err != nil {
		return err
	}
	o.Groups.Times = b.groupConfigs.times
	b.groups = newGroupCoordinators(ctx, b, o.Groups)
	b.shares.ctx, b.shares.running = ctx, &b.running
	b.transactions = newTxnCoordinators(ctx, b, txn.Options{
		MaxTimeout: o.MaxTransactionTimeout, IDExpiration: o.TransactionalIDExpiration, ProducerIDs: b.producerIDs.take})
	if err := b.transactions.opts.Validate(); err != nil {
		return err
	}
	if _, err := b.groups.open(false); err != nil {
		return err
	}
	if _, err := b.shares.open(false); err != nil {
		return err
	}
	_, err := b.transactions.open(false)
	return err
}

// stopCoordinators ends what startCoordinators began. It may be called without it.
func (b *Broker) stopCoordinators() {
	if b.end == nil {
		return
	}
	b.end()
	b.running.Wait()
}

// topicsChanged is called when topics or partitions came or went, with the
// catalog as it is now. Its caller holds the catalog's lock. The coordinators
// look at the catalog themselves before they do anything; this wakes them so
// that offsets of a deleted topic go soon.
func (b *Broker) topicsChanged() {
	if b.groups == nil {
		return
	}
	if all := b.groups.all.Load(); all != nil {
		for _, s := range *all {
			s.do(func(time.Time) group.Effects { return group.Effects{} }, func(int16) {})
		}
	}
	if all := b.shares.all.Load(); all != nil {
		for _, s := range *all {
			s.do(func(time.Time) share.Effects { return share.Effects{} }, func(int16) {})
		}
	}
}

// coordinatorConfigs are the configurations of the coordinators, as clients see
// them.
func (b *Broker) coordinatorConfigs() []brokerConfig {
	g, d := b.opts.Coordinators.Groups.Defaulted(), b.shares.opts
	t := txn.Options{MaxTimeout: b.opts.Coordinators.MaxTransactionTimeout, IDExpiration: b.opts.Coordinators.TransactionalIDExpiration}.Defaulted()
	text := func(v string) func(*Broker) string { return func(*Broker) string { return v } }
	ms := func(d time.Duration) func(*Broker) string { return text(strconv.FormatInt(d.Milliseconds(), 10)) }
	partitions := text(strconv.Itoa(int(b.opts.Coordinators.partitions())))
	return []brokerConfig{
		{"group.consumer.assignors", topics.List, text("uniform,range"), "The assignors that run in the broker, the default first."},
		{"group.consumer.heartbeat.interval.ms", topics.Int, ms(g.HeartbeatInterval), "How often members of the consumer protocol are told to send a heartbeat."},
		{"group.consumer.max.size", topics.Int, text(strconv.Itoa(g.MaxMembers)), "The most members of a group of the consumer protocol."},
		{"group.consumer.migration.policy", topics.String, text(string(g.Migration)), "Which way groups may move between the protocols while members run."},
		{"group.consumer.session.timeout.ms", topics.Int, ms(g.SessionTimeout), "After how long without a heartbeat a member of the consumer protocol is out."},
		{"group.coordinator.rebalance.protocols", topics.List, text("classic,consumer,share"), "The group protocols that the broker speaks."},
		{"group.initial.rebalance.delay.ms", topics.Int, ms(g.InitialRebalanceDelay), "How long the first rebalance of an empty group waits for more members."},
		{"group.max.session.timeout.ms", topics.Int, ms(g.MaxSessionTimeout), "The longest session timeout that a member of the classic protocol may ask for."},
		{"group.max.size", topics.Int, text(strconv.Itoa(g.MaxMembers)), "The most members of a group of the classic protocol."},
		{"group.min.session.timeout.ms", topics.Int, ms(g.MinSessionTimeout), "The shortest session timeout that a member of the classic protocol may ask for."},
		{"group.share.delivery.count.limit", topics.Int, text(strconv.Itoa(d.DeliveryLimit)), "How often a record is delivered to a share group at most."},
		{"group.share.heartbeat.interval.ms", topics.Int, ms(g.ShareHeartbeatInterval), "How often members of share groups are told to send a heartbeat."},
		{"group.share.max.share.sessions", topics.Int, text(strconv.Itoa(b.opts.Limits.ShareSessions)), "How many share sessions there may be."},
		{"group.share.max.size", topics.Int, text(strconv.Itoa(g.ShareMaxMembers)), "The most members of a share group."},
		{"group.share.max.record.lock.duration.ms", topics.Int, text(strconv.FormatInt(groupConfigNamed("share.record.lock.duration.ms").most, 10)), "The longest lock duration that a group may set for itself."},
		{"group.share.min.record.lock.duration.ms", topics.Int, text(strconv.FormatInt(groupConfigNamed("share.record.lock.duration.ms").least, 10)), "The shortest lock duration that a group may set for itself."},
		{"group.share.partition.max.record.locks", topics.Int, text(strconv.Itoa(d.MaxInFlight)), "The most records of a partition that a share group may have in flight."},
		{"group.share.record.lock.duration.ms", topics.Int, ms(d.LockDuration), "How long an acquired record is kept for the member that has it."},
		{"group.share.session.timeout.ms", topics.Int, ms(g.ShareSessionTimeout), "After how long without a heartbeat a member of a share group is out."},
		{"offset.metadata.max.bytes", topics.Int, text(strconv.Itoa(g.MaxOffsetMetadataBytes)), "The longest text that can be stored with a committed offset."},
		{"offsets.retention.check.interval.ms", topics.Long, ms(g.OffsetsRetentionCheck), "How often expired offsets are looked for."},
		{"offsets.retention.minutes", topics.Int, text(strconv.Itoa(int(g.OffsetsRetention / time.Minute))), "How long the offsets of a group outlive its last member."},
		{"offsets.topic.num.partitions", topics.Int, partitions, "The partitions of __consumer_offsets when it is made."},
		{"share.coordinator.snapshot.update.records.per.snapshot", topics.Int, text(strconv.Itoa(d.SnapshotEvery)), "After how many updates the state of a share partition is written whole."},
		{"share.coordinator.state.topic.num.partitions", topics.Int, partitions, "The partitions of __share_group_state when it is made."},
		{"transaction.abort.timed.out.transaction.cleanup.interval.ms", topics.Int, ms(t.ScanInterval), "How often transactions are looked at for timeouts."},
		{"transaction.max.timeout.ms", topics.Int, ms(t.MaxTimeout), "The longest transaction timeout that a producer may ask for."},
		{"transaction.state.log.num.partitions", topics.Int, partitions, "The partitions of __transaction_state when it is made."},
		{"transactional.id.expiration.ms", topics.Int, ms(t.IDExpiration), "How long a transactional ID that is not used is kept."},
	}
}
