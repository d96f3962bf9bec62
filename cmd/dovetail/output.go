package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// output is the flag -o: the form in which a command answers.
type output struct{ form string }

func (o *output) flag(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVarP(&o.form, "output", "o", "table", "form of the answer: table, json or yaml ($DOVETAIL_OUTPUT)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// print writes v as JSON or YAML, with the member names of its JSON tags, or what
// table writes: lines of cells that end in tabs.
func (o *output) print(w io.Writer, v any, table func(w io.Writer)) error {
	switch strings.ToLower(o.form) {
	case "table":
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		table(tw)
		return tw.Flush()
	case "json":
		text, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	case "yaml":
		text, err := asYAML(v)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}
	return exitStatus{2, fmt.Errorf("--output %q: want table, json or yaml", o.form)}
}

// asYAML keeps the names and the order that the JSON has, which is YAML already.
func asYAML(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	unquote(&doc)
	return yaml.Marshal(&doc)
}

// unquote takes away the quotes and brackets that JSON has and YAML does not need.
func unquote(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && strings.Contains(n.Value, "\n") {
		n.Style = yaml.LiteralStyle
	}
	for _, c := range n.Content {
		unquote(c)
	}
}

// count writes a number of things in words: "1 version", "3 versions".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// bytesText writes a size for people, in powers of 1024.
func bytesText(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), 0
	for value >= 1024 && unit < 5 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %siB", value, " KMGTP"[unit:unit+1])
}
