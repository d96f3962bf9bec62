package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Group is a consumer group, of the classic protocol or of KIP-848, or a share
// group (KIP-932).
type Group struct {
	Group     string     `json:"group"`
	Protocol  string     `json:"protocol"` // classic, consumer or share
	State     string     `json:"state"`
	Fault     string     `json:"fault,omitempty"` // why nothing else is known of it
	Assignor  string     `json:"assignor,omitempty"`
	Lag       int64      `json:"lag"` // records between committed and end offsets
	Members   []Member   `json:"members"`
	Positions []Position `json:"partitions"`
}

// Member is one member of a group.
type Member struct {
	Member     string `json:"member"`
	Instance   string `json:"instance,omitempty"`
	Client     string `json:"client"`
	Host       string `json:"host"`
	Partitions int    `json:"partitions"` // assigned to it
}

// Position is how far a group is in one partition.
type Position struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed int64  `json:"committed"` // next offset to read, of a share group the first that is not done; -1 if there is none
	EndOffset int64  `json:"endOffset"`
	Lag       int64  `json:"lag"`
	Member    string `json:"member,omitempty"` // whom it is assigned to
	Fault     string `json:"fault,omitempty"`  // why its end is not known: it is offline, most likely
}

// ErrNoGroup: there is no group of that name.
var ErrNoGroup = errors.New("there is no such group")

// Groups describes groups in the order of their names: the named ones, else all
// consumer groups. A named group that is not there is ErrNoGroup. Of all groups, one
// that cannot be described has a Fault and hides no other; a named one is an error.
func (v *View) Groups(ctx context.Context, names ...string) ([]Group, error) {
	classic, modern, shared, err := v.kinds(ctx, names)
	if err != nil {
		return nil, err
	}
	groups := map[string]*Group{}
	f := faults{named: len(names) > 0, groups: groups}
	owners := map[string]map[place]string{}
	if len(classic) > 0 {
		if err := v.classic(ctx, classic, f, owners); err != nil {
			return nil, err
		}
	}
	if len(modern) > 0 {
		if err := v.modern(ctx, modern, f, owners); err != nil {
			return nil, err
		}
	}
	if all := append(classic, modern...); len(all) > 0 {
		if err := v.positions(ctx, all, f, owners); err != nil {
			return nil, err
		}
	}
	if len(shared) > 0 {
		if err := v.shared(ctx, shared, f); err != nil {
			return nil, err
		}
	}
	out := make([]Group, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Group) int { return cmp.Compare(a.Group, b.Group) })
	return out, nil
}

// faults are what keeps single groups from being described.
type faults struct {
	named  bool // the groups were asked for by name
	groups map[string]*Group
}

// note puts a group among the described ones with its fault alone. It is an error
// if the group was asked for, or the caller has gone.
func (f faults) note(name, protocol string, err error) error {
	if f.named || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("group %s: %w", name, err)
	}
	f.groups[name] = &Group{Group: name, Protocol: protocol, State: "Unknown", Fault: err.Error(), Members: []Member{}, Positions: []Position{}}
	return nil
}

// kinds finds out by which protocol each group works: they are described by
// different requests. Brokers before 3.8 do not tell and know only the classic
// one.
func (v *View) kinds(ctx context.Context, names []string) (classic, modern, shared []string, err error) {
	listed, err := v.admin.ListGroups(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	newer, _ := v.admin.ListGroupsByType(ctx, []string{"consumer"})
	if len(names) == 0 {
		for name, l := range listed {
			if l.ProtocolType == "consumer" || l.ProtocolType == shareProtocol || l.ProtocolType == "" {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		l, ok := listed[name]
		if !ok {
			return nil, nil, nil, fmt.Errorf("group %s: %w", name, ErrNoGroup)
		}
		if l.ProtocolType == shareProtocol {
			shared = append(shared, name)
			continue
		}
		if _, ok := newer[name]; ok && len(newer) > 0 {
			modern = append(modern, name)
		} else {
			classic = append(classic, name)
		}
	}
	return classic, modern, shared, nil
}

func instance(id *string) string {
	if id == nil {
		return ""
	}
	return *id
}

func (v *View) classic(ctx context.Context, names []string, f faults, owners map[string]map[place]string) error {
	described, err := v.admin.DescribeGroups(ctx, names...)
	if err != nil {
		return err
	}
	for name, d := range described {
		if d.Err != nil {
			if err := f.note(name, "classic", d.Err); err != nil {
				return err
			}
			continue
		}
		g := &Group{Group: name, Protocol: "classic", State: d.State, Assignor: d.Protocol, Members: []Member{}}
		owners[name] = map[place]string{}
		for _, m := range d.Members {
			member := Member{Member: m.MemberID, Instance: instance(m.InstanceID), Client: m.ClientID, Host: m.ClientHost}
			if assigned, ok := m.Assigned.AsConsumer(); ok {
				for _, t := range assigned.Topics {
					for _, p := range t.Partitions {
						owners[name][place{t.Topic, p}] = m.MemberID
						member.Partitions++
					}
				}
			}
			g.Members = append(g.Members, member)
		}
		f.groups[name] = g
	}
	return nil
}

func (v *View) modern(ctx context.Context, names []string, f faults, owners map[string]map[place]string) error {
	described, err := v.admin.DescribeConsumerGroups(ctx, names...)
	if err != nil {
		return err
	}
	for name, d := range described {
		if d.Err != nil {
			if err := f.note(name, "consumer", d.Err); err != nil {
				return err
			}
			continue
		}
		g := &Group{Group: name, Protocol: "consumer", State: d.State, Assignor: d.AssignorName, Members: []Member{}}
		owners[name] = map[place]string{}
		for _, m := range d.Members {
			member := Member{Member: m.MemberID, Instance: instance(m.InstanceID), Client: m.ClientID, Host: m.ClientHost}
			m.Assignment.Each(func(t string, p int32) {
				owners[name][place{t, p}] = m.MemberID
				member.Partitions++
			})
			g.Members = append(g.Members, member)
		}
		f.groups[name] = g
	}
	return nil
}

// positions fills in what was committed and what is still to read, for every
// partition that a group has committed to or has assigned.
func (v *View) positions(ctx context.Context, names []string, f faults, owners map[string]map[place]string) error {
	committed := v.admin.FetchManyOffsets(ctx, names...)
	topics := map[string]bool{}
	for name, g := range f.groups {
		if g.Fault != "" {
			continue
		}
		fetched := committed[name]
		if fetched.Err != nil && !errors.Is(fetched.Err, kerr.GroupIDNotFound) {
			if err := f.note(name, g.Protocol, cmp.Or(ctx.Err(), fetched.Err)); err != nil {
				return err
			}
			continue
		}
		at := map[place]int64{}
		for p := range owners[name] {
			at[p] = -1
		}
		fetched.Fetched.Each(func(o kadm.OffsetResponse) {
			if o.Err == nil && o.At >= 0 {
				at[place{o.Topic, o.Partition}] = o.At
			}
		})
		g.Positions = make([]Position, 0, len(at))
		for p, offset := range at {
			topics[p.topic] = true
			g.Positions = append(g.Positions, Position{Topic: p.topic, Partition: p.partition, Committed: offset, Member: owners[name][p]})
		}
		slices.SortFunc(g.Positions, func(a, b Position) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		})
	}
	if len(topics) == 0 {
		return nil
	}
	list := make([]string, 0, len(topics))
	for t := range topics {
		list = append(list, t)
	}
	starts, err := led(v.admin.ListStartOffsets(ctx, list...))
	if err != nil {
		return err
	}
	ends, err := led(v.admin.ListEndOffsets(ctx, list...))
	if err != nil {
		return err
	}
	for _, g := range f.groups {
		for i := range g.Positions {
			p := &g.Positions[i]
			end, ok := ends.Lookup(p.Topic, p.Partition)
			if whole, unknown := ends.Lookup(p.Topic, -1); unknown && whole.Err != nil || errors.Is(end.Err, kerr.UnknownTopicOrPartition) {
				continue // deleted since
			}
			if !ok {
				end.Err = kerr.LeaderNotAvailable
			}
			if end.Err != nil {
				p.Fault = faultText(0, end.Err)
				continue
			}
			start, _ := starts.Lookup(p.Topic, p.Partition)
			p.EndOffset = end.Offset
			p.Lag = max(0, end.Offset-max(p.Committed, start.Offset))
			g.Lag += p.Lag
		}
	}
	return nil
}
