package group

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sharing is a coordinator with its log.
type sharing struct {
	t   *testing.T
	c   *Coordinator
	now time.Time
	log []Record
}

func newSharing(t *testing.T, opts Options, topics ...Topic) *sharing {
	s := &sharing{t: t, c: New(opts, nil), now: atStart}
	s.do(s.c.Loaded(s.now))
	s.do(s.c.SetTopics(s.now, NewTopics(topics)))
	return s
}

func (s *sharing) do(e Effects) Effects {
	s.log = append(s.log, e.Records...)
	return e
}

func (s *sharing) beat(group, member string, epoch int32, topics ...string) *kmsg.ShareGroupHeartbeatResponse {
	req := kmsg.NewPtrShareGroupHeartbeatRequest()
	req.Version, req.GroupID, req.MemberID, req.MemberEpoch, req.SubscribedTopicNames = 1, group, member, epoch, topics
	resp, e := s.c.ShareGroupHeartbeat(s.now, Client{"c", "/h"}, req)
	s.do(e)
	return resp
}

func (s *sharing) replayed() *Coordinator {
	c := New(s.c.opts, nil)
	for _, r := range s.log {
		if err := c.Replay(nil, r); err != nil {
			s.t.Fatal(err)
		}
	}
	c.Loaded(s.now)
	c.SetTopics(s.now, s.c.topics)
	return c
}

func dealt(a *kmsg.ShareGroupHeartbeatResponseAssignment) string {
	if a == nil {
		return "as it was"
	}
	out := ""
	for _, t := range a.TopicPartitions {
		out += fmt.Sprintf("%d%v ", t.TopicID[0], t.Partitions)
	}
	return out
}

func TestMembersOfAShareGroupGetTheSamePartitionIfThereAreTooFew(t *testing.T) {
	s := newSharing(t, Options{}, Topic{"t", TopicID{1}, 1})
	first := s.beat("g", "a", 0, "t")
	if first.ErrorCode != 0 || dealt(first.Assignment) != "1[0] " || first.MemberEpoch != 1 || first.HeartbeatIntervalMillis != 5000 {
		t.Fatalf("%+v", first)
	}
	if second := s.beat("g", "b", 0, "t", "t"); dealt(second.Assignment) != "1[0] " || second.MemberEpoch != 2 {
		t.Fatalf("%+v", second)
	}
	if again := s.beat("g", "a", 1); again.MemberEpoch != 2 || dealt(again.Assignment) != "1[0] " {
		t.Errorf("%+v", again)
	}
	if again := s.beat("g", "a", 2); again.MemberEpoch != 2 || again.Assignment != nil {
		t.Errorf("%+v", again)
	}
	if lost := s.beat("g", "a", 1); lost.MemberEpoch != 2 || lost.Assignment == nil {
		t.Errorf("whose last answer was lost is told again: %+v", lost)
	}
	s.do(s.c.SetTopics(s.now, NewTopics([]Topic{{"t", TopicID{1}, 4}})))
	if a, b := s.beat("g", "a", 2), s.beat("g", "b", 2); dealt(a.Assignment) != "1[0 2] " || dealt(b.Assignment) != "1[1 3] " {
		t.Errorf("four partitions are dealt as %s and %s", dealt(a.Assignment), dealt(b.Assignment))
	}
	if err := s.c.SharesPartition("g", TopicID{1}, 3); err != nil {
		t.Error(err)
	}
	if err := s.c.SharesPartition("g", TopicID{1}, 4); err != kerr.UnknownTopicOrPartition {
		t.Error(err)
	}
	s.do(s.c.SetTopics(s.now, NewTopics(nil)))
	if err := s.c.SharesPartition("g", TopicID{1}, 3); err != kerr.UnknownTopicOrPartition {
		t.Error("a deleted topic:", err)
	}
}

func TestHeartbeatsOfShareGroupsAreRefusedWithAReason(t *testing.T) {
	s := newSharing(t, Options{ShareMaxMembers: 2}, Topic{"t", TopicID{1}, 1})
	s.beat("g", "a", 0, "t")
	s.beat("g", "b", 0, "t")
	consumer := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	consumer.Version, consumer.Group, consumer.MemberID, consumer.RebalanceTimeoutMillis, consumer.SubscribedTopicNames = 1, "consumers", "m", 1000, []string{"t"}
	_, e := s.c.ConsumerGroupHeartbeat(s.now, Client{}, nil, consumer)
	s.do(e)
	for name, c := range map[string]struct {
		got  *kmsg.ShareGroupHeartbeatResponse
		want *kerr.Error
	}{
		"no group":            {s.beat("", "a", 0, "t"), kerr.InvalidRequest},
		"no member":           {s.beat("g", "", 0, "t"), kerr.InvalidRequest},
		"no topics":           {s.beat("g", "c", 0), kerr.InvalidRequest},
		"epoch":               {s.beat("g", "a", -2), kerr.InvalidRequest},
		"group is not there":  {s.beat("other", "a", 1), kerr.GroupIDNotFound},
		"group of consumers":  {s.beat("consumers", "a", 0, "t"), kerr.GroupIDNotFound},
		"member is not there": {s.beat("g", "c", 1), kerr.UnknownMemberID},
		"who is not leaves":   {s.beat("g", "c", -1), kerr.UnknownMemberID},
		"full":                {s.beat("g", "c", 0, "t"), kerr.GroupMaxSizeReached},
		"epoch of the future": {s.beat("g", "a", 9), kerr.FencedMemberEpoch},
	} {
		if c.got.ErrorCode != c.want.Code || c.got.ErrorMessage == nil || *c.got.ErrorMessage == "" {
			t.Errorf("%s: %d %v, want %s", name, c.got.ErrorCode, c.got.ErrorMessage, c.want.Message)
		}
	}
	consumer.Group = "g"
	if resp, _ := s.c.ConsumerGroupHeartbeat(s.now, Client{}, nil, consumer); resp.ErrorCode != kerr.GroupIDNotFound.Code {
		t.Errorf("a consumer joins a share group: %+v", resp)
	}
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = 9, "g", 10000, 10000, "consumer"
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
	if e := s.c.JoinGroup(s.now, 1, Client{}, join); len(e.Answers) != 1 || e.Answers[0].Response.(*kmsg.JoinGroupResponse).ErrorCode != kerr.InconsistentGroupProtocol.Code {
		t.Errorf("a classic member joins a share group: %+v", e)
	}
	if code := s.c.mayCommit(s.now, committer{group: "g", epoch: -1}); code != kerr.GroupIDNotFound.Code {
		t.Errorf("a commit to a share group: %d", code)
	}
	if resp, _ := s.c.DeleteGroup("g"); resp.ErrorCode != kerr.NonEmptyGroup.Code {
		t.Errorf("%+v", resp)
	}
	list := s.c.ListGroups(nil, []string{"Share"})
	if len(list) != 1 || list[0].Group != "g" || list[0].GroupType != "share" || list[0].ProtocolType != "share" || list[0].GroupState != "Stable" {
		t.Errorf("%+v", list)
	}
}

func TestASilentMemberOfAShareGroupIsFenced(t *testing.T) {
	s := newSharing(t, Options{}, Topic{"t", TopicID{1}, 1})
	s.beat("g", "a", 0, "t")
	s.now = s.now.Add(30 * time.Second)
	s.beat("g", "b", 0, "t")
	s.now = s.now.Add(15 * time.Second)
	if e := s.do(s.c.Tick(s.now)); !slices.Equal(e.Fenced, []Member{{"g", "a"}}) {
		t.Fatalf("fenced: %v", e.Fenced)
	}
	if got := s.beat("g", "a", 1); got.ErrorCode != kerr.UnknownMemberID.Code {
		t.Errorf("%+v", got)
	}
	if e := s.beat("g", "b", -1); e.ErrorCode != 0 || e.MemberEpoch != -1 {
		t.Errorf("%+v", e)
	}
	if d := s.c.DescribeShareGroup("g"); d.GroupState != "Empty" || len(d.Members) != 0 || d.Assignor != "simple" {
		t.Errorf("%+v", d)
	}
	if resp, e := s.c.DeleteGroup("g"); resp.ErrorCode != 0 || s.c.Has("g") || s.do(e).Records == nil {
		t.Errorf("%+v", resp)
	}
	if c := s.replayed(); c.Has("g") {
		t.Error("the group is there again after a restart")
	}
}

func TestOffsetsOfAShareGroupAreSetWhileItIsEmpty(t *testing.T) {
	s := newSharing(t, Options{}, Topic{"t", TopicID{1}, 2})
	if err, _, _ := s.c.PrepareShareOffsets(s.now, "g", nil); err != kerr.GroupIDNotFound {
		t.Error(err)
	}
	err, _, e := s.c.PrepareShareOffsets(s.now, "g", []string{"t"})
	if s.do(e); err != nil {
		t.Fatal(err)
	}
	known, err := s.c.ShareTopics("g")
	if err != nil || !reflect.DeepEqual(known, []ShareTopic{{TopicID{1}, "t", []int32{0, 1}}}) {
		t.Errorf("%v %v", known, err)
	}
	s.beat("g", "a", 0, "t")
	if err, _, _ := s.c.PrepareShareOffsets(s.now, "g", []string{"t"}); err != kerr.NonEmptyGroup {
		t.Error(err)
	}
	s.beat("g", "a", -1)
	s.do(s.c.ForgetShareTopics("g", []TopicID{{1}}))
	if known, _ := s.c.ShareTopics("g"); len(known) != 0 {
		t.Errorf("%v", known)
	}
}

// TestRandomShareGroups drives share groups with random heartbeats, time and
// topics. After each step every partition of a subscribed topic is somebody's
// target, every member with a topic has something, and the log makes the state.
func TestRandomShareGroups(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		s := newSharing(t, Options{}, Topic{"a", TopicID{1}, 1}, Topic{"b", TopicID{2}, 3})
		for step := range 200 {
			group, member := fmt.Sprint("g", r.IntN(2)), fmt.Sprint("m", r.IntN(5))
			var epoch int32
			if g := s.c.groups[group]; g != nil && g.share.members[member] != nil {
				epoch = g.share.members[member].epoch
			}
			switch n := r.IntN(20); {
			case n < 8:
				s.beat(group, member, 0, [][]string{{"a"}, {"b"}, {"a", "b"}, {"c", "a"}}[r.IntN(4)]...)
			case n < 14:
				s.beat(group, member, epoch)
			case n < 16:
				s.beat(group, member, -1)
			case n < 18:
				s.now = s.now.Add(time.Duration(r.IntN(20)) * time.Second)
				s.do(s.c.Tick(s.now))
			case n < 19:
				all := []Topic{{"a", TopicID{1}, 1 + r.Int32N(3)}, {"b", TopicID{2}, 3}, {"c", TopicID{3}, 1}}
				s.do(s.c.SetTopics(s.now, NewTopics(all[:1+r.IntN(3)])))
			default:
				s.c = s.replayed()
			}
			if err := s.check(); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
		}
	}
}

func (s *sharing) check() error {
	again := s.replayed()
	for id, g := range s.c.groups {
		sg, other := g.share, again.groups[id]
		if other == nil || other.share == nil {
			return fmt.Errorf("group %s is not in the log", id)
		}
		o := other.share
		if o.epoch != sg.epoch || o.targetEpoch != sg.targetEpoch || !reflect.DeepEqual(o.known, sg.known) ||
			!maps.EqualFunc(o.members, sg.members, func(x, y *shareMember) bool { return reflect.DeepEqual(x, y) }) {
			return fmt.Errorf("the log makes group %s %+v, want %+v", id, o, sg)
		}
		if sg.epoch != sg.targetEpoch {
			return fmt.Errorf("group %s has epoch %d and targets for %d", id, sg.epoch, sg.targetEpoch)
		}
		if sg.seen != s.c.topics { // notices at its next heartbeat
			continue
		}
		owned := assignment{}
		for _, m := range sg.members {
			some := false
			for _, name := range m.topics {
				t, ok := s.c.topics.Named(name)
				some = some || ok
				for _, p := range sg.target[m.id][t.ID] {
					owned.add(t.ID, p)
				}
			}
			if some != (sg.target[m.id].count() > 0) {
				return fmt.Errorf("member %s with topics %v has %v", m.id, m.topics, sg.target[m.id])
			}
		}
		for name := range sg.subscribed() {
			if t, ok := s.c.topics.Named(name); ok && len(owned[t.ID]) != int(t.Partitions) {
				return fmt.Errorf("of the %d partitions of %s only %v are somebody's", t.Partitions, name, owned[t.ID])
			}
		}
	}
	return nil
}
