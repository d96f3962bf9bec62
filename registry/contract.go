package registry

import (
	"maps"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// checkRuleSet brings kinds and modes into upper case, sorts what is a set, names
// KEKs that only a KMS key names (nameKEK) and refuses what no serializer could run. nil stays nil.
func checkRuleSet(s *schema.RuleSet) (*schema.RuleSet, error) {
	if s == nil {
		return nil, nil
	}
	out := &schema.RuleSet{EnableAt: strings.ToUpper(s.EnableAt)}
	switch out.EnableAt {
	case "", "ALL", "CLIENT", "GATEWAY", "SERVER", "NONE":
	default:
		return nil, errInvalidRuleSet("enableAt '%s' is not one of ALL, CLIENT, GATEWAY, SERVER and NONE", s.EnableAt)
	}
	names := map[string]bool{}
	for _, list := range []struct {
		from  []schema.Rule
		to    *[]schema.Rule
		what  string
		modes []string
	}{
		{s.MigrationRules, &out.MigrationRules, "migration", []string{"UPGRADE", "DOWNGRADE", "UPDOWN"}},
		{s.DomainRules, &out.DomainRules, "domain", []string{"WRITE", "READ", "WRITEREAD"}},
		{s.EncodingRules, &out.EncodingRules, "encoding", []string{"WRITE", "READ", "WRITEREAD"}},
	} {
		for _, rule := range list.from {
			if err := checkRule(&rule, list.what, list.modes); err != nil {
				return nil, err
			}
			if names[rule.Name] {
				return nil, errInvalidRuleSet("found rule with duplicate name '%s'", rule.Name)
			}
			names[rule.Name] = true
			*list.to = append(*list.to, rule)
		}
	}
	return out, nil
}

func checkRule(r *schema.Rule, what string, modes []string) error {
	if !validRuleName(r.Name) {
		return errInvalidRuleSet("rule name '%s' is not valid: it must start with a letter or '_', go on with letters, digits, '_' and '-', and have at most 256 characters", r.Name)
	}
	if r.Type == "" {
		return errInvalidRuleSet("rule '%s' has no type", r.Name)
	}
	r.Kind, r.Mode = strings.ToUpper(r.Kind), strings.ToUpper(r.Mode)
	if r.Kind != "" && r.Kind != "TRANSFORM" && r.Kind != "CONDITION" {
		return errInvalidRuleSet("rule '%s' has kind '%s'; want TRANSFORM or CONDITION", r.Name, r.Kind)
	}
	if r.Mode != "" && !slices.Contains(modes, r.Mode) {
		return errInvalidRuleSet("rule '%s' has mode '%s'; %s rules have one of %s", r.Name, r.Mode, what, strings.Join(modes, ", "))
	}
	for _, action := range []string{r.OnSuccess, r.OnFailure} {
		if strings.Contains(action, ",") && r.Mode != "UPDOWN" && r.Mode != "WRITEREAD" {
			return errInvalidRuleSet("rule '%s' has the pair of actions '%s'; only modes UPDOWN and WRITEREAD may", r.Name, action)
		}
	}
	r.Tags = tidySet(r.Tags)
	nameKEK(r)
	return nil
}

func validRuleName(s string) bool {
	if s == "" || len(s) > 256 {
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// tidyMetadata sorts what is a set, and drops a property that only records have.
func tidyMetadata(m *schema.Metadata) *schema.Metadata {
	if m == nil {
		return nil
	}
	out := &schema.Metadata{Properties: m.Properties, Sensitive: tidySet(m.Sensitive)}
	if _, ok := m.Properties[journal.SealedProperty]; ok {
		out.Properties = maps.Clone(m.Properties)
		delete(out.Properties, journal.SealedProperty)
	}
	if m.Tags != nil {
		out.Tags = make(map[string][]string, len(m.Tags))
		for k, v := range m.Tags {
			out.Tags[k] = tidySet(v)
		}
	}
	return out
}

// sealedGrowth is the most by which a record grows when the sensitive properties
// of m are encrypted in it.
func sealedGrowth(m *schema.Metadata) int {
	if m == nil {
		return 0
	}
	grown := 0
	for _, name := range m.Sensitive {
		if v, ok := m.Properties[name]; ok {
			grown += len(v)/3 + 64
		}
	}
	if grown > 0 {
		grown += 64 // the mark and the fingerprint
	}
	return grown
}

func tidySet(list []string) []string {
	if list == nil {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// mergeMetadata puts later over earlier, key by key; the sensitive names are
// united. The outcome is nil only if all are.
func mergeMetadata(layers ...*schema.Metadata) *schema.Metadata {
	var out *schema.Metadata
	for _, m := range layers {
		if m == nil {
			continue
		}
		if out == nil {
			out = m
			continue
		}
		out = &schema.Metadata{
			Tags:       mergeMaps(out.Tags, m.Tags),
			Properties: mergeMaps(out.Properties, m.Properties),
			Sensitive:  tidySet(slices.Concat(out.Sensitive, m.Sensitive)),
		}
	}
	return out
}

func mergeMaps[V any](a, b map[string]V) map[string]V {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// mergeRuleSets replaces rules by name and appends new ones.
func mergeRuleSets(layers ...*schema.RuleSet) *schema.RuleSet {
	var out *schema.RuleSet
	for _, s := range layers {
		if s == nil {
			continue
		}
		if out == nil {
			out = s
			continue
		}
		merged := &schema.RuleSet{
			MigrationRules: mergeRules(out.MigrationRules, s.MigrationRules),
			DomainRules:    mergeRules(out.DomainRules, s.DomainRules),
			EncodingRules:  mergeRules(out.EncodingRules, s.EncodingRules),
			EnableAt:       s.EnableAt,
		}
		if merged.EnableAt == "" {
			merged.EnableAt = out.EnableAt
		}
		out = merged
	}
	return out
}

func mergeRules(earlier, later []schema.Rule) []schema.Rule {
	out := slices.Clone(earlier)
	for _, rule := range later {
		if i := slices.IndexFunc(out, func(r schema.Rule) bool { return r.Name == rule.Name }); i >= 0 {
			out[i] = rule
		} else {
			out = append(out, rule)
		}
	}
	return out
}

// Metadata properties with a meaning of their own.
const (
	versionProperty  = "confluent:version"  // the version that a definition was registered as
	reservedProperty = "confluent:reserved" // names of fields that are reserved
)

// withProperty returns m with a property set.
func withProperty(m *schema.Metadata, key, value string) *schema.Metadata {
	return mergeMetadata(&schema.Metadata{}, m, &schema.Metadata{Properties: map[string]string{key: value}})
}

func property(m *schema.Metadata, key string) (string, bool) {
	if m == nil {
		return "", false
	}
	v, ok := m.Properties[key]
	return v, ok
}

// sameBut reports whether two metadata are equal when a version recorded on
// one side only is ignored.
func sameMetadata(a, b *schema.Metadata) bool {
	_, inA := property(a, versionProperty)
	_, inB := property(b, versionProperty)
	if inA != inB {
		a, b = withoutVersion(a), withoutVersion(b)
	}
	if a == nil || b == nil {
		return a == b
	}
	return maps.Equal(a.Properties, b.Properties) && slices.Equal(a.Sensitive, b.Sensitive) &&
		maps.EqualFunc(a.Tags, b.Tags, slices.Equal[[]string])
}

// withoutVersion returns m without the recorded version; nil if nothing is
// left.
func withoutVersion(m *schema.Metadata) *schema.Metadata {
	if _, ok := property(m, versionProperty); !ok {
		return m
	}
	out := &schema.Metadata{Tags: m.Tags, Properties: maps.Clone(m.Properties), Sensitive: m.Sensitive}
	delete(out.Properties, versionProperty)
	if len(out.Tags)+len(out.Properties)+len(out.Sensitive) == 0 {
		return nil
	}
	return out
}

func sameRuleSet(a, b *schema.RuleSet) bool {
	if a == nil || b == nil {
		return a == b
	}
	return schema.Definition{RuleSet: a}.Fingerprint() == schema.Definition{RuleSet: b}.Fingerprint()
}
