package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// output is the flag -o: the form in which a command answers.
type output struct{ form outputForm }

// outputForm is table, json or yaml.
type outputForm string

func (f *outputForm) String() string { return string(*f) }

func (f *outputForm) Type() string { return "form" }

func (f *outputForm) Set(s string) error {
	switch form := outputForm(strings.ToLower(s)); form {
	case "table", "json", "yaml":
		*f = form
		return nil
	}
	return errors.New("want table, json or yaml")
}

// flag adds the flag to a command and to those below it.
func (o *output) flag(cmd *cobra.Command) {
	o.form = "table"
	cmd.PersistentFlags().VarP(&o.form, "output", "o", "form of the answer: table, json or yaml ($DOVETAIL_OUTPUT)")
	oneOf(cmd, "output", "table", "json", "yaml")
}

// print writes v as JSON or YAML, with the member names of its JSON tags, or what
// table writes: lines of cells that end in tabs.
func (o *output) print(w io.Writer, v any, table func(w io.Writer)) error {
	switch o.form {
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
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	table(tw)
	return tw.Flush()
}

// done says what was done to which: a line each, or the list of names.
func (o *output) done(w io.Writer, what string, names []string) error {
	return o.print(w, names, func(w io.Writer) {
		for _, name := range names {
			fmt.Fprintf(w, "%s %s\n", what, name)
		}
	})
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
