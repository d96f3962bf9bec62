package group

// reconcile brings one member a step closer to its target. It first gives up
// what is not in its target; only when it says that it has does its epoch grow
// and does it get what is free. What others still hold comes later.
//
//	           target changed, holds too much               gave up
//	Stable ───────────────────────────────────▶ Unrevoked ─────────┐
//	   ▲ ▲                                                         │
//	   │ └────────── all of the target is free ────────────────────┤
//	   └── the rest became free ── Unreleased ◀── some is not ─────┘
//
// told says whether the member told what it owns in this request.
func (c *Coordinator) reconcile(g *group, id string, owned assignment, told bool) {
	cg := g.consumer
	m := cg.members[id]
	switch m.state {
	case memberStable:
		if m.epoch == cg.targetEpoch {
			return
		}
	case memberUnrevoked:
		if !told || owned.overlaps(m.revoking) {
			return
		}
	}
	next := cg.step(m, owned, told)
	c.write(currentRecord{group: g.id, member: id, set: &next})
}

func (g *consumerGroup) step(m *consumerMember, owned assignment, told bool) currentAssignment {
	target := g.target[m.id]
	keep := m.assigned.filter(target.has)
	giveUp := m.assigned.filter(func(id TopicID, p int32) bool { return !target.has(id, p) })
	since := heldSince{}
	m.assigned.each(func(id TopicID, p int32) {
		epoch, _ := m.sinceOf(id, p)
		since.set(id, p, epoch)
	})
	if len(giveUp) > 0 && (!told || owned.overlaps(giveUp)) {
		return currentAssignment{epoch: m.epoch, previousEpoch: m.epoch, state: memberUnrevoked, assigned: keep, revoking: giveUp, since: since}
	}
	next := currentAssignment{epoch: g.targetEpoch, previousEpoch: m.epoch, state: memberStable, assigned: keep, revoking: assignment{}, since: heldSince{}}
	keep.each(func(id TopicID, p int32) { next.since.set(id, p, since[id][p]) })
	target.each(func(id TopicID, p int32) {
		if keep.has(id, p) {
			return
		}
		if owner, taken := g.owners[id][p]; taken && owner != m.id {
			next.state = memberUnreleased
			return
		}
		next.assigned.add(id, p)
		next.since.set(id, p, g.targetEpoch)
	})
	return next
}
