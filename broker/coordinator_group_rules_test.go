package broker

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// heartbeatOf is a heartbeat in the protocol of KIP-848, the first if topics or an
// expression are given.
func heartbeatOf(group, member string, epoch int32, topics ...string) *kmsg.ConsumerGroupHeartbeatRequest {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.MemberEpoch, req.SubscribedTopicNames = 1, group, member, epoch, topics
	req.RebalanceTimeoutMillis = -1
	if epoch == 0 {
		req.RebalanceTimeoutMillis = 60_000
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	return req
}

func (c *rawClient) beat(req *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
	return c.ask(req).(*kmsg.ConsumerGroupHeartbeatResponse)
}

func TestStaticMembersAreDescribedWithTheirInstance(t *testing.T) {
	for name, opts := range protocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			createTopic(t, b, "t", 2, nil)
			m := startMember(t, b, "g", "t", append(opts, kgo.InstanceID("one"), kgo.Rack("here"))...)
			eventually(t, "the member has all", fairlyShared("t", 2, m))
			adm := kadm.NewClient(newClient(t, b))
			var got []*string
			if name == "kip-848" {
				all, err := adm.DescribeConsumerGroups(t.Context(), "g")
				if err != nil || all["g"].Err != nil || all["g"].State != "Stable" || len(all["g"].Members) != 1 {
					t.Fatalf("%+v, %v", all, err)
				}
				one := all["g"].Members[0]
				if one.RackID == nil || *one.RackID != "here" || one.ClientHost != "/127.0.0.1" || one.MemberEpoch < 1 || one.MemberType != 1 ||
					!slices.Equal(one.SubscribedTopics, []string{"t"}) {
					t.Errorf("member %+v", one)
				}
				got = append(got, one.InstanceID)
			} else {
				all, err := adm.DescribeGroups(t.Context(), "g")
				if err != nil || all["g"].Err != nil || len(all["g"].Members) != 1 {
					t.Fatalf("%+v, %v", all, err)
				}
				got = append(got, all["g"].Members[0].InstanceID)
			}
			if got[0] == nil || *got[0] != "one" {
				t.Errorf("instance ID %v", got[0])
			}
		})
	}
}

// TestAStaticMemberThatRestartsDisturbsNobody is KIP-345 with real clients that
// have been through a rebalance: what their subscriptions carry differs then.
func TestAStaticMemberThatRestartsDisturbsNobody(t *testing.T) {
	for name, opts := range protocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			createTopic(t, b, "t", 4, nil)
			static := func(id string) []kgo.Opt {
				return append(slices.Clone(opts), kgo.InstanceID(id), kgo.SessionTimeout(time.Minute))
			}
			one := startMember(t, b, "g", "t", static("one")...)
			eventually(t, "the first has all", fairlyShared("t", 4, one))
			two := startMember(t, b, "g", "t", static("two")...)
			eventually(t, "they share", fairlyShared("t", 4, one, two))
			before, epoch := two.partitions("t"), groupEpoch(t, b, "g")
			two.close()
			two = startMember(t, b, "g", "t", static("two")...)
			eventually(t, "it has again what it had", func() bool { return slices.Equal(two.partitions("t"), before) })
			if now := groupEpoch(t, b, "g"); now != epoch {
				t.Errorf("the group was at epoch %d and is at %d", epoch, now)
			}
		})
	}
}

// groupEpoch is the generation or the group epoch of a group.
func groupEpoch(t *testing.T, b *Broker, id string) int32 {
	t.Helper()
	var epoch int32
	code := b.groups.ask(t.Context(), id, func(c *group.Coordinator, _ time.Time) group.Effects {
		epoch = c.Epoch(id)
		return group.Effects{}
	})
	if code != 0 {
		t.Fatal(kerr.ErrorForCode(code))
	}
	return epoch
}

func TestExpressionsStandForWhatAClientMayDescribe(t *testing.T) {
	b := securedBroker(t)
	adm := kadm.NewClient(newClient(t, b, as("admin", "secret", "PLAIN")))
	if _, err := adm.CreateTopics(t.Context(), 1, 1, nil, "orders.eu", "orders.us", "salaries"); err != nil {
		t.Fatal(err)
	}
	allow := func(acl *kadm.ACLBuilder) {
		t.Helper()
		if res, err := adm.CreateACLs(t.Context(), acl); err != nil || res[0].Err != nil {
			t.Fatal(err, res)
		}
	}
	allow(kadm.NewACLs().Allow("User:alice").AllowHosts().Topics("orders.").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpDescribe))
	allow(kadm.NewACLs().Allow("User:alice").AllowHosts().Groups("g").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpRead))
	alice := newClient(t, b, as("alice", "wonder", "PLAIN"))
	beat := func(client *kgo.Client, group string, regex *string, topics ...string) *kmsg.ConsumerGroupHeartbeatResponse {
		t.Helper()
		req := heartbeatOf(group, "m-"+group, 0, topics...)
		req.SubscribedTopicRegex = regex
		resp, err := req.RequestWith(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	all := ".*"
	resp := beat(alice, "g-1", &all)
	if resp.ErrorCode != 0 || resp.Assignment == nil || len(resp.Assignment.Topics) != 2 {
		t.Fatalf("%+v", resp)
	}
	for _, got := range resp.Assignment.Topics {
		if got.TopicID == b.topics.byName("salaries").ID {
			t.Error("alice was assigned what she may not describe")
		}
	}
	if resp := beat(alice, "g-2", nil, "orders.eu", "salaries"); resp.ErrorCode != kerr.TopicAuthorizationFailed.Code {
		t.Errorf("named outright: %+v", resp)
	}

	// A group that somebody else made, with such a topic in it, is not described.
	if resp := beat(newClient(t, b, as("admin", "secret", "PLAIN")), "g-3", &all); resp.ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	describe := kmsg.NewPtrConsumerGroupDescribeRequest()
	describe.Version, describe.Groups = 1, []string{"g-1", "g-3"}
	described, err := describe.RequestWith(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if g := described.Groups[0]; g.ErrorCode != 0 || len(g.Members) != 1 {
		t.Errorf("%+v", g)
	}
	if g := described.Groups[1]; g.ErrorCode != kerr.TopicAuthorizationFailed.Code || len(g.Members) != 0 {
		t.Errorf("%+v", g)
	}
	share := kmsg.NewPtrShareGroupHeartbeatRequest()
	share.Version, share.GroupID, share.MemberID, share.SubscribedTopicNames = 1, "g-4", "m", []string{"salaries"}
	if resp, err := share.RequestWith(t.Context(), newClient(t, b, as("admin", "secret", "PLAIN"))); err != nil || resp.ErrorCode != 0 {
		t.Fatalf("%+v, %v", resp, err)
	}
	shareDescribe := kmsg.NewPtrShareGroupDescribeRequest()
	shareDescribe.Version, shareDescribe.GroupIDs = 1, []string{"g-4"}
	if resp, err := shareDescribe.RequestWith(t.Context(), alice); err != nil || resp.Groups[0].ErrorCode != kerr.TopicAuthorizationFailed.Code || len(resp.Groups[0].Members) != 0 {
		t.Errorf("share group: %+v, %v", resp, err)
	}
}

// TestGroupsHaveTimesOfTheirOwn: what a group has set counts from its next
// heartbeat on, and may not put all members out.
func TestGroupsHaveTimesOfTheirOwn(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	c := dialRaw(t, b)
	if resp := c.beat(heartbeatOf("g", "m", 0, "t")); resp.ErrorCode != 0 || resp.HeartbeatIntervalMillis != 5000 {
		t.Fatalf("%+v", resp)
	}
	setGroupConfig(t, b, "g", "consumer.heartbeat.interval.ms", "1234", "consumer.session.timeout.ms", "5000")
	if resp := c.beat(heartbeatOf("g", "m", 1)); resp.ErrorCode != 0 || resp.HeartbeatIntervalMillis != 1234 {
		t.Errorf("%+v", resp)
	}
	if resp := c.beat(heartbeatOf("other", "m", 0, "t")); resp.HeartbeatIntervalMillis != 5000 {
		t.Errorf("another group: %+v", resp)
	}
	refused := func(name, value string) {
		t.Helper()
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		res := kmsg.NewIncrementalAlterConfigsRequestResource()
		res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeGroupConfig, "g"
		res.Configs = append(res.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: name, Value: &value})
		req.Resources = append(req.Resources, res)
		for _, req.ValidateOnly = range []bool{true, false} {
			resp, err := req.RequestWith(t.Context(), newClient(t, b))
			if err != nil || resp.Resources[0].ErrorCode != kerr.InvalidConfig.Code || resp.Resources[0].ErrorMessage == nil {
				t.Errorf("%s=%s: %+v, %v", name, value, resp, err)
			}
		}
	}
	refused("consumer.session.timeout.ms", "1234")
	refused("consumer.session.timeout.ms", "999")
	refused("consumer.heartbeat.interval.ms", "5000")
	refused("consumer.heartbeat.interval.ms", "99")
	refused("consumer.heartbeat.interval.ms", "soon")
	refused("share.heartbeat.interval.ms", "45000")
	refused("share.session.timeout.ms", "5000")
	refused("share.record.lock.duration.ms", "999")
	refused("share.record.lock.duration.ms", "3600001")
	refused("share.delivery.count.limit", "1")
	refused("share.partition.max.record.locks", "0")
	refused("share.auto.offset.reset", "oldest")
	refused("share.isolation.level", "serializable")
	refused("consumer.magic", "1")
	for _, changed := range []struct{ name, value string }{{"consumer.heartbeat.interval.ms", "4999"}, {"consumer.session.timeout.ms", "5001"}} {
		setGroupConfig(t, b, "g", changed.name, changed.value)
	}
}

func TestTheMigrationPolicyIsASetting(t *testing.T) {
	for policy, allowed := range map[group.Migration]bool{"": true, group.MigrateBothWays: true, group.MigrateUp: true, group.MigrateDown: false, group.MigrateNever: false} {
		b := startBroker(t, func(o *Options) {
			o.Coordinators.Groups.Migration, o.Coordinators.Groups.InitialRebalanceDelay = policy, -1
		})
		createTopic(t, b, "t", 1, nil)
		m := startMember(t, b, "g", "t", kgo.Balancers(kgo.RangeBalancer()))
		eventually(t, "the classic member has all", fairlyShared("t", 1, m))
		resp := dialRaw(t, b).beat(heartbeatOf("g", "m", 0, "t"))
		if allowed != (resp.ErrorCode == 0) || !allowed && resp.ErrorCode != kerr.GroupIDNotFound.Code {
			t.Errorf("policy %q: %+v", policy, resp)
		}
		if configs, err := kadm.NewClient(newClient(t, b)).DescribeBrokerConfigs(t.Context(), b.opts.NodeID); err != nil {
			t.Error(err)
		} else {
			for _, c := range configs[0].Configs {
				want := string(policy)
				if policy == "" {
					want = "bidirectional"
				}
				if c.Key == "group.consumer.migration.policy" && *c.Value != want {
					t.Errorf("policy %q is described as %q", policy, *c.Value)
				}
			}
		}
	}
	bad := Options{Coordinators: CoordinatorOptions{Groups: group.Options{Migration: "sideways"}}}
	if err := bad.Coordinators.validate(); err == nil {
		t.Error("a policy that does not exist was taken")
	}
}
