package srclient

import (
	"context"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Config is the configuration of a subject, a context or the registry. Nil and
// empty members are not set.
type Config struct {
	Alias              string           `json:"alias,omitempty"`
	AliasForDEKs       string           `json:"aliasForDeks,omitempty"`
	Normalize          *bool            `json:"normalize,omitempty"`
	ValidateFields     *bool            `json:"validateFields,omitempty"`
	ValidateNewSchemas *bool            `json:"validateNewSchemas,omitempty"`
	ValidateRules      *bool            `json:"validateRules,omitempty"`
	Level              string           `json:"compatibilityLevel,omitempty"`
	Policy             string           `json:"compatibilityPolicy,omitempty"`
	Group              string           `json:"compatibilityGroup,omitempty"`
	DefaultMetadata    *schema.Metadata `json:"defaultMetadata,omitempty"`
	OverrideMetadata   *schema.Metadata `json:"overrideMetadata,omitempty"`
	DefaultRuleSet     *schema.RuleSet  `json:"defaultRuleSet,omitempty"`
	OverrideRuleSet    *schema.RuleSet  `json:"overrideRuleSet,omitempty"`
}

// ConfigUpdate changes a configuration: members that are set replace, names in
// Clear are unset, everything else stays.
type ConfigUpdate struct {
	Config
	Clear []string // member names as in JSON, "compatibility" for the level
}

func (u ConfigUpdate) body() map[string]any {
	body := map[string]any{}
	for _, name := range u.Clear {
		body[name] = nil
	}
	text := func(name, v string) {
		if v != "" {
			body[name] = v
		}
	}
	text("alias", u.Alias)
	text("aliasForDeks", u.AliasForDEKs)
	text("compatibility", u.Level)
	text("compatibilityPolicy", u.Policy)
	text("compatibilityGroup", u.Group)
	set(body, "normalize", u.Normalize)
	set(body, "validateFields", u.ValidateFields)
	set(body, "validateNewSchemas", u.ValidateNewSchemas)
	set(body, "validateRules", u.ValidateRules)
	set(body, "defaultMetadata", u.DefaultMetadata)
	set(body, "overrideMetadata", u.OverrideMetadata)
	set(body, "defaultRuleSet", u.DefaultRuleSet)
	set(body, "overrideRuleSet", u.OverrideRuleSet)
	return body
}

func set[T any](body map[string]any, name string, v *T) {
	if v != nil {
		body[name] = v
	}
}

// scoped returns the path of the registry's own config or mode, or of a
// subject's.
func scoped(what string, s schema.Subject) string {
	if s == "" {
		return path(what)
	}
	return path(what, string(s))
}

// Config returns the configuration of s, the registry's own if s is empty; a
// bare context (":.ctx:") stands for the context. With inForce, what is not set
// there is filled from above; without it, a subject that has none is an error.
func (c *Client) Config(ctx context.Context, s schema.Subject, inForce bool) (Config, error) {
	var out Config
	err := c.get(ctx, scoped("config", s), newQuery().flag("defaultToGlobal", inForce), &out)
	return out, err
}

// SetConfig changes the configuration of s, which need not exist, and returns
// what the server answers (older ones repeat the request).
func (c *Client) SetConfig(ctx context.Context, s schema.Subject, u ConfigUpdate) (Config, error) {
	var out struct {
		Config
		Level string `json:"compatibility"`
	}
	err := c.put(ctx, scoped("config", s), newQuery(), u.body(), &out)
	if out.Level != "" {
		out.Config.Level = out.Level
	}
	return out.Config, err
}

// DeleteConfig unsets the configuration of s and returns it.
func (c *Client) DeleteConfig(ctx context.Context, s schema.Subject) (Config, error) {
	var out Config
	err := c.delete(ctx, scoped("config", s), newQuery(), &out)
	return out, err
}

// Mode says what may be done with a subject.
type Mode string

// Modes.
const (
	ReadWrite        Mode = "READWRITE"
	ReadOnly         Mode = "READONLY"
	ReadOnlyOverride Mode = "READONLY_OVERRIDE"
	Import           Mode = "IMPORT"
	Forward          Mode = "FORWARD"
)

type modeBody struct {
	Mode Mode `json:"mode"`
}

// Mode returns the mode of s, the registry's own if s is empty; inForce as in
// Config.
func (c *Client) Mode(ctx context.Context, s schema.Subject, inForce bool) (Mode, error) {
	var out modeBody
	err := c.get(ctx, scoped("mode", s), newQuery().flag("defaultToGlobal", inForce), &out)
	return out.Mode, err
}

// SetMode sets the mode of s. With force, IMPORT may be entered with subjects
// there.
func (c *Client) SetMode(ctx context.Context, s schema.Subject, m Mode, force bool) (Mode, error) {
	var out modeBody
	err := c.put(ctx, scoped("mode", s), newQuery().flag("force", force), modeBody{m}, &out)
	return out.Mode, err
}

// DeleteMode unsets the mode of s and returns it. With recursive, those of all
// subjects in its context go, too.
func (c *Client) DeleteMode(ctx context.Context, s schema.Subject, recursive bool) (Mode, error) {
	var out modeBody
	err := c.delete(ctx, scoped("mode", s), newQuery().flag("recursive", recursive), &out)
	return out.Mode, err
}

// Compatibility is the answer of a compatibility check.
type Compatibility struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages"`
}

// Compatible checks whether d may follow version v of s, or, if v is 0, the
// versions that the level of s asks for. The reasons come as messages.
func (c *Client) Compatible(ctx context.Context, s schema.Subject, v schema.Version, d schema.Definition, normalize bool) (Compatibility, error) {
	var out Compatibility
	if s == "" {
		return out, errEmptySubject
	}
	p := path("compatibility", "subjects", string(s), "versions")
	if v != 0 {
		p += path(versionText(v))
	}
	err := c.post(ctx, p, newQuery().flag("normalize", normalize).flag("verbose", true), newDefinition(d), &out)
	return out, err
}
