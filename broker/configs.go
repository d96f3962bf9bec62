package broker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

// The value of a configuration of a topic is the first of:
//
//	the topic's own                          DYNAMIC_TOPIC_CONFIG
//	set for this broker while it runs        DYNAMIC_BROKER_CONFIG
//	set for all brokers while they run       DYNAMIC_DEFAULT_BROKER_CONFIG
//	Options.TopicDefaults                    STATIC_BROKER_CONFIG
//	Kafka's default                          DEFAULT_CONFIG
//
// Those set for brokers go by the synonym that the topic's configuration has
// there: log.retention.ms for retention.ms. They are facts of the store, by
// broker ID, or no ID for all brokers, and name.

const brokerConfigKind = "broker-config"

func brokerConfigKey(node, name string) string { return node + "/" + name }

// node is the broker's name as a resource of configurations.
func (b *Broker) node() string { return strconv.Itoa(int(b.opts.NodeID)) }

// dynamicConfig is what a broker configuration was set to while running.
func (b *Broker) dynamicConfig(node, name string) (string, bool) {
	raw := b.store.Fact(brokerConfigKind, brokerConfigKey(node, name))
	if raw == nil {
		return "", false
	}
	var value string
	if err := json.Unmarshal(raw, &value); err != nil {
		return "", false
	}
	return value, true
}

// sourced is a value and where it comes from.
type sourced struct {
	name, value string
	source      kmsg.ConfigSource
}

// brokerSources are the values that a topic's configuration has without its
// own, the one that counts first. The last is always the default.
func (b *Broker) brokerSources(d *topics.Definition) []sourced {
	var all []sourced
	synonym := d.Name
	if len(d.Synonyms) > 0 {
		synonym = d.Synonyms[0]
		if v, ok := b.dynamicConfig(b.node(), synonym); ok {
			all = append(all, sourced{synonym, v, kmsg.ConfigSourceDynamicBrokerConfig})
		}
		if v, ok := b.dynamicConfig("", synonym); ok {
			all = append(all, sourced{synonym, v, kmsg.ConfigSourceDynamicDefaultBrokerConfig})
		}
	}
	if v, ok := b.opts.TopicDefaults[d.Name]; ok {
		all = append(all, sourced{synonym, v, kmsg.ConfigSourceStaticBrokerConfig})
	}
	return append(all, sourced{synonym, d.Default, kmsg.ConfigSourceDefaultConfig})
}

// topicDefaults are the broker's configurations of topics that differ from
// Kafka's defaults.
func (b *Broker) topicDefaults() map[string]string {
	values := maps.Clone(b.opts.TopicDefaults)
	if values == nil {
		values = map[string]string{}
	}
	for i := range topics.Definitions() {
		d := &topics.Definitions()[i]
		if first := b.brokerSources(d)[0]; first.source != kmsg.ConfigSourceDefaultConfig {
			values[d.Name] = first.value
		}
	}
	return values
}

// describeTopicConfigs describes a topic that has configs of its own: all
// configurations there are, or those named. cleanup is nil or, of an internal topic,
// what it has in place of the broker's.
func (b *Broker) describeTopicConfigs(configs, cleanup map[string]string, names []string) []kmsg.DescribeConfigsResponseResourceConfig {
	var all []kmsg.DescribeConfigsResponseResourceConfig
	for i := range topics.Definitions() {
		d := &topics.Definitions()[i]
		if names != nil && !slices.Contains(names, d.Name) {
			continue
		}
		sources := b.brokerSources(d)
		if v, ok := cleanup[d.Name]; ok {
			sources = []sourced{{d.Name, v, kmsg.ConfigSourceDefaultConfig}}
		}
		if v, ok := configs[d.Name]; ok {
			sources = slices.Insert(sources, 0, sourced{d.Name, v, kmsg.ConfigSourceDynamicTopicConfig})
		}
		c := describeConfig(d.Name, d.Type, d.Doc, sources, len(d.Synonyms) > 0)
		b.describeAlias(&c, configs)
		all = append(all, c)
	}
	return all
}

// describeAlias gives a configuration the value that another vendor's name for it was
// set to. Its source stays that of a default, since nobody has set this name: tools
// that compare or copy what was set see one configuration. The name that was set
// is the first of the synonyms.
func (b *Broker) describeAlias(c *kmsg.DescribeConfigsResponseResourceConfig, configs map[string]string) {
	if _, own := configs[c.Name]; own {
		return
	}
	value, by, ok := topics.Alias(c.Name, configs, b.opts.TopicDefaults)
	if !ok {
		return
	}
	s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
	s.Name, s.Source = by, kmsg.ConfigSourceDynamicTopicConfig
	v, set := configs[by]
	if !set {
		v, s.Source = b.opts.TopicDefaults[by], kmsg.ConfigSourceStaticBrokerConfig
	}
	s.Value = kmsg.StringPtr(v)
	c.Value, c.Source, c.IsDefault = kmsg.StringPtr(value), kmsg.ConfigSourceDefaultConfig, true
	c.ConfigSynonyms = slices.Insert(c.ConfigSynonyms, 0, s)
}

func describeConfig(name string, typ topics.Type, doc string, sources []sourced, synonyms bool) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value = name, kmsg.StringPtr(sources[0].value)
	c.Source = sources[0].source
	c.IsDefault = c.Source == kmsg.ConfigSourceDefaultConfig
	c.ConfigType, c.Documentation = kmsg.ConfigType(typ), kmsg.StringPtr(doc)
	for _, s := range sources {
		if !synonyms && s.source == kmsg.ConfigSourceDefaultConfig {
			continue
		}
		cs := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
		cs.Name, cs.Value, cs.Source = s.name, kmsg.StringPtr(s.value), s.source
		c.ConfigSynonyms = append(c.ConfigSynonyms, cs)
	}
	return c
}

// brokerConfig is a configuration of the broker that is no synonym of a topic's.
type brokerConfig struct {
	name  string
	typ   topics.Type
	value func(b *Broker) string
	doc   string
}

func fixed(v string) func(*Broker) string { return func(*Broker) string { return v } }

// brokerConfigs are sorted by name. They tell what the broker does and are not
// to be changed while it runs.
var brokerConfigs = []brokerConfig{
	{"advertised.listeners", topics.String, (*Broker).advertisedListeners, "What clients are told to connect to."},
	{"auto.create.topics.enable", topics.Boolean, func(b *Broker) string { return strconv.FormatBool(!b.opts.NoAutoCreateTopics) }, "Whether a topic is created by being asked for."},
	{"broker.id", topics.Int, (*Broker).node, "The broker's ID."},
	{"broker.rack", topics.String, fixed(""), "There is one node, and so no rack."},
	{"connections.max.idle.ms", topics.Long, func(b *Broker) string { return fmt.Sprint(b.opts.Limits.Idle.Milliseconds()) }, "After how long without a request a connection is closed, in milliseconds."},
	{"default.replication.factor", topics.Int, fixed("1"), "There is one replica; topics remember what was asked for."},
	{"delete.topic.enable", topics.Boolean, fixed("true"), "Topics can be deleted."},
	{"fetch.max.bytes", topics.Int, func(b *Broker) string { return fmt.Sprint(b.opts.Limits.FetchBytes) }, "The most that one fetch is answered with."},
	{"inter.broker.protocol.version", topics.String, fixed("4.2"), "Which Kafka this broker behaves like."},
	{"listeners", topics.String, (*Broker).boundListeners, "The addresses that are listened on."},
	{"log.cleaner.enable", topics.Boolean, fixed("true"), "Topics with cleanup.policy=compact are compacted."},
	{"log.dir", topics.String, func(b *Broker) string { return b.opts.DataDir }, "Where logs are kept."},
	{"log.dirs", topics.String, func(b *Broker) string { return b.opts.DataDir }, "Where logs are kept."},
	{"log.retention.check.interval.ms", topics.Long, fixed(millisText(retainEvery)), "How often retention looks for segments to delete, in milliseconds."},
	{"max.connections", topics.Int, func(b *Broker) string { return fmt.Sprint(b.opts.Limits.Connections) }, "The most connections at a time."},
	{"max.connections.per.ip", topics.Int, func(b *Broker) string { return fmt.Sprint(b.opts.Limits.ConnectionsPerIP) }, "The most connections from one address."},
	{"max.incremental.fetch.session.cache.slots", topics.Int, func(b *Broker) string { return fmt.Sprint(b.opts.Limits.FetchSessions) }, "How many fetch sessions are kept."},
	{"node.id", topics.Int, (*Broker).node, "The broker's ID."},
	{"num.partitions", topics.Int, func(b *Broker) string { return fmt.Sprint(b.opts.DefaultPartitions) }, "How many partitions a topic has if nobody says."},
	{"offsets.topic.replication.factor", topics.Int, fixed("1"), "There is one replica."},
	{"process.roles", topics.List, fixed("broker,controller"), "One node does everything."},
	{"producer.id.expiration.ms", topics.Int, fixed(millisText(commitlog.DefaultConfig().ProducerExpiry)), "How long a partition remembers an idempotent producer that writes nothing, in milliseconds."},
	{"socket.request.max.bytes", topics.Int, func(b *Broker) string { return fmt.Sprint(b.opts.Limits.RequestBytes) }, "The largest request."},
	{"transaction.state.log.min.isr", topics.Int, fixed("1"), "There is one replica."},
	{"transaction.state.log.replication.factor", topics.Int, fixed("1"), "There is one replica."},
}

func (b *Broker) advertisedListeners() string {
	var all []string
	for _, l := range b.listeners {
		all = append(all, fmt.Sprintf("%s://%s:%d", l.Name, l.advertised.host, l.advertised.port))
	}
	return strings.Join(all, ",")
}

func (b *Broker) boundListeners() string {
	var all []string
	for _, l := range b.listeners {
		all = append(all, l.Name+"://"+l.net.Addr().String())
	}
	return strings.Join(all, ",")
}

// brokerSynonym finds the topic configuration that a broker's stands in for.
func brokerSynonym(name string) (*topics.Definition, bool) {
	for i := range topics.Definitions() {
		d := &topics.Definitions()[i]
		if len(d.Synonyms) > 0 && d.Synonyms[0] == name {
			return d, true
		}
	}
	return nil, false
}

// describeBrokerConfigs describes this broker, or, for node "", what is set for
// all brokers.
func (b *Broker) describeBrokerConfigs(node string, names []string) []kmsg.DescribeConfigsResponseResourceConfig {
	wanted := func(name string) bool { return names == nil || slices.Contains(names, name) }
	var all []kmsg.DescribeConfigsResponseResourceConfig
	for i := range topics.Definitions() {
		d := &topics.Definitions()[i]
		if len(d.Synonyms) == 0 || !wanted(d.Synonyms[0]) {
			continue
		}
		sources := b.brokerSources(d)
		if node == "" {
			sources = slices.DeleteFunc(sources, func(s sourced) bool { return s.source != kmsg.ConfigSourceDynamicDefaultBrokerConfig })
			if len(sources) == 0 {
				continue
			}
		}
		all = append(all, describeConfig(d.Synonyms[0], d.Type, d.Doc, sources, true))
	}
	for _, c := range b.staticConfigs() {
		if node == "" || !wanted(c.name) {
			continue
		}
		d := describeConfig(c.name, c.typ, c.doc, []sourced{{c.name, c.value(b), kmsg.ConfigSourceStaticBrokerConfig}}, true)
		d.ReadOnly = true
		all = append(all, d)
	}
	slices.SortFunc(all, func(x, y kmsg.DescribeConfigsResponseResourceConfig) int { return strings.Compare(x.Name, y.Name) })
	return all
}

// changeBrokerConfigs sets and, with a nil value, unsets configurations of a
// broker, or of all of them.
func (b *Broker) changeBrokerConfigs(node string, dryRun bool, values map[string]*string) error {
	var facts []topics.Fact
	for _, name := range slices.Sorted(maps.Keys(values)) {
		d, ok := brokerSynonym(name)
		if !ok {
			if slices.ContainsFunc(b.staticConfigs(), func(c brokerConfig) bool { return c.name == name }) {
				return &topics.Error{Code: topics.InvalidConfig, Reason: fmt.Sprintf("configuration %s cannot be changed while the broker runs", name)}
			}
			return &topics.Error{Code: topics.InvalidConfig, Reason: fmt.Sprintf("unknown broker config name: %s", name)}
		}
		fact := topics.Fact{Key: brokerConfigKey(node, name)}
		if v := values[name]; v != nil {
			if err := d.Check(*v); err != nil {
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
	if dryRun {
		return nil
	}
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	if err := b.store.SetFacts(brokerConfigKind, facts); err != nil {
		return err
	}
	for _, t := range b.topics.all() {
		b.topics.put(b.reconfigure(t, t.Topic))
	}
	return nil
}

// staticConfigs are the configurations of the broker, those of its coordinators
// included.
func (b *Broker) staticConfigs() []brokerConfig {
	return append(slices.Clip(brokerConfigs), b.coordinatorConfigs()...)
}
