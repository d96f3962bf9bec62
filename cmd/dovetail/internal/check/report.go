package check

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Writer prints a report in one form.
type Writer func(w io.Writer, r *Report) error

// Writers are the forms of a report by the name that --format takes.
var Writers = map[string]Writer{
	"text":   WriteText,
	"github": WriteGitHub,
	"sarif":  WriteSARIF,
	"junit":  WriteJUnit,
	"json":   WriteJSON,
}

// WriteText prints one line per finding, as compilers do, and a summary.
func WriteText(w io.Writer, r *Report) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s:%d:%d: %s breaks %s with %s\n    %s\n", f.File, f.Line, f.Column, f.Rule, f.Level, f.Against, f.Message)
		if f.Edit != "" {
			fmt.Fprintf(&b, "    %s\n", f.Edit)
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%s%s\n", place(p), p.Message)
	}
	fmt.Fprintln(&b, r.Summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func place(p Problem) string {
	switch {
	case p.File == "" || strings.HasPrefix(p.Message, p.File+":"):
		return ""
	case p.Line == 0:
		return p.File + ": "
	case strings.HasPrefix(p.Message, fmt.Sprintf("%d:%d:", p.Line, p.Column)):
		return p.File + ":"
	}
	return fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
}

// WriteGitHub prints workflow commands, which GitHub shows beside the line,
// and the text form for the log.
func WriteGitHub(w io.Writer, r *Report) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "::error file=%s,line=%d,col=%d,title=%s::%s\n", ghProperty(f.File), f.Line, f.Column,
			ghProperty(f.Rule+" breaks "+f.Level+" with "+f.Against), ghData(f.Message))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "::error file=%s,line=%d,col=%d,title=cannot tell::%s\n", ghProperty(p.File), max(p.Line, 1), max(p.Column, 1), ghData(p.Message))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	return WriteText(w, r)
}

func ghData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func ghProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(ghData(s))
}

// WriteJSON prints the report itself.
func WriteJSON(w io.Writer, r *Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteSARIF prints SARIF 2.1.0, which code-scanning services read.
func WriteSARIF(w io.Writer, r *Report) error {
	type text struct {
		Text string `json:"text"`
	}
	type region struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
	type artifact struct {
		URI string `json:"uri"`
	}
	type physical struct {
		ArtifactLocation artifact `json:"artifactLocation"`
		Region           region   `json:"region"`
	}
	type location struct {
		PhysicalLocation physical `json:"physicalLocation"`
	}
	type result struct {
		RuleID     string            `json:"ruleId"`
		Level      string            `json:"level"`
		Message    text              `json:"message"`
		Locations  []location        `json:"locations"`
		Properties map[string]string `json:"properties,omitempty"`
	}
	type rule struct {
		ID string `json:"id"`
	}
	at := func(file string, line, column int) []location {
		return []location{{physical{artifact{file}, region{max(line, 1), max(column, 1)}}}}
	}
	results, rules, seen := []result{}, []rule{}, map[string]bool{}
	add := func(res result) {
		if !seen[res.RuleID] {
			seen[res.RuleID] = true
			rules = append(rules, rule{res.RuleID})
		}
		results = append(results, res)
	}
	for _, f := range r.Findings {
		add(result{f.Rule, "error", text{f.Message}, at(f.File, f.Line, f.Column),
			map[string]string{"schemaPath": f.Path, "against": f.Against, "level": f.Level}})
	}
	for _, p := range r.Problems {
		add(result{"UNREADABLE", "error", text{p.Message}, at(p.File, p.Line, p.Column), nil})
	}
	doc := map[string]any{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []any{map[string]any{
			"tool":    map[string]any{"driver": map[string]any{"name": "dovetail", "rules": rules}},
			"results": results,
		}},
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(doc)
}

// WriteJUnit prints one test case per file, for CI services that show tests.
func WriteJUnit(w io.Writer, r *Report) error {
	type failure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Class    string    `xml:"classname,attr"`
		Name     string    `xml:"name,attr"`
		Failures []failure `xml:"failure"`
		Errors   []failure `xml:"error"`
	}
	type suite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []*testcase `xml:"testcase"`
	}
	s := suite{Name: "dovetail check"}
	cases := map[string]*testcase{}
	of := func(file string) *testcase {
		c := cases[file]
		if c == nil {
			c = &testcase{Class: "dovetail.check", Name: file}
			cases[file] = c
			s.Cases = append(s.Cases, c)
		}
		return c
	}
	for _, path := range r.Compared {
		of(path)
	}
	for _, path := range r.New {
		of(path)
	}
	for _, f := range r.Findings {
		c := of(f.File)
		c.Failures = append(c.Failures, failure{f.Message, f.Rule,
			fmt.Sprintf("%s:%d:%d: %s at %s breaks %s with %s", f.File, f.Line, f.Column, f.Rule, f.Path, f.Level, f.Against)})
	}
	for _, p := range r.Problems {
		c := of(p.File)
		c.Errors = append(c.Errors, failure{p.Message, "UNREADABLE", p.Message})
	}
	s.Tests = len(s.Cases)
	for _, c := range s.Cases {
		if len(c.Failures) > 0 {
			s.Failures++
		}
		if len(c.Errors) > 0 {
			s.Errors++
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
