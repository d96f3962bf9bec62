package group

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var rewrite = flag.Bool("rewrite", false, "write what the coordinator answers into the scenario files")

// TestScenarios plays the files of testdata: a line that begins with "#" tells
// the story, any other is a command, and the indented lines below a command are
// what the coordinator answers. "go test -run Scenarios -rewrite" writes the
// answers anew; read the difference before you believe it.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(want)
			if *rewrite {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: the story is told differently:\n%s", file, firstDifference(want, got))
			}
		})
	}
}

func firstDifference(want, got []byte) string {
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := 0; i < max(len(w), len(g)); i++ {
		a, b := "(end)", "(end)"
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, a, b)
		}
	}
	return ""
}

// stage is the coordinator of a scenario.
type stage struct {
	opts    Options
	c       *Coordinator
	now     time.Time
	log     []logged
	topics  []Topic
	names   map[Waiter]string
	last    Waiter
	ids     int
	members map[string]string // what the story calls a member → its ID
	hidden  string            // a topic that no client may know of
	out     []string
}

func (s *stage) see(topic string) bool { return topic != s.hidden }

func play(script []byte) []byte {
	s := &stage{now: atStart, names: map[Waiter]string{}, members: map[string]string{}}
	s.opts = Options{NewMemberID: func() string { s.ids++; return strconv.Itoa(s.ids) }}
	s.c = New(s.opts, nil)
	s.do(s.c.Loaded(s.now))
	var out bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(script))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "    ") {
			continue
		}
		fmt.Fprintln(&out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s.out = nil
		s.command(strings.Fields(line))
		for _, l := range s.out {
			fmt.Fprintln(&out, "    "+l)
		}
	}
	return out.Bytes()
}

func (s *stage) say(format string, args ...any) { s.out = append(s.out, fmt.Sprintf(format, args...)) }

// do carries out effects: records are kept for a restart, answers are told.
func (s *stage) do(e Effects) {
	for _, r := range e.Records {
		r.WrittenMillis = s.now.UnixMilli()
		s.log = append(s.log, logged{from: e.Transaction, rec: r})
	}
	if e.Marker != nil {
		s.log = append(s.log, logged{marker: e.Marker})
	}
	for _, a := range e.Answers {
		who := s.names[a.To]
		switch r := a.Response.(type) {
		case *kmsg.JoinGroupResponse:
			if r.ErrorCode == 0 || r.ErrorCode == kerr.MemberIDRequired.Code {
				s.members[who] = r.MemberID
			}
			if r.ErrorCode != 0 {
				s.say("%s: join: %s", who, code(r.ErrorCode))
				continue
			}
			leads := ""
			if r.LeaderID == r.MemberID {
				var all []string
				for _, m := range r.Members {
					all = append(all, m.MemberID)
				}
				leads = " leads " + strings.Join(all, ",")
			}
			skip := ""
			if r.SkipAssignment {
				skip = " skips the assignment"
			}
			protocol := "none"
			if r.Protocol != nil {
				protocol = *r.Protocol
			}
			s.say("%s: joined as %s, generation %d, protocol %s%s%s", who, r.MemberID, r.Generation, protocol, leads, skip)
		case *kmsg.SyncGroupResponse:
			if r.ErrorCode != 0 {
				s.say("%s: sync: %s", who, code(r.ErrorCode))
				continue
			}
			if topics, err := decodeAssignment(r.MemberAssignment); err == nil && len(topics) > 0 {
				s.say("%s: assigned %v", who, topics)
				continue
			}
			s.say("%s: assigned %q", who, r.MemberAssignment)
		}
	}
}

func code(c int16) string {
	if c == 0 {
		return "ok"
	}
	return kerr.TypedErrorForCode(c).Message
}

// args are the key=value parts of a command.
type args map[string]string

func (a args) int(key string, otherwise int) int {
	if v, ok := a[key]; ok {
		n, err := strconv.Atoi(v)
		if err != nil {
			panic(err)
		}
		return n
	}
	return otherwise
}

func (a args) ptr(key string) *string {
	if v, ok := a[key]; ok {
		return &v
	}
	return nil
}

func (a args) or(key, otherwise string) string {
	if v, ok := a[key]; ok {
		return v
	}
	return otherwise
}

func (s *stage) command(words []string) {
	a := args{}
	var plain []string
	for _, w := range words[1:] {
		if k, v, ok := strings.Cut(w, "="); ok {
			a[k] = v
		} else {
			plain = append(plain, w)
		}
	}
	who := ""
	if len(plain) > 0 {
		who = plain[0]
	}
	group := a.or("group", "g")
	client := Client{ID: who, Host: "/h"}
	switch words[0] {
	case "topic":
		n := int32(a.int("partitions", 1))
		i := slices.IndexFunc(s.topics, func(t Topic) bool { return t.Name == who })
		switch {
		case n == 0:
			s.topics = slices.Delete(slices.Clone(s.topics), i, i+1)
		case i < 0:
			s.topics = append(slices.Clone(s.topics), Topic{Name: who, ID: TopicID{byte(len(s.topics) + 1)}, Partitions: n})
		default:
			s.topics = slices.Clone(s.topics)
			s.topics[i].Partitions = n
		}
		s.do(s.c.SetTopics(s.now, NewTopics(s.topics)))
	case "delay":
		d, err := time.ParseDuration(who)
		if err != nil {
			panic(err)
		}
		s.opts.InitialRebalanceDelay = d
		s.c.opts.InitialRebalanceDelay = d
	case "hide":
		s.hidden = strings.Join(plain, "")
	case "policy":
		s.opts.Migration = Migration(who)
		s.c.opts.Migration = s.opts.Migration
	case "limit":
		s.opts.MaxMembers = a.int("members", 0)
		s.c.opts.MaxMembers = s.opts.MaxMembers
	case "wait":
		d, err := time.ParseDuration(who)
		if err != nil {
			panic(err)
		}
		end := s.now.Add(d)
		for next := s.c.NextTimer(); !next.IsZero() && !next.After(end); next = s.c.NextTimer() {
			if next.After(s.now) {
				s.now = next
			}
			s.do(s.c.Tick(s.now))
		}
		s.now = end
	case "stay", "live": // a member goes on for a time
		d, err := time.ParseDuration(plain[1])
		if err != nil {
			panic(err)
		}
		for end := s.now.Add(d); s.now.Before(end); {
			before := len(s.out)
			if words[0] == "stay" {
				s.command([]string{"heartbeat", who, "group=" + group, "generation=" + a["generation"]})
			} else {
				s.command([]string{"beat", who, "group=" + group, "epoch=" + a["epoch"]})
			}
			if answer := s.out[len(s.out)-1]; answer != "ok" && answer != "epoch "+a["epoch"] {
				break
			}
			s.out = s.out[:before]
			s.command([]string{"wait", "30s"})
		}
	case "restart":
		s.c = New(s.opts, nil)
		for _, l := range s.log {
			if l.marker != nil {
				s.c.ReplayMarker(*l.marker)
			} else if err := s.c.Replay(l.from, l.rec); err != nil {
				s.say("%v", err)
			}
		}
		s.do(s.c.SetTopics(s.now, NewTopics(s.topics)))
		s.do(s.c.Loaded(s.now))
	case "join":
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID = int16(a.int("v", 9)), group, a.or("id", s.members[who]), a.ptr("instance")
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(a.int("session", 10_000)), int32(a.int("rebalance", 30_000))
		req.ProtocolType = a.or("type", consumerProtocol)
		for _, name := range strings.Split(a.or("protocols", "range"), ",") {
			p := kmsg.NewJoinGroupRequestProtocol()
			told := subscription{version: 1, topics: strings.Split(a.or("topics", "t"), ","), owned: ownedText(a["owned"])}
			if g := a.int("from", 0); g > 0 {
				told.version, told.generation = 2, int32(g)
			}
			p.Name, p.Metadata = name, appendSubscription(nil, told)
			if a["metadata"] != "" {
				p.Metadata = []byte(a["metadata"])
			}
			req.Protocols = append(req.Protocols, p)
		}
		s.last++
		s.names[s.last] = who
		s.do(s.c.JoinGroup(s.now, s.last, client, req))
	case "sync":
		req := kmsg.NewPtrSyncGroupRequest()
		req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = int16(a.int("v", 5)), group, a.or("id", s.members[who]), int32(a.int("generation", 1)), a.ptr("instance")
		req.ProtocolType, req.Protocol = a.ptr("type"), a.ptr("protocol")
		for _, give := range plain[1:] {
			to, what, _ := strings.Cut(give, ":")
			ga := kmsg.NewSyncGroupRequestGroupAssignment()
			ga.MemberID, ga.MemberAssignment = s.members[to], []byte(what)
			if topics := ownedText(what); topics != nil {
				ga.MemberAssignment = encodeAssignment(1, topics)
			}
			req.GroupAssignment = append(req.GroupAssignment, ga)
		}
		s.last++
		s.names[s.last] = who
		s.do(s.c.SyncGroup(s.now, s.last, req))
	case "heartbeat":
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 4, group, a.or("id", s.members[who]), int32(a.int("generation", 1)), a.ptr("instance")
		resp, e := s.c.Heartbeat(s.now, req)
		s.say("%s", code(resp.ErrorCode))
		s.do(e)
	case "leave":
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group = int16(a.int("v", 5)), group
		if req.Version < 3 {
			req.MemberID = s.members[who]
		} else {
			for _, w := range plain {
				m := kmsg.NewLeaveGroupRequestMember()
				m.MemberID, m.InstanceID = s.members[w], a.ptr("instance")
				if m.InstanceID != nil {
					m.MemberID = a["id"]
				}
				req.Members = append(req.Members, m)
			}
		}
		resp, e := s.c.LeaveGroup(s.now, req)
		s.say("%s", code(resp.ErrorCode))
		for i, m := range resp.Members {
			s.say("%s: %s", plain[i], code(m.ErrorCode))
		}
		s.do(e)
	case "gone":
		for to, name := range s.names {
			if name == who {
				s.do(s.c.Abandoned(s.now, group, to))
			}
		}
	case "beat":
		s.beat(who, group, client, a)
	case "commit":
		s.commit(who, group, plain[1:], a)
	case "end":
		s.do(s.c.EndTransaction(Marker{Producer: Producer{ID: int64(a.int("producer", 1))}, Commit: who == "commit"}))
	case "fetch":
		req := kmsg.NewOffsetFetchRequestGroup()
		req.Group, req.MemberID, req.MemberEpoch = group, a.ptr("member"), int32(a.int("epoch", -1))
		if m := a["member"]; m != "" {
			id := s.members[m]
			req.MemberID = &id
		}
		for _, p := range plain {
			topic, partition, _ := strings.Cut(p, "/")
			n, _ := strconv.Atoi(partition)
			t := kmsg.NewOffsetFetchRequestGroupTopic()
			t.Topic, t.Partitions = topic, []int32{int32(n)}
			req.Topics = append(req.Topics, t)
		}
		resp := s.c.OffsetFetch(req, a["stable"] == "yes")
		if resp.ErrorCode != 0 {
			s.say("%s", code(resp.ErrorCode))
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				s.say("%s/%d: offset %d, leader epoch %d, metadata %q, %s", t.Topic, p.Partition, p.Offset, p.LeaderEpoch, *p.Metadata, code(p.ErrorCode))
			}
		}
	case "delete-offsets":
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = group
		for _, name := range plain {
			t := kmsg.NewOffsetDeleteRequestTopic()
			t.Topic = name
			t.Partitions = append(t.Partitions, kmsg.NewOffsetDeleteRequestTopicPartition())
			req.Topics = append(req.Topics, t)
		}
		resp, e := s.c.OffsetDelete(req)
		s.say("%s", code(resp.ErrorCode))
		for _, t := range resp.Topics {
			s.say("%s: %s", t.Topic, code(t.Partitions[0].ErrorCode))
		}
		s.do(e)
	case "delete":
		resp, e := s.c.DeleteGroup(group)
		s.say("%s", code(resp.ErrorCode))
		s.do(e)
	case "list":
		filter := func(key string) []string {
			if a[key] == "" {
				return nil
			}
			return strings.Split(a[key], ",")
		}
		for _, g := range s.c.ListGroups(filter("states"), filter("types")) {
			s.say("%s: %s, %s, protocol type %q", g.Group, g.GroupType, g.GroupState, g.ProtocolType)
		}
	case "describe":
		s.describe(group)
	default:
		panic("unknown command " + words[0])
	}
}

func (s *stage) describe(group string) {
	if d := s.c.DescribeConsumerGroup(group); d.ErrorCode == 0 {
		s.say("%s, epoch %d, assignment epoch %d, assignor %s", d.State, d.Epoch, d.AssignmentEpoch, d.AssignorName)
		for _, m := range d.Members {
			static := ""
			if m.InstanceID != nil {
				static = " (" + *m.InstanceID + ")"
			}
			s.say("%s%s: epoch %d, has %s of %s", m.MemberID, static, m.MemberEpoch, assignmentText(m.Assignment), assignmentText(m.TargetAssignment))
		}
		return
	}
	d := s.c.DescribeGroup(group, 6)
	if d.ErrorCode != 0 {
		s.say("%s", code(d.ErrorCode))
		return
	}
	s.say("%s, protocol %q", d.State, d.Protocol)
	for _, m := range d.Members {
		static := ""
		if m.InstanceID != nil {
			static = " (" + *m.InstanceID + ")"
		}
		s.say("%s%s: assigned %q", m.MemberID, static, m.MemberAssignment)
	}
}

func assignmentText(a kmsg.Assignment) string {
	var parts []string
	for _, t := range a.TopicPartitions {
		parts = append(parts, fmt.Sprintf("%s%v", t.Topic, t.Partitions))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

// ownedText reads "t[0,1]".
func ownedText(text string) []ownedTopic {
	name, rest, ok := strings.Cut(text, "[")
	if !ok {
		return nil
	}
	o := ownedTopic{topic: name}
	for _, p := range strings.Split(strings.TrimSuffix(rest, "]"), ",") {
		if n, err := strconv.Atoi(p); err == nil {
			o.partitions = append(o.partitions, int32(n))
		}
	}
	return []ownedTopic{o}
}

func (s *stage) beat(who, group string, client Client, a args) {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.InstanceID = int16(a.int("v", 1)), group, a.ptr("instance")
	if s.members[who] == "" && req.Version > 0 {
		s.members[who] = who
	}
	req.MemberID, req.MemberEpoch = a.or("id", s.members[who]), int32(a.int("epoch", 0))
	req.RebalanceTimeoutMillis, req.ServerAssignor, req.SubscribedTopicRegex = -1, a.ptr("assignor"), a.ptr("regex")
	if req.MemberEpoch == 0 {
		req.RebalanceTimeoutMillis = int32(a.int("rebalance", 30_000))
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	if t := a["topics"]; t != "" {
		req.SubscribedTopicNames = strings.Split(t, ",")
	}
	if o, ok := a["owned"]; ok {
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		for _, o := range ownedText(o) {
			known, _ := s.c.topics.Named(o.topic)
			t := kmsg.NewConsumerGroupHeartbeatRequestTopic()
			t.TopicID, t.Partitions = known.ID, o.partitions
			req.Topics = append(req.Topics, t)
		}
	}
	resp, e := s.c.ConsumerGroupHeartbeat(s.now, client, s.see, req)
	defer s.do(e)
	if resp.ErrorCode != 0 {
		s.say("%s: %s", code(resp.ErrorCode), *resp.ErrorMessage)
		return
	}
	s.members[who] = *resp.MemberID
	if resp.Assignment == nil {
		s.say("epoch %d", resp.MemberEpoch)
		return
	}
	var parts []string
	for _, t := range resp.Assignment.Topics {
		known, _ := s.c.topics.WithID(t.TopicID)
		parts = append(parts, fmt.Sprintf("%s%v", known.Name, t.Partitions))
	}
	s.say("epoch %d, assigned {%s}", resp.MemberEpoch, strings.Join(parts, " "))
}

// commit reads "t/0=5" parts.
func (s *stage) commit(who, group string, _ []string, a args) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = int16(a.int("v", 9)), group, a.or("id", s.members[who]), int32(a.int("generation", -1)), a.ptr("instance")
	txn := kmsg.NewPtrTxnOffsetCommitRequest()
	txn.Version, txn.Group, txn.MemberID, txn.Generation, txn.ProducerID = 5, group, req.MemberID, req.Generation, int64(a.int("producer", -1))
	if v, ok := a["retention"]; ok {
		d, _ := time.ParseDuration(v)
		req.RetentionTimeMillis = d.Milliseconds()
	}
	for _, k := range slices.Sorted(func(yield func(string) bool) {
		for k := range a {
			if strings.Contains(k, "/") && !yield(k) {
				return
			}
		}
	}) {
		topic, partition, _ := strings.Cut(k, "/")
		n, _ := strconv.Atoi(partition)
		t, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = int32(n), int64(a.int(k, 0)), int32(a.int("leader", -1)), a.ptr("metadata")
		t.Topic, t.Partitions = topic, append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		tt, tp := kmsg.NewTxnOffsetCommitRequestTopic(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
		tp.Partition, tp.Offset, tp.Metadata = p.Partition, p.Offset, p.Metadata
		tt.Topic, tt.Partitions = topic, append(tt.Partitions, tp)
		txn.Topics = append(txn.Topics, tt)
	}
	if txn.ProducerID >= 0 {
		resp, e := s.c.TxnOffsetCommit(s.now, txn)
		s.say("%s", code(resp.Topics[0].Partitions[0].ErrorCode))
		s.do(e)
		return
	}
	resp, e := s.c.OffsetCommit(s.now, req)
	for _, t := range resp.Topics {
		s.say("%s/%d: %s", t.Topic, t.Partitions[0].Partition, code(t.Partitions[0].ErrorCode))
	}
	s.do(e)
}
