package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/broker"
)

// What the broker in this process knows beyond the Kafka protocol, as JSON:
//
//	GET /broker/topics            rates, sizes, skew and hot keys of all topics
//	GET /broker/topics/{topic}    the same of one
//	GET /broker/groups            lag of all groups, in records and in seconds
//	GET /broker/groups/{group}    the same of one
//	GET /broker/faults            what is wrong now, and what to do about it
//
// Who must say who he is sees what ACLs let him describe.

// topicsAnswer and groupsAnswer bear the cluster's ID, so that a client can see
// whether it asks about the cluster that it knows by another address.
type topicsAnswer struct {
	Cluster string         `json:"cluster"`
	Topics  []topicTraffic `json:"topics"`
}

type groupsAnswer struct {
	Cluster string     `json:"cluster"`
	Groups  []groupLag `json:"groups"`
}

// topicTraffic is a topic of late; rates are per second, shares from 0 to 1.
type topicTraffic struct {
	Topic    string  `json:"topic"`
	Internal bool    `json:"internal,omitempty"`
	Skew     float64 `json:"skew"` // of bytes per second: busiest partition ÷ mean; 0 without traffic
	trafficRate
	LogBytes   int64              `json:"logBytes"`
	HotKeys    []hotKey           `json:"hotKeys"`
	NoKeyShare float64            `json:"noKeyShare"`
	Partitions []partitionTraffic `json:"partitions"`
}

type trafficRate struct {
	RecordsIn float64 `json:"recordsInPerSecond"`
	BytesIn   float64 `json:"bytesInPerSecond"`
	BytesOut  float64 `json:"bytesOutPerSecond"`
}

type partitionTraffic struct {
	Partition int32 `json:"partition"`
	trafficRate
	ByteShare   float64 `json:"byteShare"`
	LogBytes    int64   `json:"logBytes"`
	StartOffset int64   `json:"startOffset"`
	EndOffset   int64   `json:"endOffset"`
	Offline     string  `json:"offline,omitempty"` // why, if it is
}

// hotKey is a key as text, or as hexadecimal digits if it is none.
type hotKey struct {
	Key       string  `json:"key,omitempty"`
	KeyHex    string  `json:"keyHex,omitempty"`
	Truncated bool    `json:"truncated,omitempty"`
	Partition int32   `json:"partition"`
	Share     float64 `json:"share"`
	AtLeast   float64 `json:"atLeast"`
}

type groupLag struct {
	Group      string         `json:"group"`
	State      string         `json:"state"`
	Members    int            `json:"members"`
	Lag        int64          `json:"lag"`        // records
	LagSeconds float64        `json:"lagSeconds"` // age of the oldest record that was not consumed
	Partitions []partitionLag `json:"partitions"`
}

type partitionLag struct {
	Topic       string    `json:"topic"`
	Partition   int32     `json:"partition"`
	Committed   int64     `json:"committed"`
	CommittedAt time.Time `json:"committedAt,omitzero"`
	EndOffset   int64     `json:"endOffset"`
	Lag         int64     `json:"lag"`
	LagSeconds  float64   `json:"lagSeconds"`
}

// trafficHandler serves /broker/.
type trafficHandler struct {
	broker *broker.Broker
	secure *security
	ready  func(context.Context) error // of the registry; nil is ready
}

// ServeHTTP implements http.Handler.
func (h trafficHandler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		rw.Header().Set("Allow", "GET, HEAD")
		answerError(rw, http.StatusMethodNotAllowed, "only GET and HEAD")
		return
	}
	viewer := broker.Viewer{}
	if h.secure.users != nil {
		user, _, _ := r.BasicAuth()
		viewer.Principal = "User:" + user
	}
	kind, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/broker/"), "/")
	var names []string
	if name != "" {
		names = []string{name}
	}
	switch kind {
	case "topics":
		topics := h.broker.Traffic(viewer, names...)
		if name != "" && len(topics) == 0 {
			answerError(rw, http.StatusNotFound, "there is no topic "+name)
			return
		}
		out := topicsAnswer{Cluster: h.broker.ClusterID(), Topics: []topicTraffic{}}
		for _, t := range topics {
			out.Topics = append(out.Topics, trafficJSON(t))
		}
		answerJSON(rw, http.StatusOK, out)
	case "groups":
		lags, err := h.broker.Lags(r.Context(), viewer, names...)
		switch {
		case errors.Is(err, broker.ErrClosed):
			answerError(rw, http.StatusServiceUnavailable, "the broker is starting or stopping")
			return
		case err != nil:
			answerError(rw, http.StatusServiceUnavailable, "groups are not available now: "+err.Error())
			return
		case name != "" && len(lags) == 0:
			answerError(rw, http.StatusNotFound, "there is no group "+name)
			return
		}
		out := groupsAnswer{Cluster: h.broker.ClusterID(), Groups: []groupLag{}}
		for _, g := range lags {
			out.Groups = append(out.Groups, lagJSON(g))
		}
		answerJSON(rw, http.StatusOK, out)
	case "faults":
		h.faults(r.Context(), rw, viewer)
	default:
		answerError(rw, http.StatusNotFound, "there are /broker/topics, /broker/groups and /broker/faults")
	}
}

func answerJSON(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body)
}

func answerError(rw http.ResponseWriter, status int, message string) {
	answerJSON(rw, status, map[string]any{"error_code": status, "message": message})
}

func rateJSON(r broker.Rate) trafficRate { return trafficRate{r.RecordsIn, r.BytesIn, r.BytesOut} }

func trafficJSON(t broker.TopicTraffic) topicTraffic {
	out := topicTraffic{Topic: t.Topic, Internal: t.Internal, Skew: t.Skew, trafficRate: rateJSON(t.Rate), LogBytes: t.LogBytes,
		HotKeys: []hotKey{}, NoKeyShare: t.NoKeyShare, Partitions: []partitionTraffic{}}
	for _, k := range t.HotKeys {
		key := hotKey{Truncated: k.Truncated, Partition: k.Partition, Share: k.Share, AtLeast: k.AtLeast}
		if text, ok := keyText(k.Key, k.Truncated); ok {
			key.Key = text
		} else {
			key.KeyHex = hex.EncodeToString(k.Key)
		}
		out.HotKeys = append(out.HotKeys, key)
	}
	for _, p := range t.Partitions {
		out.Partitions = append(out.Partitions, partitionTraffic{Partition: p.Partition, trafficRate: rateJSON(p.Rate), ByteShare: p.ByteShare,
			LogBytes: p.LogBytes, StartOffset: p.LogStart, EndOffset: p.LogEnd, Offline: p.OfflineWhy})
	}
	return out
}

// keyText is a key as people read it, if they can. One that was cut may end in a
// part of a letter.
func keyText(key []byte, cut bool) (string, bool) {
	for n := 0; cut && n < utf8.UTFMax-1 && len(key) > 0 && !utf8.Valid(key); n++ {
		key = key[:len(key)-1]
	}
	text := string(key)
	printable := utf8.Valid(key) && len(key) > 0 && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
	return text, printable
}

func (k hotKey) String() string {
	text := k.Key
	if text == "" {
		text = "0x" + k.KeyHex
	}
	if k.Truncated {
		text += "…"
	}
	return text
}

func lagJSON(g broker.GroupLag) groupLag {
	out := groupLag{Group: g.Group, State: g.State, Members: g.Members, Lag: g.Records, LagSeconds: g.Time.Seconds(), Partitions: []partitionLag{}}
	for _, p := range g.Partitions {
		out.Partitions = append(out.Partitions, partitionLag{Topic: p.Topic, Partition: p.Partition, Committed: p.Committed, CommittedAt: p.CommitTime.UTC(),
			EndOffset: p.LogEnd, Lag: p.Records, LagSeconds: p.Time.Seconds()})
	}
	return out
}

// of finds the traffic of one partition; the zero value if it is not known.
func (t *topicTraffic) of(partition int32) partitionTraffic {
	if t != nil && partition >= 0 && int(partition) < len(t.Partitions) {
		return t.Partitions[partition]
	}
	return partitionTraffic{}
}

// of finds the lag in one partition, false if it is not known.
func (g *groupLag) of(topic string, partition int32) (partitionLag, bool) {
	if g != nil {
		for _, p := range g.Partitions {
			if cmp.Or(strings.Compare(p.Topic, topic), cmp.Compare(p.Partition, partition)) == 0 {
				return p, true
			}
		}
	}
	return partitionLag{}, false
}
