package srclient

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// Schema is a definition as the registry answers it. Members that an answer
// left out are zero.
type Schema struct {
	serde.Registered
	Tags         []EntityTags    // only when asked for by FindTags
	MaxID        schema.ID       // only when asked for by FetchMaxID
	Timestamp    int64           // of the registration, Unix milliseconds
	Deleted      bool            // soft-deleted
	Aliases      []string        // only when asked for by Aliases
	Associations json.RawMessage // only in lists that filter by association
}

// wireSchema is a Schema in JSON.
type wireSchema struct {
	Subject      schema.Subject     `json:"subject"`
	Version      schema.Version     `json:"version"`
	ID           schema.ID          `json:"id"`
	GUID         string             `json:"guid"`
	Type         schema.Type        `json:"schemaType"`
	References   []schema.Reference `json:"references"`
	Metadata     *schema.Metadata   `json:"metadata"`
	RuleSet      *schema.RuleSet    `json:"ruleSet"`
	Text         string             `json:"schema"`
	Tags         []EntityTags       `json:"schemaTags"`
	MaxID        schema.ID          `json:"maxId"`
	Timestamp    int64              `json:"ts"`
	Deleted      bool               `json:"deleted"`
	Aliases      []string           `json:"aliases"`
	Associations json.RawMessage    `json:"associations"`
}

// UnmarshalJSON reads an answer. A text without a type is Avro; a GUID that is
// none is an error.
func (s *Schema) UnmarshalJSON(b []byte) error {
	var w wireSchema
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*s = Schema{
		Registered: serde.Registered{
			ID: w.ID, Subject: w.Subject, Version: w.Version,
			Definition: schema.Definition{Type: w.Type, Text: w.Text, References: w.References, Metadata: w.Metadata, RuleSet: w.RuleSet},
		},
		Tags: w.Tags, MaxID: w.MaxID, Timestamp: w.Timestamp, Deleted: w.Deleted, Aliases: w.Aliases, Associations: w.Associations,
	}
	if w.Text != "" {
		s.Type = w.Type.OrDefault()
	}
	if w.GUID == "" {
		return nil
	}
	var err error
	s.GUID, err = schema.ParseGUID(w.GUID)
	return err
}

// EntityTags are the inline tags of one part of a schema.
type EntityTags struct {
	Entity Entity   `json:"schemaEntity"`
	Tags   []string `json:"tags"`
}

// Entity names a part of a schema.
type Entity struct {
	Path string `json:"entityPath"`
	Type string `json:"entityType"` // sr_record or sr_field
}

// definition is a RegisterSchemaRequest.
type definition struct {
	Text          string             `json:"schema"`
	Type          schema.Type        `json:"schemaType,omitempty"`
	References    []schema.Reference `json:"references,omitempty"`
	Metadata      *schema.Metadata   `json:"metadata,omitempty"`
	RuleSet       *schema.RuleSet    `json:"ruleSet,omitempty"`
	Version       schema.Version     `json:"version,omitempty"`
	ID            schema.ID          `json:"id,omitempty"`
	TagsToAdd     []EntityTags       `json:"schemaTagsToAdd,omitempty"`
	TagsToRemove  []EntityTags       `json:"schemaTagsToRemove,omitempty"`
	PropagateTags bool               `json:"propagateSchemaTags,omitempty"`
}

func newDefinition(d schema.Definition) definition {
	t := d.Type
	if t == schema.Avro { // what servers before 5.5 understand, too
		t = ""
	}
	return definition{Text: d.Text, Type: t, References: d.References, Metadata: d.Metadata, RuleSet: d.RuleSet}
}

func versionText(v schema.Version) string {
	if v == schema.Latest {
		return "latest"
	}
	return strconv.Itoa(int(v))
}

func idText(id schema.ID) string { return strconv.Itoa(int(id)) }

var errEmptySubject = fmt.Errorf("srclient: the subject: %w", ErrEmptyName)
