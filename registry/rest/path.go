package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// tidy reports whether a path can be routed as it stands: no escapes, no empty
// segments, no trailing slash, no context in front.
func tidy(path string) bool {
	for i := 0; i < len(path); i++ {
		if path[i] == '/' && i+1 < len(path) && path[i+1] == '/' || path[i] == '%' {
			return false
		}
	}
	return path == "/" || !strings.HasSuffix(path, "/") && !strings.HasPrefix(path, "/contexts/")
}

// rewrite returns the request as it is routed: superfluous slashes dropped, a
// context in front of the path moved into the names behind it, aliases
// replaced by what they stand for. The path stays escaped, in RawPath.
func (h *handler) rewrite(r *http.Request) (*http.Request, error) {
	path := r.URL.EscapedPath()
	simple := tidy(path)
	if simple && !strings.HasPrefix(path, "/subjects/") && r.URL.RawQuery == "" && !strings.Contains(path, "/deks") && !strings.HasPrefix(path, "/compatibility/") {
		return r, nil
	}
	if simple && r.URL.RawQuery == "" && !h.aliased(path) {
		return r, nil
	}
	segments := split(path)
	query := r.URL.RawQuery
	if len(segments) > 1 && segments[0] == "contexts" {
		var err error
		if segments, query, err = inContext(segments, r); err != nil {
			return nil, err
		}
	}
	segments, query = h.followAliases(segments, query)
	u := *r.URL
	u.RawPath = "/" + strings.Join(segments, "/")
	u.RawQuery = query
	if unescaped, err := url.PathUnescape(u.RawPath); err == nil {
		u.Path = unescaped
	} else {
		return nil, badRequest("The path is not validly percent-encoded")
	}
	out := new(http.Request)
	*out = *r
	out.URL = &u
	return out, nil
}

func split(path string) []string {
	var segments []string
	for s := range strings.SplitSeq(path, "/") {
		if s != "" {
			segments = append(segments, s)
		}
	}
	return segments
}

// inContext turns /contexts/x/rest into rest with its names qualified.
func inContext(segments []string, r *http.Request) ([]string, string, error) {
	name, err := url.PathUnescape(segments[1])
	if err != nil {
		return nil, "", badRequest("The path is not validly percent-encoded")
	}
	rest := segments[2:]
	if len(rest) == 0 {
		if bare, ok := strings.CutPrefix(name, ":"); ok && strings.HasSuffix(bare, ":") {
			name = strings.TrimSuffix(bare, ":")
		}
	}
	if strings.Contains(name, ":") {
		return nil, "", badRequest("Context name " + name + " must not contain a colon")
	}
	c := schema.Context(name)
	if !strings.HasPrefix(name, ".") {
		c = schema.Context("." + name)
	}
	qualifier := ":" + string(c) + ":"
	if len(rest) == 0 {
		return []string{"contexts", url.PathEscape(qualifier)}, r.URL.RawQuery, nil
	}
	out := append([]string{}, rest...)
	qualified := false
	for i := 1; i < len(out); i++ {
		if before := out[i-1]; before == "subjects" || before == "deks" || i == 1 && (before == "config" || before == "mode") {
			out[i] = qualifySegment(qualifier, out[i])
			qualified = true
			break
		}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, "", badRequest("The query is not validly percent-encoded")
	}
	last := out[len(out)-1]
	switch {
	case qualified:
		return out, r.URL.RawQuery, nil
	case len(out) == 1 && (last == "config" || last == "mode"):
		return append(out, url.PathEscape(qualifier)), r.URL.RawQuery, nil
	case len(out) > 1 && out[0] == "schemas" && out[1] == "ids":
		query.Set("subject", qualify(qualifier, query.Get("subject")))
	case last == "schemas" || last == "subjects" || last == "keks":
		query.Set("subjectPrefix", qualify(qualifier, query.Get("subjectPrefix")))
	case strings.HasPrefix(out[0], "associations"):
		query.Set("context", string(c))
	default:
		return out, r.URL.RawQuery, nil
	}
	return out, query.Encode(), nil
}

func qualify(qualifier, name string) string {
	if schema.Subject(name).Qualified() {
		return name
	}
	return qualifier + name
}

func qualifySegment(qualifier, segment string) string {
	name, err := url.PathUnescape(segment)
	if err != nil {
		return segment // refused later, with the whole path
	}
	return url.PathEscape(qualify(qualifier, name))
}

// aliased reports whether a tidy path may name a subject by an alias.
func (h *handler) aliased(path string) bool {
	rest, ok := strings.CutPrefix(path, "/subjects/")
	if !ok {
		return strings.Contains(path, "/subjects/") || strings.Contains(path, "/deks")
	}
	name, _, _ := strings.Cut(rest, "/")
	return string(h.reg.Alias(schema.Subject(name), false)) != name
}

// followAliases replaces the subject behind "subjects" or "deks", and the
// subject of a lookup by ID, by the one that its alias names.
func (h *handler) followAliases(segments []string, query string) ([]string, string) {
	deks := len(segments) > 0 && segments[0] == "dek-registry"
	for i := 1; i < len(segments); i++ {
		if before := segments[i-1]; before != "subjects" && before != "deks" {
			continue
		}
		name, err := url.PathUnescape(segments[i])
		if err != nil {
			return segments, query
		}
		if to := h.reg.Alias(schema.Subject(name), deks); string(to) != name {
			segments = append([]string{}, segments...)
			segments[i] = url.PathEscape(string(to))
		}
		return segments, query
	}
	if len(segments) > 2 && segments[0] == "schemas" && segments[1] == "ids" && strings.Contains(query, "subject=") {
		values, err := url.ParseQuery(query)
		if err != nil {
			return segments, query
		}
		name := values.Get("subject")
		if to := h.reg.Alias(schema.Subject(name), false); string(to) != name {
			values.Set("subject", string(to))
			return segments, values.Encode()
		}
	}
	return segments, query
}
