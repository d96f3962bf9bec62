package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/rest"
)

// connections is how many clients ask a registry at once.
const connections = 8

const bareName = "bare Echo handler, same body"

// benchRegistry measures the registry beside a bare handler, beside itself and
// beside the disk.
func benchRegistry(ctx context.Context, o options, r *report) error {
	for _, part := range []struct {
		name string
		run  func(context.Context, options, *report) error
	}{{"get", benchGets}, {"known", benchKnown}, {"durable", benchDurable}, {"size", benchSize}} {
		if !strings.Contains(part.name, o.only) {
			continue
		}
		r.part(ctx, part.name, func() error { return part.run(ctx, o, r) })
	}
	return ctx.Err()
}

// orderSchema is a schema of the size that people register, different for every i.
func orderSchema(i int) string {
	return fmt.Sprintf(`{"type":"record","name":"Order%d","namespace":"com.acme","fields":[{"name":"id","type":"long"},{"name":"customer","type":"string"},`+
		`{"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[{"name":"sku","type":"string"},{"name":"count","type":"int"}]}}}]}`, i)
}

// subjectName is the i-th subject.
func subjectName(i int) string { return fmt.Sprintf("topic-%07d-value", i) }

// schemaBody is a request to register or look up text.
func schemaBody(text string) string {
	return `{"schema":` + string(registry.AppendString(nil, text)) + `}`
}

// history calls yield with the records of so many subjects of so many versions,
// in batches.
func history(subjects, versions int, yield func([]journal.Record) error) error {
	var batch []journal.Record
	id := 0
	for s := range subjects {
		name := schema.Subject(subjectName(s))
		for v := range versions {
			id++
			batch = append(batch, journal.Record{
				Key: journal.AppendKey(nil, journal.Key{Type: journal.SchemaKey, Subject: name, Version: schema.Version(v + 1)}),
				Value: journal.AppendSchema(nil, journal.SchemaValue{
					Subject: name, Version: schema.Version(v + 1), ID: schema.ID(id), Definition: schema.Definition{Type: schema.Avro, Text: orderSchema(id)},
				}),
			})
		}
		if len(batch) >= 500 || s == subjects-1 {
			if err := yield(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return nil
}

// served is a registry in this process, behind a listener.
type served struct {
	*httptest.Server
	reg *registry.Registry
}

func (s *served) close() {
	s.Close()
	s.reg.Close()
}

func (s *served) addr() string { return s.Listener.Addr().String() }

// serveRegistry opens a registry with subjects of one version each.
func serveRegistry(ctx context.Context, subjects int) (*served, error) {
	m := &journal.Memory{}
	end := journal.Offset(0)
	err := history(subjects, 1, func(batch []journal.Record) (err error) {
		end, err = m.Append(ctx, end, batch)
		return err
	})
	if err != nil {
		return nil, err
	}
	reg, err := registry.Open(ctx, registry.Options{Journal: m, Parse: formats.Parse})
	if err != nil {
		return nil, err
	}
	return &served{httptest.NewServer(rest.Handler(reg, rest.Options{})), reg}, nil
}

// bareEcho answers every GET with one body, as little as Echo does.
func bareEcho(route string, body []byte) *httptest.Server {
	e := echo.New()
	e.GET(route, func(c echo.Context) error {
		return c.Blob(http.StatusOK, "application/vnd.schemaregistry.v1+json", body)
	})
	return httptest.NewServer(e)
}

// benchGets measures hot reads over loopback connections.
func benchGets(ctx context.Context, o options, r *report) error {
	s, err := serveRegistry(ctx, 1000)
	if err != nil {
		return err
	}
	defer s.close()
	for _, get := range []struct{ route, path string }{
		{"/schemas/ids/:id", "/schemas/ids/500"},
		{"/subjects/:subject/versions/:version", "/subjects/" + subjectName(499) + "/versions/latest"},
		{"/subjects/:subject/versions", "/subjects/" + subjectName(499) + "/versions"},
		{"/config", "/config"},
	} {
		if err := benchGet(ctx, o, r, s, get.route, get.path); err != nil {
			return err
		}
	}
	return nil
}

func benchGet(ctx context.Context, o options, r *report, s *served, route, path string) error {
	req := request(http.MethodGet, path, "")
	ours, err := newHTTPLoad(s.addr(), connections)
	if err != nil {
		return err
	}
	defer ours.close()
	var body []byte
	if err := ours[0].do(req, &body); err != nil {
		return err
	}
	bare := bareEcho(route, body)
	defer bare.Close()
	theirs, err := newHTTPLoad(bare.Listener.Addr().String(), connections)
	if err != nil {
		return err
	}
	defer theirs.close()
	rounds, turn := o.rounds()
	t, err := interleave(ctx, rounds, 4*turn, ours.same("ours", req), theirs.same(bareName, req))
	if err != nil {
		return err
	}
	perSecond(r, "GET "+strings.ReplaceAll(route, ":", "")+fmt.Sprintf(", %d bytes", len(body)), t, "ours", bareName, atLeast(0.9)).Note = fmt.Sprintf("%d connections", connections)
	return nil
}

// perSecond appends a row of rates beside a limit: the ratio is how much of the
// limit is reached.
func perSecond(r *report, name string, t timings, ours, limit string, goal target) *row {
	return r.add(row{Name: name, Unit: "1/s", Ours: ptr(1e9 / median(t[ours])), Limit: ptr(1e9 / median(t[limit])), Ratio: ptr(ratio(t[limit], t[ours])), Against: limit}, goal)
}

// benchKnown measures what every producer with auto-registration asks at start:
// the lookup and the registration of a schema that is there.
func benchKnown(ctx context.Context, o options, r *report) error {
	for _, subjects := range []int{1000, 100_000} {
		s, err := serveRegistry(ctx, subjects)
		if err != nil {
			return err
		}
		err = benchKnownAt(ctx, o, r, s, subjects)
		s.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func benchKnownAt(ctx context.Context, o options, r *report, s *served, subjects int) error {
	load, err := newHTTPLoad(s.addr(), connections)
	if err != nil {
		return err
	}
	defer load.close()
	at := subjects / 2
	body := schemaBody(orderSchema(at + 1))
	get := "own GET /schemas/ids/{id}"
	rounds, turn := o.rounds()
	t, err := interleave(ctx, rounds, 4*turn,
		load.same(get, request(http.MethodGet, fmt.Sprintf("/schemas/ids/%d", at+1), "")),
		load.same("lookup", request(http.MethodPost, "/subjects/"+subjectName(at), body)),
		load.same("re-register", request(http.MethodPost, "/subjects/"+subjectName(at)+"/versions", body)))
	if err != nil {
		return err
	}
	for _, what := range []string{"lookup", "re-register"} {
		perSecond(r, fmt.Sprintf("%s of a known schema, %d subjects", what, subjects), t, what, get, atLeast(0.75))
	}
	return nil
}
