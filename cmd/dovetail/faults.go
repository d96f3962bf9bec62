package main

import (
	"context"
	"net/http"
	"time"

	"github.com/dovetail-dev/dovetail/broker"
)

// faultsAnswer is what GET /broker/faults answers: what is wrong now, the worst first.
type faultsAnswer struct {
	Cluster string      `json:"cluster"`
	Faults  []faultView `json:"faults"`
}

// faultView is something that is wrong and that somebody must do something about.
type faultView struct {
	Kind      string     `json:"kind"`
	Topic     string     `json:"topic,omitempty"`
	Partition *int32     `json:"partition,omitempty"`
	What      string     `json:"what"`
	Remedy    string     `json:"remedy"`
	Since     *time.Time `json:"since,omitempty"` // if it began while the server ran
}

// Kinds of faults beside those of the broker.
const (
	faultRegistry    = "registry"
	faultUnreachable = "unreachable"
)

func faultJSON(f broker.Fault) faultView {
	out := faultView{Kind: string(f.Kind), Topic: f.Topic, What: f.What, Remedy: f.Remedy}
	if f.Partition >= 0 {
		out.Partition = &f.Partition
	}
	if !f.Since.IsZero() {
		since := f.Since.UTC()
		out.Since = &since
	}
	return out
}

// faults answers GET /broker/faults.
func (h trafficHandler) faults(ctx context.Context, rw http.ResponseWriter, viewer broker.Viewer) {
	faults := h.broker.Faults(viewer)
	if faults == nil {
		answerError(rw, http.StatusServiceUnavailable, "the broker is starting or stopping")
		return
	}
	out := faultsAnswer{Cluster: h.broker.ClusterID(), Faults: []faultView{}}
	for _, f := range faults {
		out.Faults = append(out.Faults, faultJSON(f))
	}
	if h.ready != nil {
		if err := h.ready(ctx); err != nil {
			out.Faults = append(out.Faults, faultView{Kind: faultRegistry, What: err.Error(), Remedy: "mend what the error says: the registry keeps its records in the journal that --journal names"})
		}
	}
	answerJSON(rw, http.StatusOK, out)
}
