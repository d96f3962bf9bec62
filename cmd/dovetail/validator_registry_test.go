package main

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
)

// What happens to records when the registry changes under them: it is the same process,
// and the next batch sees it.

func TestADeletedSchemaTakesNoRecordsUntilItIsRegisteredAgain(t *testing.T) {
	c := startChecked(t)
	s := c.register("t-value", schema.Avro, orderSchema)
	for _, level := range []map[string]string{byID, byPayload} {
		name := "t"
		if level["schema.validation.level"] == "payload" {
			name = "u"
			s = c.register("u-value", schema.Avro, orderSchema)
		}
		c.topic(name, level)
		subject := schema.Subject(name + "-value")
		good := kv{value: framed(s.ID, goodOrder...)}
		c.wantTaken("registered", c.produce(name, record.None, good))
		if _, err := c.reg.DeleteSubject(t.Context(), subject, false); err != nil {
			t.Fatal(err)
		}
		c.wantRefused("soft-deleted", c.produce(name, record.None, good), 0, "no version of subject "+string(subject))
		if again := c.register(subject, schema.Avro, orderSchema); again.ID != s.ID {
			t.Fatalf("ID %d, it was %d", again.ID, s.ID)
		}
		c.wantTaken("registered again", c.produce(name, record.None, good))
		for _, permanent := range []bool{false, true} {
			if _, err := c.reg.DeleteSubject(t.Context(), subject, permanent); err != nil {
				t.Fatal(err)
			}
		}
		c.wantRefused("deleted for good", c.produce(name, record.None, good), 0, "which the registry does not have")
	}
}

// TestADeletedVersionLeavesTheOthers: a subject's other versions are still written with.
func TestADeletedVersionLeavesTheOthers(t *testing.T) {
	c := startChecked(t)
	c.topic("t", byPayload)
	first := c.register("t-value", schema.Avro, `"string"`)
	second, err := c.reg.Register(t.Context(), "t-value", registry.RegisterRequest{Definition: schema.Definition{Type: schema.Avro, Text: `"bytes"`}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.reg.DeleteVersion(t.Context(), "t-value", 1, false); err != nil {
		t.Fatal(err)
	}
	c.wantRefused("the deleted version", c.produce("t", record.None, kv{value: framed(first.ID, 0)}), 0, "t-value")
	c.wantTaken("the other", c.produce("t", record.None, kv{value: framed(second.ID, 0)}))
}

// TestAReadOnlyRegistryStillValidates: nothing can be registered, and what is registered counts.
func TestAReadOnlyRegistryStillValidates(t *testing.T) {
	c := startChecked(t)
	s := c.register("t-value", schema.Avro, orderSchema)
	c.topic("t", byPayload)
	if err := c.reg.SetMode(t.Context(), "", "READONLY", false); err != nil {
		t.Fatal(err)
	}
	good, bad := kv{value: framed(s.ID, goodOrder...)}, kv{value: framed(s.ID, badOrder...)}
	c.wantTaken("good", c.produce("t", record.None, good))
	c.wantRefused("bad", c.produce("t", record.None, good, bad), 1, "lines[1].sku")
	c.wantRefused("unknown", c.produce("t", record.None, kv{value: framed(77, 0)}), 0, "77")
}

// TestStrategiesOfKeysOfEveryVendor: by every class name that a vendor has.
func TestStrategiesOfKeysOfEveryVendor(t *testing.T) {
	c := startChecked(t)
	byName := c.register("shop.Order", schema.Avro, orderSchema).ID
	for topic, configs := range map[string]map[string]string{
		"own": {"schema.key.subject.name.strategy": "RecordName"},
		"con": {"confluent.key.subject.name.strategy": "io.confluent.kafka.serializers.subject.RecordNameStrategy"},
		"red": {"redpanda.key.subject.name.strategy": "RecordNameStrategy"},
		"kaf": {"redpanda.key.subject.name.strategy": "io.confluent.kafka.serializers.subject.RecordNameStrategy"},
	} {
		configs["schema.validation.key.level"] = "payload"
		c.topic(topic, configs)
		only := c.register(schema.Subject(topic+"-key"), schema.Avro, `"string"`).ID
		c.wantTaken(topic, c.produce(topic, record.None, kv{key: framed(byName, goodOrder...)}))
		c.wantRefused(topic, c.produce(topic, record.None, kv{key: framed(only, 0)}), 0, "the key")
	}
	for topic, configs := range map[string]map[string]string{
		"own2": {"schema.key.subject.name.strategy": "TopicRecordName"},
		"con2": {"confluent.key.subject.name.strategy": "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy"},
		"red2": {"redpanda.key.subject.name.strategy": "TopicRecordNameStrategy"},
		"con3": {"confluent.key.subject.name.strategy": "io.confluent.kafka.serializers.subject.TopicNameStrategy"},
	} {
		configs["schema.validation.key.level"] = "payload"
		c.topic(topic, configs)
		subject := schema.Subject(topic + "-shop.Order")
		if topic == "con3" {
			subject = "con3-key"
		}
		c.wantRefused(topic, c.produce(topic, record.None, kv{key: framed(byName, goodOrder...)}), 0, string(subject))
		c.register(subject, schema.Avro, orderSchema)
		c.wantTaken(topic, c.produce(topic, record.None, kv{key: framed(byName, goodOrder...)}))
	}
}

// alter sets configurations of a topic.
func (c *checked) alter(topic string, configs map[string]string) {
	c.t.Helper()
	var changes []kadm.AlterConfig
	for name, value := range configs {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
	}
	res, err := kadm.NewClient(c.client).AlterTopicConfigs(c.t.Context(), changes, topic)
	if err != nil || res[0].Err != nil {
		c.t.Fatal(err, res)
	}
}

func TestLevelsCanBeTurnedUpAndOffWhileProducing(t *testing.T) {
	c := startChecked(t)
	s := c.register("t-value", schema.Avro, orderSchema)
	c.topic("t", nil)
	bad := kv{value: framed(s.ID, badOrder...)}
	c.wantTaken("none", c.produce("t", record.None, kv{value: []byte("x")}))
	c.alter("t", map[string]string{"redpanda.value.schema.id.validation": "true"})
	c.wantRefused("id", c.produce("t", record.None, kv{value: []byte("x")}), 0, "no schema ID")
	c.wantTaken("id", c.produce("t", record.None, bad))
	c.alter("t", map[string]string{"schema.validation.level": "payload"})
	c.wantRefused("payload", c.produce("t", record.None, bad), 0, "lines[1].sku")
	c.alter("t", map[string]string{"schema.validation.level": "none", "redpanda.value.schema.id.validation": "false"})
	c.wantTaken("none again", c.produce("t", record.None, bad))
}
