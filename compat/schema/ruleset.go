package schema

// Metadata is what a definition carries beside its text. Part of the
// fingerprint.
type Metadata struct {
	Tags       map[string][]string `json:"tags,omitempty"`       // path glob → tags
	Properties map[string]string   `json:"properties,omitempty"` // free key and value
	Sensitive  []string            `json:"sensitive,omitempty"`  // names of properties that are encrypted at rest
}

// RuleSet is the data contract of a definition. The registry stores, checks
// and merges it; serializers execute it. Part of the fingerprint.
type RuleSet struct {
	MigrationRules []Rule `json:"migrationRules,omitempty"`
	DomainRules    []Rule `json:"domainRules,omitempty"`
	EncodingRules  []Rule `json:"encodingRules,omitempty"`
	EnableAt       string `json:"enableAt,omitempty"` // ALL, CLIENT, GATEWAY, SERVER, NONE or empty
}

// Rule is one condition or transformation of a RuleSet.
type Rule struct {
	Name      string            `json:"name,omitempty"`
	Doc       string            `json:"doc,omitempty"`
	Kind      string            `json:"kind,omitempty"` // TRANSFORM, CONDITION
	Mode      string            `json:"mode,omitempty"` // WRITE, READ, WRITEREAD, UPGRADE, DOWNGRADE, UPDOWN
	Type      string            `json:"type,omitempty"` // CEL, CEL_FIELD, JSONATA, ENCRYPT, …
	Tags      []string          `json:"tags,omitempty"`
	Params    map[string]string `json:"params,omitempty"`
	Expr      string            `json:"expr,omitempty"`
	OnSuccess string            `json:"onSuccess,omitempty"`
	OnFailure string            `json:"onFailure,omitempty"`
	Disabled  bool              `json:"disabled"`
}
