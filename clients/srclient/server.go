package srclient

import (
	"context"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Ping asks for the root, which every registry answers.
func (c *Client) Ping(ctx context.Context) error {
	return c.get(ctx, "/", newQuery(), nil)
}

// Contexts lists the contexts whose name has a prefix.
func (c *Client) Contexts(ctx context.Context, prefix string, p Page) ([]schema.Context, error) {
	var out []schema.Context
	err := c.get(ctx, "/contexts", newQuery().text("contextPrefix", prefix).page(p), &out)
	return out, err
}

// DeleteContext deletes an empty context.
func (c *Client) DeleteContext(ctx context.Context, name schema.Context) error {
	return c.delete(ctx, path("contexts", string(name)), newQuery(), nil)
}

// ClusterIDs are the identities that /v1/metadata/id tells.
type ClusterIDs struct {
	Kafka    string // may be empty
	Registry string // the group of registries
}

// ClusterIDs returns which clusters this registry belongs to.
func (c *Client) ClusterIDs(ctx context.Context) (ClusterIDs, error) {
	var out struct {
		Scope struct {
			Clusters struct {
				Kafka    string `json:"kafka-cluster"`
				Registry string `json:"schema-registry-cluster"`
			} `json:"clusters"`
		} `json:"scope"`
	}
	err := c.get(ctx, "/v1/metadata/id", newQuery(), &out)
	return ClusterIDs{Kafka: out.Scope.Clusters.Kafka, Registry: out.Scope.Clusters.Registry}, err
}

// ServerVersion is the version that a server says it is.
type ServerVersion struct {
	Version  string `json:"version"`
	CommitID string `json:"commitId"`
}

// ServerVersion returns the server's version.
func (c *Client) ServerVersion(ctx context.Context) (ServerVersion, error) {
	var out ServerVersion
	err := c.get(ctx, "/v1/metadata/version", newQuery(), &out)
	return out, err
}

// Deployment returns the server's deployment attributes.
func (c *Client) Deployment(ctx context.Context) ([]string, error) {
	var out struct {
		Attributes []string `json:"attributes"`
	}
	err := c.get(ctx, "/v1/metadata/deployment", newQuery(), &out)
	return out.Attributes, err
}
