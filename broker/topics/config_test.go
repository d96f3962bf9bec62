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
		"retention.ms":              {"-1": true, "0": true, "9223372036854775807": true, "9223372036854775808": false, "-2": false, "": false, "1.5": false},
		"segment.bytes":             {"1048576": true, "1048575": false, "2147483648": false},
		"cleanup.policy":            {"delete": true, "compact,delete": true, "compact, delete": true, "": true, "shred": false},
		"min.cleanable.dirty.ratio": {"0.5": true, "0": true, "1": true, "1.1": false, "NaN": false},
		"preallocate":               {"true": true, "TRUE": false, "1": false},
		"message.timestamp.type":    {"CreateTime": true, "LogAppendTime": true, "createtime": false},
		"schema.validation.level":   {"none": true, "id": true, "payload": true, "all": false},
		"compression.gzip.level":    {"-1": true, "1": true, "9": true, "0": false, "-2": false, "10": false},
		"remote.storage.enable":     {"false": true, "true": false},
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
