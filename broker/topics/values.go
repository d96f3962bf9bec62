package topics

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Values are a topic's configurations as the broker uses them. Durations of -1
// mean without end, and so do sizes.
type Values struct {
	Delete, Compact bool // cleanup.policy

	Compression      string // compression.type
	CompressionLevel int    // of that codec

	RetentionTime  time.Duration
	RetentionBytes int64

	SegmentBytes       int64
	SegmentTime        time.Duration
	SegmentJitter      time.Duration
	SegmentIndexBytes  int64
	IndexIntervalBytes int64
	FileDeleteDelay    time.Duration

	DeleteRetention   time.Duration
	MinCompactionLag  time.Duration
	MaxCompactionLag  time.Duration
	MinCleanableRatio float64

	FlushMessages int64
	FlushTime     time.Duration

	MaxMessageBytes    int32
	LogAppendTime      bool // message.timestamp.type
	TimestampBeforeMax time.Duration
	TimestampAfterMax  time.Duration

	Schema SchemaValues
}

// Level is how deep records are checked against their schemas.
type Level string

const (
	LevelNone    Level = "none"
	LevelID      Level = "id"
	LevelPayload Level = "payload"
)

// SchemaValues are a topic's configurations of schema validation, whatever
// names they were given under.
type SchemaValues struct {
	KeyLevel, ValueLevel Level
	// KeyStrategy and ValueStrategy are TopicName, RecordName or
	// TopicRecordName.
	KeyStrategy, ValueStrategy string
	Context                    string // of the registry; "." is the default one
	RejectNull                 bool
	DeadLetters                bool // mode dlq
}

// Enabled says whether anything is checked.
func (s SchemaValues) Enabled() bool { return s.KeyLevel != LevelNone || s.ValueLevel != LevelNone }

// Resolve makes values of a topic's configurations, over the broker's defaults,
// over Kafka's. All three were checked when they were given.
func Resolve(configs, defaults map[string]string) Values {
	r := resolver{configs, defaults}
	v := Values{
		Compression:        r.text("compression.type"),
		RetentionTime:      r.millis("retention.ms"),
		RetentionBytes:     r.long("retention.bytes"),
		SegmentBytes:       r.long("segment.bytes"),
		SegmentTime:        r.millis("segment.ms"),
		SegmentJitter:      r.millis("segment.jitter.ms"),
		SegmentIndexBytes:  r.long("segment.index.bytes"),
		IndexIntervalBytes: r.long("index.interval.bytes"),
		FileDeleteDelay:    r.millis("file.delete.delay.ms"),
		DeleteRetention:    r.millis("delete.retention.ms"),
		MinCompactionLag:   r.millis("min.compaction.lag.ms"),
		MaxCompactionLag:   r.millis("max.compaction.lag.ms"),
		MinCleanableRatio:  r.double("min.cleanable.dirty.ratio"),
		FlushMessages:      r.long("flush.messages"),
		FlushTime:          r.millis("flush.ms"),
		MaxMessageBytes:    int32(r.long("max.message.bytes")),
		LogAppendTime:      r.text("message.timestamp.type") == "LogAppendTime",
		TimestampBeforeMax: r.millis("message.timestamp.before.max.ms"),
		TimestampAfterMax:  r.millis("message.timestamp.after.max.ms"),
	}
	for _, policy := range SplitList(r.text("cleanup.policy")) {
		v.Delete = v.Delete || policy == "delete"
		v.Compact = v.Compact || policy == "compact"
	}
	if d, ok := Lookup("compression." + v.Compression + ".level"); ok {
		v.CompressionLevel = int(r.long(d.Name))
	}
	v.Schema = SchemaValues{
		KeyLevel:      r.level("schema.validation.key.level"),
		ValueLevel:    r.level("schema.validation.level"),
		KeyStrategy:   strategyOf(r.first("schema.key.subject.name.strategy")),
		ValueStrategy: strategyOf(r.first("schema.value.subject.name.strategy")),
		Context:       r.text("schema.validation.context"),
		RejectNull:    r.text("schema.validation.null") == "reject",
		DeadLetters:   r.first("schema.validation.mode") == "dlq",
	}
	return v
}

type resolver struct{ configs, defaults map[string]string }

// given returns what was configured, if anything was.
func (r resolver) given(name string) (string, bool) {
	if v, ok := r.configs[name]; ok {
		return v, true
	}
	v, ok := r.defaults[name]
	return v, ok
}

func (r resolver) text(name string) string {
	if v, ok := r.given(name); ok {
		return v
	}
	d, ok := Lookup(name)
	if !ok {
		panic("topics: no definition of " + name)
	}
	return d.Default
}

// of are the names of a thing and where they were given: what a topic says of it under
// any name hides the defaults.
func (r resolver) of(own string) (thing, map[string]string) {
	for _, t := range things {
		if t.names[0] != own {
			continue
		}
		if _, ok := t.given(r.configs); ok {
			return t, r.configs
		}
		return t, r.defaults
	}
	panic("topics: nothing has the names of " + own)
}

// first is what the first of a thing's names that was given says, or the default.
func (r resolver) first(own string) string {
	t, from := r.of(own)
	if name, ok := t.given(from); ok {
		return from[name]
	}
	return r.text(own)
}

// level is the deepest that any of a thing's names asks for.
func (r resolver) level(own string) Level {
	t, from := r.of(own)
	level := LevelNone
	for _, name := range t.names {
		v, set := from[name]
		switch {
		case !set || t.says(name, v) != on:
		case name == bufstreamMode:
			return LevelPayload
		case name == own:
			level = Level(v)
		case level == LevelNone:
			level = LevelID
		}
	}
	return level
}

func (r resolver) long(name string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(r.text(name)), 10, 64)
	if err != nil {
		panic("topics: unchecked configuration " + name)
	}
	return n
}

func (r resolver) double(name string) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(r.text(name)), 64)
	if err != nil {
		panic("topics: unchecked configuration " + name)
	}
	return n
}

// millis is a duration; what a Duration cannot hold is the longest there is.
func (r resolver) millis(name string) time.Duration {
	n := r.long(name)
	if n < 0 {
		return -1
	}
	if n > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(n) * time.Millisecond
}
