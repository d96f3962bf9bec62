package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sharer is a member of a share group that speaks requests.
type sharer struct {
	*rawClient
	b             *Broker
	group, member string
	epoch         int32 // of the session
}

func newSharer(t *testing.T, b *Broker, group, member string, topics ...string) *sharer {
	t.Helper()
	s := &sharer{rawClient: dialRaw(t, b), b: b, group: group, member: member}
	if resp := s.beat(0, topics...); resp.ErrorCode != 0 {
		t.Fatalf("join: %+v", resp)
	}
	return s
}

func (s *sharer) beat(epoch int32, topics ...string) *kmsg.ShareGroupHeartbeatResponse {
	s.t.Helper()
	req := kmsg.NewPtrShareGroupHeartbeatRequest()
	req.Version, req.GroupID, req.MemberID, req.MemberEpoch, req.SubscribedTopicNames = 1, s.group, s.member, epoch, topics
	return s.ask(req).(*kmsg.ShareGroupHeartbeatResponse)
}

// want is a fetch of one partition with usual limits.
func (s *sharer) want(topic string) *kmsg.ShareFetchRequest {
	req := kmsg.NewPtrShareFetchRequest()
	req.Version, req.GroupID, req.MemberID, req.ShareSessionEpoch = 2, &s.group, &s.member, s.epoch
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.MaxRecords, req.BatchSize = 20_000, 1, 1<<20, 500, 500
	t := kmsg.NewShareFetchRequestTopic()
	t.TopicID = s.b.topics.byName(topic).ID
	t.Partitions = []kmsg.ShareFetchRequestTopicPartition{kmsg.NewShareFetchRequestTopicPartition()}
	req.Topics = append(req.Topics, t)
	s.epoch++
	return req
}

// got is what one fetch brought of one partition: "offset value ×deliveries".
func (s *sharer) got(resp *kmsg.ShareFetchResponse) (got []string) {
	s.t.Helper()
	if resp.ErrorCode != 0 {
		s.t.Fatalf("fetch: %d %s", resp.ErrorCode, *resp.ErrorMessage)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 || p.AcknowledgeErrorCode != 0 {
				s.t.Fatalf("fetch: %d, acknowledge: %d", p.ErrorCode, p.AcknowledgeErrorCode)
			}
			all, _, err := appendRecords(nil, p.Records, 0, 1<<20)
			if err != nil {
				s.t.Fatal(err)
			}
			for _, r := range all {
				for _, a := range p.AcquiredRecords {
					if r.Offset >= a.FirstOffset && r.Offset <= a.LastOffset {
						got = append(got, fmt.Sprintf("%d %s ×%d", r.Offset, r.Value, a.DeliveryCount))
					}
				}
			}
		}
	}
	return got
}

func (s *sharer) fetch(topic string) []string {
	s.t.Helper()
	return s.got(s.ask(s.want(topic)).(*kmsg.ShareFetchResponse))
}

// ack acknowledges offsets with a type each, from first on.
func (s *sharer) ack(topic string, first int64, types ...int8) int16 {
	s.t.Helper()
	return s.ackAt(s.epoch, topic, first, types...)
}

func (s *sharer) ackAt(epoch int32, topic string, first int64, types ...int8) int16 {
	s.t.Helper()
	req := kmsg.NewPtrShareAcknowledgeRequest()
	req.Version, req.GroupID, req.MemberID, req.ShareSessionEpoch = 2, &s.group, &s.member, epoch
	req.IsRenewAck = slices.Contains(types, 4)
	t := kmsg.NewShareAcknowledgeRequestTopic()
	t.TopicID = s.b.topics.byName(topic).ID
	p := kmsg.NewShareAcknowledgeRequestTopicPartition()
	if len(types) > 0 {
		p.AcknowledgementBatches = []kmsg.ShareAcknowledgeRequestTopicPartitionAcknowledgementBatch{
			{FirstOffset: first, LastOffset: first + int64(len(types)) - 1, AcknowledgeTypes: types}}
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
	}
	resp := s.ask(req).(*kmsg.ShareAcknowledgeResponse)
	if resp.ErrorCode != 0 {
		return resp.ErrorCode
	}
	s.epoch++
	if len(types) == 0 {
		return 0
	}
	return resp.Topics[0].Partitions[0].ErrorCode
}

// groupConfig sets configurations of a group: name, value, …
func setGroupConfig(t *testing.T, b *Broker, group string, pairs ...string) {
	t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	for i := 0; i < len(pairs); i += 2 {
		res.Configs = append(res.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: pairs[i], Value: &pairs[i+1]})
	}
	req.Resources = append(req.Resources, res)
	resp, err := req.RequestWith(t.Context(), newClient(t, b))
	if err != nil || resp.Resources[0].ErrorCode != 0 {
		t.Fatalf("group configs: %v %+v", err, resp)
	}
}

func wantStrings(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

func TestAShareGroupDeliversUntilAcknowledged(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest", "share.delivery.count.limit", "3", "share.record.lock.duration.ms", "600000")
	fill(t, b, "t", 1, 6)
	a, c := newSharer(t, b, "g", "a", "t"), newSharer(t, b, "g", "c", "t")
	wantStrings(t, "first", a.fetch("t"), "0 0-0 ×1", "1 0-1 ×1", "2 0-2 ×1", "3 0-3 ×1", "4 0-4 ×1", "5 0-5 ×1")

	if code := c.ackAt(1, "t", 0, 1); code != kerr.ShareSessionNotFound.Code {
		t.Errorf("an acknowledgement without a session: %d", code)
	}
	// accept, release, reject, renew
	if code := a.ack("t", 0, 1, 2, 3, 4); code != 0 {
		t.Fatal(code)
	}
	wantStrings(t, "released", c.fetch("t"), "1 0-1 ×2")
	if code := c.ack("t", 3, 1); code != kerr.InvalidRecordState.Code {
		t.Errorf("a record of somebody else was acknowledged: %d", code)
	}
	if code := c.ack("t", 9, 1); code != kerr.InvalidRecordState.Code {
		t.Errorf("a record that nobody has was acknowledged: %d", code)
	}
	if code := c.ack("t", 1, 2); code != 0 {
		t.Fatal(code)
	}
	wantStrings(t, "released again", a.fetch("t"), "1 0-1 ×3")
	if code := a.ack("t", 1, 2); code != 0 { // for the last time
		t.Fatal(code)
	}
	if code := a.ack("t", 3, 1, 1); code != 0 {
		t.Fatal(code)
	}
	// The session ends: what is left goes back, and was not delivered.
	if code := a.ackAt(-1, "t", 0); code != 0 {
		t.Fatal(code)
	}
	wantStrings(t, "of an ended session", c.fetch("t"), "5 0-5 ×1")
	if code := c.ack("t", 5, 1); code != 0 {
		t.Fatal(code)
	}
	start, lag := shareOffset(t, b, "g", "t", 0)
	if start != 6 || lag != 0 {
		t.Errorf("start offset %d, lag %d", start, lag)
	}
	fill(t, b, "t", 1, 1)
	wantStrings(t, "what is new", c.fetch("t"), "6 0-0 ×1")
}

// shareOffset asks how far a group is.
func shareOffset(t *testing.T, b *Broker, group, topic string, partition int32) (start, lag int64) {
	t.Helper()
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	req.Groups = []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: group}}
	resp, err := req.RequestWith(t.Context(), newClient(t, b))
	if err != nil || resp.Groups[0].ErrorCode != 0 {
		t.Fatalf("%v %+v", err, resp)
	}
	for _, rt := range resp.Groups[0].Topics {
		for _, p := range rt.Partitions {
			if rt.Topic == topic && p.Partition == partition && p.ErrorCode == 0 {
				return p.StartOffset, p.Lag
			}
		}
	}
	t.Fatalf("no offsets of %s-%d: %+v", topic, partition, resp.Groups[0])
	return 0, 0
}

func TestWhoeverVanishesGivesBackWhatItHad(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest")
	fill(t, b, "t", 1, 2)
	a, c := newSharer(t, b, "g", "a", "t"), newSharer(t, b, "g", "c", "t")
	a.fetch("t")
	waiting := c.want("t")
	c.next++
	c.write(frameOf(waiting, c.next)) // parked: there is nothing for it
	_ = a.conn.Close()
	resp := c.answerTo(waiting, c.next).(*kmsg.ShareFetchResponse)
	wantStrings(t, "after the connection was lost", c.got(resp), "0 0-0 ×2", "1 0-1 ×2")
}

func TestLocksOfAShareGroupRunOut(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest", "share.record.lock.duration.ms", "1000")
	fill(t, b, "t", 1, 1)
	a, c := newSharer(t, b, "g", "a", "t"), newSharer(t, b, "g", "c", "t")
	a.fetch("t")
	wantStrings(t, "after the lock", c.fetch("t"), "0 0-0 ×2")
	if code := a.ack("t", 0, 1); code != kerr.InvalidRecordState.Code {
		t.Errorf("who was too slow acknowledges: %d", code)
	}
}

func TestAShareSessionCountsItsEpochs(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	s := newSharer(t, b, "g", "a", "t")
	code := func(change func(*kmsg.ShareFetchRequest)) int16 {
		req := s.want("t")
		req.MaxWaitMillis = 0
		change(req)
		return s.ask(req).(*kmsg.ShareFetchResponse).ErrorCode
	}
	acks := []kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch{{FirstOffset: 0, LastOffset: 0, AcknowledgeTypes: []int8{1}}}
	empty := ""
	for _, step := range []struct {
		what   string
		want   *kerr.Error
		change func(*kmsg.ShareFetchRequest)
	}{
		{"before there is one", kerr.ShareSessionNotFound, func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = 1 }},
		{"closes none", kerr.ShareSessionNotFound, func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = -1 }},
		{"no group", kerr.InvalidRequest, func(r *kmsg.ShareFetchRequest) { r.GroupID = nil }},
		{"no member", kerr.InvalidRequest, func(r *kmsg.ShareFetchRequest) { r.MemberID = &empty }},
		{"epoch below −1", kerr.InvalidShareSessionEpoch, func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = -2 }},
		{"acknowledges at once", kerr.InvalidRequest, func(r *kmsg.ShareFetchRequest) {
			r.ShareSessionEpoch = 0
			r.Topics[0].Partitions[0].AcknowledgementBatches = acks
		}},
		{"renews and fetches", kerr.InvalidRequest, func(r *kmsg.ShareFetchRequest) { r.IsRenewAck = true }},
		{"opens", nil, func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = 0 }},
		{"goes on", nil, func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = 1 }},
		{"says it twice", kerr.InvalidShareSessionEpoch, func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = 1 }},
		{"leaves one out", kerr.InvalidShareSessionEpoch, func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = 3 }},
		{"opens again", nil, func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = 0 }},
		{"closes", nil, func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = -1 }},
		{"is closed", kerr.ShareSessionNotFound, func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = 1 }},
	} {
		want := int16(0)
		if step.want != nil {
			want = step.want.Code
		}
		if got := code(step.change); got != want {
			t.Errorf("%s: %d, want %d", step.what, got, want)
		}
	}
	// A partition that the group does not know, a topic that is not there.
	createTopic(t, b, "other", 1, nil)
	fill(t, b, "other", 1, 1)
	req := s.want("other")
	req.ShareSessionEpoch, req.MaxWaitMillis = 0, 0
	gone := kmsg.NewShareFetchRequestTopic()
	gone.TopicID = [16]byte{9}
	gone.Partitions = []kmsg.ShareFetchRequestTopicPartition{kmsg.NewShareFetchRequestTopicPartition()}
	req.Topics = append(req.Topics, gone)
	codes := map[[16]byte]int16{}
	for _, rt := range s.ask(req).(*kmsg.ShareFetchResponse).Topics {
		codes[rt.TopicID] = rt.Partitions[0].ErrorCode
	}
	want := map[[16]byte]int16{b.topics.byName("other").ID: kerr.UnknownTopicOrPartition.Code, {9}: kerr.UnknownTopicID.Code}
	if !maps.Equal(codes, want) {
		t.Errorf("got %v, want %v", codes, want)
	}
}

// What was acknowledged is not delivered again after a kill, what was acquired
// is.
func TestAcknowledgementsSurviveAKill(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, dataDir(dir), func(o *Options) { o.Coordinators.Shares.SnapshotEvery = 3 })
	createTopic(t, b, "t", 1, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest")
	fill(t, b, "t", 1, 8)
	s := newSharer(t, b, "g", "a", "t")
	s.fetch("t")
	for _, ack := range []struct {
		offset int64
		typ    int8
	}{{0, 1}, {2, 1}, {3, 3}, {5, 1}, {7, 2}} {
		if code := s.ack("t", ack.offset, ack.typ); code != 0 {
			t.Fatal(code)
		}
	}
	again := startBroker(t, dataDir(copyDir(t, dir)))
	s = newSharer(t, again, "g", "b", "t")
	wantStrings(t, "after a kill", s.fetch("t"), "1 0-1 ×1", "4 0-4 ×1", "6 0-6 ×1", "7 0-7 ×2")
	if d := describeShareGroup(t, again, "g"); len(d.Members) != 2 {
		t.Errorf("members after a kill: %+v", d.Members)
	}
	// What starts at the latest record starts there after a kill, too.
	fill(t, b, "t", 1, 1)
}

func describeShareGroup(t *testing.T, b *Broker, group string) kmsg.ShareGroupDescribeResponseGroup {
	t.Helper()
	req := kmsg.NewPtrShareGroupDescribeRequest()
	req.GroupIDs = []string{group}
	resp, err := req.RequestWith(t.Context(), newClient(t, b))
	if err != nil {
		t.Fatal(err)
	}
	return resp.Groups[0]
}

func TestWhereAShareGroupBegins(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, dataDir(dir))
	createTopic(t, b, "t", 1, nil)
	old := newClient(t, b)
	for i, age := range []time.Duration{3 * time.Hour, time.Minute} {
		r := &kgo.Record{Topic: "t", Value: fmt.Appendf(nil, "r%d", i), Timestamp: time.Now().Add(-age)}
		if err := old.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	setGroupConfig(t, b, "recent", "share.auto.offset.reset", "by_duration:PT1H30M")
	recent := newSharer(t, b, "recent", "m", "t")
	wantStrings(t, "by duration", recent.fetch("t"), "1 r1 ×1")

	latest := newSharer(t, b, "latest", "m", "t")
	req := latest.want("t")
	req.MaxWaitMillis = 0
	wantStrings(t, "latest", latest.got(latest.ask(req).(*kmsg.ShareFetchResponse)))
	fill(t, b, "t", 1, 1)
	again := startBroker(t, dataDir(copyDir(t, dir)))
	latest = newSharer(t, again, "latest", "m", "t")
	wantStrings(t, "from where it began, after a kill", latest.fetch("t"), "2 0-0 ×1")

	for name, value := range map[string]string{"share.auto.offset.reset": "by_duration:soon", "share.isolation.level": "none",
		"share.record.lock.duration.ms": "1", "share.unknown": "1", "share.delivery.count.limit": "many"} {
		if err := b.changeGroupConfigs("g", false, map[string]*string{name: &value}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"PT1H30M": 90 * time.Minute, "P1DT0.5S": 24*time.Hour + 500*time.Millisecond, "P2D": 48 * time.Hour, "PT0S": 0} {
		if got, err := parseISODuration(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "P", "PT", "1H", "P1M", "PT1H1H", "PT-1S", "PTS", "PT1S1M", "P1e3D", "P99999999999D"} {
		if got, err := parseISODuration(text); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// Offsets of compacted records, of control records and, for groups that read
// committed records, of aborted ones are passed over.
func TestAShareGroupPassesOverWhatNobodyIsToHave(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	setGroupConfig(t, b, "committed", "share.auto.offset.reset", "earliest", "share.isolation.level", "read_committed")
	setGroupConfig(t, b, "all", "share.auto.offset.reset", "earliest")
	client := newClient(t, b, kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint("commit ", end))).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, b, "t", 1, 1)
	committed, all := newSharer(t, b, "committed", "m", "t"), newSharer(t, b, "all", "m", "t")
	wantStrings(t, "read_committed", committed.fetch("t"), "2 commit true ×1", "4 0-0 ×1")
	wantStrings(t, "read_uncommitted", all.fetch("t"), "0 commit false ×1", "2 commit true ×1", "4 0-0 ×1")
	for s, offsets := range map[*sharer][]int64{committed: {2, 4}, all: {0, 2, 4}} {
		for _, o := range offsets {
			if code := s.ack("t", o, 1); code != 0 {
				t.Fatal(code)
			}
		}
		if start, _ := shareOffset(t, b, s.group, "t", 0); start != 5 {
			t.Errorf("%s starts at %d, markers hold it up", s.group, start)
		}
	}
}

func TestALogThatIsCutTakesTheWindowWithIt(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest")
	for range 5 {
		fill(t, b, "t", 1, 2)
	}
	s := newSharer(t, b, "g", "a", "t")
	req := s.want("t")
	req.MaxRecords, req.ShareAcquireMode = 3, 1
	wantStrings(t, "three, strictly", s.got(s.ask(req).(*kmsg.ShareFetchResponse)), "0 0-0 ×1", "1 0-1 ×1", "2 0-0 ×1")
	if _, err := b.topics.byName("t").parts[0].log.DeleteRecordsBefore(8); err != nil {
		t.Fatal(err)
	}
	wantStrings(t, "after the cut", s.fetch("t"), "8 0-0 ×1", "9 0-1 ×1")
	if code := s.ack("t", 0, 1, 1, 1); code != 0 {
		t.Errorf("what is gone is not acknowledged: %d", code)
	}
	if start, _ := shareOffset(t, b, "g", "t", 0); start != 8 {
		t.Errorf("start offset %d", start)
	}
}

func TestOffsetsOfShareGroupsAreAltered(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, dataDir(dir))
	createTopic(t, b, "t", 1, nil)
	fill(t, b, "t", 1, 9)
	client := newClient(t, b)
	alter := func(start int64) (int16, int16) {
		req := kmsg.NewPtrAlterShareGroupOffsetsRequest()
		req.GroupID = "g"
		req.Topics = []kmsg.AlterShareGroupOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{Partition: 0, StartOffset: start}}}}
		resp, err := req.RequestWith(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		if resp.ErrorCode != 0 {
			return resp.ErrorCode, 0
		}
		return 0, resp.Topics[0].Partitions[0].ErrorCode
	}
	if code, part := alter(7); code != 0 || part != 0 {
		t.Fatal(code, part)
	}
	if _, part := alter(-5); part != kerr.InvalidRequest.Code {
		t.Errorf("a negative offset: %d", part)
	}
	s := newSharer(t, b, "g", "a", "t")
	wantStrings(t, "from the set offset", s.fetch("t"), "7 0-7 ×1", "8 0-8 ×1")
	if code, _ := alter(1); code != kerr.NonEmptyGroup.Code {
		t.Errorf("with a member: %d", code)
	}
	deletion := func() int16 {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{"g"}
		resp, err := req.RequestWith(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Groups[0].ErrorCode
	}
	if code := deletion(); code != kerr.NonEmptyGroup.Code {
		t.Errorf("deleted with a member: %d", code)
	}
	s.ackAt(-1, "t", 0)
	s.beat(-1)
	if code := deletion(); code != 0 {
		t.Errorf("not deleted: %d", code)
	}
	if d := describeShareGroup(t, b, "g"); d.ErrorCode != kerr.GroupIDNotFound.Code {
		t.Errorf("%+v", d)
	}
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest")
	again := startBroker(t, dataDir(copyDir(t, dir)))
	s = newSharer(t, again, "g", "a", "t")
	if got := s.fetch("t"); len(got) != 9 {
		t.Errorf("a group that was deleted begins anew, got %v", got)
	}
}

// Old records of the state topic are cut off, and the state is as before.
func TestTheStateOfShareGroupsIsPruned(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, dataDir(dir), func(o *Options) { o.Coordinators.Partitions, o.Coordinators.Shares.SnapshotEvery = 1, 4 })
	createTopic(t, b, "t", 2, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest")
	fill(t, b, "t", 1, 30)
	s := newSharer(t, b, "g", "a", "t")
	s.fetch("t")
	for o := range int64(30) {
		if code := s.ack("t", o, 1); code != 0 {
			t.Fatal(code)
		}
	}
	shards, err := b.shares.open(false)
	if err != nil {
		t.Fatal(err)
	}
	shards[0].call(shards[0].prune)
	log := b.topics.byName(shareTopic).parts[0].log
	eventually(t, "what is not needed is cut off", func() bool { return log.StartOffset() > 20 })
	again := startBroker(t, dataDir(copyDir(t, dir)))
	if start, lag := shareOffset(t, again, "g", "t", 0); start != 30 || lag != 0 {
		t.Errorf("start offset %d, lag %d", start, lag)
	}
	if err := b.deleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a deleted topic is forgotten", func() bool {
		n := 0
		done := make(chan struct{})
		shards[0].call(func(now time.Time) { n = len(shards[0].whole); close(done) })
		<-done
		return n == 0
	})
}

// Members come and go while records are produced; who has a record accepts it
// and says so only once the broker has. No record is accepted twice, and none
// is left over.
func TestShareGroupMembersComeAndGo(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 2, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest", "share.record.lock.duration.ms", "600000")
	const n = 3000
	go func() {
		client := newClient(t, b, kgo.DefaultProduceTopic("t"))
		for i := range n {
			client.Produce(t.Context(), kgo.StringRecord(fmt.Sprint(i)), nil)
			if i%50 == 0 {
				_ = client.Flush(t.Context())
			}
		}
		_ = client.Flush(t.Context())
	}()
	accepted := make(chan string, 2*n)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	member := func(polls int) {
		client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr("").String()), kgo.ShareGroup("g"), kgo.ConsumeTopics("t"), kgo.FetchMaxWait(200*time.Millisecond))
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		for ; polls != 0 && ctx.Err() == nil; polls-- {
			fetches := client.PollRecords(ctx, 50)
			for r := range fetches.RecordsAll() {
				r.Ack(kgo.AckAccept)
			}
			if err := client.FlushAcks(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			for r := range fetches.RecordsAll() {
				accepted <- string(r.Value)
			}
		}
	}
	var gone []chan struct{}
	run := func(polls int) {
		done := make(chan struct{})
		gone = append(gone, done)
		go func() { defer close(done); member(polls) }()
	}
	for i := range 4 {
		run(3 + i)
	}
	run(-1)
	run(-1)
	seen := map[string]int{}
	for len(seen) < n {
		select {
		case v := <-accepted:
			if seen[v]++; seen[v] > 1 {
				t.Errorf("record %s was accepted twice", v)
			}
		case <-ctx.Done():
			t.Fatalf("%d of %d records were accepted", len(seen), n)
		}
	}
	cancel()
	for _, done := range gone {
		<-done
	}
}
