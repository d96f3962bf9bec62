package console

import (
	"context"
	"net/http"
	"strconv"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// maxVersions bounds how many versions of a subject a page shows, the newest.
const maxVersions = 30

func (h *handler) subjects(ctx context.Context, _ *http.Request) (any, error) {
	return h.subjectSummaries(ctx)
}

// version is one version of a subject's page.
type version struct {
	Version    schema.Version     `json:"version"`
	ID         schema.ID          `json:"id"`
	Type       schema.Type        `json:"schemaType"`
	Schema     string             `json:"schema"`
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitempty"`
	RuleSet    *schema.RuleSet    `json:"ruleSet,omitempty"`
	Timestamp  int64              `json:"ts,omitempty"`
	// Joint says how it fits the version before; nil for the first one.
	Joint *joint `json:"joint,omitempty"`
}

// joint is what lies between two versions that follow each other.
type joint struct {
	Changes      int  `json:"changes"`
	BackwardSafe bool `json:"backwardSafe"`
	ForwardSafe  bool `json:"forwardSafe"`
}

type subjectPage struct {
	Subject  schema.Subject `json:"subject"`
	Level    string         `json:"level"`
	Mode     srclient.Mode  `json:"mode"`
	Total    int            `json:"total"`    // versions there are
	Versions []version      `json:"versions"` // ascending
}

func (h *handler) subject(ctx context.Context, r *http.Request) (any, error) {
	name := schema.Subject(r.URL.Query().Get("name"))
	if name == "" {
		return nil, badRequest("name a subject: ?name=orders-value")
	}
	numbers, err := h.opts.Registry.Versions(ctx, name, srclient.VersionsOptions{})
	if err != nil {
		return nil, err
	}
	page := subjectPage{Subject: name, Total: len(numbers), Versions: []version{}}
	config, err := h.opts.Registry.Config(ctx, name, true)
	if err != nil {
		return nil, err
	}
	page.Level = config.Level
	if page.Mode, err = h.opts.Registry.Mode(ctx, name, true); err != nil {
		return nil, err
	}
	for i, n := range numbers {
		if i < len(numbers)-maxVersions {
			continue
		}
		s, err := h.opts.Registry.SchemaVersion(ctx, name, n, srclient.VersionOptions{})
		if err != nil {
			return nil, err
		}
		v := version{n, s.ID, s.Type.OrDefault(), s.Text, s.References, s.Metadata, s.RuleSet, s.Timestamp, nil}
		if i > 0 {
			list, err := h.opts.Registry.Diff(ctx, name, numbers[i-1], n)
			if err != nil {
				return nil, err
			}
			v.Joint = &joint{len(list), true, true}
			for _, d := range list {
				v.Joint.BackwardSafe = v.Joint.BackwardSafe && d.BackwardSafe
				v.Joint.ForwardSafe = v.Joint.ForwardSafe && d.ForwardSafe
			}
		}
		page.Versions = append(page.Versions, v)
	}
	return page, nil
}

// schema tells where the schema with an ID belongs.
func (h *handler) schema(ctx context.Context, r *http.Request) (any, error) {
	id, err := strconv.ParseInt(r.URL.Query().Get("id"), 10, 32)
	if err != nil || id < 1 {
		return nil, badRequest("name a schema: ?id=7")
	}
	s, err := h.opts.Registry.ByID(ctx, schema.ID(id), srclient.IDOptions{})
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": id, "subject": s.Subject, "version": s.Version, "schemaType": s.Type.OrDefault(), "schema": s.Text}, nil
}

func (h *handler) diff(ctx context.Context, r *http.Request) (any, error) {
	q := r.URL.Query()
	from, err1 := strconv.ParseInt(q.Get("from"), 10, 32)
	to, err2 := strconv.ParseInt(q.Get("to"), 10, 32)
	if err1 != nil || err2 != nil || from < 1 || to < 1 || q.Get("name") == "" {
		return nil, badRequest("name a subject and two versions: ?name=orders-value&from=1&to=2")
	}
	list, err := h.opts.Registry.Diff(ctx, schema.Subject(q.Get("name")), schema.Version(from), schema.Version(to))
	if list == nil {
		list = []srclient.Difference{}
	}
	return list, err
}
