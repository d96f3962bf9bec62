package rest

import (
	"slices"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
)

func listSchemas(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	q := registry.SchemasQuery{
		Prefix: c.text("subjectPrefix"), Deleted: c.flag("deleted"), LatestOnly: c.flag("latestOnly"), Aliases: c.flag("aliases"),
		RuleType: c.text("ruleType"), ResourceType: c.text("resourceType"), AssociationTypes: c.list("associationType"),
		Lifecycles: c.list("lifecycle"), Page: page,
	}
	for _, l := range q.Lifecycles {
		if !slices.Contains([]string{"STRONG", "WEAK", "NONE"}, l) {
			return notFound()
		}
	}
	list, err := c.reg.Schemas(q)
	if err != nil {
		return err
	}
	c.put("[")
	for i, s := range list {
		if i > 0 {
			c.put(",")
		}
		if err := c.putSchema(s.Schema, shown{}); err != nil {
			return err
		}
		if len(s.Aliases) > 0 {
			c.put(`,"aliases":`)
			putStrings(c, s.Aliases)
		}
		if len(s.Associations) > 0 {
			c.put(`,"associations":`)
			putList(c, s.Associations, c.putAssociation)
		}
		c.put("}")
	}
	c.put("]")
	return nil
}

// byID returns the schema that the path's ID stands for.
func (c *call) byID() (registry.Schema, error) {
	id, err := c.id()
	if err != nil {
		return registry.Schema{}, err
	}
	return c.reg.SchemaByID(id, schema.Subject(c.text("subject")))
}

func getByID(c *call) error {
	s, err := c.byID()
	if err != nil {
		return err
	}
	v, err := c.shownAs(s)
	if err != nil {
		return err
	}
	var maxID schema.ID
	if c.flag("fetchMaxId") {
		maxID = c.reg.MaxID(s)
	}
	return c.putSchemaString(s, v, maxID)
}

func getTextByID(c *call) error {
	s, err := c.byID()
	if err != nil {
		return err
	}
	return putRaw(c, s)
}

func subjectsByID(c *call) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	page, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.reg.SubjectsByID(id, schema.Subject(c.text("subject")), c.flag("deleted"), page)
	if err != nil {
		return err
	}
	putStrings(c, list)
	return nil
}

func versionsByID(c *call) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	page, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.reg.VersionsByID(id, schema.Subject(c.text("subject")), c.flag("deleted"), page)
	if err != nil {
		return err
	}
	putList(c, list, func(v registry.SubjectVersion) {
		c.put(`{"subject":`)
		c.putString(string(v.Subject))
		c.put(`,"version":`)
		c.putInt(int64(v.Version))
		c.put("}")
	})
	return nil
}

func getByGUID(c *call) error {
	s, err := c.reg.SchemaByGUID(c.param("guid"))
	if err != nil {
		return err
	}
	v := shown{}
	if format := c.text("format"); format != "" {
		if v.text, err = c.reg.Format(s, format); err != nil {
			return err
		}
	}
	return c.putSchemaString(s, v, 0)
}

func idsByGUID(c *call) error {
	list, err := c.reg.IDsByGUID(c.param("guid"))
	if err != nil {
		return err
	}
	putList(c, list, func(at registry.ContextID) {
		c.put(`{"context":`)
		c.putString(string(at.Context))
		c.put(`,"id":`)
		c.putInt(int64(at.ID))
		c.put("}")
	})
	return nil
}

func listTypes(c *call) error {
	putStrings(c, []schema.Type{schema.JSON, schema.Protobuf, schema.Avro})
	return nil
}
