package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
)

// decode reads a JSON body into v; what is missing, malformed or of the wrong
// type is told apart.
func (c *call) decode(v any) error {
	b, err := c.body()
	if err != nil {
		return err
	}
	return decodeBody(b, v)
}

func decodeBody(b []byte, v any) error {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || string(b) == "null" {
		return noBody()
	}
	err := json.Unmarshal(b, v)
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return badRequest(fmt.Sprintf("Malformed JSON at byte %d: %s", syntax.Offset, syntax))
	case errors.As(err, &typ):
		where := typ.Field
		if where == "" {
			where = "the body"
		}
		return badRequest(fmt.Sprintf("Wrong type in JSON at byte %d: %s must not be a JSON %s", typ.Offset, where, typ.Value))
	}
	return badRequest("Malformed JSON: " + err.Error())
}

// registerBody is RegisterSchemaRequest.
type registerBody struct {
	Schema        string             `json:"schema"`
	Type          schema.Type        `json:"schemaType"`
	References    []schema.Reference `json:"references"`
	Metadata      *schema.Metadata   `json:"metadata"`
	RuleSet       *schema.RuleSet    `json:"ruleSet"`
	Version       int32              `json:"version"`
	ID            *schema.ID         `json:"id"`
	TagsToAdd     []schemaTags       `json:"schemaTagsToAdd"`
	TagsToRemove  []schemaTags       `json:"schemaTagsToRemove"`
	PropagateTags bool               `json:"propagateSchemaTags"`
}

// schemaTags are the tags of one entity.
type schemaTags struct {
	Entity struct {
		Path string `json:"entityPath"`
		Type string `json:"entityType"`
	} `json:"schemaEntity"`
	Tags []string `json:"tags"`
}

func entityTags(list []schemaTags) []registry.EntityTags {
	var out []registry.EntityTags
	for _, t := range list {
		out = append(out, registry.EntityTags{Path: t.Entity.Path, Type: t.Entity.Type, Tags: t.Tags})
	}
	return out
}

// registerRequest reads a schema from the body and its options from the query.
func (c *call) registerRequest() (registry.RegisterRequest, error) {
	body, err := c.body()
	if err != nil {
		return registry.RegisterRequest{}, err
	}
	b, simple := simpleBody(body)
	if !simple {
		if err := decodeBody(body, &b); err != nil {
			return registry.RegisterRequest{}, err
		}
	}
	return b.request(c.flag("normalize"), c.flag("force")), nil
}

func (b registerBody) request(normalize, force bool) registry.RegisterRequest {
	return registry.RegisterRequest{
		Definition: schema.Definition{
			Type: b.Type.OrDefault(), Text: b.Schema, References: b.References, Metadata: b.Metadata, RuleSet: b.RuleSet,
		},
		Version: schema.Version(b.Version), ID: b.ID,
		TagsToAdd: entityTags(b.TagsToAdd), TagsToRemove: entityTags(b.TagsToRemove), PropagateTags: b.PropagateTags,
		Normalize: normalize, Force: force,
	}
}

// tagBody is TagSchemaRequest.
type tagBody struct {
	NewVersion    int32            `json:"newVersion"`
	TagsToAdd     []schemaTags     `json:"tagsToAdd"`
	TagsToRemove  []schemaTags     `json:"tagsToRemove"`
	Metadata      *schema.Metadata `json:"metadata"`
	RuleSet       *schema.RuleSet  `json:"ruleSet"`
	RulesToMerge  *schema.RuleSet  `json:"rulesToMerge"`
	RulesToRemove []string         `json:"rulesToRemove"`
}

func (b tagBody) request() registry.TagRequest {
	return registry.TagRequest{
		NewVersion: schema.Version(b.NewVersion), TagsToAdd: entityTags(b.TagsToAdd), TagsToRemove: entityTags(b.TagsToRemove),
		Metadata: b.Metadata, RuleSet: b.RuleSet, RulesToMerge: b.RulesToMerge, RulesToRemove: b.RulesToRemove,
	}
}

// member is one member of a merge patch: absent, null or a value.
type member[T any] struct{ registry.Patch[T] }

// UnmarshalJSON notes that the member is there; null leaves the zero value.
func (m *member[T]) UnmarshalJSON(b []byte) error {
	m.Set = true
	return json.Unmarshal(b, &m.Value)
}

// configBody is ConfigUpdateRequest.
type configBody struct {
	Alias              member[string]           `json:"alias"`
	AliasForDeks       member[string]           `json:"aliasForDeks"`
	Normalize          member[*bool]            `json:"normalize"`
	ValidateFields     member[*bool]            `json:"validateFields"`
	ValidateNewSchemas member[*bool]            `json:"validateNewSchemas"`
	ValidateRules      member[*bool]            `json:"validateRules"`
	Level              member[string]           `json:"compatibility"`
	Policy             member[string]           `json:"compatibilityPolicy"`
	Group              member[string]           `json:"compatibilityGroup"`
	DefaultMetadata    member[*schema.Metadata] `json:"defaultMetadata"`
	OverrideMetadata   member[*schema.Metadata] `json:"overrideMetadata"`
	DefaultRuleSet     member[*schema.RuleSet]  `json:"defaultRuleSet"`
	OverrideRuleSet    member[*schema.RuleSet]  `json:"overrideRuleSet"`
}

func (b configBody) patch() registry.ConfigPatch {
	return registry.ConfigPatch{
		Alias: b.Alias.Patch, AliasForDeks: b.AliasForDeks.Patch,
		Normalize: b.Normalize.Patch, ValidateFields: b.ValidateFields.Patch,
		ValidateNewSchemas: b.ValidateNewSchemas.Patch, ValidateRules: b.ValidateRules.Patch,
		Level: b.Level.Patch, Policy: b.Policy.Patch, Group: b.Group.Patch,
		DefaultMetadata: b.DefaultMetadata.Patch, OverrideMetadata: b.OverrideMetadata.Patch,
		DefaultRuleSet: b.DefaultRuleSet.Patch, OverrideRuleSet: b.OverrideRuleSet.Patch,
	}
}

// modeBody is ModeUpdateRequest.
type modeBody struct {
	Mode member[string] `json:"mode"`
}
