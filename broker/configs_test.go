package broker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

func config(t *testing.T, adm *kadm.Client, topic, name string) kadm.Config {
	t.Helper()
	res, err := adm.DescribeTopicConfigs(t.Context(), topic)
	if err != nil || len(res) != 1 || res[0].Err != nil {
		t.Fatal(err, res)
	}
	for _, c := range res[0].Configs {
		if c.Key == name {
			return c
		}
	}
	t.Fatalf("%s is not described", name)
	return kadm.Config{}
}

func TestEveryConfigurationIsDescribedWithItsSources(t *testing.T) {
	b := startBroker(t, func(o *Options) { o.TopicDefaults = map[string]string{"retention.ms": "7000"} })
	adm := kadm.NewClient(newClient(t, b))
	createTopic(t, b, "t", 1, map[string]string{"cleanup.policy": "compact"})
	res, err := adm.DescribeTopicConfigs(t.Context(), "t")
	if err != nil || len(res[0].Configs) != len(topics.Definitions()) {
		t.Fatalf("%d configurations, %v", len(res[0].Configs), err)
	}
	if c := config(t, adm, "t", "cleanup.policy"); *c.Value != "compact" || c.Source != kmsg.ConfigSourceDynamicTopicConfig || len(c.Synonyms) != 2 ||
		c.Synonyms[1].Key != "log.cleanup.policy" || *c.Synonyms[1].Value != "delete" {
		t.Errorf("%+v", c)
	}
	if c := config(t, adm, "t", "retention.ms"); *c.Value != "7000" || c.Source != kmsg.ConfigSourceStaticBrokerConfig {
		t.Errorf("%+v", c)
	}
	if c := config(t, adm, "t", "segment.ms"); *c.Value != "604800000" || c.Source != kmsg.ConfigSourceDefaultConfig {
		t.Errorf("%+v", c)
	}
}

func TestAVendorsNameIsReadUnderTheOthers(t *testing.T) {
	b := startBroker(t)
	adm := kadm.NewClient(newClient(t, b))
	createTopic(t, b, "t", 1, map[string]string{"confluent.value.schema.validation": "true"})
	for name, want := range map[string]string{"schema.validation.level": "id", "redpanda.value.schema.id.validation": "true", "kop.kafka.value.schema.validation": "true"} {
		c := config(t, adm, "t", name)
		if *c.Value != want || c.Source != kmsg.ConfigSourceDefaultConfig || len(c.Synonyms) != 1 || c.Synonyms[0].Key != "confluent.value.schema.validation" ||
			*c.Synonyms[0].Value != "true" || c.Synonyms[0].Source != kmsg.ConfigSourceDynamicTopicConfig {
			t.Errorf("%+v", c)
		}
	}
	if c := config(t, adm, "t", "confluent.key.schema.validation"); *c.Value != "false" || len(c.Synonyms) != 0 {
		t.Errorf("%+v", c)
	}
	no := "false"
	res, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "redpanda.value.schema.id.validation", Value: &no}}, "t")
	if err != nil || !errors.Is(res[0].Err, kerr.InvalidConfig) || !strings.Contains(res[0].ErrMessage, "contradict") {
		t.Errorf("%v %+v", err, res)
	}
}

func TestEveryConfigurationHasATypeAndADocumentation(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms, req.IncludeDocumentation = true, true
	for kind, name := range map[kmsg.ConfigResourceType]string{kmsg.ConfigResourceTypeTopic: "t", kmsg.ConfigResourceTypeBroker: "1"} {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kind, name
		req.Resources = append(req.Resources, r)
	}
	resp, err := req.RequestWith(t.Context(), newClient(t, b))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resp.Resources {
		for _, c := range r.Configs {
			if c.Value == nil || c.ConfigType == 0 || c.Source == kmsg.ConfigSourceUnknown || c.Documentation == nil || *c.Documentation == "" {
				t.Errorf("%s of %s: %+v", c.Name, r.ResourceName, c)
			}
			if d, ok := topics.Lookup(c.Name); ok && r.ResourceType == kmsg.ConfigResourceTypeTopic && len(d.Synonyms) > 0 &&
				(len(c.ConfigSynonyms) == 0 || c.ConfigSynonyms[0].Name != d.Synonyms[0]) {
				t.Errorf("%s has no synonym: %+v", c.Name, c)
			}
		}
	}
}

func TestConfigurationsOfTheBrokerReachItsTopics(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, func(o *Options) { o.DataDir = dir })
	adm := kadm.NewClient(newClient(t, b))
	createTopic(t, b, "t", 1, nil)
	set := func(value string, brokers ...int32) {
		t.Helper()
		res, err := adm.AlterBrokerConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "log.retention.ms", Value: &value}}, brokers...)
		if err != nil || res[0].Err != nil {
			t.Fatal(err, res)
		}
	}
	set("5000")
	if v := b.topics.byName("t").values.RetentionTime; v != 5*time.Second {
		t.Errorf("retention %s", v)
	}
	set("6000", 1)
	if c := config(t, adm, "t", "retention.ms"); *c.Value != "6000" || c.Source != kmsg.ConfigSourceDynamicBrokerConfig || len(c.Synonyms) != 3 {
		t.Errorf("%+v", c)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = startBroker(t, func(o *Options) { o.DataDir = dir })
	if v := b.topics.byName("t").values.RetentionTime; v != 6*time.Second {
		t.Errorf("retention after a restart: %s", v)
	}
}

func TestBrokerConfigurationsThatToolsReadAreThere(t *testing.T) {
	b := startBroker(t)
	res, err := kadm.NewClient(newClient(t, b)).DescribeBrokerConfigs(t.Context(), 1)
	if err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	have := map[string]bool{}
	for _, c := range res[0].Configs {
		have[c.Key] = true
	}
	for _, name := range []string{"num.partitions", "default.replication.factor", "auto.create.topics.enable", "offsets.topic.replication.factor",
		"log.dirs", "listeners", "message.max.bytes", "log.retention.ms", "transaction.max.timeout.ms", "group.max.session.timeout.ms", "group.consumer.assignors",
		"advertised.listeners", "broker.id", "socket.request.max.bytes", "connections.max.idle.ms", "offsets.topic.num.partitions", "transaction.state.log.num.partitions",
		"log.retention.check.interval.ms", "producer.id.expiration.ms", "log.cleaner.enable"} {
		if !have[name] {
			t.Errorf("no %s", name)
		}
	}
}

func TestListsAreAppendedToAndSubtractedFrom(t *testing.T) {
	b := startBroker(t)
	adm := kadm.NewClient(newClient(t, b))
	createTopic(t, b, "t", 1, nil)
	alter := func(op kadm.IncrementalOp, name, value string, dryRun bool) error {
		do := adm.AlterTopicConfigs
		if dryRun {
			do = adm.ValidateAlterTopicConfigs
		}
		res, err := do(t.Context(), []kadm.AlterConfig{{Op: op, Name: name, Value: &value}}, "t")
		if err != nil {
			t.Fatal(err)
		}
		return res[0].Err
	}
	for _, step := range []struct {
		op    kadm.IncrementalOp
		value string
		want  string
	}{
		{kadm.AppendConfig, "compact", "delete,compact"},
		{kadm.SubtractConfig, "delete", "compact"},
		{kadm.DeleteConfig, "", "delete"},
	} {
		if err := alter(step.op, "cleanup.policy", step.value, false); err != nil {
			t.Fatal(err)
		}
		if c := config(t, adm, "t", "cleanup.policy"); *c.Value != step.want {
			t.Errorf("%s, want %s", *c.Value, step.want)
		}
	}
	for name, err := range map[string]error{
		"append to no list": alter(kadm.AppendConfig, "retention.ms", "1", false),
		"unknown name":      alter(kadm.SetConfig, "retention.years", "1", false),
		"wrong type":        alter(kadm.SetConfig, "retention.ms", "soon", true),
	} {
		if err == nil || !strings.Contains(err.Error(), "INVALID_CONFIG") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := alter(kadm.SetConfig, "retention.ms", "1", true); err != nil {
		t.Error(err)
	}
	if c := config(t, adm, "t", "retention.ms"); *c.Value == "1" {
		t.Error("a dry run changed something")
	}
}
