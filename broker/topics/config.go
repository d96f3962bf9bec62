package topics

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Type is the type of a configuration's value, as DescribeConfigs numbers them.
type Type int8

const (
	Boolean Type = 1
	String  Type = 2
	Int     Type = 3
	Long    Type = 5
	Double  Type = 6
	List    Type = 7
)

// Definition is a configuration that topics may have.
type Definition struct {
	Name    string
	Type    Type
	Default string
	// Synonyms are the broker's configurations that stand in for a topic that
	// has none, first come, first served.
	Synonyms []string
	Doc      string

	min, max float64  // of numbers; both zero means any
	hole     bool     // zero lies between them and is refused
	values   []string // that are allowed; none means any
	check    func(value string) (wrong string)
}

const maxLong = "9223372036854775807"

// definitions are sorted by name.
var definitions = []Definition{
	{Name: "bufstream.validate.mode", Type: String, values: []string{"", "reject", "dlq"},
		Doc: "Another name for schema.validation.mode, and payload validation of values if set."},
	{Name: "cleanup.policy", Type: List, Default: "delete", Synonyms: []string{"log.cleanup.policy"}, values: []string{"delete", "compact"},
		Doc: "What happens to old segments: delete them, compact them, both, or nothing."},
	{Name: "compression.gzip.level", Type: Int, Default: "-1", Synonyms: []string{"compression.gzip.level"}, min: -1, max: 9, hole: true,
		Doc: "The level if compression.type is gzip, from 1 to 9; -1 is the codec's own."},
	{Name: "compression.lz4.level", Type: Int, Default: "9", Synonyms: []string{"compression.lz4.level"}, min: 1, max: 17,
		Doc: "The level if compression.type is lz4."},
	{Name: "compression.type", Type: String, Default: "producer", Synonyms: []string{"compression.type"}, values: []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"},
		Doc: "The codec that batches are stored with; producer keeps what the producer chose."},
	{Name: "compression.zstd.level", Type: Int, Default: "3", Synonyms: []string{"compression.zstd.level"}, min: -131072, max: 22,
		Doc: "The level if compression.type is zstd."},
	{Name: "confluent.key.schema.validation", Type: Boolean, Default: "false",
		Doc: "Another name for schema.validation.key.level=id."},
	{Name: "confluent.key.subject.name.strategy", Type: String, Default: "io.confluent.kafka.serializers.subject.TopicNameStrategy", check: checkStrategy,
		Doc: "Another name for schema.key.subject.name.strategy; class names are understood."},
	{Name: "confluent.value.schema.validation", Type: Boolean, Default: "false",
		Doc: "Another name for schema.validation.level=id."},
	{Name: "confluent.value.subject.name.strategy", Type: String, Default: "io.confluent.kafka.serializers.subject.TopicNameStrategy", check: checkStrategy,
		Doc: "Another name for schema.value.subject.name.strategy; class names are understood."},
	{Name: "delete.retention.ms", Type: Long, Default: "86400000", Synonyms: []string{"log.cleaner.delete.retention.ms"}, min: 0, max: math.MaxInt64,
		Doc: "How long a compacted topic keeps tombstones, in milliseconds."},
	{Name: "file.delete.delay.ms", Type: Long, Default: "60000", Synonyms: []string{"log.segment.delete.delay.ms"}, min: 0, max: math.MaxInt64,
		Doc: "How long the files of a deleted segment stay, in milliseconds."},
	{Name: "flush.messages", Type: Long, Default: maxLong, Synonyms: []string{"log.flush.interval.messages"}, min: 1, max: math.MaxInt64,
		Doc: "After how many records the log is synced, if the broker does not sync before every acknowledgement."},
	{Name: "flush.ms", Type: Long, Default: maxLong, Synonyms: []string{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"}, min: 0, max: math.MaxInt64,
		Doc: "After how long the log is synced, in milliseconds, if the broker does not sync before every acknowledgement."},
	{Name: "follower.replication.throttled.replicas", Type: List, Default: "", check: checkReplicas,
		Doc: "Kept for clusters, without effect here: nothing is replicated. A list of partition:broker, or *."},
	{Name: "index.interval.bytes", Type: Int, Default: "4096", Synonyms: []string{"log.index.interval.bytes"}, min: 0, max: math.MaxInt32,
		Doc: "How many bytes of records lie between two positions of the offset index."},
	{Name: "kop.kafka.key.schema.validation", Type: Boolean, Default: "false",
		Doc: "Another name for schema.validation.key.level=id."},
	{Name: "kop.kafka.value.schema.validation", Type: Boolean, Default: "false",
		Doc: "Another name for schema.validation.level=id."},
	{Name: "leader.replication.throttled.replicas", Type: List, Default: "", check: checkReplicas,
		Doc: "Kept for clusters, without effect here: nothing is replicated. A list of partition:broker, or *."},
	{Name: "local.retention.bytes", Type: Long, Default: "-2", Synonyms: []string{"log.local.retention.bytes"}, min: -2, max: math.MaxInt64,
		Doc: "Kept for clusters with tiered storage, without effect here; -2 means retention.bytes."},
	{Name: "local.retention.ms", Type: Long, Default: "-2", Synonyms: []string{"log.local.retention.ms"}, min: -2, max: math.MaxInt64,
		Doc: "Kept for clusters with tiered storage, without effect here; -2 means retention.ms."},
	{Name: "max.compaction.lag.ms", Type: Long, Default: maxLong, Synonyms: []string{"log.cleaner.max.compaction.lag.ms"}, min: 1, max: math.MaxInt64,
		Doc: "How long a record may stay uncompacted, in milliseconds."},
	{Name: "max.message.bytes", Type: Int, Default: "1048588", Synonyms: []string{"message.max.bytes"}, min: 0, max: math.MaxInt32,
		Doc: "The largest batch of records, in bytes as stored."},
	{Name: "message.timestamp.after.max.ms", Type: Long, Default: "3600000", Synonyms: []string{"log.message.timestamp.after.max.ms"}, min: 0, max: math.MaxInt64,
		Doc: "How far in the future a record's timestamp may be, in milliseconds."},
	{Name: "message.timestamp.before.max.ms", Type: Long, Default: maxLong, Synonyms: []string{"log.message.timestamp.before.max.ms"}, min: 0, max: math.MaxInt64,
		Doc: "How far in the past a record's timestamp may be, in milliseconds."},
	{Name: "message.timestamp.type", Type: String, Default: "CreateTime", Synonyms: []string{"log.message.timestamp.type"}, values: []string{"CreateTime", "LogAppendTime"},
		Doc: "Whose clock stamps records: the producer's or the broker's."},
	{Name: "min.cleanable.dirty.ratio", Type: Double, Default: "0.5", Synonyms: []string{"log.cleaner.min.cleanable.ratio"}, min: 0, max: 1,
		Doc: "Which part of a compacted log may be uncompacted."},
	{Name: "min.compaction.lag.ms", Type: Long, Default: "0", Synonyms: []string{"log.cleaner.min.compaction.lag.ms"}, min: 0, max: math.MaxInt64,
		Doc: "How long a record stays uncompacted, in milliseconds."},
	{Name: "min.insync.replicas", Type: Int, Default: "1", Synonyms: []string{"min.insync.replicas"}, min: 1, max: math.MaxInt32,
		Doc: "Kept for clusters, without effect here: acks=all waits for the disk of the one replica there is, whatever this says."},
	{Name: "preallocate", Type: Boolean, Default: "false", Synonyms: []string{"log.preallocate"},
		Doc: "Kept for clusters, without effect here: segment files grow as they are written."},
	{Name: "redpanda.key.schema.id.validation", Type: Boolean, Default: "false",
		Doc: "Another name for schema.validation.key.level=id."},
	{Name: "redpanda.key.subject.name.strategy", Type: String, Default: "TopicNameStrategy", check: checkStrategy,
		Doc: "Another name for schema.key.subject.name.strategy."},
	{Name: "redpanda.value.schema.id.validation", Type: Boolean, Default: "false",
		Doc: "Another name for schema.validation.level=id."},
	{Name: "redpanda.value.subject.name.strategy", Type: String, Default: "TopicNameStrategy", check: checkStrategy,
		Doc: "Another name for schema.value.subject.name.strategy."},
	{Name: "remote.storage.enable", Type: Boolean, Default: "false", values: []string{"false"},
		Doc: "Tiered storage, which this broker has not: always false."},
	{Name: "retention.bytes", Type: Long, Default: "-1", Synonyms: []string{"log.retention.bytes"}, min: -1, max: math.MaxInt64,
		Doc: "How large a partition may grow before its oldest segments are deleted; -1 means any size."},
	{Name: "retention.ms", Type: Long, Default: "604800000", Synonyms: []string{"log.retention.ms", "log.retention.minutes", "log.retention.hours"}, min: -1, max: math.MaxInt64,
		Doc: "How long records are kept, in milliseconds; -1 means for ever."},
	{Name: "schema.key.subject.name.strategy", Type: String, Default: "TopicName", values: []string{"TopicName", "RecordName", "TopicRecordName"},
		Doc: "Which subject a key's schema must be registered under."},
	{Name: "schema.validation.context", Type: String, Default: ".", check: checkContext,
		Doc: "The registry's context that schema IDs and subjects are looked up in; . is the default one."},
	{Name: "schema.validation.key.level", Type: String, Default: "none", values: []string{"none", "id", "payload"},
		Doc: "How records' keys are checked: not, by schema ID, or down to the payload."},
	{Name: "schema.validation.level", Type: String, Default: "none", values: []string{"none", "id", "payload"},
		Doc: "How records' values are checked: not, by schema ID, or down to the payload."},
	{Name: "schema.validation.mode", Type: String, Default: "reject", values: []string{"reject", "dlq"},
		Doc: "What happens to a batch with a record that fails: it is rejected, or its bad records go to a dead-letter topic."},
	{Name: "schema.validation.null", Type: String, Default: "accept", values: []string{"accept", "reject"},
		Doc: "Whether a null key or value passes a check."},
	{Name: "schema.value.subject.name.strategy", Type: String, Default: "TopicName", values: []string{"TopicName", "RecordName", "TopicRecordName"},
		Doc: "Which subject a value's schema must be registered under."},
	{Name: "segment.bytes", Type: Int, Default: "1073741824", Synonyms: []string{"log.segment.bytes"}, min: 1 << 20, max: math.MaxInt32,
		Doc: "The size of a segment, in bytes."},
	{Name: "segment.index.bytes", Type: Int, Default: "10485760", Synonyms: []string{"log.index.size.max.bytes"}, min: 4, max: math.MaxInt32,
		Doc: "The largest offset index of a segment, in bytes."},
	{Name: "segment.jitter.ms", Type: Long, Default: "0", Synonyms: []string{"log.roll.jitter.ms", "log.roll.jitter.hours"}, min: 0, max: math.MaxInt64,
		Doc: "At most how much earlier than segment.ms a segment is rolled, in milliseconds."},
	{Name: "segment.ms", Type: Long, Default: "604800000", Synonyms: []string{"log.roll.ms", "log.roll.hours"}, min: 1, max: math.MaxInt64,
		Doc: "After how long a segment is rolled, in milliseconds."},
	{Name: "unclean.leader.election.enable", Type: Boolean, Default: "false", Synonyms: []string{"unclean.leader.election.enable"},
		Doc: "Kept for clusters, without effect here: the one replica there is leads."},
}

// Definitions returns everything that a topic may be configured with, by name.
// The caller must not change it.
func Definitions() []Definition { return definitions }

// Lookup returns the definition of that name.
func Lookup(name string) (*Definition, bool) {
	i, ok := slices.BinarySearchFunc(definitions, name, func(d Definition, name string) int { return strings.Compare(d.Name, name) })
	if !ok {
		return nil, false
	}
	return &definitions[i], true
}

// CheckConfigs says what is wrong with configurations of a topic: names that do
// not exist, values that are not of their types or out of bounds, and all of
// that at once; if all are right, those that contradict each other.
func CheckConfigs(configs map[string]string) error {
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		d, ok := Lookup(name)
		if !ok {
			faults = append(faults, fmt.Sprintf("unknown topic config name: %s", name))
			continue
		}
		if err := d.Check(configs[name]); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if len(faults) == 0 {
		faults = append(contradictions(configs), checkLags(configs)...)
	}
	if len(faults) > 0 {
		return &Error{InvalidConfig, strings.Join(faults, "; ")}
	}
	return nil
}

// checkLags wants a compacted log to have a time in which it can be compacted.
func checkLags(configs map[string]string) []string {
	v := Resolve(configs, nil)
	if v.MaxCompactionLag >= v.MinCompactionLag {
		return nil
	}
	return []string{fmt.Sprintf("max.compaction.lag.ms is %d and must not be less than min.compaction.lag.ms, which is %d",
		v.MaxCompactionLag.Milliseconds(), v.MinCompactionLag.Milliseconds())}
}

// Check says what is wrong with value, if anything.
func (d *Definition) Check(value string) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("invalid value %q for configuration %s: %s", value, d.Name, fmt.Sprintf(format, args...))
	}
	var number float64
	switch d.Type {
	case Boolean:
		value = strings.ToLower(strings.TrimSpace(value))
		if value != "true" && value != "false" {
			return wrong("it must be true or false")
		}
	case Int, Long:
		size := 64
		if d.Type == Int {
			size = 32
		}
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, size)
		if err != nil {
			return wrong("it must be a whole number of %d bits", size)
		}
		number = float64(n)
	case Double:
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || math.IsNaN(n) {
			return wrong("it must be a number")
		}
		number = n
	case List:
		for _, item := range SplitList(value) {
			if len(d.values) > 0 && !slices.Contains(d.values, item) {
				return wrong("%q is none of %s", item, strings.Join(d.values, ", "))
			}
		}
		if d.check != nil {
			if fault := d.check(value); fault != "" {
				return wrong("%s", fault)
			}
		}
		return nil
	}
	if (d.min != 0 || d.max != 0) && (number < d.min || number > d.max) {
		return wrong("it must be at least %s and at most %s", plain(d.min), plain(d.max))
	}
	if d.hole && number == 0 {
		return wrong("it must not be 0")
	}
	if len(d.values) > 0 && !slices.Contains(d.values, value) {
		return wrong("it must be one of %s", strings.Join(d.values, ", "))
	}
	if d.check != nil {
		if fault := d.check(value); fault != "" {
			return wrong("%s", fault)
		}
	}
	return nil
}

// checkReplicas wants what Kafka wants: partition:broker, separated by commas, or *.
func checkReplicas(value string) string {
	items := SplitList(value)
	if len(items) == 1 && items[0] == "*" {
		return ""
	}
	for _, item := range items {
		partition, broker, _ := strings.Cut(item, ":")
		_, err1 := strconv.ParseUint(partition, 10, 31)
		_, err2 := strconv.ParseUint(broker, 10, 31)
		if err1 != nil || err2 != nil {
			return fmt.Sprintf("%q is no partition:broker, as in 0:1,1:1; * alone means all replicas", item)
		}
	}
	return ""
}

// checkContext wants the name of a context of the registry.
func checkContext(value string) string {
	if !strings.HasPrefix(value, ".") || strings.ContainsAny(value, ":/ ") {
		return "a context begins with a dot and has neither colons, slashes nor spaces, as in .staging"
	}
	return ""
}

// checkStrategy wants a strategy that is known here, by any vendor's class name. A
// class of the user's own cannot be run, and to take another one for it would
// refuse every record.
func checkStrategy(value string) string {
	if value == "" || strategyOf(value) != "" {
		return ""
	}
	return "it must be TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy, with or without the name of a package before it"
}

// strategyOf is the strategy that a name, or the name of a class, means; empty for
// none.
func strategyOf(value string) string {
	name := value[strings.LastIndexByte(value, '.')+1:]
	switch name = strings.TrimSuffix(name, "Strategy"); name {
	case "TopicName", "RecordName", "TopicRecordName":
		return name
	}
	return ""
}

func plain(f float64) string {
	if f >= math.MaxInt64 {
		return maxLong
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// SplitList splits a list as configurations write it: a,b.
func SplitList(value string) []string {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
