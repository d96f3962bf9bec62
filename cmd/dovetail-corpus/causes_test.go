package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// causes are what the refusals of verdicts.txt come from, each cut down to the
// lines that matter. README.md says where in the histories they are.
var causes = []struct {
	name         string
	typ          schema.Type
	older, newer map[string]string // by path, as in a release
	want         []string          // subject, direction, rule and path of each finding under FULL
}{
	{
		name: "a message is gone", typ: schema.Protobuf,
		older: map[string]string{"core": `syntax = "proto2"; package core; message Node { optional string name = 1; } message NodeResources { optional string cpu = 1; }`},
		newer: map[string]string{"core": `syntax = "proto2"; package core; message Node { optional string name = 1; }`},
		want:  []string{"core BACKWARD MESSAGE_REMOVED #/NodeResources"},
	},
	{
		name: "a message is new: older readers do not know it", typ: schema.Protobuf,
		older: map[string]string{"batch": `syntax = "proto2"; package batch; message Job { optional string name = 1; }`},
		newer: map[string]string{"batch": `syntax = "proto2"; package batch; message Job { optional string name = 1; } message SuccessPolicy { optional string rule = 1; }`},
		want:  []string{"batch FORWARD MESSAGE_REMOVED #/SuccessPolicy"},
	},
	{
		name: "a field's message type has another name, although the bytes are the same", typ: schema.Protobuf,
		older: map[string]string{"core": `syntax = "proto2"; package core; message Claim { optional Resources resources = 2; } message Resources { optional string cpu = 1; } message VolumeResources { optional string cpu = 1; }`},
		newer: map[string]string{"core": `syntax = "proto2"; package core; message Claim { optional VolumeResources resources = 2; } message Resources { optional string cpu = 1; } message VolumeResources { optional string cpu = 1; }`},
		want:  []string{"core BACKWARD FIELD_NAMED_TYPE_CHANGED #/Claim/2", "core FORWARD FIELD_NAMED_TYPE_CHANGED #/Claim/2"},
	},
	{
		name: "a field's imported type breaks: so does every file that uses it, and no other", typ: schema.Protobuf,
		older: map[string]string{
			"core.proto": `syntax = "proto2"; package core; message Probe { optional int64 port = 1; } message Pod { optional Probe probe = 1; } message Event { optional string text = 1; }`,
			"apps.proto": "syntax = \"proto2\"; package apps;\nimport \"core.proto\";\nmessage Deployment { optional core.Pod template = 3; }",
			"log.proto":  "syntax = \"proto2\"; package log;\nimport \"core.proto\";\nmessage Log { optional core.Event event = 1; }",
		},
		newer: map[string]string{
			"core.proto": `syntax = "proto2"; package core; message Probe { optional string port = 1; } message Pod { optional Probe probe = 1; } message Event { optional string text = 1; }`,
			"apps.proto": "syntax = \"proto2\"; package apps;\nimport \"core.proto\";\nmessage Deployment { optional core.Pod template = 3; }",
			"log.proto":  "syntax = \"proto2\"; package log;\nimport \"core.proto\";\nmessage Log { optional core.Event event = 1; }",
		},
		want: []string{
			"apps.proto BACKWARD FIELD_NAMED_TYPE_CHANGED #/Deployment/3", "apps.proto BACKWARD FIELD_NAMED_TYPE_CHANGED #/Pod/1", "apps.proto BACKWARD FIELD_SCALAR_KIND_CHANGED #/Probe/1",
			"apps.proto FORWARD FIELD_NAMED_TYPE_CHANGED #/Deployment/3", "apps.proto FORWARD FIELD_NAMED_TYPE_CHANGED #/Pod/1", "apps.proto FORWARD FIELD_SCALAR_KIND_CHANGED #/Probe/1",
			"core.proto BACKWARD FIELD_SCALAR_KIND_CHANGED #/Probe/1", "core.proto FORWARD FIELD_SCALAR_KIND_CHANGED #/Probe/1",
		},
	},
	{
		name: "an open object gets a property: an older record may hold anything there", typ: schema.JSON,
		older: map[string]string{"conf": `{"type":"object","properties":{"rules":{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"null"}]}},"additionalProperties":false}`},
		newer: map[string]string{"conf": `{"type":"object","properties":{"rules":{"anyOf":[{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}},{"type":"null"}]}},"additionalProperties":false}`},
		want:  []string{"conf BACKWARD COMBINED_TYPE_SUBSCHEMAS_CHANGED #/properties/rules"},
	},
	{
		name: "a closed object gets a property: older readers refuse it", typ: schema.JSON,
		older: map[string]string{"conf": `{"type":"object","properties":{"css":{"type":"string"}},"additionalProperties":false}`},
		newer: map[string]string{"conf": `{"type":"object","properties":{"css":{"type":"string"},"html":{"type":"string"}},"additionalProperties":false}`},
		want:  []string{"conf FORWARD PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/html"},
	},
	{
		name: "a minimum rises behind a reference and a null", typ: schema.JSON,
		older: map[string]string{"conf": `{"type":"object","properties":{"max":{"anyOf":[{"$ref":"#/definitions/max"},{"type":"null"}]}},"additionalProperties":false,"definitions":{"max":{"type":"integer","minimum":0.0}}}`},
		newer: map[string]string{"conf": `{"type":"object","properties":{"max":{"anyOf":[{"$ref":"#/definitions/max"},{"type":"null"}]}},"additionalProperties":false,"definitions":{"max":{"type":"integer","minimum":1.0}}}`},
		want:  []string{"conf BACKWARD COMBINED_TYPE_SUBSCHEMAS_CHANGED #/properties/max"},
	},
	{
		name: "an enum without a default gets a symbol", typ: schema.Avro,
		older: map[string]string{"change": `{"type":"record","name":"Change","fields":[{"name":"type","type":{"type":"enum","name":"Type","symbols":["UPSERT"]}}]}`},
		newer: map[string]string{"change": `{"type":"record","name":"Change","fields":[{"name":"type","type":{"type":"enum","name":"Type","symbols":["UPSERT","CREATE_ENTITY"]}}]}`},
		want:  []string{"change FORWARD MISSING_ENUM_SYMBOLS /fields/0/type/symbols"},
	},
	{
		name: "a record that a union holds gets a union that older readers do not know", typ: schema.Avro,
		older: map[string]string{"event": `{"type":"record","name":"Event","fields":[{"name":"of","type":["null",{"type":"record","name":"Chart","fields":[{"name":"aspects","type":{"type":"array","items":["string"]}}]}]}]}`},
		newer: map[string]string{"event": `{"type":"record","name":"Event","fields":[{"name":"of","type":["null",{"type":"record","name":"Chart","fields":[{"name":"aspects","type":{"type":"array","items":["string","long"]}}]}]}]}`},
		want:  []string{"event FORWARD MISSING_UNION_BRANCH /fields/0/type/1"},
	},
}

func TestCauses(t *testing.T) {
	for _, c := range causes {
		t.Run(c.name, func(t *testing.T) {
			results, err := Replay(t.Context(), []compat.Level{compat.LevelFull}, History{Type: c.typ}, []Release{{"1", c.older}, {"2", c.newer}}, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, refusal := range results[0].Refusals {
				for _, f := range refusal.Findings {
					got = append(got, fmt.Sprint(refusal.Subject, " ", f.Direction, " ", f.Rule, " ", f.Path))
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("found\n%q\nwant\n%q", got, c.want)
			}
		})
	}
}

// The verdicts that were checked name histories and levels that exist, and
// a change in either direction is told.
func TestVerdictsAreCompared(t *testing.T) {
	levels := []compat.Level{compat.None, compat.LevelBackward, compat.LevelBackwardTransitive, compat.LevelForward, compat.LevelForwardTransitive, compat.LevelFull, compat.LevelFullTransitive}
	all := checked(nil, levels)
	sum := 0
	for _, h := range histories {
		n := len(checked([]string{h.Name}, levels))
		if n == 0 {
			t.Errorf("there are no verdicts of %s", h.Name)
		}
		sum += n
	}
	if sum != len(all) || sum == 0 {
		t.Errorf("%d lines, %d of them of a history", len(all), sum)
	}
	if c := changes(all, all); len(c) > 0 {
		t.Errorf("nothing changed, and %q", c)
	}
	other := append(slices.Clone(all[1:]), "kubernetes BACKWARD v9 x: BACKWARD MESSAGE_REMOVED 1")
	if c := changes(all, other); len(c) != 2 || c[0] != "- "+all[0] {
		t.Errorf("changes %q", c)
	}
}
