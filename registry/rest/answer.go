package rest

import (
	"strconv"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
)

// shown is how a schema's text and references are to be shown.
type shown struct {
	text     string   // replaces the stored text if set
	findTags []string // adds schemaTags
	// qualified puts the parent's context in front of references' subjects.
	qualified bool
}

// shownAs reads format, referenceFormat and findTags.
func (c *call) shownAs(s registry.Schema) (shown, error) {
	if c.r.URL.RawQuery == "" {
		return shown{}, nil
	}
	v := shown{findTags: c.findTags(), qualified: c.text("referenceFormat") == "qualified"}
	if format := c.text("format"); format != "" {
		text, err := c.reg.Format(s, format)
		if err != nil {
			return v, err
		}
		v.text = text
	}
	return v, nil
}

// putDefinition appends the members that every schema shows: references,
// metadata and rules, each only if there is something in it.
func (c *call) putDefinition(s registry.Schema, v shown) {
	if refs := s.References(); len(refs) > 0 {
		c.put(`,"references":`)
		if in := s.Subject.Context(); v.qualified && in != schema.DefaultContext {
			placed := make([]schema.Reference, len(refs))
			for i, r := range refs {
				r.Subject = r.Subject.In(in)
				placed[i] = r
			}
			refs = placed
		}
		c.b = registry.AppendReferences(c.b, refs)
	}
	if m := s.Metadata(); m != nil && len(m.Tags)+len(m.Properties)+len(m.Sensitive) > 0 {
		c.put(`,"metadata":`)
		c.b = registry.AppendMetadata(c.b, m)
	}
	if rs := s.RuleSet(); rs != nil && (len(rs.MigrationRules)+len(rs.DomainRules)+len(rs.EncodingRules) > 0 || rs.EnableAt != "") {
		c.put(`,"ruleSet":`)
		c.b = registry.AppendRuleSet(c.b, rs)
	}
}

func (c *call) putText(s registry.Schema, v shown) {
	c.put(`"schema":`)
	if v.text != "" {
		c.putString(v.text)
		return
	}
	c.b = s.AppendQuotedText(c.b)
}

const hexDigits = "0123456789abcdef"

func (c *call) putGUID(s registry.Schema) {
	c.put(`,"guid":"`)
	for i, b := range s.GUID() {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			c.b = append(c.b, '-')
		}
		c.b = append(c.b, hexDigits[b>>4], hexDigits[b&0xf])
	}
	c.put(`"`)
}

func (c *call) putType(s registry.Schema) {
	c.put(`,"schemaType":`)
	c.putString(string(s.Type()))
}

func (c *call) putTags(s registry.Schema, v shown) error {
	if len(v.findTags) == 0 {
		return nil
	}
	tags, err := c.reg.FindTags(s, v.findTags)
	if err != nil || len(tags) == 0 {
		return err
	}
	c.put(`,"schemaTags":`)
	putList(c, tags, func(t registry.EntityTags) {
		c.put(`{"schemaEntity":{"entityPath":`)
		c.putString(t.Path)
		c.put(`,"entityType":`)
		c.putString(t.Type)
		c.put(`},"tags":`)
		putStrings(c, t.Tags)
		c.put(`}`)
	})
	return nil
}

func (c *call) putStored(s registry.Schema) {
	if s.Stored {
		c.put(`,"ts":`)
		c.putInt(s.Timestamp)
		c.put(`,"deleted":`)
		c.b = strconv.AppendBool(c.b, s.Deleted)
	}
}

// putSchema appends a Schema without its closing brace.
func (c *call) putSchema(s registry.Schema, v shown) error {
	c.put(`{"subject":`)
	c.putString(string(s.Subject))
	c.put(`,"version":`)
	c.putInt(int64(s.Version))
	c.put(`,"id":`)
	c.putInt(int64(s.ID))
	c.putGUID(s)
	c.putType(s)
	c.putDefinition(s, v)
	c.put(",")
	c.putText(s, v)
	if err := c.putTags(s, v); err != nil {
		return err
	}
	c.putStored(s)
	return nil
}

// putSchemaString appends a SchemaString.
func (c *call) putSchemaString(s registry.Schema, v shown, maxID schema.ID) error {
	c.put("{")
	c.putText(s, v)
	c.putType(s)
	if s.Version != 0 {
		c.put(`,"subject":`)
		c.putString(string(s.Subject))
		c.put(`,"version":`)
		c.putInt(int64(s.Version))
	}
	c.putGUID(s)
	c.putDefinition(s, v)
	if err := c.putTags(s, v); err != nil {
		return err
	}
	if maxID > 0 {
		c.put(`,"maxId":`)
		c.putInt(int64(maxID))
	}
	c.putStored(s)
	c.put("}")
	return nil
}

// putRegistered appends a RegisterSchemaResponse.
func (c *call) putRegistered(s registry.Schema, v shown) {
	c.put(`{"id":`)
	c.putInt(int64(s.ID))
	c.put(`,"version":`)
	c.putInt(int64(s.Version))
	c.putGUID(s)
	c.putType(s)
	c.putDefinition(s, v)
	c.put(",")
	c.putText(s, v)
	c.putStored(s)
	c.put("}")
}

func (c *call) putAssociation(a *registry.Association) {
	c.put("{")
	first := true
	str := func(name, value string) {
		if value == "" {
			return
		}
		if !first {
			c.put(",")
		}
		first = false
		c.putString(name)
		c.put(":")
		c.putString(value)
	}
	str("subject", string(a.Subject))
	str("guid", a.GUID)
	str("resourceName", a.ResourceName)
	str("resourceNamespace", a.ResourceNamespace)
	str("resourceId", a.ResourceID)
	str("resourceType", a.ResourceType)
	str("associationType", a.AssociationType)
	str("lifecycle", string(a.Lifecycle))
	c.put(`,"frozen":`)
	c.b = strconv.AppendBool(c.b, a.Frozen)
	c.put(`,"createTs":`)
	c.putInt(a.CreateTs)
	if a.UpdateTs != 0 {
		c.put(`,"updateTs":`)
		c.putInt(a.UpdateTs)
	}
	c.put("}")
}
