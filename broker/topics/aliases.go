package topics

import (
	"fmt"
	"slices"
	"strings"
)

// Schema validation has names of several vendors, and each is as good as the others:
// a topic is configured by any of them, and what they mean together is to be read
// under all of them.
//
//	thing           own name                            others
//	key level       schema.validation.key.level         confluent.key.schema.validation, …
//	value level     schema.validation.level             confluent.value.schema.validation, …, bufstream.validate.mode
//	key subject     schema.key.subject.name.strategy    confluent.key.subject.name.strategy, redpanda.…
//	value subject   schema.value.subject.name.strategy  confluent.value.subject.name.strategy, redpanda.…
//	mode            schema.validation.mode              bufstream.validate.mode
//
// Names of one thing must not contradict each other: a switch that is off beside one
// that is on, two strategies, two modes. A switch that is on asks for id at least, and
// agrees with payload.

// thing is what names of several vendors stand for.
type thing struct {
	names []string // the own one first
	// says is what a name's value demands, to be compared with what the others demand;
	// empty if nothing.
	says func(name, value string) string
	// shown is the value that a name has by what is in force.
	shown func(name string, in SchemaValues) string
}

const bufstreamMode = "bufstream.validate.mode"

const on, off = "on", "off"

var things = []thing{
	levelThing("key", "schema.validation.key.level"),
	levelThing("value", "schema.validation.level", bufstreamMode),
	strategyThing("key"),
	strategyThing("value"),
	{
		names: []string{"schema.validation.mode", bufstreamMode},
		says:  func(_, value string) string { return value },
		shown: shownMode,
	},
}

func shownMode(name string, in SchemaValues) string {
	switch {
	case name == bufstreamMode && in.ValueLevel != LevelPayload:
		return ""
	case in.DeadLetters:
		return "dlq"
	}
	return "reject"
}

func levelThing(field, own string, more ...string) thing {
	names := []string{own, "confluent." + field + ".schema.validation", "redpanda." + field + ".schema.id.validation", "kop.kafka." + field + ".schema.validation"}
	return thing{
		names: append(names, more...),
		says: func(name, value string) string {
			switch {
			case name == bufstreamMode && value == "":
				return ""
			case name == bufstreamMode:
				return on
			case name == own && value == string(LevelNone), name != own && !isTrue(value):
				return off
			}
			return on
		},
		shown: func(name string, in SchemaValues) string {
			level := in.ValueLevel
			if field == "key" {
				level = in.KeyLevel
			}
			switch {
			case name == bufstreamMode:
				return shownMode(name, in)
			case name == own:
				return string(level)
			case level != LevelNone:
				return "true"
			}
			return "false"
		},
	}
}

func strategyThing(field string) thing {
	own, confluent := "schema."+field+".subject.name.strategy", "confluent."+field+".subject.name.strategy"
	return thing{
		names: []string{own, confluent, "redpanda." + field + ".subject.name.strategy"},
		says:  func(_, value string) string { return strategyOf(value) },
		shown: func(name string, in SchemaValues) string {
			strategy := in.ValueStrategy
			if field == "key" {
				strategy = in.KeyStrategy
			}
			switch name {
			case own:
				return strategy
			case confluent:
				return "io.confluent.kafka.serializers.subject." + strategy + "Strategy"
			}
			return strategy + "Strategy"
		},
	}
}

// Alias says what a configuration that was not given is, because others of its names
// were, and which of them: by what a topic was configured with, over defaults. It is
// false if none was.
func Alias(name string, configs, defaults map[string]string) (value, by string, ok bool) {
	for _, t := range things {
		if !slices.Contains(t.names, name) {
			continue
		}
		for _, from := range []map[string]string{configs, defaults} {
			if by, ok = t.given(from); ok {
				break
			}
		}
		if ok && by != name {
			return t.shown(name, Resolve(configs, defaults).Schema), by, true
		}
	}
	return "", "", false
}

// given is the first name of a thing that demands something.
func (t thing) given(configs map[string]string) (string, bool) {
	for _, name := range t.names {
		if v, ok := configs[name]; ok && t.says(name, v) != "" {
			return name, true
		}
	}
	return "", false
}

// contradictions are the pairs of configurations that demand different things under
// two names of one.
func contradictions(configs map[string]string) []string {
	var faults []string
	for _, t := range things {
		first, ok := t.given(configs)
		if !ok {
			continue
		}
		for _, name := range t.names {
			v, set := configs[name]
			if says := t.says(name, v); !set || says == "" || says == t.says(first, configs[first]) {
				continue
			}
			faults = append(faults, fmt.Sprintf("configurations %s=%s and %s=%s are two names of one thing and contradict each other: set both alike, or unset one",
				first, configs[first], name, v))
		}
	}
	return faults
}

func isTrue(value string) bool { return strings.EqualFold(strings.TrimSpace(value), "true") }
