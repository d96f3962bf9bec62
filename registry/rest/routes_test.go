package rest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryRouteHasAnExchange: each endpoint is shown with an answer and, unless
// it cannot fail by what is asked of it, with a refusal.
func TestEveryRouteHasAnExchange(t *testing.T) {
	// What a request can be refused for there is nothing of.
	cannotFail := map[string]bool{
		"GET /": true, "POST /": true, "GET /schemas/types": true, "GET /contexts": true,
		"GET /v1/metadata/id": true, "GET /v1/metadata/version": true, "GET /v1/metadata/deployment": true,
		"GET /schemas/guids/:guid/ids": true, // none for one that nothing has
		"GET /config":                  true, "GET /mode": true, "DELETE /config": true,
		"GET " + keksPath: true,
	}
	files, err := filepath.Glob("testdata/exchanges/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	request := regexp.MustCompile(`(?m)^(GET|POST|PUT|DELETE) (/[^ \n]*)(?:\n(?:[^=\n].*|=[^>\n].*))*\n=> (\d+)`)
	answered, refused := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range request.FindAllStringSubmatch(string(text), -1) {
			path, _, _ := strings.Cut(m[2], "?")
			for _, route := range routes {
				if route.method == m[1] && route.matches(path) {
					name := route.method + " " + route.path
					answered[name] = answered[name] || m[3] < "300"
					refused[name] = refused[name] || m[3] >= "400"
				}
			}
		}
	}
	for _, route := range routes {
		name := route.method + " " + route.path
		if !answered[name] {
			t.Errorf("no exchange shows an answer of %s", name)
		}
		if refused[name] == cannotFail[name] {
			t.Errorf("%s: an exchange shows a refusal: %t, and it cannot fail: %t", name, refused[name], cannotFail[name])
		}
	}
}

// matches says whether a path, as it was sent, is one of the route.
func (r route) matches(path string) bool {
	if path == r.path {
		return true
	}
	is, want := strings.Split(strings.ReplaceAll(path, ":batch", `\:batch`), "/"), strings.Split(r.path, "/")
	if len(is) != len(want) {
		return false
	}
	for i := range is {
		if !strings.HasPrefix(want[i], ":") && is[i] != want[i] || strings.HasPrefix(want[i], ":") && is[i] == "" {
			return false
		}
	}
	return true
}
