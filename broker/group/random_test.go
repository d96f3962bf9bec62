package group

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var atStart = time.UnixMilli(1_700_000_000_000)

// TestRandomOperations drives a coordinator with random requests of classic and
// KIP-848 members of the same groups, time and changes of topics, and checks
// after each step that no partition has two owners, that epochs do not go back,
// and that the records written so far make the state that is; now and then the
// coordinator starts again from them.
func TestRandomOperations(t *testing.T) {
	seeds := 60
	if !sweeping {
		seeds = 4
	}
	for i := range seeds {
		seed := uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(seed)
			for step := range 400 {
				what := w.step()
				if err := w.check(); err != nil {
					t.Fatalf("seed %d, step %d (%s): %v", seed, step, what, err)
				}
			}
			if err := w.settle(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
	}
}

// world is a coordinator, its log and the clients that it talks to.
type world struct {
	r       *rand.Rand
	c       *Coordinator
	opts    Options
	now     time.Time
	log     []logged
	topics  []Topic
	clients []*simulated
	waiting map[Waiter]func(kmsg.Response)
	last    Waiter
	epochs  map[string]int32
	ids     int
	checks  int
}

type logged struct {
	from   *Producer
	rec    Record
	marker *Marker
}

// simulated is a client that follows one of the two protocols, sloppily.
type simulated struct {
	name, group, id string
	instance        *string
	modern          bool
	epoch           int32 // generation or member epoch; −1: not a member
	owned           assignment
	joining         bool
	quiet           bool // it has died without a word
}

func newWorld(seed uint64) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, 1)), now: atStart, waiting: map[Waiter]func(kmsg.Response){}, epochs: map[string]int32{}}
	w.opts = Options{NewMemberID: func() string { w.ids++; return fmt.Sprintf("00000000-0000-0000-0000-%012d", w.ids) }, MaxMembers: 6,
		Migration: []Migration{MigrateBothWays, MigrateBothWays, MigrateUp, MigrateDown, MigrateNever}[w.r.IntN(5)]}
	w.c = New(w.opts, nil)
	for i := range 3 {
		w.topics = append(w.topics, Topic{Name: fmt.Sprintf("t%d", i), ID: TopicID{byte(i + 1)}, Partitions: int32(1 + i*2)})
	}
	w.do(w.c.SetTopics(w.now, NewTopics(w.topics)))
	w.do(w.c.Loaded(w.now))
	for i := range 10 {
		s := &simulated{name: fmt.Sprintf("c%d", i), group: fmt.Sprintf("g%d", i%2), epoch: -1, owned: assignment{}, modern: w.r.IntN(2) == 0}
		if w.r.IntN(3) == 0 {
			instance := fmt.Sprintf("i%d", i)
			s.instance = &instance
		}
		w.clients = append(w.clients, s)
	}
	return w
}

func (w *world) do(e Effects) {
	for _, r := range e.Records {
		r.WrittenMillis = w.now.UnixMilli()
		w.log = append(w.log, logged{from: e.Transaction, rec: r})
	}
	if e.Marker != nil {
		w.log = append(w.log, logged{marker: e.Marker})
	}
	for _, a := range e.Answers {
		if f := w.waiting[a.To]; f != nil {
			delete(w.waiting, a.To)
			f(a.Response)
		}
	}
}

func (w *world) wait(f func(kmsg.Response)) Waiter {
	w.last++
	w.waiting[w.last] = f
	return w.last
}

func (w *world) step() string {
	s := w.clients[w.r.IntN(len(w.clients))]
	switch n := w.r.IntN(100); {
	case n < 55:
		s.act(w)
		return s.name + " goes on"
	case n < 62:
		s.leave(w)
		return s.name + " leaves"
	case n < 66:
		s.quiet, s.joining = true, false
		return s.name + " dies"
	case n < 70:
		if s.epoch < 0 && !s.joining {
			s.modern = !s.modern
		}
		s.quiet = false
		return s.name + " comes back"
	case n < 76:
		w.commit(s)
		return s.name + " commits"
	case n < 78:
		t := &w.topics[w.r.IntN(len(w.topics))]
		if t.Partitions < 8 {
			t.Partitions++
		}
		w.do(w.c.SetTopics(w.now, NewTopics(w.topics)))
		return "a topic grows"
	case n < 80:
		t := &w.topics[w.r.IntN(len(w.topics))]
		t.ID[5]++
		w.do(w.c.SetTopics(w.now, NewTopics(w.topics)))
		return "a topic is made anew"
	case n < 83:
		p := Producer{ID: int64(w.r.IntN(3))}
		w.do(w.c.EndTransaction(Marker{Producer: p, Commit: w.r.IntN(2) == 0}))
		return "a transaction ends"
	case n < 84:
		w.restart()
		return "the coordinator starts again"
	case n < 86:
		_, e := w.c.DeleteGroup(s.group)
		w.do(e)
		return "a group is deleted"
	default:
		w.pass(time.Duration(w.r.IntN(4000)) * time.Millisecond)
		return "time passes"
	}
}

// restart goes on with what the log says. Who waits for an answer is told to try
// again. A classic rebalance that had not come to its end has not been: its
// generation counts again from the last one that was stored.
func (w *world) restart() {
	for id, g := range w.c.groups {
		if g.classic != nil && g.classic.state != Stable && g.classic.state != Empty {
			delete(w.epochs, id)
		}
	}
	c, err := w.replayed()
	if err != nil {
		panic(err)
	}
	w.c = c
	clear(w.waiting)
	for _, s := range w.clients {
		s.joining = false
	}
	w.do(w.c.SetTopics(w.now, NewTopics(w.topics)))
	w.do(w.c.Loaded(w.now))
}

func (w *world) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		next := w.c.NextTimer()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(w.now) {
			w.now = next
		}
		w.do(w.c.Tick(w.now))
	}
	w.now = end
}

func (w *world) commit(s *simulated) {
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = w.topics[w.r.IntN(len(w.topics))].Name
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = int64(w.r.IntN(100))
	topic.Partitions = append(topic.Partitions, p)
	if w.r.IntN(3) > 0 {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 9, s.group, s.id, s.epoch, s.instance
		req.Topics = append(req.Topics, topic)
		_, e := w.c.OffsetCommit(w.now, req)
		w.do(e)
		return
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 5, s.group, s.id, s.epoch, s.instance
	req.ProducerID = int64(w.r.IntN(3))
	tt := kmsg.NewTxnOffsetCommitRequestTopic()
	tt.Topic = topic.Topic
	tp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	tp.Offset = p.Offset
	tt.Partitions = append(tt.Partitions, tp)
	req.Topics = append(req.Topics, tt)
	_, e := w.c.TxnOffsetCommit(w.now, req)
	w.do(e)
}

// act sends what the client would send next.
func (s *simulated) act(w *world) {
	switch {
	case s.quiet || s.joining:
	case s.modern:
		s.beat(w)
	case s.epoch < 0:
		s.join(w)
	default:
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 4, s.group, s.id, s.epoch, s.instance
		resp, e := w.c.Heartbeat(w.now, req)
		w.do(e)
		s.hear(w, resp.ErrorCode)
	}
}

func (s *simulated) hear(w *world, code int16) {
	switch code {
	case 0:
	case kerr.RebalanceInProgress.Code:
		s.join(w)
	default:
		s.epoch, s.owned = -1, assignment{}
		if code == kerr.UnknownMemberID.Code || code == kerr.FencedInstanceID.Code {
			s.id = ""
		}
	}
}

func (s *simulated) beat(w *world) {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.InstanceID = 1, s.group, s.instance
	if s.epoch < 0 {
		if s.id == "" {
			s.id = w.opts.NewMemberID()
		}
		req.RebalanceTimeoutMillis = 10_000
		if w.r.IntN(2) == 0 {
			req.SubscribedTopicNames = []string{"t0", "t1"}
		} else {
			req.SubscribedTopicRegex = kmsg.StringPtr("t[12]")
		}
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		s.owned = assignment{}
	} else {
		req.MemberEpoch, req.RebalanceTimeoutMillis = s.epoch, -1
		for _, id := range s.owned.sortedTopics() {
			t := kmsg.NewConsumerGroupHeartbeatRequestTopic()
			t.TopicID, t.Partitions = id, s.owned[id]
			req.Topics = append(req.Topics, t)
		}
		if req.Topics == nil {
			req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		}
	}
	req.MemberID = s.id
	if s.epoch < 0 {
		req.MemberEpoch = 0
	}
	resp, e := w.c.ConsumerGroupHeartbeat(w.now, Client{ID: s.name, Host: "/h"}, nil, req)
	w.do(e)
	switch {
	case resp.ErrorCode == kerr.UnreleasedInstanceID.Code:
	case resp.ErrorCode != 0:
		s.epoch, s.owned = -1, assignment{}
		if resp.ErrorCode == kerr.FencedInstanceID.Code {
			s.id = ""
		}
	case w.r.IntN(10) == 0: // the answer is lost
	default:
		s.epoch = resp.MemberEpoch
		if resp.Assignment != nil {
			s.owned = assignment{}
			for _, t := range resp.Assignment.Topics {
				for _, p := range t.Partitions {
					s.owned.add(t.TopicID, p)
				}
			}
		}
	}
}

func (s *simulated) join(w *world) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.InstanceID = 9, s.group, s.id, s.instance
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = 6000, 10_000, consumerProtocol
	sub := subscription{version: 1, topics: []string{"t0", "t2"}}
	for _, id := range s.owned.sortedTopics() {
		if t, ok := w.c.topics.WithID(id); ok {
			sub.owned = append(sub.owned, ownedTopic{t.Name, s.owned[id]})
		}
	}
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "cooperative", appendSubscription(nil, sub)
	req.Protocols = append(req.Protocols, p)
	s.joining = true
	to := w.wait(func(r kmsg.Response) {
		resp := r.(*kmsg.JoinGroupResponse)
		if s.quiet {
			return
		}
		s.joining = false
		switch resp.ErrorCode {
		case 0:
			s.id, s.epoch = resp.MemberID, resp.Generation
			s.sync(w, resp)
		case kerr.MemberIDRequired.Code:
			s.id = resp.MemberID
			s.join(w)
		case kerr.RebalanceInProgress.Code:
		default:
			s.epoch, s.owned, s.id = -1, assignment{}, ""
		}
	})
	w.do(w.c.JoinGroup(w.now, to, Client{ID: s.name, Host: "/h"}, req))
}

func (s *simulated) sync(w *world, joined *kmsg.JoinGroupResponse) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 5, s.group, s.id, s.epoch, s.instance
	for i, m := range joined.Members {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID = m.MemberID
		var mine []int32
		if t, ok := w.c.topics.Named("t2"); ok {
			for p := range t.Partitions {
				if int(p)%len(joined.Members) == i {
					mine = append(mine, p)
				}
			}
		}
		a.MemberAssignment = encodeAssignment(1, []ownedTopic{{"t2", mine}})
		req.GroupAssignment = append(req.GroupAssignment, a)
	}
	s.joining = true
	to := w.wait(func(r kmsg.Response) {
		if s.quiet {
			return
		}
		s.joining = false
		resp := r.(*kmsg.SyncGroupResponse)
		if resp.ErrorCode != 0 {
			s.hear(w, resp.ErrorCode)
			return
		}
		s.owned = assignment{}
		topics, _ := decodeAssignment(resp.MemberAssignment)
		for _, t := range topics {
			if known, ok := w.c.topics.Named(t.topic); ok {
				for _, p := range t.partitions {
					s.owned.add(known.ID, p)
				}
			}
		}
	})
	w.do(w.c.SyncGroup(w.now, to, req))
}

func (s *simulated) leave(w *world) {
	if s.epoch < 0 || s.joining {
		return
	}
	if s.modern {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID, req.MemberEpoch = 1, s.group, s.id, s.instance, -1
		if s.instance != nil && w.r.IntN(2) == 0 {
			req.MemberEpoch = leftStatically
		}
		_, e := w.c.ConsumerGroupHeartbeat(w.now, Client{}, nil, req)
		w.do(e)
	} else {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group = 5, s.group
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID, m.InstanceID = s.id, s.instance
		req.Members = append(req.Members, m)
		_, e := w.c.LeaveGroup(w.now, req)
		w.do(e)
	}
	s.epoch, s.owned, s.id = -1, assignment{}, ""
}

func (w *world) check() error {
	for id := range w.epochs {
		if w.c.groups[id] == nil {
			delete(w.epochs, id) // its next life begins anew
		}
	}
	for id, g := range w.c.groups {
		if g.classic != nil && g.consumer != nil {
			return fmt.Errorf("group %s has two protocols", id)
		}
		if err := oneOwner(g.consumer); err != nil {
			return fmt.Errorf("group %s: %w", id, err)
		}
		epoch := int32(0)
		switch {
		case g.classic != nil:
			epoch = g.classic.generation
		case g.consumer != nil:
			epoch = g.consumer.epoch
			for _, m := range g.consumer.members {
				if m.epoch > g.consumer.epoch {
					return fmt.Errorf("group %s is at epoch %d, its member %s at %d", id, epoch, m.id, m.epoch)
				}
			}
		}
		if was, ok := w.epochs[id]; ok && epoch < was {
			return fmt.Errorf("group %s went from epoch %d back to %d", id, was, epoch)
		}
		w.epochs[id] = epoch
	}
	if w.checks++; w.checks%20 != 0 {
		return nil
	}
	return w.checkReplay()
}

func oneOwner(g *consumerGroup) error {
	if g == nil {
		return nil
	}
	owners := map[TopicID]map[int32]string{}
	var err error
	for _, m := range g.sortedMembers() {
		for _, a := range []assignment{m.assigned, m.revoking} {
			a.each(func(id TopicID, p int32) {
				if owners[id] == nil {
					owners[id] = map[int32]string{}
				}
				if other, taken := owners[id][p]; taken {
					err = fmt.Errorf("partition %d of topic %v is with %s and %s", p, id[0], other, m.id)
				}
				owners[id][p] = m.id
			})
		}
	}
	if err == nil && !maps.EqualFunc(owners, g.owners, func(a, b map[int32]string) bool { return maps.Equal(a, b) }) {
		err = fmt.Errorf("owners are %v, the index says %v", owners, g.owners)
	}
	return err
}

// replayed is a coordinator made from the log.
func (w *world) replayed() (*Coordinator, error) {
	c := New(w.opts, nil)
	for _, l := range w.log {
		if l.marker != nil {
			c.ReplayMarker(*l.marker)
		} else if err := c.Replay(l.from, l.rec); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// checkReplay makes a second coordinator from the log and compares what a
// restart must not lose.
func (w *world) checkReplay() error {
	c, err := w.replayed()
	if err != nil {
		return err
	}
	between := map[string]bool{} // classic groups whose log is behind by design
	for id, g := range w.c.groups {
		if cg := g.classic; cg != nil && (cg.state == PreparingRebalance || cg.state == CompletingRebalance) {
			between[id] = true
		}
	}
	live, replayed := durable(w.c, between), durable(c, between)
	for k, v := range live {
		if r, ok := replayed[k]; !ok || r != v {
			return fmt.Errorf("%s is %q, and replayed %q", k, v, r)
		}
	}
	for k, v := range replayed {
		if _, ok := live[k]; !ok {
			return fmt.Errorf("%s is gone, and replayed %q", k, v)
		}
	}
	return nil
}

// durable is what of a coordinator survives a restart, as text.
func durable(c *Coordinator, but map[string]bool) map[string]string {
	out := map[string]string{}
	put := func(r stored) { out[fmt.Sprintf("%T %q", r, r.key())] = string(r.value()) }
	for id, g := range c.groups {
		for at, o := range g.offsets {
			put(offsetRecord{id, at, &o})
		}
		for at, producers := range g.pending {
			for p := range producers {
				o := c.open[p].offsets[id][at]
				out[fmt.Sprintf("open %d %s %v", p, id, at)] = string(offsetRecord{id, at, &o}.value())
			}
		}
		if but[id] {
			continue
		}
		if cg := g.classic; cg != nil && cg.generation > 0 {
			put(cg.record(id))
		}
		cg := g.consumer
		if cg == nil {
			continue
		}
		put(consumerGroupRecord{group: id, set: &consumerEpoch{cg.epoch, cg.metadataHash}})
		if len(cg.members) == 0 {
			out["empty since "+id] = fmt.Sprint(cg.emptySinceMillis)
		}
		put(targetEpochRecord{id, &cg.targetEpoch})
		for _, m := range cg.members {
			put(consumerMemberRecord{id, m.id, &m.memberMetadata})
			put(currentRecord{id, m.id, &m.currentAssignment})
		}
		for m, a := range cg.target {
			put(targetRecord{id, m, &a})
		}
		for expr, r := range cg.regexes {
			put(regexRecord{id, expr, &r})
		}
	}
	return out
}

// settle lets the members that live go on undisturbed: every group must come to
// rest with every partition of what its members subscribe to owned.
func (w *world) settle() error {
	for range 400 {
		for _, s := range w.clients {
			s.act(w)
		}
		w.pass(500 * time.Millisecond)
		if err := w.check(); err != nil {
			return fmt.Errorf("while settling: %w", err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.c.groups)) {
		g := w.c.groups[id]
		switch {
		case g.classic != nil && g.classic.state != Stable && g.classic.state != Empty:
			return fmt.Errorf("group %s does not come to rest: %s", id, g.classic.state)
		case g.consumer != nil && g.consumer.state() != Stable && g.consumer.state() != Empty:
			return fmt.Errorf("group %s does not come to rest: %s", id, g.consumer.state())
		}
	}
	for _, s := range w.clients {
		g := w.c.groups[s.group]
		full := g != nil && (g.classic != nil && len(g.classic.members) >= w.opts.MaxMembers || g.consumer != nil && len(g.consumer.members) >= w.opts.MaxMembers)
		notLetIn := s.modern && g != nil && g.classic != nil && len(g.classic.members) > 0 && !w.opts.Migration.up()
		if !s.quiet && s.epoch < 0 && !full && !notLetIn {
			return fmt.Errorf("member %s of group %s is stranded", s.name, s.group)
		}
	}
	return nil
}
