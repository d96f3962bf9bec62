package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// settings are the arguments of a verb that shows or sets a setting: a subject,
// unless it is for all, and the value.
func settings(global bool, args []string, isValue func(string) bool) (subject schema.Subject, value string, err error) {
	if !global && len(args) == 1 && isValue(args[0]) {
		return "", "", exitStatus{2, fmt.Errorf("%s for which subject? Name it first, or give --global", args[0])}
	}
	if !global {
		if len(args) == 0 {
			return "", "", nil
		}
		subject, args = schema.Subject(args[0]), args[1:]
	}
	switch len(args) {
	case 0:
	case 1:
		value = args[0]
	default:
		err = exitStatus{2, fmt.Errorf("--global is for all subjects: leave %s out", args[0])}
	}
	return subject, value, err
}

// settingArguments completes them.
func settingArguments(global *bool, subjects, values completer) completer {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if *global {
			return positions(values)(cmd, args, prefix)
		}
		return positions(subjects, values)(cmd, args, prefix)
	}
}

func isLevel(s string) bool {
	l, err := compat.ParseLevel(s)
	return err == nil && l.String() == s
}

var modes = []string{string(srclient.ReadWrite), string(srclient.ReadOnly), string(srclient.ReadOnlyOverride), string(srclient.Import), string(srclient.Forward)}

func isMode(s string) bool { return slices.Contains(modes, s) }

func completeModes(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return modes, cobra.ShellCompDirectiveNoFileComp
}

// scope says of whom a setting is, in words.
func scope(subject schema.Subject) string {
	if subject == "" {
		return "every subject without one of its own"
	}
	return string(subject)
}

func (s *schemaCommand) level() *cobra.Command {
	var global, unset bool
	cmd := &cobra.Command{
		Use:   "level [subject] [LEVEL]",
		Short: "Show or set the compatibility level",
		Long: `Level shows the compatibility level that is in force for a subject, or for all
without one of their own; with a level it sets it, with --unset it takes it back.

Levels: NONE, BACKWARD, BACKWARD_TRANSITIVE, FORWARD, FORWARD_TRANSITIVE, FULL,
FULL_TRANSITIVE.`,
		Example: `  dovetail schema level orders-value
  dovetail schema level orders-value FULL
  dovetail schema level --global BACKWARD_TRANSITIVE`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: settingArguments(&global, s.completeSubjects, completeLevels),
		RunE: s.run(func(ctx context.Context, c *srclient.Client, w io.Writer, args []string) error {
			subject, value, err := settings(global, args, isLevel)
			if err != nil {
				return err
			}
			var got srclient.Config
			switch {
			case unset:
				_, err = c.DeleteConfig(ctx, subject)
			case value != "":
				level, bad := levelArg(value)
				if bad != nil {
					return exitStatus{2, bad}
				}
				_, err = c.SetConfig(ctx, subject, srclient.ConfigUpdate{Config: srclient.Config{Level: level}})
			}
			if err == nil {
				got, err = c.Config(ctx, subject, true)
			}
			if err != nil {
				return s.registryError(err)
			}
			return s.print(w, got, func(w io.Writer) { fmt.Fprintf(w, "%s: %s\n", scope(subject), got.Level) })
		}),
	}
	cmd.Flags().BoolVar(&global, "global", false, "of all subjects without one of their own")
	cmd.Flags().BoolVar(&unset, "unset", false, "take the subject's own level back")
	return cmd
}

func (s *schemaCommand) mode() *cobra.Command {
	var global, unset, force bool
	cmd := &cobra.Command{
		Use:   "mode [subject] [MODE]",
		Short: "Show or set what may be done with a subject",
		Long: `Mode shows the mode that is in force for a subject, or for all without one of their
own; with a mode it sets it, with --unset it takes it back.

Modes: READWRITE, READONLY, READONLY_OVERRIDE, IMPORT, FORWARD.`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: settingArguments(&global, s.completeSubjects, completeModes),
		RunE: s.run(func(ctx context.Context, c *srclient.Client, w io.Writer, args []string) error {
			subject, value, err := settings(global, args, isMode)
			if err != nil {
				return err
			}
			var got srclient.Mode
			switch {
			case unset:
				_, err = c.DeleteMode(ctx, subject, false)
			case value != "":
				_, err = c.SetMode(ctx, subject, srclient.Mode(strings.ToUpper(value)), force)
			}
			if err == nil {
				got, err = c.Mode(ctx, subject, true)
			}
			if err != nil {
				return s.registryError(err)
			}
			return s.print(w, map[string]srclient.Mode{"mode": got}, func(w io.Writer) { fmt.Fprintf(w, "%s: %s\n", scope(subject), got) })
		}),
	}
	cmd.Flags().BoolVar(&global, "global", false, "of all subjects without one of their own")
	cmd.Flags().BoolVar(&unset, "unset", false, "take the subject's own mode back")
	cmd.Flags().BoolVar(&force, "force", false, "enter IMPORT although there are subjects")
	return cmd
}

func (s *schemaCommand) diff() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff subject [from] [to]",
		Short: "What changed in meaning between two versions of a subject",
		Long: `Diff lists what changed from one version of a subject to another (the newest two, or
from one to the newest, unless both are given), and for each change who can go
on: a change is backward-safe if the later version reads what the earlier one
wrote, forward-safe the other way round.`,
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: positions(s.completeSubjects, s.completeVersions, s.completeVersions),
		RunE: s.run(func(ctx context.Context, c *srclient.Client, w io.Writer, args []string) error {
			subject := schema.Subject(args[0])
			from, err := versionArg(args, 1)
			if err != nil {
				return exitStatus{2, err}
			}
			to, err := versionArg(args, 2)
			if err != nil {
				return exitStatus{2, err}
			}
			if len(args) == 1 {
				numbers, err := c.Versions(ctx, subject, srclient.VersionsOptions{})
				if err != nil {
					return s.registryError(err)
				}
				if len(numbers) < 2 {
					return fmt.Errorf("%s has %s: there is nothing to compare", subject, count(len(numbers), "version"))
				}
				from, to = numbers[len(numbers)-2], numbers[len(numbers)-1]
			}
			list, err := c.Diff(ctx, subject, from, to)
			if err != nil {
				return s.registryError(err)
			}
			return s.print(w, list, func(w io.Writer) {
				if len(list) == 0 {
					fmt.Fprintln(w, "nothing that a reader or a writer would notice: either version reads what the other wrote")
					return
				}
				fmt.Fprintln(w, "CHANGE\tAT\tBACKWARD-SAFE\tFORWARD-SAFE\tDETAIL")
				safe := true
				for _, d := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", d.Rule, d.Path, yesNo(d.BackwardSafe), yesNo(d.ForwardSafe), d.Detail)
					safe = safe && d.BackwardSafe && d.ForwardSafe
				}
				if safe {
					fmt.Fprintln(w, "either version reads what the other wrote")
				}
			})
		}),
	}
	return cmd
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (s *schemaCommand) checkCompat() *cobra.Command {
	var d definitionFlags
	var version string
	cmd := &cobra.Command{
		Use:   "check-compat subject [file]",
		Short: "May this schema follow the versions of a subject?",
		Long: `Check-compat asks the registry whether a schema, of a file or of standard input, may
be registered under a subject, at the level that is in force for it, and
registers nothing. To check files against git, without a registry, see
` + "`dovetail check`" + `.

Exit status: 0 compatible, 1 incompatible, 2 cannot tell.`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: positions(s.completeSubjects, completeFiles),
	}
	cmd.RunE = s.run(func(ctx context.Context, c *srclient.Client, w io.Writer, args []string) error {
		definition, err := d.read(cmd.InOrStdin(), args, 1)
		if err != nil {
			return exitStatus{2, err}
		}
		var v schema.Version
		if version != "" {
			if v, err = versionArg([]string{version}, 0); err != nil {
				return exitStatus{2, err}
			}
		}
		got, err := c.Explain(ctx, schema.Subject(args[0]), v, definition, d.normalize)
		if err != nil {
			return exitStatus{2, s.registryError(err)}
		}
		err = s.print(w, got, func(w io.Writer) {
			switch {
			case got.Compatible:
				fmt.Fprintln(w, "compatible")
			case len(got.Explanation) > 0:
				fmt.Fprintln(w, explained(got.Explanation))
			default:
				fmt.Fprintln(w, strings.Join(got.Messages, "\n"))
			}
		})
		if err == nil && !got.Compatible {
			return exitStatus{code: 1}
		}
		return err
	})
	d.flags(cmd)
	cmd.Flags().StringVar(&version, "version", "", "compare with this version alone")
	return cmd
}

// explained writes findings for people.
func explained(list []srclient.Explanation) string {
	var out strings.Builder
	for i, e := range list {
		if i > 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "%s breaks %s", e.Rule, e.Level)
		if e.Version > 0 {
			fmt.Fprintf(&out, " with version %d", e.Version)
		}
		if e.Path != "" {
			fmt.Fprintf(&out, " at %s", e.Path)
		}
		if e.New.Line > 0 {
			fmt.Fprintf(&out, " (line %d, column %d)", e.New.Line, e.New.Column)
		}
		fmt.Fprintf(&out, "\n  %s", e.Sentence)
		if e.Suggestion != "" {
			fmt.Fprintf(&out, "\n  %s", e.Suggestion)
		}
	}
	return out.String()
}
