package broker

import (
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func startWithInternalTopic(t *testing.T) (*Broker, *kadm.Client, string) {
	t.Helper()
	b := startBroker(t)
	const name = "_state"
	if err := b.EnsureInternalTopic(name, 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	return b, kadm.NewClient(newClient(t, b)), name
}

func TestConfigurationsThatRemoveRecordsOfAnInternalTopicAreRefused(t *testing.T) {
	b, adm, name := startWithInternalTopic(t)
	before := maps.Clone(b.topics.byName(name).Configs)
	value := func(v string) *string { return &v }
	for _, c := range []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "cleanup.policy", Value: value("delete")},
		{Op: kadm.SetConfig, Name: "cleanup.policy", Value: value("compact,delete")},
		{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: value("delete")},
		{Op: kadm.SubtractConfig, Name: "cleanup.policy", Value: value("compact")},
		{Op: kadm.DeleteConfig, Name: "cleanup.policy"},
		{Op: kadm.SetConfig, Name: "retention.ms", Value: value("1")},
		{Op: kadm.SetConfig, Name: "retention.bytes", Value: value("1")},
		{Op: kadm.SetConfig, Name: "delete.retention.ms", Value: value("0")},
	} {
		for what, alter := range map[string]func() (kadm.AlterConfigsResponses, error){
			"validated": func() (kadm.AlterConfigsResponses, error) {
				return adm.ValidateAlterTopicConfigs(t.Context(), []kadm.AlterConfig{c}, name)
			},
			"altered": func() (kadm.AlterConfigsResponses, error) {
				return adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{c}, name)
			},
		} {
			res, err := alter()
			if err != nil || len(res) != 1 || !errors.Is(res[0].Err, kerr.InvalidConfig) || !strings.Contains(res[0].ErrMessage, c.Name) || !strings.Contains(res[0].ErrMessage, name) {
				t.Errorf("%s, %d of %s: %v %+v", what, c.Op, c.Name, err, res)
			}
		}
	}
	if got := b.topics.byName(name).Configs; !maps.Equal(got, before) {
		t.Errorf("%v", got)
	}
}

func TestReplacingTheConfigurationsOfAnInternalTopicKeepsItsRecords(t *testing.T) {
	b, _, name := startWithInternalTopic(t)
	client := newClient(t, b)
	for _, c := range []struct {
		configs map[string]string
		code    int16
	}{
		{map[string]string{"segment.bytes": "1048576"}, kerr.InvalidConfig.Code}, // cleanup.policy falls back to delete
		{map[string]string{"cleanup.policy": "delete"}, kerr.InvalidConfig.Code},
		{map[string]string{"cleanup.policy": "compact", "retention.ms": "1"}, kerr.InvalidConfig.Code},
		{map[string]string{"cleanup.policy": "compact", "segment.bytes": "1048576"}, 0},
	} {
		for _, dryRun := range []bool{true, false} {
			req := kmsg.NewPtrAlterConfigsRequest()
			req.ValidateOnly = dryRun
			res := kmsg.NewAlterConfigsRequestResource()
			res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeTopic, name
			for k, v := range c.configs {
				one := kmsg.NewAlterConfigsRequestResourceConfig()
				one.Name, one.Value = k, kmsg.StringPtr(v)
				res.Configs = append(res.Configs, one)
			}
			req.Resources = append(req.Resources, res)
			resp, err := req.RequestWith(t.Context(), client)
			if err != nil || resp.Resources[0].ErrorCode != c.code {
				t.Errorf("%v, dry run %t: %v %+v", c.configs, dryRun, err, resp)
			}
		}
	}
	if got := b.topics.byName(name).Configs; got["cleanup.policy"] != "compact" || got["segment.bytes"] != "1048576" {
		t.Errorf("%v", got)
	}
}

func TestHarmlessConfigurationsOfAnInternalTopicAreChanged(t *testing.T) {
	b, adm, name := startWithInternalTopic(t)
	compact, bytes := "compact", "2097152"
	res, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &compact},
		{Op: kadm.SetConfig, Name: "segment.bytes", Value: &bytes},
		{Op: kadm.DeleteConfig, Name: "retention.ms"},
	}, name)
	if err != nil || res[0].Err != nil || b.topics.byName(name).values.SegmentBytes != 2097152 {
		t.Errorf("%v %+v", err, res)
	}
}

// An internal topic that deletes, as one could be made before that was refused, is
// led back.
func TestAnInternalTopicIsLedBackToCompaction(t *testing.T) {
	damaged := map[string]string{"cleanup.policy": "delete", "retention.ms": "1"}
	for _, c := range []struct {
		changed map[string]string
		refused bool
	}{
		{map[string]string{"cleanup.policy": "compact"}, false},
		{map[string]string{"cleanup.policy": "compact", "retention.ms": "1"}, false},
		{map[string]string{"cleanup.policy": "delete", "retention.ms": "1", "segment.bytes": "1048576"}, false},
		{map[string]string{"retention.ms": "1"}, true},
		{map[string]string{"cleanup.policy": "compact", "retention.ms": "2"}, true},
	} {
		if err := checkInternalConfigs("_state", damaged, c.changed); (err != nil) != c.refused {
			t.Errorf("%v: %v", c.changed, err)
		}
	}
}

func TestTheTopicOfShareGroupsIsNeitherCompactedNorCutByTime(t *testing.T) {
	for _, change := range []func(map[string]string){
		func(c map[string]string) { c["cleanup.policy"] = "compact" },
		func(c map[string]string) { c["retention.ms"] = "1" },
		func(c map[string]string) { c["retention.bytes"] = "1" },
		func(c map[string]string) { delete(c, "retention.ms") },
		func(c map[string]string) { delete(c, "retention.bytes") }, // the broker's default may be a limit
		func(c map[string]string) { clear(c); c["cleanup.policy"] = "compact" },
		func(c map[string]string) { clear(c) },
	} {
		changed := maps.Clone(shareTopicConfigs)
		change(changed)
		if err := checkInternalConfigs(shareTopic, shareTopicConfigs, changed); err == nil {
			t.Errorf("%v", changed)
		}
	}
	harmless := maps.Clone(shareTopicConfigs)
	harmless["segment.ms"] = "60000"
	harmless["retention.bytes"] = "-1"
	if err := checkInternalConfigs(shareTopic, shareTopicConfigs, harmless); err != nil {
		t.Error(err)
	}
}

func TestAnInternalTopicKeepsItsNumberOfPartitions(t *testing.T) {
	b, adm, name := startWithInternalTopic(t)
	for what, update := range map[string]func() (kadm.CreatePartitionsResponses, error){
		"validated": func() (kadm.CreatePartitionsResponses, error) {
			return adm.ValidateUpdatePartitions(t.Context(), 3, name)
		},
		"altered": func() (kadm.CreatePartitionsResponses, error) {
			return adm.UpdatePartitions(t.Context(), 3, name)
		},
	} {
		res, err := update()
		if err != nil || !errors.Is(res[name].Err, kerr.InvalidPartitions) || !strings.Contains(res[name].ErrMessage, name) {
			t.Errorf("%s: %v %+v", what, err, res)
		}
	}
	if got := len(b.topics.byName(name).parts); got != 1 {
		t.Errorf("%d partitions", got)
	}
}

// TestBrokerWideRetentionLeavesInternalTopicsAlone: also those that have no
// configuration of their own that would say so.
func TestBrokerWideRetentionLeavesInternalTopicsAlone(t *testing.T) {
	dir := t.TempDir()
	var ahead atomic.Int64 // of the clock
	b := startBroker(t, func(o *Options) { o.DataDir = dir })
	names := []string{offsetsTopic, txnTopic, shareTopic, "_schemas"}
	for _, name := range names {
		if err := b.ensureInternalTopic(name, 1, nil); err != nil {
			t.Fatal(err)
		}
		appendInternal(t, b, name)
	}
	createTopic(t, b, "t", 1, nil)
	appendInternal(t, b, "t")
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = startBroker(t, func(o *Options) {
		o.DataDir = dir
		o.TopicDefaults = map[string]string{"retention.ms": "1", "retention.bytes": "1", "cleanup.policy": "delete", "delete.retention.ms": "0"}
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	ahead.Store(int64(30 * 24 * time.Hour))
	b.retain()
	for _, name := range append(names, "t") {
		start := b.topics.byName(name).parts[0].log.StartOffset()
		if name == "t" != (start > 0) {
			t.Errorf("%s begins at offset %d", name, start)
		}
	}
	adm := kadm.NewClient(newClient(t, b))
	described, err := adm.DescribeTopicConfigs(t.Context(), names...)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range described {
		for _, c := range topic.Configs {
			if want := internalCleanup(topic.Name)[c.Key]; want != "" && (c.Value == nil || *c.Value != want || c.Source != kmsg.ConfigSourceDefaultConfig) {
				t.Errorf("%s of %s is %q, not %q", c.Key, topic.Name, *c.Value, want)
			}
		}
	}
}

func appendInternal(t *testing.T, b *Broker, topic string) {
	t.Helper()
	p, err := b.Partition(topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AppendRecords(t.Context(), -1, Record{Key: []byte("k"), Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
}
