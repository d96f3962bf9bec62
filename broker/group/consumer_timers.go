package group

import "time"

// consumerTimers gives the member a fresh session and, while it has partitions
// to give up, a time limit for that.
func (c *Coordinator) consumerTimers(now time.Time, g *group, id string) {
	c.consumerSession(now, g, id)
	key := timerKey{timerRebalance, g.id, id}
	if g.consumer.members[id].state != memberUnrevoked {
		c.timers.cancel(key)
	} else if _, running := c.timers.byKey[key]; !running {
		c.consumerRebalance(now, g, id)
	}
}

func (c *Coordinator) consumerSession(now time.Time, g *group, id string) {
	d, _ := c.times(g)
	if m := g.consumer.members[id]; m.classic != nil {
		d = millis(m.classic.sessionMillis)
	}
	c.timers.set(timerKey{timerSession, g.id, id}, now.Add(d), func(now time.Time) {
		c.log.Info("member's session timed out", "group", g.id, "member", id, "epoch", g.consumer.members[id].epoch)
		c.removeConsumer(now, g, g.consumer.members[id])
	})
}

func (c *Coordinator) consumerRebalance(now time.Time, g *group, id string) {
	d := max(millis(g.consumer.members[id].rebalanceMillis), time.Second)
	c.timers.set(timerKey{timerRebalance, g.id, id}, now.Add(d), func(now time.Time) {
		c.log.Info("member did not give up its partitions in time", "group", g.id, "member", id)
		c.removeConsumer(now, g, g.consumer.members[id])
	})
}
