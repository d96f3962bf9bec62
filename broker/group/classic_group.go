package group

import (
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// State is the state of a group, in Kafka's spelling.
type State string

// States of groups; the first two only of classic ones, Assigning and
// Reconciling only of KIP-848 ones.
const (
	PreparingRebalance  State = "PreparingRebalance"
	CompletingRebalance State = "CompletingRebalance"
	Assigning           State = "Assigning"
	Reconciling         State = "Reconciling"
	Stable              State = "Stable"
	Empty               State = "Empty"
	Dead                State = "Dead"
)

// classicGroup is a group in the classic protocol.
type classicGroup struct {
	state        State
	sinceMillis  int64 // of the state
	protocolType string
	generation   int32
	protocol     string // chosen for the generation
	leader       string
	members      map[string]*classicMember
	statics      map[string]string   // group instance ID → member ID
	handedOut    map[string]struct{} // member IDs given by MEMBER_ID_REQUIRED and not used yet
	order        int                 // grows with each member, so that members have an order of joining
	rebalance    struct {
		initial  bool      // the group was empty when it began
		deadline time.Time // beyond which an initial delay is not extended
		grown    bool      // a member joined since the delay was last set
	}
	fromConsumer bool // made of a KIP-848 group by this process
}

type classicMember struct {
	id            string
	instanceID    *string
	client        Client
	order         int
	session       time.Duration
	rebalanceTime time.Duration
	protocols     []protocol
	assignment    []byte
	joining       *waiting // a JoinGroup to answer
	syncing       *waiting // a SyncGroup to answer
	synced        bool     // in this generation
	isNew         bool     // never answered: it does not know its ID and cannot heartbeat
}

type protocol struct {
	name     string
	metadata []byte
}

// waiting is a request that will be answered later.
type waiting struct {
	to      Waiter
	version int16
}

func newClassicGroup(now time.Time) *classicGroup {
	return &classicGroup{
		state:       Empty,
		sinceMillis: now.UnixMilli(),
		members:     make(map[string]*classicMember),
		statics:     make(map[string]string),
		handedOut:   make(map[string]struct{}),
	}
}

func (g *classicGroup) become(now time.Time, s State) {
	g.state, g.sinceMillis = s, now.UnixMilli()
}

// byOrder returns the members in the order in which they first joined.
func (g *classicGroup) byOrder() []*classicMember {
	return slices.SortedFunc(maps.Values(g.members), func(a, b *classicMember) int { return a.order - b.order })
}

func (g *classicGroup) add(m *classicMember) {
	g.order++
	m.order = g.order
	if g.leader == "" {
		g.leader = m.id
	}
	g.members[m.id] = m
	if m.instanceID != nil {
		g.statics[*m.instanceID] = m.id
	}
	delete(g.handedOut, m.id)
}

func (g *classicGroup) remove(m *classicMember) {
	delete(g.members, m.id)
	if m.instanceID != nil && g.statics[*m.instanceID] == m.id {
		delete(g.statics, *m.instanceID)
	}
	if g.leader == m.id {
		g.leader = ""
		if rest := g.byOrder(); len(rest) > 0 {
			g.leader = rest[0].id
		}
	}
}

// supports says whether a member of that protocol type and these protocols
// fits the group: there must be a protocol that every member speaks.
func (g *classicGroup) supports(protocolType string, protocols []protocol) bool {
	if protocolType == "" || len(protocols) == 0 {
		return false
	}
	if len(g.members) == 0 {
		return true
	}
	if protocolType != g.protocolType {
		return false
	}
	return slices.ContainsFunc(protocols, func(p protocol) bool {
		for _, m := range g.members {
			if !m.speaks(p.name) {
				return false
			}
		}
		return true
	})
}

// elect chooses the protocol: each member votes for the first in its list that
// all members speak; most votes win, and among equals the one that came first
// in the list of the member that joined first.
func (g *classicGroup) elect() string {
	members := g.byOrder()
	candidate := func(name string) bool {
		return !slices.ContainsFunc(members, func(m *classicMember) bool { return !m.speaks(name) })
	}
	votes := make(map[string]int)
	var ballot []string
	for _, m := range members {
		i := slices.IndexFunc(m.protocols, func(p protocol) bool { return candidate(p.name) })
		if i < 0 {
			continue
		}
		name := m.protocols[i].name
		if votes[name] == 0 {
			ballot = append(ballot, name)
		}
		votes[name]++
	}
	chosen := ""
	for _, name := range ballot {
		if chosen == "" || votes[name] > votes[chosen] {
			chosen = name
		}
	}
	return chosen
}

// rebalanceTimeout is the longest that a member asked for.
func (g *classicGroup) rebalanceTimeout() time.Duration {
	var longest time.Duration
	for _, m := range g.members {
		longest = max(longest, m.rebalanceTime)
	}
	return longest
}

func (g *classicGroup) awaitingJoin() int {
	n := 0
	for _, m := range g.members {
		if m.joining != nil {
			n++
		}
	}
	return n
}

// subscribedTopics returns the topics of the members' subscriptions, while the
// group rebalances those in any protocol that a member speaks. known is false if
// the group has members whose metadata is not the consumer protocol's.
func (g *classicGroup) subscribedTopics() (topics map[string]struct{}, known bool) {
	if len(g.members) == 0 {
		return nil, true
	}
	if g.protocolType != consumerProtocol {
		return nil, false
	}
	topics = make(map[string]struct{})
	for _, m := range g.members {
		for _, p := range m.protocols {
			if g.state == Stable && p.name != g.protocol {
				continue
			}
			s, err := decodeSubscription(p.metadata)
			if err != nil {
				return nil, false
			}
			for _, t := range s.topics {
				topics[t] = struct{}{}
			}
		}
	}
	return topics, true
}

func (m *classicMember) speaks(name string) bool {
	return slices.ContainsFunc(m.protocols, func(p protocol) bool { return p.name == name })
}

func (m *classicMember) metadata(name string) []byte {
	for _, p := range m.protocols {
		if p.name == name {
			return p.metadata
		}
	}
	return nil
}

func sameProtocols(a, b []protocol) bool {
	return slices.EqualFunc(a, b, func(x, y protocol) bool {
		return x.name == y.name && string(x.metadata) == string(y.metadata)
	})
}

// record is the group as its finished generation is stored.
func (g *classicGroup) record(id string) groupRecord {
	v := kmsg.NewGroupMetadataValue()
	v.Version = 3
	v.ProtocolType = g.protocolType
	v.Generation = g.generation
	v.CurrentStateTimestamp = g.sinceMillis
	if g.protocol != "" {
		v.Protocol = kmsg.StringPtr(g.protocol)
	}
	if g.leader != "" {
		v.Leader = kmsg.StringPtr(g.leader)
	}
	for _, m := range g.byOrder() {
		vm := kmsg.NewGroupMetadataValueMember()
		vm.MemberID, vm.InstanceID = m.id, m.instanceID
		vm.ClientID, vm.ClientHost = m.client.ID, m.client.Host
		vm.RebalanceTimeoutMillis = int32(m.rebalanceTime.Milliseconds())
		vm.SessionTimeoutMillis = int32(m.session.Milliseconds())
		vm.Subscription = m.metadata(g.protocol)
		vm.Assignment = m.assignment
		if vm.Subscription == nil {
			vm.Subscription = []byte{}
		}
		if vm.Assignment == nil {
			vm.Assignment = []byte{}
		}
		v.Members = append(v.Members, vm)
	}
	return groupRecord{group: id, set: &v}
}

func (r groupRecord) apply(c *Coordinator) {
	if r.set == nil {
		if g := c.groups[r.group]; g != nil {
			g.classic = nil
			c.forgetIfBlank(g)
		}
		return
	}
	v := r.set
	since := v.CurrentStateTimestamp
	g := newClassicGroup(time.UnixMilli(since))
	g.protocolType, g.generation = v.ProtocolType, v.Generation
	if v.Protocol != nil {
		g.protocol = *v.Protocol
	}
	for _, vm := range v.Members {
		m := &classicMember{
			id: vm.MemberID, instanceID: vm.InstanceID,
			client:        Client{ID: vm.ClientID, Host: vm.ClientHost},
			session:       time.Duration(vm.SessionTimeoutMillis) * time.Millisecond,
			rebalanceTime: time.Duration(vm.RebalanceTimeoutMillis) * time.Millisecond,
			protocols:     []protocol{{name: g.protocol, metadata: vm.Subscription}},
			assignment:    vm.Assignment,
			synced:        true,
		}
		if v.Version < 1 {
			m.rebalanceTime = m.session
		}
		g.add(m)
	}
	if v.Leader != nil {
		g.leader = *v.Leader
	}
	if len(g.members) > 0 {
		g.state = Stable
	}
	into := c.ensure(r.group)
	into.classic, into.consumer = g, nil
}

// classicLoaded gives the members of a group that was read from the log time
// to come back.
func (c *Coordinator) classicLoaded(now time.Time, g *group) {
	for _, m := range g.classic.byOrder() {
		c.classicSession(now, g, m)
	}
}

// dropGroup writes tombstones for all that is stored of a group without members.
func (c *Coordinator) dropGroup(g *group) {
	c.dropOffsets(g)
	switch {
	case g.classic != nil:
		for id := range g.classic.handedOut {
			c.timers.cancel(timerKey{timerSession, g.id, id})
		}
		c.timers.cancel(timerKey{purpose: timerJoin, group: g.id})
		c.timers.cancel(timerKey{purpose: timerSync, group: g.id})
		c.write(groupRecord{group: g.id})
	case g.consumer != nil:
		c.dropConsumer(g)
	case g.share != nil:
		c.dropShare(g)
	}
}
