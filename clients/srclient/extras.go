package srclient

import (
	"context"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Summary is one line about a subject: what a list of subjects shows.
type Summary struct {
	Subject   schema.Subject `json:"subject"`
	Version   schema.Version `json:"version"` // newest
	ID        schema.ID      `json:"id"`      // of the newest version
	Type      schema.Type    `json:"schemaType"`
	Versions  int            `json:"versions"` // how many there are
	Level     string         `json:"compatibilityLevel"`
	Mode      Mode           `json:"mode"`
	Timestamp int64          `json:"ts"` // of the newest version, Unix milliseconds
	Deleted   bool           `json:"deleted"`
}

// Summaries lists subjects with what is known about each, in one request. Only
// Dovetail answers it; of another server it is an error.
func (c *Client) Summaries(ctx context.Context, o SubjectsOptions) ([]Summary, error) {
	var out []Summary
	q := newQuery().text("subjectPrefix", o.Prefix).flag("deleted", o.Deleted).flag("deletedOnly", o.DeletedOnly).flag("summary", true).page(o.Page)
	err := c.get(ctx, "/subjects", q, &out)
	return out, err
}

// Difference is one change between two versions of a subject.
type Difference struct {
	Rule         string `json:"rule"`
	Path         string `json:"path,omitempty"`
	Detail       string `json:"detail,omitempty"`
	New          Place  `json:"new"`          // in the later text, zero if it is not there
	Old          Place  `json:"old"`          // in the earlier text, zero if it is not there
	BackwardSafe bool   `json:"backwardSafe"` // the later version reads what the earlier one wrote
	ForwardSafe  bool   `json:"forwardSafe"`  // the earlier version reads what the later one wrote
}

// Diff says what changed in meaning between two versions of a subject;
// schema.Latest is the newest. Only Dovetail answers it.
func (c *Client) Diff(ctx context.Context, s schema.Subject, from, to schema.Version) ([]Difference, error) {
	if s == "" {
		return nil, errEmptySubject
	}
	var out []Difference
	q := newQuery().text("from", versionText(from)).text("to", versionText(to))
	err := c.get(ctx, path("subjects", string(s), "diff"), q, &out)
	return out, err
}

// Place is a line and a column of a text, from 1; zero if it is not known.
type Place struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Explanation is one reason why a schema may not follow a version, for people.
type Explanation struct {
	Rule       string         `json:"rule"`
	Direction  string         `json:"direction"` // BACKWARD or FORWARD
	Level      string         `json:"level"`
	Path       string         `json:"path,omitempty"`
	New        Place          `json:"new"` // in the text that was asked about
	Old        Place          `json:"old"` // in the registered one
	Version    schema.Version `json:"version,omitempty"`
	Registered string         `json:"registered,omitempty"` // when, RFC 3339
	Sentence   string         `json:"sentence"`
	Suggestion string         `json:"suggestion,omitempty"` // what edit would pass
}

// Explained is a Compatibility with its reasons taken apart. Servers other than
// Dovetail leave Explanation empty.
type Explained struct {
	Compatibility
	Explanation []Explanation `json:"explanation,omitempty"`
}

// Explain is Compatible with the reasons for people.
func (c *Client) Explain(ctx context.Context, s schema.Subject, v schema.Version, d schema.Definition, normalize bool) (Explained, error) {
	var out Explained
	if s == "" {
		return out, errEmptySubject
	}
	p := path("compatibility", "subjects", string(s), "versions")
	if v != 0 {
		p += path(versionText(v))
	}
	q := newQuery().flag("normalize", normalize).flag("verbose", true).flag("explain", true)
	err := c.post(ctx, p, q, newDefinition(d), &out)
	return out, err
}
