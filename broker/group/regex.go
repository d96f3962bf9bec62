package group

import (
	"maps"
	"regexp"
	"slices"
	"time"
)

// regexRefresh is after how long an expression is resolved anew although the
// topics are the same: its client may have been given or refused some of them.
const regexRefresh = 10 * time.Minute

// resolver is a member's expression, and which topics its client may know of;
// nil: all.
//
// An expression is resolved in a heartbeat of a member that has it, and in no
// other: only then is it known for whom. If members of different rights share
// one, it stands for what the one that comes first after a change may know of, as
// in Kafka.
type resolver struct {
	regex string
	see   func(topic string) bool
}

// resolution is when this process last resolved an expression, and for which topics.
type resolution struct {
	topics *Topics
	at     time.Time
}

// refresh resolves the expression of the member that sent a heartbeat, compares
// the topics and bumps the group epoch where something changed. by is nil if no
// member with an expression asks.
func (c *Coordinator) refresh(now time.Time, g *group, bump bool, by *resolver) {
	cg := g.consumer
	due := by != nil && (cg.resolved[by.regex].topics != c.topics || !now.Before(cg.resolved[by.regex].at.Add(regexRefresh)))
	if !bump && !due && cg.seen == c.topics {
		return
	}
	if due {
		bump = c.resolve(now, g, by) || bump
	}
	c.dropUnusedRegexes(g)
	hash := c.hash(cg)
	if bump || hash != cg.metadataHash {
		c.write(consumerGroupRecord{group: g.id, set: &consumerEpoch{epoch: cg.epoch + 1, metadataHash: hash}})
	}
	cg.seen = c.topics
}

// resolve stores which topics an expression stands for, and says whether they
// changed. Internal topics may be among them, as in Kafka.
func (c *Coordinator) resolve(now time.Time, g *group, by *resolver) (changed bool) {
	cg := g.consumer
	cg.resolved[by.regex] = resolution{c.topics, now}
	re, err := compile(by.regex)
	if err != nil {
		return false // read from a log that another broker wrote; it matches nothing here
	}
	topics := []string{}
	for _, name := range c.topics.names {
		if re.MatchString(name) && (by.see == nil || by.see(name)) {
			topics = append(topics, name)
		}
	}
	known, ok := cg.regexes[by.regex]
	if ok && slices.Equal(known.topics, topics) {
		return false
	}
	c.write(regexRecord{group: g.id, regex: by.regex, set: &resolvedRegex{topics: topics, version: known.version + 1, timestamp: now.UnixMilli()}})
	return true
}

// dropUnusedRegexes removes the expressions that no member has any more.
func (c *Coordinator) dropUnusedRegexes(g *group) {
	cg := g.consumer
	used := make(map[string]struct{})
	for _, m := range cg.members {
		if m.regex != nil {
			used[*m.regex] = struct{}{}
		}
	}
	for _, expr := range slices.Sorted(maps.Keys(cg.regexes)) {
		if _, ok := used[expr]; !ok {
			c.write(regexRecord{group: g.id, regex: expr})
			delete(cg.resolved, expr)
		}
	}
}

// compile makes an expression that must match a whole name. RE2 has no
// expressions that take more than linear time.
func compile(expr string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expr); err != nil {
		return nil, err
	}
	return regexp.Compile(`^(?:` + expr + `)$`)
}
