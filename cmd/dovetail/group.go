package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

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
		Short: "Consumer groups of a broker: list, describe with lag, reset, delete",
		Example: `  dovetail group list
  dovetail group describe billing
  dovetail group reset billing --to earliest
  dovetail group delete billing`,
	}
	g.connection.flags(cmd, true, true)
	g.output.flag(cmd)
	cmd.AddCommand(g.list(), g.describe(), g.reset(), g.delete())
	return cmd
}

func (g *groupCommand) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List groups with their state and lag",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.lookLive(cmd.Context(), g.liveGroups, func(ctx context.Context, v *cluster.View, l *live) error {
				views, err := v.Groups(ctx)
				if err != nil {
					return err
				}
				all := describedGroups(views, l)
				return g.print(cmd.OutOrStdout(), all, func(w io.Writer) {
					fmt.Fprintln(w, "GROUP\tSTATE\tMEMBERS\tPARTITIONS\tLAG\tBEHIND")
					for _, v := range all {
						if v.Fault != "" {
							fmt.Fprintf(w, "%s\t%s\t-\t-\t-\t-\n", v.Group.Group, v.State)
							continue
						}
						fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\n", v.Group.Group, v.State, len(v.Members), len(v.Positions), v.Lag, behindText(v.LagSeconds))
					}
					for _, v := range all {
						if v.Fault != "" {
							fmt.Fprintf(w, "\ngroup %s cannot be described: %s\n", v.Group.Group, v.Fault)
						}
					}
				})
			})
		},
	}
}

func (g *groupCommand) describe() *cobra.Command {
	return &cobra.Command{
		Use:   "describe group…",
		Short: "Members, and how far each partition is behind",
		Long: `Describe lists the members of groups, and for each partition how many records are
still to be consumed. If --registry is the address of the same dovetail serve,
BEHIND is the age of the oldest of them.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: anyOf(g.completeGroups),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.lookLive(cmd.Context(), g.liveGroups, func(ctx context.Context, v *cluster.View, l *live) error {
				views, err := v.Groups(ctx, args...)
				if err != nil {
					return err
				}
				all := describedGroups(views, l)
				return g.print(cmd.OutOrStdout(), all, func(w io.Writer) {
					for i, v := range all {
						if i > 0 {
							fmt.Fprintln(w)
						}
						groupTable(w, v)
					}
					if l.why != "" {
						fmt.Fprintf(w, "\nlag is not known in seconds: %s\n", l.why)
					}
				})
			})
		},
	}
}

// describedGroup is a group as the Kafka protocol tells it, with its lag in
// seconds, if that is known of every partition that it is behind in.
type describedGroup struct {
	cluster.Group
	LagSeconds *float64            `json:"lagSeconds,omitempty"`
	Positions  []describedPosition `json:"partitions"`
}

type describedPosition struct {
	cluster.Position
	LagSeconds *float64 `json:"lagSeconds,omitempty"`
}

func describedGroups(views []cluster.Group, l *live) []describedGroup {
	out := []describedGroup{}
	for _, v := range views {
		d := describedGroup{Group: v, Positions: []describedPosition{}}
		known := l.groups[v.Group]
		if known != nil {
			d.LagSeconds = &known.LagSeconds
		}
		unknown := false // the broker was asked a moment later, when the member had another partition
		for _, p := range v.Positions {
			position := describedPosition{Position: p}
			if lag, ok := known.of(p.Topic, p.Partition); ok {
				position.LagSeconds = &lag.LagSeconds
			} else if p.Lag > 0 {
				unknown = true
			}
			d.Positions = append(d.Positions, position)
		}
		if unknown {
			d.LagSeconds = nil
		}
		out = append(out, d)
	}
	return out
}

// behindText is a lag in time, "-" if it is not known.
func behindText(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return ageText(*seconds)
}

func groupTable(w io.Writer, v describedGroup) {
	fmt.Fprintf(w, "%s: %s, %s, lag %d", v.Group.Group, strings.ToLower(v.State), count(len(v.Members), "member"), v.Lag)
	if v.LagSeconds != nil {
		fmt.Fprintf(w, ", %s behind", ageText(*v.LagSeconds))
	}
	fmt.Fprintln(w)
	if len(v.Members) > 0 {
		fmt.Fprintln(w, "\nMEMBER\tINSTANCE\tCLIENT\tHOST\tPARTITIONS")
		for _, m := range v.Members {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", m.Member, cmp.Or(m.Instance, "-"), m.Client, m.Host, m.Partitions)
		}
	}
	if len(v.Positions) > 0 {
		fmt.Fprintln(w, "\nTOPIC\tPARTITION\tCOMMITTED\tEND\tLAG\tBEHIND\tMEMBER")
		for _, p := range v.Positions {
			committed := "-"
			if p.Committed >= 0 {
				committed = fmt.Sprint(p.Committed)
			}
			if p.Fault != "" {
				fmt.Fprintf(w, "%s\t%d\t%s\toffline\t-\t-\t%s\n", p.Topic, p.Partition, committed, p.Member)
				continue
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%s\t%s\n", p.Topic, p.Partition, committed, p.EndOffset, p.Lag, behindText(p.LagSeconds), p.Member)
		}
	}
}

func (g *groupCommand) delete() *cobra.Command {
	return &cobra.Command{
		Use:               "delete group…",
		Short:             "Delete groups without members, with their committed offsets",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: anyOf(g.completeGroups),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
				answers, err := a.DeleteGroups(ctx, args...)
				if err != nil {
					return err
				}
				deleted := []string{}
				var faults []error
				for _, name := range slices.Sorted(slices.Values(args)) {
					if r := answers[name]; r.Err != nil {
						faults = append(faults, fmt.Errorf("group %s: %w", name, r.Err))
						continue
					}
					deleted = append(deleted, name)
				}
				return errors.Join(append(faults, g.done(cmd.OutOrStdout(), "deleted", deleted))...)
			})
		},
	}
}
