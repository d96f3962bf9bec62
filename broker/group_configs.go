package broker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/share"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

// A group may have configurations of its own (resources of type GROUP). They are
// facts of the store, by name and group; what a group has not set is the
// broker's, and then the default. They count from the next heartbeat or fetch on.

const groupConfigKind = "group-config"

// groupConfig is a configuration that a group can have.
type groupConfig struct {
	name    string
	typ     topics.Type
	least   int64 // of numbers
	most    int64
	choices []string
	value   func(b *Broker) string // without the group's own
	synonym string                 // of the broker's, if it has one
	doc     string
}

const (
	resetEarliest   = "earliest"
	resetLatest     = "latest"
	resetByDuration = "by_duration"

	readCommitted   = "read_committed"
	readUncommitted = "read_uncommitted"
)

// groupConfigList is sorted by name.
var groupConfigList = []groupConfig{
	{name: "consumer.heartbeat.interval.ms", typ: topics.Int, least: 100, most: 1 << 30, synonym: "group.consumer.heartbeat.interval.ms",
		value: func(b *Broker) string { return millisText(b.opts.Coordinators.Groups.Defaulted().HeartbeatInterval) },
		doc:   "How often members of the consumer protocol are told to send a heartbeat."},
	{name: "consumer.session.timeout.ms", typ: topics.Int, least: 1000, most: 1 << 30, synonym: "group.consumer.session.timeout.ms",
		value: func(b *Broker) string { return millisText(b.opts.Coordinators.Groups.Defaulted().SessionTimeout) },
		doc:   "After how long without a heartbeat a member of the consumer protocol is out."},
	{name: "share.auto.offset.reset", typ: topics.String, value: fixed(resetLatest),
		doc: "Where the group begins in a partition that it has not read before: earliest, latest, or by_duration: and an ISO 8601 duration."},
	{name: "share.delivery.count.limit", typ: topics.Int, least: 2, most: 32767, synonym: "group.share.delivery.count.limit",
		value: func(b *Broker) string { return strconv.Itoa(b.shares.opts.DeliveryLimit) },
		doc:   "How often a record is delivered at most."},
	{name: "share.heartbeat.interval.ms", typ: topics.Int, least: 100, most: 1 << 30, synonym: "group.share.heartbeat.interval.ms",
		value: func(b *Broker) string {
			return millisText(b.opts.Coordinators.Groups.Defaulted().ShareHeartbeatInterval)
		},
		doc: "How often members of the share group are told to send a heartbeat."},
	{name: "share.isolation.level", typ: topics.String, choices: []string{readCommitted, readUncommitted}, value: fixed(readUncommitted),
		doc: "Whether records of open and aborted transactions are delivered."},
	{name: "share.partition.max.record.locks", typ: topics.Int, least: 1, most: 1_000_000, synonym: "group.share.partition.max.record.locks",
		value: func(b *Broker) string { return strconv.Itoa(b.shares.opts.MaxInFlight) },
		doc:   "The most records of a partition that may be in flight."},
	{name: "share.record.lock.duration.ms", typ: topics.Int, least: 1000, most: 3_600_000, synonym: "group.share.record.lock.duration.ms",
		value: func(b *Broker) string { return millisText(b.shares.opts.LockDuration) },
		doc:   "How long an acquired record is kept for the member that has it."},
	{name: "share.session.timeout.ms", typ: topics.Int, least: 1000, most: 1 << 30, synonym: "group.share.session.timeout.ms",
		value: func(b *Broker) string {
			return millisText(b.opts.Coordinators.Groups.Defaulted().ShareSessionTimeout)
		},
		doc: "After how long without a heartbeat a member of the share group is out."},
}

func millisText(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func groupConfigNamed(name string) *groupConfig {
	for i := range groupConfigList {
		if groupConfigList[i].name == name {
			return &groupConfigList[i]
		}
	}
	return nil
}

// check says what is wrong with a value, if something is.
func (c *groupConfig) check(value string) error {
	switch {
	case c.name == "share.auto.offset.reset":
		if _, _, err := parseReset(value); err != nil {
			return fmt.Errorf("configuration %s: %w", c.name, err)
		}
	case c.choices != nil:
		if !slices.Contains(c.choices, value) {
			return fmt.Errorf("configuration %s is %q, must be %s", c.name, value, strings.Join(c.choices, " or "))
		}
	default:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < c.least || n > c.most {
			return fmt.Errorf("configuration %s is %q, must be a number from %d to %d", c.name, value, c.least, c.most)
		}
	}
	return nil
}

// parseReset reads a value of share.auto.offset.reset.
func parseReset(value string) (kind string, age time.Duration, err error) {
	if value == resetEarliest || value == resetLatest {
		return value, 0, nil
	}
	text, ok := strings.CutPrefix(value, resetByDuration+":")
	if !ok {
		return "", 0, fmt.Errorf("%q is not earliest, latest, or by_duration: and a duration", value)
	}
	age, err = parseISODuration(text)
	return resetByDuration, age, err
}

// parseISODuration reads a duration such as P1DT2H3M4.5S: days and below, since
// months and years differ in length.
func parseISODuration(text string) (d time.Duration, err error) {
	bad := fmt.Errorf("%q is not an ISO 8601 duration of days, hours, minutes and seconds, such as PT1H30M", text)
	rest, ok := strings.CutPrefix(text, "P")
	if !ok {
		return 0, bad
	}
	days, clock, hasClock := strings.Cut(rest, "T")
	if rest == "" || hasClock && clock == "" {
		return 0, bad
	}
	add := func(part *string, unit string, length time.Duration) {
		number, after, found := strings.Cut(*part, unit)
		if !found || err != nil {
			return
		}
		n, e := strconv.ParseFloat(number, 64)
		if e != nil || n < 0 || n*float64(length) > float64(1<<62) || strings.Trim(number, "0123456789.") != "" {
			err = bad
			return
		}
		d += time.Duration(n * float64(length))
		*part = after
	}
	add(&days, "D", 24*time.Hour)
	add(&clock, "H", time.Hour)
	add(&clock, "M", time.Minute)
	add(&clock, "S", time.Second)
	if err == nil && (days != "" || clock != "" || d < 0) {
		err = bad
	}
	return d, err
}

// groupConfigs are what groups have set. Readers take no lock.
type groupConfigs struct {
	byGroup atomic.Pointer[map[string]groupSettings]
}

// groupSettings is what one group has set: as it was set, and what it means.
type groupSettings struct {
	values    map[string]string
	session   [2]time.Duration // of the consumer protocol, of a share group
	interval  [2]time.Duration
	delivery  share.Settings
	reset     string
	age       time.Duration
	committed bool
}

// load reads what is in the store.
func (g *groupConfigs) load(store *topics.Store) error {
	values := map[string]map[string]string{}
	for _, f := range store.Facts(groupConfigKind) {
		name, id, _ := strings.Cut(f.Key, "/")
		var v string
		if err := json.Unmarshal(f.Value, &v); err != nil {
			return fmt.Errorf("configuration %s of group %q: %w", name, id, err)
		}
		if values[id] == nil {
			values[id] = map[string]string{}
		}
		values[id][name] = v
	}
	all := make(map[string]groupSettings, len(values))
	for id, v := range values {
		all[id] = settingsOf(v)
	}
	g.byGroup.Store(&all)
	return nil
}

func settingsOf(values map[string]string) groupSettings {
	number := func(name string) int { n, _ := strconv.Atoi(values[name]); return n }
	ms := func(name string) time.Duration { return time.Duration(number(name)) * time.Millisecond }
	s := groupSettings{values: values, committed: values["share.isolation.level"] == readCommitted}
	s.session = [2]time.Duration{ms("consumer.session.timeout.ms"), ms("share.session.timeout.ms")}
	s.interval = [2]time.Duration{ms("consumer.heartbeat.interval.ms"), ms("share.heartbeat.interval.ms")}
	s.delivery = share.Settings{LockDuration: ms("share.record.lock.duration.ms"),
		DeliveryLimit: number("share.delivery.count.limit"), MaxInFlight: number("share.partition.max.record.locks")}
	s.reset, s.age, _ = parseReset(values["share.auto.offset.reset"])
	return s
}

func (g *groupConfigs) of(id string) groupSettings {
	if all := g.byGroup.Load(); all != nil {
		return (*all)[id]
	}
	return groupSettings{}
}

func (g *groupConfigs) delivery(id string) share.Settings { return g.of(id).delivery }
func (g *groupConfigs) committedOnly(id string) bool      { return g.of(id).committed }
func (g *groupConfigs) reset(id string) (string, time.Duration) {
	s := g.of(id)
	return s.reset, s.age
}

func (g *groupConfigs) times(id string, shared bool) (session, interval time.Duration) {
	s, i := g.of(id), 0
	if shared {
		i = 1
	}
	return s.session[i], s.interval[i]
}

// groups returns the groups that have set something, sorted.
func (g *groupConfigs) groups() []string {
	if all := g.byGroup.Load(); all != nil {
		return slices.Sorted(maps.Keys(*all))
	}
	return nil
}

// describeGroupConfigs describes all configurations of a group, or those named.
func (b *Broker) describeGroupConfigs(id string, names []string) []kmsg.DescribeConfigsResponseResourceConfig {
	own := b.groupConfigs.of(id).values
	var all []kmsg.DescribeConfigsResponseResourceConfig
	for i := range groupConfigList {
		c := &groupConfigList[i]
		if names != nil && !slices.Contains(names, c.name) {
			continue
		}
		broker := c.name
		if c.synonym != "" {
			broker = c.synonym
		}
		sources := []sourced{{broker, c.value(b), kmsg.ConfigSourceDefaultConfig}}
		if v, ok := own[c.name]; ok {
			sources = slices.Insert(sources, 0, sourced{c.name, v, kmsg.ConfigSourceGroupConfig})
		}
		all = append(all, describeConfig(c.name, c.typ, c.doc, sources, true))
	}
	return all
}

// checkGroupTimes refuses changes that would leave a group with a session that
// ends before its next heartbeat: every member would be put out for ever.
func (b *Broker) checkGroupTimes(id string, changes map[string]*string) error {
	own := b.groupConfigs.of(id).values
	effective := func(name string) (int64, error) {
		v, changed := changes[name]
		switch {
		case changed && v != nil:
			return strconv.ParseInt(*v, 10, 64)
		case !changed && own[name] != "":
			return strconv.ParseInt(own[name], 10, 64)
		}
		return strconv.ParseInt(groupConfigNamed(name).value(b), 10, 64)
	}
	for _, kind := range []string{"consumer", "share"} {
		session, err := effective(kind + ".session.timeout.ms")
		if err != nil {
			return err
		}
		interval, err := effective(kind + ".heartbeat.interval.ms")
		if err != nil {
			return err
		}
		if session <= interval {
			return &topics.Error{Code: topics.InvalidConfig, Reason: fmt.Sprintf(
				"%s.session.timeout.ms would be %d for group %q and %[1]s.heartbeat.interval.ms %[4]d: the session must be longer", kind, session, id, interval)}
		}
	}
	return nil
}

// changeGroupConfigs sets and, with a nil value, unsets configurations of a group.
func (b *Broker) changeGroupConfigs(id string, dryRun bool, values map[string]*string) error {
	var facts []topics.Fact
	for _, name := range slices.Sorted(maps.Keys(values)) {
		c := groupConfigNamed(name)
		if c == nil {
			return &topics.Error{Code: topics.InvalidConfig, Reason: "unknown group config name: " + name}
		}
		fact := topics.Fact{Key: name + "/" + id}
		if v := values[name]; v != nil {
			if err := c.check(*v); err != nil {
				return &topics.Error{Code: topics.InvalidConfig, Reason: err.Error()}
			}
			raw, err := json.Marshal(*v)
			if err != nil {
				return err
			}
			fact.Value = raw
		}
		facts = append(facts, fact)
	}
	if len(facts) == 0 {
		return nil
	}
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	if err := b.checkGroupTimes(id, values); err != nil {
		return err
	}
	if dryRun {
		return nil
	}
	if err := b.store.SetFacts(groupConfigKind, facts); err != nil {
		return err
	}
	return b.groupConfigs.load(b.store)
}
