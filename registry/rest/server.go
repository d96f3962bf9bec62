package rest

import (
	"net/http"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

func root(c *call) error {
	c.put("{}")
	return nil
}

func listContexts(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.reg.Contexts(c.text("contextPrefix"), page)
	if err != nil {
		return err
	}
	putStrings(c, list)
	return nil
}

// deleteContext takes the context as it was rewritten, ":.x:".
func deleteContext(c *call) error {
	name := schema.Context(strings.Trim(c.param("context"), ":"))
	if err := c.reg.DeleteContext(c.r.Context(), name); err != nil {
		return err
	}
	c.status = http.StatusNoContent
	return nil
}

func metadataID(c *call) error {
	c.put(`{"scope":{"path":[],"clusters":{`)
	if id := c.h.opts.KafkaClusterID; id != "" {
		c.put(`"kafka-cluster":`)
		c.putString(id)
		c.put(",")
	}
	c.put(`"schema-registry-cluster":`)
	c.putString(c.h.opts.GroupID)
	c.put("}}}")
	return nil
}

func metadataVersion(c *call) error {
	c.put(`{"version":`)
	c.putString(c.h.opts.Version)
	c.put(`,"commitId":`)
	c.putString(c.h.opts.Commit)
	c.put("}")
	return nil
}

func metadataDeployment(c *call) error {
	c.put(`{"attributes":`)
	putStrings(c, c.h.opts.Deployment)
	c.put("}")
	return nil
}
