package srclient

import (
	"context"
	"errors"
	"net/http"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// Register implements serde.Registry.
func (c *Client) Register(ctx context.Context, s schema.Subject, d schema.Definition, o serde.RegisterOptions) (serde.Registered, error) {
	out, err := c.RegisterSchema(ctx, s, Registration{Definition: d, Normalize: o.Normalize, PropagateTags: o.PropagateTags})
	return c.named(out, s), err
}

// Lookup implements serde.Registry.
func (c *Client) Lookup(ctx context.Context, s schema.Subject, d schema.Definition, o serde.LookupOptions) (serde.Registered, error) {
	out, err := c.LookupSchema(ctx, s, d, SchemaLookupOptions{Normalize: o.Normalize, Deleted: o.Deleted})
	return c.named(out, s), err
}

// SchemaByID implements serde.Registry.
func (c *Client) SchemaByID(ctx context.Context, id schema.ID, subject schema.Subject) (serde.Registered, error) {
	out, err := c.ByID(ctx, id, IDOptions{Subject: subject})
	return out.Registered, err
}

// SchemaByGUID implements serde.Registry.
func (c *Client) SchemaByGUID(ctx context.Context, guid schema.GUID) (serde.Registered, error) {
	out, err := c.ByGUID(ctx, guid, "")
	return out.Registered, err
}

// Version implements serde.Registry.
func (c *Client) Version(ctx context.Context, s schema.Subject, v schema.Version, deleted bool) (serde.Registered, error) {
	out, err := c.SchemaVersion(ctx, s, v, VersionOptions{Deleted: deleted})
	return c.named(out, s), err
}

// LatestWithMetadata implements serde.Registry.
func (c *Client) LatestWithMetadata(ctx context.Context, s schema.Subject, properties map[string]string) (serde.Registered, error) {
	out, err := c.SubjectMetadata(ctx, s, properties, "", true)
	return c.named(out, s), err
}

// Associations implements serde.Registry. A server that has no associations
// answers like one that has none for this resource.
func (c *Client) Associations(ctx context.Context, r serde.Resource) ([]serde.Association, error) {
	o := AssociationsOptions{ResourceType: r.Type, Types: []string{"value"}}
	if o.ResourceType == "" {
		o.ResourceType = "topic"
	}
	if r.Key {
		o.Types[0] = "key"
	}
	list, err := c.AssociationsByResource(ctx, r.Namespace, r.Name, o)
	var answer *Error
	if errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make([]serde.Association, len(list))
	for i, a := range list {
		out[i] = serde.Association{Subject: schema.Subject(a.Subject), GUID: a.GUID}
	}
	return out, nil
}

// named fills in the subject that an older server's answer leaves out.
func (c *Client) named(s Schema, subject schema.Subject) serde.Registered {
	if s.Subject == "" {
		s.Subject = subject
	}
	return s.Registered
}
