package srclient

import (
	"context"
	"encoding/json"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Association ties a resource, mostly a topic, to a subject.
type Association struct {
	Subject           string `json:"subject,omitempty"`
	GUID              string `json:"guid,omitempty"`
	ResourceName      string `json:"resourceName,omitempty"`
	ResourceNamespace string `json:"resourceNamespace,omitempty"` // Kafka cluster ID
	ResourceID        string `json:"resourceId,omitempty"`
	ResourceType      string `json:"resourceType,omitempty"`
	AssociationType   string `json:"associationType,omitempty"` // key or value
	Lifecycle         string `json:"lifecycle,omitempty"`       // STRONG or WEAK
	Frozen            bool   `json:"frozen,omitempty"`
	Created           int64  `json:"createTs,omitempty"` // Unix milliseconds
	Updated           int64  `json:"updateTs,omitempty"` // Unix milliseconds
}

// AssociationsOptions filters lists of associations.
type AssociationsOptions struct {
	ResourceType string
	Types        []string // key, value
	Lifecycle    string
	Page         Page
}

func (o AssociationsOptions) query() query {
	return newQuery().text("resourceType", o.ResourceType).list("associationType", o.Types).text("lifecycle", o.Lifecycle).page(o.Page)
}

// AssociationsBySubject lists what is tied to a subject.
func (c *Client) AssociationsBySubject(ctx context.Context, s schema.Subject, o AssociationsOptions) ([]Association, error) {
	if s == "" {
		return nil, errEmptySubject
	}
	var out []Association
	err := c.get(ctx, path("associations", "subjects", string(s)), o.query(), &out)
	return out, err
}

// AssociationsByResourceID lists what a resource is tied to.
func (c *Client) AssociationsByResourceID(ctx context.Context, id string, o AssociationsOptions) ([]Association, error) {
	var out []Association
	err := c.get(ctx, path("associations", "resources", id), o.query(), &out)
	return out, err
}

// AssociationsByResource lists what a resource is tied to. An empty namespace
// or name stands for any.
func (c *Client) AssociationsByResource(ctx context.Context, namespace, name string, o AssociationsOptions) ([]Association, error) {
	if namespace == "" {
		namespace = "-"
	}
	if name == "" {
		name = "-"
	}
	var out []Association
	err := c.get(ctx, path("associations", "resources", namespace, name), o.query(), &out)
	return out, err
}

// ResourceAssociations is what a resource is to be tied to, and the answer to
// that.
type ResourceAssociations struct {
	ResourceName      string               `json:"resourceName,omitempty"`
	ResourceNamespace string               `json:"resourceNamespace,omitempty"`
	ResourceID        string               `json:"resourceId,omitempty"`
	ResourceType      string               `json:"resourceType,omitempty"`
	Associations      []SubjectAssociation `json:"associations,omitempty"`
}

// SubjectAssociation is one member of ResourceAssociations. A schema is
// registered on the way and makes the association STRONG.
type SubjectAssociation struct {
	Subject         string          `json:"subject,omitempty"`
	AssociationType string          `json:"associationType,omitempty"`
	Lifecycle       string          `json:"lifecycle,omitempty"`
	Frozen          *bool           `json:"frozen,omitempty"`
	Schema          json.RawMessage `json:"schema,omitempty"` // a register request; in answers a schema
	Normalize       bool            `json:"normalize,omitempty"`
}

// SchemaRequest returns d as the Schema member of a SubjectAssociation.
func SchemaRequest(d schema.Definition) (json.RawMessage, error) {
	return json.Marshal(newDefinition(d))
}

// AssociationWrite are the options of writes.
type AssociationWrite struct {
	Context schema.Context
	DryRun  bool // check only
}

func (o AssociationWrite) query() query {
	return newQuery().text("context", string(o.Context)).flag("dryRun", o.DryRun)
}

// CreateAssociations ties a resource to subjects.
func (c *Client) CreateAssociations(ctx context.Context, r ResourceAssociations, o AssociationWrite) (ResourceAssociations, error) {
	var out ResourceAssociations
	err := c.post(ctx, "/associations", o.query(), r, &out)
	return out, err
}

// UpsertAssociations ties r.ResourceID to subjects, replacing what is there.
func (c *Client) UpsertAssociations(ctx context.Context, r ResourceAssociations, o AssociationWrite) (ResourceAssociations, error) {
	var out ResourceAssociations
	err := c.put(ctx, path("associations", "resources", r.ResourceID), o.query(), r, &out)
	return out, err
}

// DeleteAssociationsOptions are the options of DeleteAssociations.
type DeleteAssociationsOptions struct {
	ResourceType string
	Types        []string // key, value; empty for both
	Cascade      bool     // delete the subject, too
	DryRun       bool
}

// DeleteAssociations unties a resource.
func (c *Client) DeleteAssociations(ctx context.Context, resourceID string, o DeleteAssociationsOptions) error {
	q := newQuery().text("resourceType", o.ResourceType).list("associationType", o.Types).flag("cascadeLifecycle", o.Cascade).flag("dryRun", o.DryRun)
	return c.delete(ctx, path("associations", "resources", resourceID), q, nil)
}

// BatchResult is the answer to one request of a batch: a result or an error.
type BatchResult struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  *BatchError     `json:"error,omitempty"`
}

// BatchError says why one request of a batch was refused.
type BatchError struct {
	Code    Code   `json:"error_code"`
	Message string `json:"message"`
}

func (e *BatchError) Error() string { return e.Message }

// Unwrap returns the code, for errors.Is.
func (e *BatchError) Unwrap() error { return e.Code }

type batch struct {
	Requests []json.RawMessage `json:"requests"`
}

type batchAnswer struct {
	Results []BatchResult `json:"results"`
}

// BatchGetAssociations answers many questions at once, in their order.
func (c *Client) BatchGetAssociations(ctx context.Context, requests []json.RawMessage, includeSchemas bool) ([]BatchResult, error) {
	var out batchAnswer
	err := c.post(ctx, "/associations:batchGet", newQuery().flag("includeSchemas", includeSchemas), batch{requests}, &out)
	return out.Results, err
}

// BatchMutateAssociations makes many changes, each for itself, in their order.
func (c *Client) BatchMutateAssociations(ctx context.Context, requests []json.RawMessage, o AssociationWrite) ([]BatchResult, error) {
	var out batchAnswer
	err := c.post(ctx, "/associations:batchMutate", o.query(), batch{requests}, &out)
	return out.Results, err
}
