package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// report is what one area measured.
type report struct {
	area    string
	Machine string `json:"machine"`
	Rows    []*row `json:"rows"`
}

// row is one number of the design, or one beside it that has no target.
// Absent figures are null in JSON.
type row struct {
	Name    string   `json:"row"`
	Ours    *float64 `json:"ours"`
	Peer    *float64 `json:"peer"`
	Limit   *float64 `json:"limit"`
	Ratio   *float64 `json:"ratio"`
	Target  string   `json:"target"` // ">= 2.8", "<= 0.5"; empty for none
	Met     *bool    `json:"met"`
	Unit    string   `json:"unit"`             // of ours, peer and limit
	Against string   `json:"against"`          // what peer or limit is
	Reason  string   `json:"reason,omitempty"` // why there is no figure
	Note    string   `json:"note,omitempty"`
}

// target is what a ratio, or ours itself, has to reach. The zero value is none.
type target struct {
	atLeast, atMost float64
	ofOurs          bool // about ours, not about the ratio
}

func atLeast(x float64) target   { return target{atLeast: x} }
func atMost(x float64) target    { return target{atMost: x} }
func oursUnder(x float64) target { return target{atMost: x, ofOurs: true} }

func (t target) String() string {
	switch {
	case t.ofOurs:
		return fmt.Sprintf("< %g", t.atMost)
	case t.atLeast > 0:
		return fmt.Sprintf(">= %g", t.atLeast)
	case t.atMost > 0:
		return fmt.Sprintf("<= %.3g", t.atMost)
	}
	return ""
}

func ptr[T any](v T) *T { return &v }

// add completes a row with its target and appends it.
func (r *report) add(w row, t target) *row {
	w.Target = t.String()
	x := w.Ratio
	if t.ofOurs {
		x = w.Ours
	}
	if w.Target != "" && x != nil {
		w.Met = ptr((t.atLeast == 0 || *x >= t.atLeast) && (t.atMost == 0 || *x <= t.atMost))
	}
	r.Rows = append(r.Rows, &w)
	return &w
}

// missing appends a row without figures.
func (r *report) missing(name, against string, t target, reason string) {
	r.add(row{Name: name, Against: against, Reason: reason}, t)
}

// part runs a part of an area. One that fails leaves a row that says why, so
// that the others still count.
func (r *report) part(ctx context.Context, name string, run func() error) {
	began := time.Now()
	fmt.Fprintf(os.Stderr, "%s: %s", r.area, name)
	if err := run(); err != nil && ctx.Err() == nil {
		r.missing(name, "", target{}, "stopped: "+err.Error())
	}
	fmt.Fprintf(os.Stderr, " (%s)\n", time.Since(began).Round(time.Second))
}

func figure(x *float64) string {
	if x == nil {
		return "-"
	}
	switch v := math.Abs(*x); {
	case v >= 1000:
		return fmt.Sprintf("%.0f", *x)
	case v >= 100:
		return fmt.Sprintf("%.1f", *x)
	}
	return fmt.Sprintf("%.2f", *x)
}

// print writes the rows as a table.
func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s on %s\n\n", r.area, r.Machine)
	tw := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "row\tours\tpeer\tlimit\tunit\tratio\ttarget\tmet\tagainst")
	for _, w := range r.Rows {
		met := "-"
		if w.Met != nil {
			met = map[bool]string{true: "yes", false: "NO"}[*w.Met]
		}
		against := w.Against
		if w.Reason != "" {
			against = strings.TrimSpace(against + " (not measured: " + w.Reason + ")")
		}
		if w.Note != "" {
			against += "; " + w.Note
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", w.Name, figure(w.Ours), figure(w.Peer), figure(w.Limit), w.Unit, figure(w.Ratio), w.Target, met, against)
	}
	tw.Flush()
	fmt.Fprintln(out)
}

// write puts the rows into dir/area.json.
func (r *report) write(dir string) error {
	for _, w := range r.Rows {
		for _, x := range []*float64{w.Ours, w.Peer, w.Limit, w.Ratio} {
			if x != nil {
				*x = rounded(*x)
			}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.area+".json"), append(text, '\n'), 0o644)
}

// rounded keeps four significant digits.
func rounded(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}
