package main

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
)

// verdictsText holds the refusals that were checked by hand, one a line:
//
//	kubernetes BACKWARD v0.23.0 k8s.io/api/core/v1/generated.proto: BACKWARD FIELD_NAMED_TYPE_CHANGED 3, BACKWARD MESSAGE_REMOVED 1
//
//go:embed verdicts.txt
var verdictsText string

// verdicts returns the refusals of a history as lines: what was refused under
// which level, and how often which rule says so, in which direction.
func verdicts(history string, results []*Result) []string {
	var lines []string
	for _, r := range results {
		for _, refusal := range r.Refusals {
			counts := map[string]int{}
			for _, f := range refusal.Findings {
				counts[f.Direction+" "+f.Rule]++
			}
			var why []string
			for _, rule := range slices.Sorted(maps.Keys(counts)) {
				why = append(why, fmt.Sprint(rule, " ", counts[rule]))
			}
			lines = append(lines, fmt.Sprintf("%s %s %s %s: %s", history, r.Level, refusal.Release, refusal.Subject, strings.Join(why, ", ")))
		}
	}
	return lines
}

// checked returns the lines of verdictsText for some histories (all if none is
// named) and levels.
func checked(histories []string, levels []compat.Level) []string {
	var lines []string
	for line := range strings.Lines(verdictsText) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(words) < 3 || len(histories) > 0 && !slices.Contains(histories, words[0]) {
			continue
		}
		if slices.ContainsFunc(levels, func(l compat.Level) bool { return l.String() == words[1] }) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// changes returns what only one of two lists has.
func changes(was, is []string) []string {
	var out []string
	for _, line := range was {
		if !slices.Contains(is, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			out = append(out, "+ "+line)
		}
	}
	return out
}
