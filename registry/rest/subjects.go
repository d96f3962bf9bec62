package rest

import (
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
)

func listSubjects(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	q := registry.SubjectsQuery{Prefix: ":*:", Deleted: c.flag("deleted"), DeletedOnly: c.flag("deletedOnly"), Page: page}
	if c.has("subjectPrefix") {
		q.Prefix = c.text("subjectPrefix")
	}
	if c.flag("summary") {
		return summaries(c, q)
	}
	list, err := c.reg.Subjects(q)
	if err != nil {
		return err
	}
	putStrings(c, list)
	return nil
}

func lookup(c *call) error {
	req, err := c.registerRequest()
	if err != nil {
		return err
	}
	s, err := c.reg.Lookup(c.subject(), req, registry.LookupOptions{Normalize: c.flag("normalize"), Deleted: c.flag("deleted")})
	if err != nil {
		return err
	}
	return putWhole(c, s)
}

// putWhole answers with a Schema, shown as the query asks.
func putWhole(c *call, s registry.Schema) error {
	v, err := c.shownAs(s)
	if err != nil {
		return err
	}
	if err := c.putSchema(s, v); err != nil {
		return err
	}
	c.put("}")
	return nil
}

func deleteSubject(c *call) error {
	versions, err := c.reg.DeleteSubject(c.r.Context(), c.subject(), c.flag("permanent"))
	if err != nil {
		return err
	}
	putInts(c, versions)
	return nil
}

func latestWithMetadata(c *call) error {
	keys, values := c.list("key"), c.list("value")
	var properties [][2]string
	for i := range min(len(keys), len(values)) {
		properties = append(properties, [2]string{keys[i], values[i]})
	}
	s, err := c.reg.LatestWithMetadata(c.subject(), properties, c.flag("deleted"))
	if err != nil {
		return err
	}
	return putWhole(c, s)
}

func listVersions(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.reg.Versions(c.subject(), registry.VersionsQuery{
		Deleted: c.flag("deleted"), DeletedOnly: c.flag("deletedOnly"), DeletedAsNegative: c.flag("deletedAsNegative"), Page: page,
	})
	if err != nil {
		return err
	}
	putInts(c, list)
	return nil
}

// find returns the version that the path names.
func (c *call) find() (registry.Schema, error) {
	v, err := c.version()
	if err != nil {
		return registry.Schema{}, err
	}
	return c.reg.Version(c.subject(), v, c.flag("deleted"))
}

func getVersion(c *call) error {
	s, err := c.find()
	if err != nil {
		return err
	}
	return putWhole(c, s)
}

func getVersionText(c *call) error {
	s, err := c.find()
	if err != nil {
		return err
	}
	return putRaw(c, s)
}

// putRaw answers with the text of a schema and nothing around it.
func putRaw(c *call, s registry.Schema) error {
	text, err := c.reg.Format(s, c.text("format"))
	if err != nil {
		return err
	}
	c.put(text)
	return nil
}

func referencedBy(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	v, err := c.version()
	if err != nil {
		return err
	}
	ids, err := c.reg.ReferencedBy(c.subject(), v, c.flag("deleted"), page)
	if err != nil {
		return err
	}
	putInts(c, ids)
	return nil
}

func register(c *call) error {
	req, err := c.registerRequest()
	if err != nil {
		return err
	}
	return c.register(c.subject(), req)
}

func (c *call) register(subject schema.Subject, req registry.RegisterRequest) error {
	if err := registry.CheckFormat(c.text("format")); err != nil {
		return err
	}
	s, err := c.reg.Register(c.r.Context(), subject, req)
	if err != nil {
		return err
	}
	v, err := c.shownAs(s)
	if err != nil {
		return err
	}
	c.putRegistered(s, v)
	return nil
}

func deleteVersion(c *call) error {
	v, err := c.version()
	if err != nil {
		return err
	}
	deleted, err := c.reg.DeleteVersion(c.r.Context(), c.subject(), v, c.flag("permanent"))
	if err != nil {
		return err
	}
	c.putInt(int64(deleted))
	return nil
}

func tagVersion(c *call) error {
	v, err := c.version()
	if err != nil {
		return err
	}
	var b tagBody
	if err := c.decode(&b); err != nil {
		return err
	}
	req, err := c.reg.TagDefinition(c.subject(), v, b.request())
	if err != nil {
		return err
	}
	return c.register(c.subject(), req)
}
