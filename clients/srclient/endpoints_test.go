package srclient_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-dev/dovetail/clients/srclient"
)

// sameAs are endpoints that do what another one does.
var sameAs = map[string]string{
	"POST /":                               "GET /",
	"POST /dek-registry/v1/keks/:kek/deks": "POST /dek-registry/v1/keks/:kek/deks/:subject",
}

var routeLine = regexp.MustCompile("\\{http\\.Method(\\w+), (keksPath)?(?: \\+ )?(?:[\"`]([^\"`]*)[\"`])?,")

// TestEveryEndpointHasAMethod calls every method of a client and compares what
// arrives with the registry's table of routes.
func TestEveryEndpointHasAMethod(t *testing.T) {
	table, err := os.ReadFile("../../registry/rest/routes.go")
	if err != nil {
		t.Fatal(err)
	}
	routes := map[string]*regexp.Regexp{}
	for _, m := range routeLine.FindAllStringSubmatch(string(table), -1) {
		path := strings.ReplaceAll(m[3], `\:`, "%3A")
		if m[2] != "" {
			path = "/dek-registry/v1/keks" + path
		}
		pattern := regexp.MustCompile(`:\w+`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`)
		routes[strings.ToUpper(m[1])+" "+path] = regexp.MustCompile("^" + strings.ReplaceAll(pattern, "%3A", ":") + "$")
	}
	if all := strings.Count(string(table), "{http.Method"); all == 0 || len(routes) != all {
		t.Fatalf("%d of the table's %d routes were understood", len(routes), all)
	}

	var mu sync.Mutex
	seen := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		// A router prefers the route with fewer parameters.
		found := ""
		for name, pattern := range routes {
			if strings.HasPrefix(name, r.Method+" ") && pattern.MatchString(r.URL.Path) &&
				(found == "" || strings.Count(name, "/:") < strings.Count(found, "/:")) {
				found = name
			}
		}
		if found == "" {
			t.Errorf("a method asks for %s %s, which is in no table", r.Method, r.URL.Path)
		}
		seen[found] = true
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	for _, text := range []string{"x", ""} {
		for _, number := range []int64{1, 0} {
			client, err := srclient.New([]string{server.URL}, srclient.WithRetries(0, 0, 0))
			if err != nil {
				t.Fatal(err)
			}
			callAll(t.Context(), client, text, number)
			client.Close()
		}
	}
	for name := range routes {
		if !seen[name] && !seen[sameAs[name]] {
			t.Errorf("no method of the client asks for %s", name)
		}
	}
}

// callAll calls every method with the same text, number and true wherever one
// is wanted. What they answer does not matter.
func callAll(ctx context.Context, client *srclient.Client, text string, number int64) {
	v := reflect.ValueOf(client)
	for i := range v.NumMethod() {
		if v.Type().Method(i).Name == "Close" {
			continue
		}
		f := v.Method(i)
		var args []reflect.Value
		for j := range f.Type().NumIn() {
			if f.Type().IsVariadic() && j == f.Type().NumIn()-1 {
				break
			}
			arg := reflect.New(f.Type().In(j)).Elem()
			if arg.Type() == reflect.TypeFor[context.Context]() {
				arg.Set(reflect.ValueOf(ctx))
			} else {
				fill(arg, text, number, 0)
			}
			args = append(args, arg)
		}
		f.Call(args)
	}
}

func fill(v reflect.Value, text string, number int64, depth int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(number)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() && depth < 3 {
				fill(v.Field(i), text, number, depth+1)
			}
		}
	}
}
