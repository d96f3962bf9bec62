package rest

import (
	"strconv"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
)

func getConfig(c *call) error {
	cfg, err := c.reg.Config(c.subject(), c.flag("defaultToGlobal"))
	if err != nil {
		return err
	}
	c.b = registry.AppendConfig(c.b, cfg, "compatibilityLevel")
	return nil
}

func putConfig(c *call) error {
	var b configBody
	if err := c.decode(&b); err != nil {
		return err
	}
	cfg, err := c.reg.SetConfig(c.r.Context(), c.subject(), b.patch())
	if err != nil {
		return err
	}
	c.b = registry.AppendConfig(c.b, cfg, "compatibility")
	return nil
}

func deleteConfig(c *call) error {
	old, err := c.reg.DeleteConfig(c.r.Context(), c.subject())
	if err != nil {
		return err
	}
	c.b = registry.AppendConfig(c.b, old, "compatibilityLevel")
	return nil
}

func getMode(c *call) error {
	m, err := c.reg.Mode(c.subject(), c.flag("defaultToGlobal"))
	if err != nil {
		return err
	}
	c.putMode(string(m))
	return nil
}

func (c *call) putMode(m string) {
	if m == "" {
		c.put("{}")
		return
	}
	c.put(`{"mode":`)
	c.putString(m)
	c.put("}")
}

func putMode(c *call) error {
	var b modeBody
	if err := c.decode(&b); err != nil {
		return err
	}
	if !b.Mode.Set {
		return registry.ErrNoMode()
	}
	if err := c.reg.SetMode(c.r.Context(), c.subject(), b.Mode.Value, c.flag("force")); err != nil {
		return err
	}
	c.putMode(b.Mode.Value)
	return nil
}

func deleteMode(c *call) error {
	old, err := c.reg.DeleteMode(c.r.Context(), c.subject(), c.flag("recursive"))
	if err != nil {
		return err
	}
	c.putMode(string(old))
	return nil
}

// checkVersion serves the check against one version, checkAll the one against
// those that the level asks for.
func checkVersion(c *call) error {
	v, err := c.version()
	if err != nil {
		return err
	}
	return check(c, v)
}

func checkAll(c *call) error { return check(c, 0) }

func check(c *call, with schema.Version) error {
	req, err := c.registerRequest()
	if err != nil {
		return err
	}
	verbose, explain := c.flag("verbose"), c.flag("explain")
	verdict, err := c.reg.Check(c.subject(), with, req, explain)
	if registry.CodeOf(err) == registry.CodeInvalidSchema && verbose {
		_, _, message := describe(err)
		verdict, err = &registry.Verdict{Messages: []string{message}}, nil
	}
	if err != nil {
		return err
	}
	c.put(`{"is_compatible":`)
	c.b = strconv.AppendBool(c.b, verdict.Compatible)
	if verbose {
		c.put(`,"messages":`)
		putStrings(c, verdict.Messages)
	}
	if explain {
		c.put(",")
		c.b = appendExplanations(c.b, verdict)
	}
	c.put("}")
	return nil
}
