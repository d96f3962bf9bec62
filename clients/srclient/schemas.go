package srclient

import (
	"context"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// SchemasOptions filters Schemas.
type SchemasOptions struct {
	Prefix           string // as in SubjectsOptions
	Aliases          bool   // fill Aliases
	Deleted          bool
	LatestOnly       bool
	RuleType         string // only schemas with a rule of this type
	ResourceType     string
	AssociationTypes []string
	Lifecycles       []string // STRONG, WEAK, NONE
	Page             Page
}

// Schemas lists schemas by subject, then version.
func (c *Client) Schemas(ctx context.Context, o SchemasOptions) ([]Schema, error) {
	var out []Schema
	q := newQuery().text("subjectPrefix", o.Prefix).flag("aliases", o.Aliases).flag("deleted", o.Deleted).flag("latestOnly", o.LatestOnly).
		text("ruleType", o.RuleType).text("resourceType", o.ResourceType).
		list("associationType", o.AssociationTypes).list("lifecycle", o.Lifecycles).page(o.Page)
	err := c.get(ctx, "/schemas", q, &out)
	return out, err
}

// IDOptions says how a schema is answered by ID.
type IDOptions struct {
	Subject            schema.Subject // whose context the ID is looked for in
	Format             string
	QualifiedReference bool
	FindTags           []string
	FetchMaxID         bool
}

// ByID returns the schema with an ID, soft-deleted or not.
func (c *Client) ByID(ctx context.Context, id schema.ID, o IDOptions) (Schema, error) {
	var out Schema
	q := newQuery().text("subject", string(o.Subject)).text("format", o.Format).list("findTags", o.FindTags).flag("fetchMaxId", o.FetchMaxID)
	if o.QualifiedReference {
		q.Set("referenceFormat", "qualified")
	}
	err := c.get(ctx, path("schemas", "ids", idText(id)), q, &out)
	out.ID = id
	return out, err
}

// TextByID returns the text of the schema with an ID alone.
func (c *Client) TextByID(ctx context.Context, id schema.ID, subject schema.Subject, format string) (string, error) {
	var out string
	err := c.get(ctx, path("schemas", "ids", idText(id), "schema"), newQuery().text("subject", string(subject)).text("format", format), &out)
	return out, err
}

// SubjectsByID lists the subjects that have a version with this ID.
func (c *Client) SubjectsByID(ctx context.Context, id schema.ID, subject schema.Subject, deleted bool, p Page) ([]schema.Subject, error) {
	var out []schema.Subject
	err := c.get(ctx, path("schemas", "ids", idText(id), "subjects"), newQuery().text("subject", string(subject)).flag("deleted", deleted).page(p), &out)
	return out, err
}

// SubjectVersion names a version.
type SubjectVersion struct {
	Subject schema.Subject `json:"subject"`
	Version schema.Version `json:"version"`
}

// VersionsByID lists the versions that have this ID.
func (c *Client) VersionsByID(ctx context.Context, id schema.ID, subject schema.Subject, deleted bool, p Page) ([]SubjectVersion, error) {
	var out []SubjectVersion
	err := c.get(ctx, path("schemas", "ids", idText(id), "versions"), newQuery().text("subject", string(subject)).flag("deleted", deleted).page(p), &out)
	return out, err
}

// ByGUID returns the schema with a GUID, in whichever context.
func (c *Client) ByGUID(ctx context.Context, guid schema.GUID, format string) (Schema, error) {
	var out Schema
	err := c.get(ctx, path("schemas", "guids", guid.String()), newQuery().text("format", format), &out)
	out.GUID = guid
	return out, err
}

// ContextID is an ID with the context that it belongs to.
type ContextID struct {
	Context schema.Context `json:"context"`
	ID      schema.ID      `json:"id"`
}

// IDsByGUID lists the IDs of a GUID, one per context; none if it is unknown.
func (c *Client) IDsByGUID(ctx context.Context, guid schema.GUID) ([]ContextID, error) {
	var out []ContextID
	err := c.get(ctx, path("schemas", "guids", guid.String(), "ids"), newQuery(), &out)
	return out, err
}

// Types lists the formats that the registry knows, in no order.
func (c *Client) Types(ctx context.Context) ([]schema.Type, error) {
	var out []schema.Type
	err := c.get(ctx, "/schemas/types", newQuery(), &out)
	return out, err
}
