package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/cmd/dovetail/internal/check"
	"github.com/dovetail-dev/dovetail/compat"
)

func newCheck() *cobra.Command {
	var (
		who        connection
		answer     output
		against    []string
		level      string
		policy     string
		format     string
		protoPaths []string
		subjects   map[string]string
	)
	cmd := &cobra.Command{
		Use:   "check [folder]",
		Short: "Are the schema files of a folder compatible with earlier versions?",
		Long: `Check compares every .avsc, .proto and .json schema below a folder (default: the
current one) with the same file at a git ref, or with its subject in a registry,
by the engine that the registry uses. Against git it needs no server.

References between files (Avro names, Protobuf imports, JSON $ref) are worked out
from the files themselves. A file that was renamed or moved is compared with what
it was; symbolic links are passed over.

Paths are printed from the current folder; in the forms github and sarif from the
root of the repository, as those services expect them.

Without --against it compares with the registry of $DOVETAIL_REGISTRY, if that is
set. --output table is --format text.

Exit status: 0 compatible, 1 incompatible, 2 cannot tell.`,
		Example: `  dovetail check schemas --against main
  dovetail check schemas --against v1.4.0 --against v1.3.0 --level FULL_TRANSITIVE
  dovetail check schemas --against origin/main --format github
  dovetail check schemas --registry http://localhost:8081 --subject orders.avsc=orders-value`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cannotTell := func(err error) error { return exitStatus{check.ExitCannotTell, err} }
			if err := fillFromEnv(cmd, append([]string{"output", "timeout"}, credentialFlags...), os.LookupEnv); err != nil {
				return cannotTell(err)
			}
			if who.registry == "" && len(against) == 0 {
				who.registry = os.Getenv(envName("registry"))
			}
			folder := "."
			if len(args) == 1 {
				folder = args[0]
			}
			switch f := cmd.Flags(); {
			case f.Changed("format") && f.Changed("output") && answer.form != "table":
				return cannotTell(errors.New("--format and --output exclude each other"))
			case !f.Changed("format") && answer.form != "table":
				format = string(answer.form)
			}
			write := reportWriters[format]
			if write == nil {
				return cannotTell(fmt.Errorf("--format %q: want one of %s", format, strings.Join(sortedKeys(reportWriters), ", ")))
			}
			opts := check.Options{Compare: compat.Options{Policy: compat.Policy(strings.ToUpper(policy))}}
			var err error
			if opts.Level, err = compat.ParseLevel(level); err != nil {
				return cannotTell(fmt.Errorf("--level: %w", err))
			}
			if p := opts.Compare.Policy; p != compat.PolicyStrict && p != compat.PolicyLenient {
				return cannotTell(fmt.Errorf("--policy %q: want STRICT or LENIENT", policy))
			}
			if info, err := os.Stat(folder); err != nil {
				return cannotTell(err)
			} else if !info.IsDir() {
				return cannotTell(fmt.Errorf("%s is a file: name the folder that it is in", folder))
			}
			ws, err := check.ReadFolder(os.DirFS(folder), protoPaths)
			if err != nil {
				return cannotTell(err)
			}
			if len(ws.Paths()) == 0 {
				return cannotTell(fmt.Errorf("no .avsc, .proto or .json schema below %s", folder))
			}
			var base check.Baseline
			switch {
			case who.registry != "" && len(against) > 0:
				return cannotTell(errors.New("--against and --registry exclude each other"))
			case who.registry != "":
				var client *srclient.Client
				if client, err = who.openRegistry(); err == nil {
					defer client.Close()
					base, err = check.NewRegistry(client, subjects, !cmd.Flags().Changed("level"))
				}
			case len(against) > 0:
				base, err = check.ReadGit(cmd.Context(), folder, ws, against, protoPaths)
			default:
				err = errors.New("compare with what? Give --against <git ref> or --registry <URL>")
			}
			if err != nil {
				return cannotTell(err)
			}
			report := check.Run(cmd.Context(), ws, base, opts)
			report.Rebase(reportFolder(cmd.Context(), folder, format))
			if err := write(cmd.OutOrStdout(), report); err != nil {
				return cannotTell(err)
			}
			if code := report.Exit(); code != check.ExitCompatible {
				return exitStatus{code: code}
			}
			return nil
		},
	}
	f := cmd.Flags()
	who.credentials.flags(cmd, f)
	answer.flag(cmd)
	f.StringArrayVar(&against, "against", nil, "git ref to compare with; repeat it, newest first, for a history")
	f.StringVar(&who.registry, "registry", "", "URL of a registry to compare with, or several separated by commas ($DOVETAIL_REGISTRY, unless there is --against)")
	f.DurationVar(&who.timeout, "timeout", 10*time.Second, "how long to wait for each answer of the registry ($DOVETAIL_TIMEOUT)")
	f.StringVar(&level, "level", compat.LevelBackward.String(), "compatibility level; with --registry the subject's own level holds unless this is given")
	f.StringVar(&policy, "policy", string(compat.PolicyStrict), "compatibility policy of JSON Schema: STRICT or LENIENT")
	f.StringVar(&format, "format", "text", "form of the answer: text, github, sarif, junit, json or yaml")
	f.StringArrayVarP(&protoPaths, "proto-path", "I", nil, "further folder, below the checked one, in which Protobuf imports are looked for")
	f.StringToStringVar(&subjects, "subject", nil, "file=subject, for --registry; the default is the file's name without its ending")
	oneOf(cmd, "format", sortedKeys(reportWriters)...)
	oneOf(cmd, "policy", string(compat.PolicyStrict), string(compat.PolicyLenient))
	complete(cmd, "level", completeLevels)
	complete(cmd, "against", completeRefs)
	cmd.ValidArgsFunction = positions(completeFolders)
	return cmd
}

// reportWriters are the forms that a report can have.
var reportWriters = func() map[string]check.Writer {
	all := maps.Clone(check.Writers)
	all["yaml"] = func(w io.Writer, r *check.Report) error {
		text, err := asYAML(r)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
	return all
}()

// reportFolder returns the name of the checked folder as the reader of a report
// knows it. Code hosts want paths from the root of the repository.
func reportFolder(ctx context.Context, folder, format string) string {
	if format == "github" || format == "sarif" {
		if prefix, err := check.RepositoryPath(ctx, folder); err == nil {
			return prefix
		}
	}
	return filepath.ToSlash(folder)
}
