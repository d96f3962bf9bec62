package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// definitionFlags are those of commands that send a schema.
type definitionFlags struct {
	kind       string
	references []string
	normalize  bool
}

func (d *definitionFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.kind, "type", "", "AVRO, PROTOBUF or JSON; the default follows the file's ending")
	cmd.Flags().StringArrayVar(&d.references, "reference", nil, "name=subject@version that the text refers to; repeat it for several")
	cmd.Flags().BoolVar(&d.normalize, "normalize", false, "use the normal form of the text")
	oneOf(cmd, "type", "AVRO", "PROTOBUF", "JSON")
}

// read reads the file that an argument names, standard input for "-" or none.
func (d *definitionFlags) read(stdin io.Reader, args []string, i int) (schema.Definition, error) {
	out := schema.Definition{Type: schema.Type(strings.ToUpper(d.kind))}
	var text []byte
	var err error
	if len(args) <= i || args[i] == "-" {
		text, err = io.ReadAll(stdin)
	} else {
		text, err = os.ReadFile(args[i])
		if out.Type == "" {
			switch filepath.Ext(args[i]) {
			case ".proto":
				out.Type = schema.Protobuf
			case ".json":
				out.Type = schema.JSON
			}
		}
	}
	out.Type = out.Type.OrDefault()
	if !out.Type.Known() {
		return out, fmt.Errorf("--type %q: want AVRO, PROTOBUF or JSON", d.kind)
	}
	if err != nil {
		return out, err
	}
	if out.Text = string(text); strings.TrimSpace(out.Text) == "" {
		return out, errors.New("the schema is empty: name a file, or give the text on standard input")
	}
	for _, r := range d.references {
		name, rest, ok := strings.Cut(r, "=")
		at := strings.LastIndexByte(rest, '@')
		if !ok || at < 1 {
			return out, fmt.Errorf("--reference %q: want name=subject@version", r)
		}
		v, err := versionArg([]string{rest[at+1:]}, 0)
		if err != nil {
			return out, fmt.Errorf("--reference %q: %w", r, err)
		}
		out.References = append(out.References, schema.Reference{Name: name, Subject: schema.Subject(rest[:at]), Version: v})
	}
	return out, nil
}

func (s *schemaCommand) register() *cobra.Command {
	var d definitionFlags
	cmd := &cobra.Command{
		Use:   "register subject [file]",
		Short: "Register a schema as the newest version of a subject",
		Long: `Register sends a schema, of a file or of standard input, and prints the ID and the
version that it has. A schema that is registered already keeps both.`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: positions(s.completeSubjects, completeFiles),
	}
	cmd.RunE = s.run(func(ctx context.Context, c *srclient.Client, w io.Writer, args []string) error {
		definition, err := d.read(cmd.InOrStdin(), args, 1)
		if err != nil {
			return exitStatus{2, err}
		}
		subject := schema.Subject(args[0])
		got, err := c.RegisterSchema(ctx, subject, srclient.Registration{Definition: definition, Normalize: d.normalize})
		var answered *srclient.Error
		if errors.As(err, &answered) && answered.Status == 409 {
			if e, err := c.Explain(ctx, subject, 0, definition, d.normalize); err == nil && len(e.Explanation) > 0 {
				return fmt.Errorf("%s does not take this schema\n%s", subject, explained(e.Explanation))
			}
		}
		if err != nil {
			return s.registryError(err)
		}
		if got.Version == 0 { // a server before 8.0 tells the ID alone
			if found, err := c.LookupSchema(ctx, subject, definition, srclient.SchemaLookupOptions{Normalize: d.normalize}); err == nil {
				got.Version = found.Version
			}
		}
		got.Subject = subject
		type registered struct {
			Subject schema.Subject `json:"subject"`
			Version schema.Version `json:"version"`
			ID      schema.ID      `json:"id"`
		}
		return s.print(w, registered{subject, got.Version, got.ID}, func(w io.Writer) {
			fmt.Fprintf(w, "%s version %d, ID %d\n", subject, got.Version, got.ID)
		})
	})
	d.flags(cmd)
	return cmd
}

func (s *schemaCommand) versions() *cobra.Command {
	var deleted bool
	cmd := &cobra.Command{
		Use:               "versions subject",
		Short:             "List the versions of a subject",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: positions(s.completeSubjects),
		RunE: s.run(func(ctx context.Context, c *srclient.Client, w io.Writer, args []string) error {
			numbers, err := c.Versions(ctx, schema.Subject(args[0]), srclient.VersionsOptions{Deleted: deleted})
			if err != nil {
				return s.registryError(err)
			}
			type row struct {
				Version    schema.Version `json:"version"`
				ID         schema.ID      `json:"id"`
				Type       schema.Type    `json:"schemaType"`
				Registered string         `json:"registered,omitempty"`
				Deleted    bool           `json:"deleted,omitempty"`
			}
			rows := make([]row, len(numbers))
			for i, n := range numbers {
				v, err := c.SchemaVersion(ctx, schema.Subject(args[0]), n, srclient.VersionOptions{Deleted: deleted})
				if err != nil {
					return s.registryError(err)
				}
				rows[i] = row{Version: n, ID: v.ID, Type: v.Type.OrDefault(), Deleted: v.Deleted}
				if v.Timestamp > 0 {
					rows[i].Registered = time.UnixMilli(v.Timestamp).UTC().Format(time.RFC3339)
				}
			}
			return s.print(w, rows, func(w io.Writer) {
				fmt.Fprintln(w, "VERSION\tID\tTYPE\tREGISTERED")
				for _, r := range rows {
					mark := ""
					if r.Deleted {
						mark = " (deleted)"
					}
					fmt.Fprintf(w, "%d%s\t%d\t%s\t%s\n", r.Version, mark, r.ID, r.Type, r.Registered)
				}
			})
		}),
	}
	cmd.Flags().BoolVar(&deleted, "deleted", false, "list soft-deleted versions, too")
	return cmd
}

func (s *schemaCommand) delete() *cobra.Command {
	var permanent bool
	cmd := &cobra.Command{
		Use:   "delete subject [version]",
		Short: "Delete a version, or a subject with all of them",
		Long: `Delete takes versions out of use (a soft delete): whoever has their IDs can still
read with them, and nothing new refers to them. With --permanent they are gone;
that needs a soft delete before it.`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: positions(s.completeSubjects, s.completeVersions),
		RunE: s.run(func(ctx context.Context, c *srclient.Client, w io.Writer, args []string) error {
			gone := []schema.Version{}
			var err error
			if len(args) == 1 {
				gone, err = c.DeleteSubject(ctx, schema.Subject(args[0]), permanent)
			} else {
				var v schema.Version
				if v, err = versionArg(args, 1); err != nil {
					return exitStatus{2, err}
				}
				if v, err = c.DeleteVersion(ctx, schema.Subject(args[0]), v, permanent); err == nil {
					gone = append(gone, v)
				}
			}
			if err != nil {
				return s.registryError(err)
			}
			return s.print(w, gone, func(w io.Writer) {
				fmt.Fprintf(w, "deleted %s of %s: %v\n", count(len(gone), "version"), args[0], gone)
			})
		}),
	}
	cmd.Flags().BoolVar(&permanent, "permanent", false, "for ever; after a soft delete")
	return cmd
}
