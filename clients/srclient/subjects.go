package srclient

import (
	"context"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// SubjectsOptions filters Subjects.
type SubjectsOptions struct {
	Prefix      string // ":*:" for all contexts, ":.ctx:" for one; empty for the default context
	Deleted     bool   // soft-deleted ones, too
	DeletedOnly bool   // only those
	Page        Page
}

// Subjects lists subjects in order; those outside the default context with it.
func (c *Client) Subjects(ctx context.Context, o SubjectsOptions) ([]schema.Subject, error) {
	var out []schema.Subject
	q := newQuery().text("subjectPrefix", o.Prefix).flag("deleted", o.Deleted).flag("deletedOnly", o.DeletedOnly).page(o.Page)
	err := c.get(ctx, "/subjects", q, &out)
	return out, err
}

// DeleteSubject deletes all versions of a subject and returns them. A permanent
// delete needs a soft one before it.
func (c *Client) DeleteSubject(ctx context.Context, s schema.Subject, permanent bool) ([]schema.Version, error) {
	if s == "" {
		return nil, errEmptySubject
	}
	var out []schema.Version
	err := c.delete(ctx, path("subjects", string(s)), newQuery().flag("permanent", permanent), &out)
	return out, err
}

// VersionsOptions filters Versions.
type VersionsOptions struct {
	Deleted           bool // soft-deleted ones, too
	DeletedOnly       bool // only those; goes before Deleted
	DeletedAsNegative bool // soft-deleted ones as -n; goes before both
	Page              Page
}

// Versions lists the versions of a subject, ascending.
func (c *Client) Versions(ctx context.Context, s schema.Subject, o VersionsOptions) ([]schema.Version, error) {
	if s == "" {
		return nil, errEmptySubject
	}
	var out []schema.Version
	q := newQuery().flag("deleted", o.Deleted).flag("deletedOnly", o.DeletedOnly).flag("deletedAsNegative", o.DeletedAsNegative).page(o.Page)
	err := c.get(ctx, path("subjects", string(s), "versions"), q, &out)
	return out, err
}

// VersionOptions says how a version is answered.
type VersionOptions struct {
	Format             string   // "resolved", "serialized", "ignore_extensions"; empty for the stored text
	QualifiedReference bool     // references' subjects with their context
	Deleted            bool     // a soft-deleted version is found, too
	FindTags           []string // fills Tags with what carries one of these; "*" for any
}

// SchemaVersion returns a version of a subject; schema.Latest is the newest.
func (c *Client) SchemaVersion(ctx context.Context, s schema.Subject, v schema.Version, o VersionOptions) (Schema, error) {
	var out Schema
	if s == "" {
		return out, errEmptySubject
	}
	q := newQuery().text("format", o.Format).flag("deleted", o.Deleted).list("findTags", o.FindTags)
	if o.QualifiedReference {
		q.Set("referenceFormat", "qualified")
	}
	err := c.get(ctx, path("subjects", string(s), "versions", versionText(v)), q, &out)
	return out, err
}

// VersionText returns the text of a version alone.
func (c *Client) VersionText(ctx context.Context, s schema.Subject, v schema.Version, format string, deleted bool) (string, error) {
	if s == "" {
		return "", errEmptySubject
	}
	var out string
	err := c.get(ctx, path("subjects", string(s), "versions", versionText(v), "schema"), newQuery().text("format", format).flag("deleted", deleted), &out)
	return out, err
}

// ReferencedBy returns the IDs of the schemas that refer to a version.
func (c *Client) ReferencedBy(ctx context.Context, s schema.Subject, v schema.Version, deleted bool, p Page) ([]schema.ID, error) {
	if s == "" {
		return nil, errEmptySubject
	}
	var out []schema.ID
	err := c.get(ctx, path("subjects", string(s), "versions", versionText(v), "referencedby"), newQuery().flag("deleted", deleted).page(p), &out)
	return out, err
}

// DeleteVersion deletes a version and returns it. A permanent delete needs a
// soft one before it.
func (c *Client) DeleteVersion(ctx context.Context, s schema.Subject, v schema.Version, permanent bool) (schema.Version, error) {
	if s == "" {
		return 0, errEmptySubject
	}
	var out schema.Version
	err := c.delete(ctx, path("subjects", string(s), "versions", versionText(v)), newQuery().flag("permanent", permanent), &out)
	return out, err
}

// Registration is a definition to register with everything that a registration
// may ask for. ID and Version are for subjects in IMPORT mode.
type Registration struct {
	schema.Definition
	ID            schema.ID
	Version       schema.Version
	TagsToAdd     []EntityTags
	TagsToRemove  []EntityTags
	PropagateTags bool

	Normalize bool
	Force     bool   // skip the compatibility check
	Format    string // "logical": the text is a logical-type DDL
}

// RegisterSchema registers r. Servers before 8.0 answer with the ID alone.
func (c *Client) RegisterSchema(ctx context.Context, s schema.Subject, r Registration) (Schema, error) {
	var out Schema
	if s == "" {
		return out, errEmptySubject
	}
	body := newDefinition(r.Definition)
	body.ID, body.Version = r.ID, r.Version
	body.TagsToAdd, body.TagsToRemove, body.PropagateTags = r.TagsToAdd, r.TagsToRemove, r.PropagateTags
	q := newQuery().flag("normalize", r.Normalize).flag("force", r.Force).text("format", r.Format)
	err := c.post(ctx, path("subjects", string(s), "versions"), q, body, &out)
	return out, err
}

// SchemaLookupOptions says what counts as equal.
type SchemaLookupOptions struct {
	Normalize bool
	Deleted   bool // soft-deleted versions count, too
	Format    string
}

// LookupSchema finds the version of a subject that has this definition.
func (c *Client) LookupSchema(ctx context.Context, s schema.Subject, d schema.Definition, o SchemaLookupOptions) (Schema, error) {
	var out Schema
	if s == "" {
		return out, errEmptySubject
	}
	q := newQuery().flag("normalize", o.Normalize).flag("deleted", o.Deleted).text("format", o.Format)
	err := c.post(ctx, path("subjects", string(s)), q, newDefinition(d), &out)
	return out, err
}

// SubjectMetadata returns the newest version whose metadata has all these
// properties; without any, the newest version that has metadata at all.
func (c *Client) SubjectMetadata(ctx context.Context, s schema.Subject, properties map[string]string, format string, deleted bool) (Schema, error) {
	var out Schema
	if s == "" {
		return out, errEmptySubject
	}
	q := newQuery().text("format", format).flag("deleted", deleted)
	for k, v := range properties {
		q.Add("key", k)
		q.Add("value", v)
	}
	err := c.get(ctx, path("subjects", string(s), "metadata"), q, &out)
	return out, err
}

// TagRequest changes what a version carries beside its text.
type TagRequest struct {
	NewVersion    schema.Version   `json:"newVersion,omitempty"`
	TagsToAdd     []EntityTags     `json:"tagsToAdd,omitempty"`
	TagsToRemove  []EntityTags     `json:"tagsToRemove,omitempty"`
	Metadata      *schema.Metadata `json:"metadata,omitempty"`
	RuleSet       *schema.RuleSet  `json:"ruleSet,omitempty"` // not with the next two
	RulesToMerge  *schema.RuleSet  `json:"rulesToMerge,omitempty"`
	RulesToRemove []string         `json:"rulesToRemove,omitempty"` // names
}

// Tag registers a new version that is v with r's changes.
func (c *Client) Tag(ctx context.Context, s schema.Subject, v schema.Version, r TagRequest) (Schema, error) {
	var out Schema
	if s == "" {
		return out, errEmptySubject
	}
	err := c.post(ctx, path("subjects", string(s), "versions", versionText(v), "tags"), newQuery(), r, &out)
	return out, err
}
