package broker

import (
	"fmt"
	"strings"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// lossyConfigs are the configurations that decide which records of a topic are
// removed. On the topics that this process keeps state of its own in, groups,
// transactions, the registry's schemas, they stay as the topic was made: a record
// that retention or compaction took from one of them is state that is lost.
var lossyConfigs = []string{"cleanup.policy", "delete.retention.ms", "local.retention.bytes", "local.retention.ms", "retention.bytes", "retention.ms"}

// internalCleanup is what lossyConfigs are of an internal topic that does not have them
// itself. What the broker keeps other topics for, by its own configurations, is
// nothing to go by: a topic made by an earlier version, or carried over, may have fewer.
func internalCleanup(topic string) map[string]string {
	own := map[string]string{"cleanup.policy": "compact", "retention.bytes": "-1", "retention.ms": "-1"}
	if topic == shareTopic {
		own["cleanup.policy"] = shareTopicConfigs["cleanup.policy"]
	}
	for _, name := range lossyConfigs {
		if d, ok := topics.Lookup(name); ok && own[name] == "" {
			own[name] = d.Default
		}
	}
	return own
}

// checkInternalConfigs refuses a change of an internal topic's own configurations
// that could remove records of it. What leads back to compaction alone is allowed,
// and so is everything that keeps records.
func checkInternalConfigs(topic string, old, changed map[string]string) error {
	compacted := topic != shareTopic && changed["cleanup.policy"] == "compact"
	for _, name := range lossyConfigs {
		was, wasSet := old[name]
		is, isSet := changed[name]
		if was == is && wasSet == isSet {
			continue
		}
		if compacted && (name == "cleanup.policy" || !isSet) || strings.HasPrefix(name, "retention.") && is == "-1" {
			continue
		}
		what := "set to " + is
		if !isSet {
			what = "unset"
		}
		return &topics.Error{Code: topics.InvalidConfig, Reason: fmt.Sprintf("configuration %s cannot be %s: %s is an internal topic, "+
			"and state that is still needed would be removed from it", name, what, topic)}
	}
	return nil
}

// checkInternalPartitions refuses more partitions for an internal topic: a key of it
// belongs to a partition by their number, and what was written would not be found.
func checkInternalPartitions(t *topic) error {
	if !t.Internal {
		return nil
	}
	return &topics.Error{Code: topics.InvalidPartitions, Reason: fmt.Sprintf("the number of partitions of %s cannot be changed: it is an internal topic, "+
		"and state is found in it by that number", t.Name)}
}
