package group

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Options are the settings of a coordinator, under the names of Kafka's broker
// settings where there is one. The zero value works.
type Options struct {
	// MinSessionTimeout and MaxSessionTimeout bound what a classic member may
	// ask for (group.min.session.timeout.ms, group.max.session.timeout.ms).
	// Defaults: 6 s and 30 min.
	MinSessionTimeout, MaxSessionTimeout time.Duration

	// InitialRebalanceDelay is how long the first rebalance of an empty
	// classic group waits for more members (group.initial.rebalance.delay.ms).
	// Kafka waits 3 s for machines that start one after the other; with one
	// broker on the same desk the default is 100 ms. Negative: no delay.
	InitialRebalanceDelay time.Duration

	// MaxMembers bounds the members of a group, and separately the member IDs
	// handed out but not yet used (group.max.size). Default: 10,000.
	MaxMembers int

	// MaxMemberBytes bounds what one member may have us keep: its protocol
	// metadata, its assignment, its subscription. Default: 1 MiB.
	MaxMemberBytes int

	// MaxOffsetMetadataBytes bounds the string stored with an offset
	// (offset.metadata.max.bytes). Default: 4096.
	MaxOffsetMetadataBytes int

	// OffsetsRetention is how long offsets outlive the group's last member
	// (offsets.retention.minutes). Default: 7 days. Expiry is looked for every
	// OffsetsRetentionCheck, 10 minutes by default.
	OffsetsRetention      time.Duration
	OffsetsRetentionCheck time.Duration

	// SessionTimeout and HeartbeatInterval are what KIP-848 members are held
	// to and told (group.consumer.session.timeout.ms,
	// group.consumer.heartbeat.interval.ms). Defaults: 45 s and 5 s.
	SessionTimeout, HeartbeatInterval time.Duration

	// Migration says which way groups may change their protocol while they have
	// members (group.consumer.migration.policy). Default: both ways. A group
	// without members goes either way whatever it says.
	Migration Migration

	// ShareMaxMembers bounds the members of a share group
	// (group.share.max.size). Default: 200.
	ShareMaxMembers int

	// ShareSessionTimeout and ShareHeartbeatInterval are what members of share
	// groups are held to and told (group.share.session.timeout.ms,
	// group.share.heartbeat.interval.ms). Defaults: 45 s and 5 s.
	ShareSessionTimeout, ShareHeartbeatInterval time.Duration

	// Times, if set, tells the session timeout and heartbeat interval that a
	// group has of its own; zero is what all groups have. share says whether it
	// is a share group; otherwise it is a group of the consumer protocol.
	Times func(group string, share bool) (session, interval time.Duration)

	// NewMemberID makes member IDs. Default: random UUIDs.
	NewMemberID func() string
}

// Migration is which way groups with members may change their protocol.
type Migration string

// Policies of migration, in Kafka's spelling.
const (
	MigrateBothWays Migration = "bidirectional"
	MigrateUp       Migration = "upgrade"   // from classic to KIP-848 only
	MigrateDown     Migration = "downgrade" // from KIP-848 to classic only
	MigrateNever    Migration = "disabled"
)

func (m Migration) up() bool   { return m == MigrateBothWays || m == MigrateUp }
func (m Migration) down() bool { return m == MigrateBothWays || m == MigrateDown }

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.MinSessionTimeout, 6*time.Second)
	def(&o.MaxSessionTimeout, 30*time.Minute)
	def(&o.InitialRebalanceDelay, 100*time.Millisecond)
	if o.InitialRebalanceDelay < 0 {
		o.InitialRebalanceDelay = 0
	}
	if o.MaxMembers == 0 {
		o.MaxMembers = 10_000
	}
	if o.MaxMemberBytes == 0 {
		o.MaxMemberBytes = 1 << 20
	}
	if o.MaxOffsetMetadataBytes == 0 {
		o.MaxOffsetMetadataBytes = 4096
	}
	def(&o.OffsetsRetention, 7*24*time.Hour)
	def(&o.OffsetsRetentionCheck, 10*time.Minute)
	def(&o.SessionTimeout, 45*time.Second)
	def(&o.HeartbeatInterval, 5*time.Second)
	if o.Migration == "" {
		o.Migration = MigrateBothWays
	}
	if o.ShareMaxMembers == 0 {
		o.ShareMaxMembers = 200
	}
	def(&o.ShareSessionTimeout, 45*time.Second)
	def(&o.ShareHeartbeatInterval, 5*time.Second)
	if o.NewMemberID == nil {
		o.NewMemberID = uuid.NewString
	}
	return o
}

// Validate reports every fault of the options at once.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	positive := func(name string, d time.Duration) {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("group: %s is %v, must be positive", name, d))
		}
	}
	positive("MinSessionTimeout", o.MinSessionTimeout)
	positive("OffsetsRetention", o.OffsetsRetention)
	positive("OffsetsRetentionCheck", o.OffsetsRetentionCheck)
	positive("SessionTimeout", o.SessionTimeout)
	positive("HeartbeatInterval", o.HeartbeatInterval)
	if !o.Migration.up() && !o.Migration.down() && o.Migration != MigrateNever {
		errs = append(errs, fmt.Errorf("group: Migration is %q, must be %s, %s, %s or %s", o.Migration, MigrateBothWays, MigrateUp, MigrateDown, MigrateNever))
	}
	if o.MaxSessionTimeout < o.MinSessionTimeout {
		errs = append(errs, fmt.Errorf("group: MaxSessionTimeout %v is below MinSessionTimeout %v", o.MaxSessionTimeout, o.MinSessionTimeout))
	}
	if o.HeartbeatInterval >= o.SessionTimeout {
		errs = append(errs, fmt.Errorf("group: HeartbeatInterval %v is not below SessionTimeout %v", o.HeartbeatInterval, o.SessionTimeout))
	}
	if o.ShareHeartbeatInterval <= 0 || o.ShareHeartbeatInterval >= o.ShareSessionTimeout {
		errs = append(errs, fmt.Errorf("group: ShareHeartbeatInterval %v is not positive and below ShareSessionTimeout %v", o.ShareHeartbeatInterval, o.ShareSessionTimeout))
	}
	if o.ShareMaxMembers < 1 || o.MaxMembers < 1 || o.MaxMemberBytes < 1 || o.MaxOffsetMetadataBytes < 0 {
		errs = append(errs, errors.New("group: MaxMembers, ShareMaxMembers, MaxMemberBytes and MaxOffsetMetadataBytes must be positive"))
	}
	return errors.Join(errs...)
}

// Defaulted returns the options as a coordinator uses them.
func (o Options) Defaulted() Options { return o.withDefaults() }
