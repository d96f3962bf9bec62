package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// schemaCommand holds what the verbs of `dovetail schema` share.
type schemaCommand struct {
	connection
	output
}

func newSchema() *cobra.Command {
	s := &schemaCommand{}
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Subjects and schemas of a registry: list, get, register, compare",
		Example: `  dovetail schema list
  dovetail schema register orders-value order.avsc
  dovetail schema get orders-value
  dovetail schema check-compat orders-value order-new.avsc
  dovetail schema diff orders-value 1 latest
  dovetail schema level orders-value FULL_TRANSITIVE`,
	}
	s.connection.flags(cmd, true, false)
	s.output.flag(cmd)
	cmd.AddCommand(s.list(), s.get(), s.register(), s.versions(), s.delete(), s.level(), s.mode(), s.diff(), s.checkCompat(),
		newSchemaImport(&s.credentials, &s.output), newSchemaExport(&s.credentials, &s.output))
	return cmd
}

// run makes a verb of a function that talks to the registry.
func (s *schemaCommand) run(f func(ctx context.Context, c *srclient.Client, w io.Writer, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := s.openRegistry()
		if err != nil {
			return err
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), s.timeout)
		defer cancel()
		return f(ctx, c, cmd.OutOrStdout(), args)
	}
}

func (s *schemaCommand) list() *cobra.Command {
	var o srclient.SubjectsOptions
	cmd := &cobra.Command{
		Use:               "list [prefix]",
		Short:             "List subjects, newest version, level and mode of each",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: positions(s.completeSubjects),
		RunE: s.run(func(ctx context.Context, c *srclient.Client, w io.Writer, args []string) error {
			o.Prefix = ":*:"
			if len(args) == 1 {
				o.Prefix = args[0]
			}
			list, err := c.Summaries(ctx, o)
			if err != nil { // another registry may know names alone, or none is there
				return s.names(ctx, c, w, o)
			}
			return s.print(w, list, func(w io.Writer) {
				fmt.Fprintln(w, "SUBJECT\tTYPE\tVERSIONS\tLATEST\tID\tLEVEL\tMODE\tREGISTERED")
				for _, l := range list {
					name := string(l.Subject)
					if l.Deleted {
						name += " (deleted)"
					}
					fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", name, l.Type, l.Versions, l.Version, l.ID, l.Level, l.Mode,
						time.UnixMilli(l.Timestamp).UTC().Format("2006-01-02 15:04"))
				}
			})
		}),
	}
	cmd.Flags().BoolVar(&o.Deleted, "deleted", false, "list soft-deleted subjects, too")
	return cmd
}

func (s *schemaCommand) names(ctx context.Context, c *srclient.Client, w io.Writer, o srclient.SubjectsOptions) error {
	list, err := c.Subjects(ctx, o)
	if err != nil {
		return s.registryError(err)
	}
	return s.print(w, list, func(w io.Writer) {
		fmt.Fprintln(w, "SUBJECT")
		for _, name := range list {
			fmt.Fprintln(w, name)
		}
	})
}

// versionView is a version as -o json and yaml show it.
type versionView struct {
	Subject    schema.Subject     `json:"subject,omitempty"`
	Version    schema.Version     `json:"version,omitempty"`
	ID         schema.ID          `json:"id"`
	GUID       string             `json:"guid,omitempty"`
	Type       schema.Type        `json:"schemaType"`
	Schema     string             `json:"schema"`
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitempty"`
	RuleSet    *schema.RuleSet    `json:"ruleSet,omitempty"`
}

func viewOf(v srclient.Schema) versionView {
	out := versionView{v.Subject, v.Version, v.ID, "", v.Type.OrDefault(), v.Text, v.References, v.Metadata, v.RuleSet}
	if v.GUID != (schema.GUID{}) {
		out.GUID = v.GUID.String()
	}
	return out
}

func (s *schemaCommand) get() *cobra.Command {
	var id int32
	var format string
	var deleted, raw bool
	cmd := &cobra.Command{
		Use:   "get {subject [version] | --id ID}",
		Short: "Print a schema",
		Long: `Get prints a version of a subject (the newest, unless a number is given), or the
schema with an ID: in a table with everything that belongs to it, with --raw the
text as it is stored and nothing else.`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: positions(s.completeSubjects, s.completeVersions),
		RunE: s.run(func(ctx context.Context, c *srclient.Client, w io.Writer, args []string) error {
			var got srclient.Schema
			var err error
			switch {
			case id > 0 && len(args) == 0:
				got, err = c.ByID(ctx, schema.ID(id), srclient.IDOptions{Format: format})
				got.ID = schema.ID(id)
			case id == 0 && len(args) > 0:
				var v schema.Version
				if v, err = versionArg(args, 1); err != nil {
					return exitStatus{2, err}
				}
				got, err = c.SchemaVersion(ctx, schema.Subject(args[0]), v, srclient.VersionOptions{Format: format, Deleted: deleted})
			default:
				return exitStatus{2, errors.New("name a subject, or an ID with --id")}
			}
			if err != nil {
				return s.registryError(err)
			}
			if raw {
				_, err := fmt.Fprintln(w, got.Text)
				return err
			}
			return s.print(w, viewOf(got), func(w io.Writer) { schemaTable(w, viewOf(got)) })
		}),
	}
	cmd.Flags().Int32Var(&id, "id", 0, "schema ID")
	cmd.Flags().StringVar(&format, "format", "", "resolved, serialized or ignore_extensions instead of the stored text")
	cmd.Flags().BoolVar(&deleted, "deleted", false, "a soft-deleted version, too")
	cmd.Flags().BoolVar(&raw, "raw", false, "only the text, for a file")
	oneOf(cmd, "format", "resolved", "serialized", "ignore_extensions")
	return cmd
}

func schemaTable(w io.Writer, v versionView) {
	if v.Subject != "" {
		fmt.Fprintf(w, "Subject\t%s\nVersion\t%d\n", v.Subject, v.Version)
	}
	fmt.Fprintf(w, "ID\t%d\nType\t%s\n", v.ID, v.Type)
	if v.GUID != "" {
		fmt.Fprintf(w, "GUID\t%s\n", v.GUID)
	}
	for _, r := range v.References {
		fmt.Fprintf(w, "Reference\t%s = %s version %d\n", r.Name, r.Subject, r.Version)
	}
	if v.Metadata != nil {
		metadataRows(w, v.Metadata)
	}
	if v.RuleSet != nil {
		ruleRows(w, "Migration rule", v.RuleSet.MigrationRules)
		ruleRows(w, "Domain rule", v.RuleSet.DomainRules)
		ruleRows(w, "Encoding rule", v.RuleSet.EncodingRules)
	}
	fmt.Fprintf(w, "\n%s\n", pretty(v.Schema))
}

func metadataRows(w io.Writer, m *schema.Metadata) {
	for _, name := range sortedKeys(m.Properties) {
		fmt.Fprintf(w, "Property\t%s = %s\n", name, m.Properties[name])
	}
	for _, path := range sortedKeys(m.Tags) {
		fmt.Fprintf(w, "Tags\t%s: %s\n", path, strings.Join(m.Tags[path], ", "))
	}
	if len(m.Sensitive) > 0 {
		fmt.Fprintf(w, "Sensitive\t%s\n", strings.Join(m.Sensitive, ", "))
	}
}

func ruleRows(w io.Writer, name string, rules []schema.Rule) {
	for _, r := range rules {
		fmt.Fprintf(w, "%s\t%s: %s %s of %s", name, r.Name, r.Type, strings.ToLower(r.Kind), r.Mode)
		if r.Expr != "" {
			fmt.Fprintf(w, ": %s", r.Expr)
		}
		if r.Disabled {
			fmt.Fprint(w, " (disabled)")
		}
		fmt.Fprintln(w)
	}
}

// pretty indents JSON and leaves everything else.
func pretty(text string) string {
	var out strings.Builder
	d := json.RawMessage(text)
	if b, err := json.MarshalIndent(d, "", "  "); err == nil {
		out.Write(b)
		return out.String()
	}
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\t", "  ")
}

// versionArg reads args[i], latest if there is none.
func versionArg(args []string, i int) (schema.Version, error) {
	if len(args) <= i || args[i] == "latest" || args[i] == "-1" {
		return schema.Latest, nil
	}
	n, err := strconv.ParseInt(args[i], 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("version %q: want a number from 1, or latest", args[i])
	}
	return schema.Version(n), nil
}

func levelArg(s string) (string, error) {
	l, err := compat.ParseLevel(s)
	return l.String(), err
}
