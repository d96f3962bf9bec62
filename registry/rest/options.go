package rest

import (
	"log/slog"
)

// Options say what the handler knows beside the registry. The zero value works.
type Options struct {
	// MaxBodyBytes bounds a request's body; 0 is 16 MiB.
	MaxBodyBytes int64
	// KafkaClusterID and GroupID name this registry in /v1/metadata/id. An
	// empty cluster ID is left out; an empty group is "schema-registry".
	KafkaClusterID string
	GroupID        string
	// Version and Commit are shown in /v1/metadata/version.
	Version, Commit string
	// Deployment are the attributes of /v1/metadata/deployment.
	Deployment []string

	Logger *slog.Logger // nil discards
}

func (o Options) withDefaults() Options {
	if o.MaxBodyBytes == 0 {
		o.MaxBodyBytes = 16 << 20
	}
	if o.GroupID == "" {
		o.GroupID = "schema-registry"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
