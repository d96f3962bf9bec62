package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// order is a schema of the size that people register.
func order(i int) string {
	return fmt.Sprintf(`{"type":"record","name":"Order%d","namespace":"com.acme","fields":[{"name":"id","type":"long"},{"name":"customer","type":"string"},`+
		`{"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[{"name":"sku","type":"string"},{"name":"count","type":"int"}]}}}]}`, i)
}

// filled returns a registry with that many subjects of one version, replayed
// from a journal.
func filled(tb testing.TB, subjects, versions int) (*registry.Registry, *journal.Memory) {
	tb.Helper()
	m := &journal.Memory{}
	ctx := context.Background()
	var batch []journal.Record
	id := 0
	end := journal.Offset(0)
	flush := func() {
		var err error
		if end, err = m.Append(ctx, end, batch); err != nil {
			tb.Fatal(err)
		}
		batch = batch[:0]
	}
	for s := range subjects {
		name := schema.Subject(fmt.Sprintf("topic-%07d-value", s))
		for v := range versions {
			id++
			batch = append(batch, journal.Record{
				Key: journal.AppendKey(nil, journal.Key{Type: journal.SchemaKey, Subject: name, Version: schema.Version(v + 1)}),
				Value: journal.AppendSchema(nil, journal.SchemaValue{
					Subject: name, Version: schema.Version(v + 1), ID: schema.ID(id), Definition: schema.Definition{Type: schema.Avro, Text: order(id)},
				}),
			})
		}
		if len(batch) > 4096 {
			flush()
		}
	}
	flush()
	r, err := registry.Open(ctx, registry.Options{Journal: m})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	return r, m
}

// discard is a response writer that costs nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

func serveOnce(h http.Handler, method, target, body string) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Accept", typeV1)
	h.ServeHTTP(&discard{http.Header{}}, r)
}

func get(tb testing.TB, h http.Handler, target string) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	if w.Code != http.StatusOK {
		tb.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

// bareEcho answers with one body, as little as Echo does.
func bareEcho(body string) http.Handler {
	e := echo.New()
	b := []byte(body)
	e.GET("/schemas/ids/:id", func(c echo.Context) error { return c.Blob(http.StatusOK, typeV1, b) })
	return e
}

// BenchmarkGetByID compares with Echo over loopback connections, where the two
// differ by what clients see.
func BenchmarkGetByID(b *testing.B) {
	reg, _ := filled(b, 1000, 1)
	h := Handler(reg, Options{})
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{{"bareEcho", bareEcho(get(b, h, "/schemas/ids/500"))}, {"dovetail", h}} {
		b.Run(c.name+"/http", func(b *testing.B) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			client := server.Client()
			client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					resp, err := client.Get(server.URL + "/schemas/ids/500")
					if err != nil {
						b.Error(err)
						return
					}
					var buf [4096]byte
					for err == nil {
						_, err = resp.Body.Read(buf[:])
					}
					resp.Body.Close()
				}
			})
		})
		b.Run(c.name+"/handler", func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/schemas/ids/500", nil)
			b.ReportAllocs()
			for b.Loop() {
				c.handler.ServeHTTP(&discard{http.Header{}}, r)
			}
		})
	}
}

func BenchmarkAtSize(b *testing.B) {
	for _, size := range []int{1000, 100000} {
		reg, _ := filled(b, size, 1)
		h := Handler(reg, Options{})
		known := `{"schema":` + string(registry.AppendString(nil, order(size/2+1))) + `}`
		subject := fmt.Sprintf("topic-%07d-value", size/2)
		b.Run(fmt.Sprintf("get/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				serveOnce(h, http.MethodGet, "/schemas/ids/500", "")
			}
		})
		b.Run(fmt.Sprintf("lookup/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				serveOnce(h, http.MethodPost, "/subjects/"+subject, known)
			}
		})
		b.Run(fmt.Sprintf("reregister/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				serveOnce(h, http.MethodPost, "/subjects/"+subject+"/versions", known)
			}
		})
		n := 0
		b.Run(fmt.Sprintf("register/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n++
				body := `{"schema":` + string(registry.AppendString(nil, order(1_000_000+n))) + `}`
				serveOnce(h, http.MethodPost, fmt.Sprintf("/subjects/new-%d/versions", n), body)
			}
		})
	}
}

// BenchmarkReplay opens a registry of subjects with ten versions each.
func BenchmarkReplay(b *testing.B) {
	for _, subjects := range []int{1000, 10000} {
		b.Run(fmt.Sprint(subjects, "x10"), func(b *testing.B) {
			_, m := filled(b, subjects, 10)
			var before, after runtime.MemStats
			var r *registry.Registry
			for b.Loop() {
				if r != nil {
					r.Close()
				}
				r = nil
				runtime.GC()
				runtime.ReadMemStats(&before)
				var err error
				if r, err = registry.Open(context.Background(), registry.Options{Journal: m}); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(subjects*10), "B/version")
			runtime.KeepAlive(r)
			r.Close()
		})
	}
}
