package topics

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDefinitionsAreSortedAndTheirDefaultsValid(t *testing.T) {
	if !slices.IsSortedFunc(definitions, func(a, b Definition) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted by name")
	}
	for _, d := range definitions {
		if err := d.Check(d.Default); err != nil && d.Default != "" {
			t.Error(err)
		}
		if d.Doc == "" {
			t.Errorf("%s says nothing about itself", d.Name)
		}
	}
	Resolve(nil, nil) // panics on a default that cannot be resolved
}

func TestValuesAreChecked(t *testing.T) {
	for name, values := range map[string]map[string]bool{
		"retention.ms":                            {"-1": true, "0": true, "9223372036854775807": true, "9223372036854775808": false, "-2": false, "": false, "1.5": false},
		"segment.bytes":                           {"1048576": true, "1048575": false, "2147483648": false},
		"cleanup.policy":                          {"delete": true, "compact,delete": true, "compact, delete": true, "": true, "shred": false},
		"min.cleanable.dirty.ratio":               {"0.5": true, "0": true, "1": true, "1.1": false, "NaN": false},
		"preallocate":                             {"true": true, "TRUE": true, " false ": true, "1": false},
		"max.compaction.lag.ms":                   {"1": true, "0": false},
		"index.interval.bytes":                    {"0": true, "-1": false},
		"segment.index.bytes":                     {"4": true, "3": false},
		"flush.messages":                          {"1": true, "0": false},
		"flush.ms":                                {"0": true, "-1": false},
		"segment.ms":                              {"1": true, "0": false},
		"local.retention.ms":                      {"-2": true, "-3": false},
		"min.insync.replicas":                     {"1": true, "0": false},
		"max.message.bytes":                       {"0": true, "-1": false, "2147483647": true},
		"compression.type":                        {"producer": true, "uncompressed": true, "zstd": true, "none": false},
		"compression.lz4.level":                   {"1": true, "17": true, "0": false, "18": false},
		"compression.zstd.level":                  {"-131072": true, "0": true, "22": true, "23": false, "-131073": false},
		"leader.replication.throttled.replicas":   {"": true, "*": true, "0:1": true, "0:1,12:3": true, "0": false, "0:a": false, "*,0:1": false, "-1:1": false, "0:1:2": false},
		"follower.replication.throttled.replicas": {"*": true, "0:1, 1:1": true, "all": false},
		"message.timestamp.type":                  {"CreateTime": true, "LogAppendTime": true, "createtime": false},
		"schema.validation.level":                 {"none": true, "id": true, "payload": true, "all": false},
		"compression.gzip.level":                  {"-1": true, "1": true, "9": true, "0": false, "-2": false, "10": false},
		"remote.storage.enable":                   {"false": true, "true": false},
	} {
		d, ok := Lookup(name)
		if !ok {
			t.Fatalf("no %s", name)
		}
		for value, fine := range values {
			if err := d.Check(value); (err == nil) != fine {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
	}
}

func TestResolveTakesTheTopicsThenTheBrokersThenTheDefault(t *testing.T) {
	v := Resolve(map[string]string{"retention.ms": "5"}, map[string]string{"retention.ms": "6", "retention.bytes": "7"})
	if v.RetentionTime != 5*time.Millisecond || v.RetentionBytes != 7 || v.SegmentBytes != 1<<30 || !v.Delete || v.Compact {
		t.Errorf("%+v", v)
	}
	if v.FlushTime < time.Hour || v.TimestampBeforeMax < time.Hour {
		t.Error("the longest duration overflowed")
	}
}

func TestOtherVendorsNamesForValidation(t *testing.T) {
	for _, c := range []struct {
		configs    map[string]string
		key, value Level
		dlq        bool
	}{
		{nil, LevelNone, LevelNone, false},
		{map[string]string{"schema.validation.level": "payload"}, LevelNone, LevelPayload, false},
		{map[string]string{"confluent.value.schema.validation": "true"}, LevelNone, LevelID, false},
		{map[string]string{"confluent.key.schema.validation": "true", "schema.validation.level": "payload"}, LevelID, LevelPayload, false},
		{map[string]string{"redpanda.value.schema.id.validation": "true", "redpanda.key.schema.id.validation": "true"}, LevelID, LevelID, false},
		{map[string]string{"kop.kafka.value.schema.validation": "true"}, LevelNone, LevelID, false},
		{map[string]string{"bufstream.validate.mode": "dlq"}, LevelNone, LevelPayload, true},
		{map[string]string{"schema.validation.mode": "dlq", "schema.validation.level": "id"}, LevelNone, LevelID, true},
		{map[string]string{"schema.validation.level": "id", "bufstream.validate.mode": "reject"}, LevelNone, LevelPayload, false},
		{map[string]string{"confluent.value.schema.validation": "TRUE"}, LevelNone, LevelID, false},
	} {
		if err := CheckConfigs(c.configs); err != nil {
			t.Error(err)
		}
		s := Resolve(c.configs, nil).Schema
		if s.KeyLevel != c.key || s.ValueLevel != c.value || s.DeadLetters != c.dlq {
			t.Errorf("%v: %+v", c.configs, s)
		}
	}
	s := Resolve(map[string]string{"confluent.value.subject.name.strategy": "io.confluent.kafka.serializers.subject.RecordNameStrategy"}, nil).Schema
	if s.ValueStrategy != "RecordName" || s.KeyStrategy != "TopicName" || s.Context != "." {
		t.Errorf("%+v", s)
	}
	s = Resolve(map[string]string{"redpanda.key.subject.name.strategy": "TopicRecordNameStrategy", "schema.validation.context": ".staging", "schema.validation.null": "reject"}, nil).Schema
	if s.KeyStrategy != "TopicRecordName" || s.Context != ".staging" || !s.RejectNull {
		t.Errorf("%+v", s)
	}
	for name, value := range map[string]string{
		"confluent.key.subject.name.strategy": "com.acme.OwnStrategy", "redpanda.value.subject.name.strategy": "Topic", "schema.validation.context": "staging",
		"schema.validation.mode": "drop", "bufstream.validate.mode": "drop",
	} {
		if err := CheckConfigs(map[string]string{name: value}); err == nil {
			t.Errorf("%s=%s is taken", name, value)
		}
	}
}

func TestWhatIsSetUnderOneVendorsNameIsReadUnderAll(t *testing.T) {
	const class = "io.confluent.kafka.serializers.subject."
	for _, c := range []struct {
		configs, defaults, want map[string]string
		by                      string
	}{
		{map[string]string{"confluent.value.schema.validation": "true"}, nil, map[string]string{
			"schema.validation.level": "id", "redpanda.value.schema.id.validation": "true", "kop.kafka.value.schema.validation": "true", "bufstream.validate.mode": "",
		}, "confluent.value.schema.validation"},
		{map[string]string{"redpanda.key.schema.id.validation": "true"}, nil, map[string]string{
			"schema.validation.key.level": "id", "confluent.key.schema.validation": "true",
		}, "redpanda.key.schema.id.validation"},
		{map[string]string{"schema.validation.level": "payload"}, nil, map[string]string{
			"confluent.value.schema.validation": "true", "redpanda.value.schema.id.validation": "true", "bufstream.validate.mode": "reject",
		}, "schema.validation.level"},
		{map[string]string{"bufstream.validate.mode": "dlq"}, nil, map[string]string{
			"schema.validation.level": "payload", "schema.validation.mode": "dlq", "confluent.value.schema.validation": "true",
		}, "bufstream.validate.mode"},
		{map[string]string{"redpanda.value.subject.name.strategy": "RecordNameStrategy"}, nil, map[string]string{
			"schema.value.subject.name.strategy": "RecordName", "confluent.value.subject.name.strategy": class + "RecordNameStrategy",
		}, "redpanda.value.subject.name.strategy"},
		{map[string]string{"confluent.key.subject.name.strategy": class + "TopicRecordNameStrategy"}, nil, map[string]string{
			"schema.key.subject.name.strategy": "TopicRecordName", "redpanda.key.subject.name.strategy": "TopicRecordNameStrategy",
		}, "confluent.key.subject.name.strategy"},
		{map[string]string{"confluent.value.schema.validation": "false"}, map[string]string{"schema.validation.level": "payload"}, map[string]string{
			"schema.validation.level": "none", "redpanda.value.schema.id.validation": "false",
		}, "confluent.value.schema.validation"},
		{nil, map[string]string{"schema.validation.level": "id"}, map[string]string{"confluent.value.schema.validation": "true"}, "schema.validation.level"},
	} {
		for name, want := range c.want {
			if got, by, ok := Alias(name, c.configs, c.defaults); got != want || by != c.by || !ok {
				t.Errorf("%v over %v: %s is %q by %q, want %q by %q", c.configs, c.defaults, name, got, by, want, c.by)
			}
		}
	}
	for _, name := range []string{"confluent.value.schema.validation", "schema.key.subject.name.strategy", "retention.ms"} {
		if got, by, ok := Alias(name, map[string]string{"confluent.key.schema.validation": "true", "retention.ms": "1"}, nil); ok {
			t.Errorf("%s is %q by %q", name, got, by)
		}
	}
}

func TestNamesOfOneThingMustNotContradictEachOther(t *testing.T) {
	for _, c := range []struct {
		configs map[string]string
		wrong   string
	}{
		{map[string]string{"confluent.value.schema.validation": "true", "redpanda.value.schema.id.validation": "false"},
			"confluent.value.schema.validation=true and redpanda.value.schema.id.validation=false"},
		{map[string]string{"schema.validation.level": "none", "confluent.value.schema.validation": "true"},
			"schema.validation.level=none and confluent.value.schema.validation=true"},
		{map[string]string{"schema.validation.key.level": "payload", "kop.kafka.key.schema.validation": "false"},
			"schema.validation.key.level=payload and kop.kafka.key.schema.validation=false"},
		{map[string]string{"confluent.key.subject.name.strategy": "RecordNameStrategy", "redpanda.key.subject.name.strategy": "TopicNameStrategy"},
			"confluent.key.subject.name.strategy=RecordNameStrategy and redpanda.key.subject.name.strategy=TopicNameStrategy"},
		{map[string]string{"schema.validation.mode": "reject", "bufstream.validate.mode": "dlq"},
			"schema.validation.mode=reject and bufstream.validate.mode=dlq"},
		{map[string]string{"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "9"}, "must not be less than min.compaction.lag.ms"},
		{map[string]string{"confluent.value.schema.validation": "true", "redpanda.value.schema.id.validation": "true", "schema.validation.level": "payload", "kop.kafka.key.schema.validation": "false"}, ""},
		{map[string]string{"confluent.key.subject.name.strategy": "io.confluent.kafka.serializers.subject.RecordNameStrategy", "schema.key.subject.name.strategy": "RecordName"}, ""},
		{map[string]string{"bufstream.validate.mode": "", "schema.validation.mode": "dlq", "schema.validation.level": "none"}, ""},
	} {
		err := CheckConfigs(c.configs)
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%v: %v, want %q", c.configs, err, c.wrong)
		}
	}
}

// TestEveryConfigurationHasAnEffectOrSaysThatItHasNone: by another value than the default.
func TestEveryConfigurationHasAnEffectOrSaysThatItHasNone(t *testing.T) {
	others := map[string]string{
		"bufstream.validate.mode": "dlq", "cleanup.policy": "compact", "compression.gzip.level": "1", "compression.lz4.level": "1", "compression.zstd.level": "1",
		"compression.type": "zstd", "message.timestamp.type": "LogAppendTime", "min.cleanable.dirty.ratio": "0.25", "schema.validation.context": ".staging",
		"schema.validation.level": "id", "schema.validation.key.level": "id", "schema.validation.mode": "dlq", "schema.validation.null": "reject",
	}
	for _, d := range definitions {
		other := others[d.Name]
		switch {
		case other != "":
		case strings.HasSuffix(d.Name, "strategy"):
			other = "RecordName"
		case d.Type == Boolean:
			other = "true"
		case d.Type == Int || d.Type == Long:
			other = "1048577" // in the bounds of all others
		}
		beside := map[string]string{}
		if codec, ok := strings.CutSuffix(strings.TrimPrefix(d.Name, "compression."), ".level"); ok && d.Type == Int {
			beside["compression.type"] = codec
		}
		before := Resolve(beside, nil)
		beside[d.Name] = other
		none := strings.Contains(d.Doc, "without effect") || strings.Contains(d.Doc, "always false")
		if none {
			continue
		}
		if err := d.Check(other); err != nil {
			t.Fatal(err)
		}
		if Resolve(beside, nil) == before {
			t.Errorf("%s=%s changes nothing, and its documentation does not say so: %s", d.Name, other, d.Doc)
		}
	}
}
