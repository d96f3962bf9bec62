package console

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/service"
)

func (h *handler) subjectSummaries(ctx context.Context) ([]srclient.Summary, error) {
	return h.opts.Registry.Summaries(ctx, srclient.SubjectsOptions{Prefix: ":*:", Page: srclient.Page{Limit: 10_000}})
}

// document shows a key or a value, cut if it is long.
func (h *handler) document(ctx context.Context, header, b []byte) (json.RawMessage, schema.ID, error) {
	document, id, err := h.converter.Show(ctx, "", header, b)
	if len(document) > maxShownBytes {
		document, _ = json.Marshal(strings.ToValidUTF8(string(document[:maxShownBytes]), "") + "…")
	}
	return document, id, err
}

// cut shows bytes without a schema.
func cut(b []byte) json.RawMessage {
	return service.Bare(b[:min(len(b), maxShownBytes)])
}

func (h *handler) groups(ctx context.Context, _ *http.Request) (any, error) {
	return h.opts.Kafka.Groups(ctx)
}

func (h *handler) group(ctx context.Context, r *http.Request) (any, error) {
	name := r.URL.Query().Get("name")
	if name == "" {
		return nil, badRequest("name a group: ?name=billing")
	}
	groups, err := h.opts.Kafka.Groups(ctx, name)
	if err != nil {
		return nil, err
	}
	return groups[0], nil
}
