package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/dovetail-dev/dovetail/clients/cluster"
)

// groupCommand holds what the verbs of `dovetail group` share.
type groupCommand struct {
	connection
	output
}

func newGroup() *cobra.Command {
	g := &groupCommand{}
	cmd := &cobra.Command{
		Use:   "group",
		Short: "Consumer groups of a broker: list, describe with lag, delete",
		Example: `  dovetail group list
  dovetail group describe billing
  dovetail group delete billing`,
	}
	g.connection.flags(cmd, false, true)
	g.output.flag(cmd)
	cmd.AddCommand(g.list(), g.describe(), g.delete())
	return cmd
}

func (g *groupCommand) complete(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	_ = connectionEnv(cmd, os.LookupEnv)
	g.timeout = min(g.timeout, 2*time.Second)
	var names []string
	_ = g.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
		list, err := a.ListGroups(ctx)
		names = list.Groups()
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (g *groupCommand) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List groups with their state and lag",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.look(cmd.Context(), func(ctx context.Context, v *cluster.View) error {
				views, err := v.Groups(ctx)
				if err != nil {
					return err
				}
				return g.print(cmd.OutOrStdout(), views, func(w io.Writer) {
					fmt.Fprintln(w, "GROUP\tSTATE\tMEMBERS\tPARTITIONS\tLAG")
					for _, v := range views {
						fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", v.Group, v.State, len(v.Members), len(v.Positions), v.Lag)
					}
				})
			})
		},
	}
}

func (g *groupCommand) describe() *cobra.Command {
	return &cobra.Command{
		Use:               "describe group…",
		Short:             "Members, and how far each partition is behind",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: g.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.look(cmd.Context(), func(ctx context.Context, v *cluster.View) error {
				views, err := v.Groups(ctx, args...)
				if err != nil {
					return err
				}
				return g.print(cmd.OutOrStdout(), views, func(w io.Writer) {
					for i, v := range views {
						if i > 0 {
							fmt.Fprintln(w)
						}
						groupTable(w, v)
					}
				})
			})
		},
	}
}

func groupTable(w io.Writer, v cluster.Group) {
	fmt.Fprintf(w, "%s: %s, %s, lag %d\n", v.Group, strings.ToLower(v.State), count(len(v.Members), "member"), v.Lag)
	if len(v.Members) > 0 {
		fmt.Fprintln(w, "\nMEMBER\tCLIENT\tHOST\tPARTITIONS")
		for _, m := range v.Members {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", m.Member, m.Client, m.Host, m.Partitions)
		}
	}
	if len(v.Positions) > 0 {
		fmt.Fprintln(w, "\nTOPIC\tPARTITION\tCOMMITTED\tEND\tLAG\tMEMBER")
		for _, p := range v.Positions {
			committed := "-"
			if p.Committed >= 0 {
				committed = fmt.Sprint(p.Committed)
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%s\n", p.Topic, p.Partition, committed, p.EndOffset, p.Lag, p.Member)
		}
	}
}

func (g *groupCommand) delete() *cobra.Command {
	return &cobra.Command{
		Use:               "delete group…",
		Short:             "Delete groups without members, with their committed offsets",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: g.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
				answers, err := a.DeleteGroups(ctx, args...)
				if err != nil {
					return err
				}
				var faults []error
				for _, name := range slices.Sorted(slices.Values(args)) {
					if r := answers[name]; r.Err != nil {
						faults = append(faults, fmt.Errorf("group %s: %w", name, r.Err))
						continue
					}
					fmt.Fprintf(cmd.OutOrStdout(), "deleted %s\n", name)
				}
				return errors.Join(faults...)
			})
		},
	}
}
