package rest

import (
	"strconv"
	"time"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/registry"
)

// appendExplanations appends the member "explanation": the findings for
// people, which the reference server does not have.
func appendExplanations(dst []byte, v *registry.Verdict) []byte {
	c := call{b: append(dst, `"explanation":`...)}
	putList(&c, v.Explain(), func(e registry.Explanation) {
		c.put(`{"rule":`)
		c.putString(e.Rule)
		c.put(`,"direction":`)
		c.putString(e.Direction)
		c.put(`,"level":`)
		c.putString(v.Level.String())
		if e.Path != "" {
			c.put(`,"path":`)
			c.putString(e.Path)
		}
		c.putPosition("new", e.New)
		c.putPosition("old", e.Old)
		if e.Version != 0 {
			c.put(`,"version":`)
			c.putInt(int64(e.Version))
			c.put(`,"registered":`)
			c.putString(time.UnixMilli(e.Registered).UTC().Format(time.RFC3339))
		}
		c.put(`,"sentence":`)
		c.putString(e.Sentence)
		if e.Suggestion != "" {
			c.put(`,"suggestion":`)
			c.putString(e.Suggestion)
		}
		c.put("}")
	})
	return c.b
}

func (c *call) putPosition(side string, p compat.Position) {
	if p == (compat.Position{}) {
		return
	}
	c.put(`,"` + side + `":{"line":`)
	c.putInt(int64(p.Line))
	c.put(`,"column":`)
	c.putInt(int64(p.Column))
	c.put("}")
}

// diff serves the semantic difference of two versions.
func diff(c *call) error {
	from, err := registry.ParseVersion(c.text("from"))
	if err != nil {
		return err
	}
	to, err := registry.ParseVersion(c.text("to"))
	if err != nil {
		return err
	}
	list, err := c.reg.Diff(c.subject(), from, to)
	if err != nil {
		return err
	}
	putList(c, list, func(d registry.Difference) {
		c.put(`{"rule":`)
		c.putString(d.Rule)
		if d.Path != "" {
			c.put(`,"path":`)
			c.putString(d.Path)
		}
		if d.Detail != "" {
			c.put(`,"detail":`)
			c.putString(d.Detail)
		}
		c.putPosition("new", d.New)
		c.putPosition("old", d.Old)
		c.put(`,"backwardSafe":`)
		c.b = strconv.AppendBool(c.b, d.BackwardSafe)
		c.put(`,"forwardSafe":`)
		c.b = strconv.AppendBool(c.b, d.ForwardSafe)
		c.put("}")
	})
	return nil
}

func summaries(c *call, q registry.SubjectsQuery) error {
	list, err := c.reg.Summaries(q)
	if err != nil {
		return err
	}
	putList(c, list, func(s registry.Summary) {
		c.put(`{"subject":`)
		c.putString(string(s.Subject))
		c.put(`,"version":`)
		c.putInt(int64(s.Version))
		c.put(`,"id":`)
		c.putInt(int64(s.ID))
		c.put(`,"schemaType":`)
		c.putString(string(s.Type))
		c.put(`,"versions":`)
		c.putInt(int64(s.Versions))
		c.put(`,"compatibilityLevel":`)
		c.putString(s.Level)
		c.put(`,"mode":`)
		c.putString(string(s.Mode))
		c.put(`,"ts":`)
		c.putInt(s.Timestamp)
		c.put(`,"deleted":`)
		c.b = strconv.AppendBool(c.b, s.Deleted)
		c.put("}")
	})
	return nil
}
