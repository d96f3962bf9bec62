package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// quotaCommand holds what the verbs of `dovetail quota` share.
type quotaCommand struct {
	connection
	output
}

func newQuota() *cobra.Command {
	q := &quotaCommand{}
	cmd := &cobra.Command{
		Use:   "quota",
		Short: "Quotas of a broker, how much a client may: list, set, remove",
		Long: `A quota holds for a user, a client ID, both together, or an IP address. They are named
as user=ann, client-id=shop and ip=10.0.0.7; user, client-id or ip alone is the default
for all that have none of their own. The most special quota counts: that of a user with
a client ID before that of the user, and a name before a default.

  producer_byte_rate        bytes per second that are written
  consumer_byte_rate        bytes per second that are read
  request_percentage        time that requests take, in percent of a thread
  controller_mutation_rate  partitions per second that are created or deleted
  connection_creation_rate  connections per second; of ip alone

Who goes beyond is slowed down, not refused.`,
		Example: `  dovetail quota list
  dovetail quota set user=ann producer_byte_rate=1048576 consumer_byte_rate=2097152
  dovetail quota set user=ann client-id=shop request_percentage=50
  dovetail quota set ip connection_creation_rate=20
  dovetail quota remove user=ann producer_byte_rate`,
	}
	q.connection.flags(cmd, false, true)
	q.output.flag(cmd)
	cmd.AddCommand(q.list(), q.set(), q.remove())
	return cmd
}

// quotaKinds are what an entity is made of, in the order that they are told in.
var quotaKinds = []string{"user", "client-id", "ip"}

// quotaNames are those that Kafka has.
var quotaNames = []string{"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate", "connection_creation_rate"}

// quotaView is an entity with its quotas.
type quotaView struct {
	Entity []quotaPart        `json:"entity"`
	Quotas map[string]float64 `json:"quotas"`
}

type quotaPart struct {
	Type string  `json:"type"`
	Name *string `json:"name"` // nil for the default
}

func newQuotaView(entity kadm.ClientQuotaEntity, values kadm.ClientQuotaValues) quotaView {
	v := quotaView{Entity: []quotaPart{}, Quotas: map[string]float64{}}
	for _, c := range entity {
		v.Entity = append(v.Entity, quotaPart{c.Type, c.Name})
	}
	slices.SortFunc(v.Entity, func(a, b quotaPart) int {
		return slices.Index(quotaKinds, a.Type) - slices.Index(quotaKinds, b.Type)
	})
	for _, q := range values {
		v.Quotas[q.Key] = q.Value
	}
	return v
}

// String is the entity as the command line names it.
func (v quotaView) String() string {
	var parts []string
	for _, p := range v.Entity {
		if p.Name == nil {
			parts = append(parts, p.Type)
			continue
		}
		parts = append(parts, p.Type+"="+*p.Name)
	}
	return strings.Join(parts, " ")
}

func (q *quotaCommand) list() *cobra.Command {
	var kinds []string
	var only bool
	cmd := &cobra.Command{
		Use:   "list [user[=name]] [client-id[=name]] [ip[=address]]",
		Short: "List quotas, all or those of who is named",
		Long: `List shows the quotas of all entities, or of those that have every part that is
named: user=ann finds those of ann with any client ID, too.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: q.completeEntities(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			asked, err := quotaFilter(args, kinds)
			if err == nil && only && len(asked) == 0 {
				err = errors.New("--only whom? Name an entity, such as user=ann")
			}
			if err != nil {
				return exitStatus{exitUsage, err}
			}
			return q.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
				described, err := a.DescribeClientQuotas(ctx, only, asked)
				if err != nil {
					return err
				}
				views := []quotaView{}
				for _, d := range described {
					views = append(views, newQuotaView(d.Entity, d.Values))
				}
				slices.SortFunc(views, func(a, b quotaView) int { return strings.Compare(a.String(), b.String()) })
				return q.print(cmd.OutOrStdout(), views, func(w io.Writer) {
					fmt.Fprintln(w, "ENTITY\tQUOTA\tVALUE\tMEANS")
					for _, v := range views {
						for _, name := range sortedKeys(v.Quotas) {
							fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", v, name, numberText(v.Quotas[name]), quotaText(name, v.Quotas[name]))
						}
					}
				})
			})
		},
	}
	cmd.Flags().StringSliceVar(&kinds, "any", nil, "only those that have a user, client-id or ip, whatever its name")
	cmd.Flags().BoolVar(&only, "only", false, "not those that have more parts than are named")
	oneOf(cmd, "any", quotaKinds...)
	return cmd
}

func (q *quotaCommand) set() *cobra.Command {
	return &cobra.Command{
		Use:               "set user[=name]|client-id[=name]|ip[=address]… quota=value…",
		Short:             "Set quotas of a user, client ID or IP address, or their defaults",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: q.completeEntities("="),
		RunE: func(cmd *cobra.Command, args []string) error {
			entity, rest, err := quotaEntity(args)
			if err != nil {
				return exitStatus{exitUsage, err}
			}
			if len(rest) == 0 {
				return exitStatus{exitUsage, errors.New("set what? Give a quota, such as producer_byte_rate=1048576")}
			}
			ops, set := []kadm.AlterClientQuotaOp{}, kadm.ClientQuotaValues{}
			for _, arg := range rest {
				name, text, _ := strings.Cut(arg, "=")
				value, err := strconv.ParseFloat(text, 64)
				if err != nil || !(value > 0) || math.IsInf(value, 0) || name == "" {
					return exitStatus{exitUsage, fmt.Errorf("%q: want a quota=number above 0, such as producer_byte_rate=1048576, or user=…, client-id=… or ip=…", arg)}
				}
				ops = append(ops, kadm.AlterClientQuotaOp{Key: name, Value: value})
				set = append(set, kadm.ClientQuotaValue{Key: name, Value: value})
			}
			return q.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
				v := newQuotaView(entity, set)
				if err := alterQuotas(ctx, a, v, entity, ops); err != nil {
					return err
				}
				return q.changed(cmd.OutOrStdout(), "set", v)
			})
		},
	}
}

func (q *quotaCommand) remove() *cobra.Command {
	return &cobra.Command{
		Use:               "remove user[=name]|client-id[=name]|ip[=address]… [quota…]",
		Short:             "Remove quotas of an entity, all or those that are named",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: q.completeEntities(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			entity, names, err := quotaEntity(args)
			if err != nil {
				return exitStatus{exitUsage, err}
			}
			return q.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
				var exactly []kadm.DescribeClientQuotaComponent
				for _, c := range entity {
					exactly = append(exactly, quotaMatch(c))
				}
				described, err := a.DescribeClientQuotas(ctx, true, exactly)
				if err != nil {
					return err
				}
				has := newQuotaView(entity, nil)
				for _, d := range described {
					has = newQuotaView(d.Entity, d.Values)
				}
				if len(names) == 0 {
					names = sortedKeys(has.Quotas)
				}
				if len(names) == 0 {
					return fmt.Errorf("%s has no quota: `dovetail quota list` shows what there is", has)
				}
				ops, removed := []kadm.AlterClientQuotaOp{}, kadm.ClientQuotaValues{}
				for _, name := range names {
					value, ok := has.Quotas[name]
					if !ok {
						return fmt.Errorf("%s has no quota %s: `dovetail quota list` shows what there is; nothing was changed", has, name)
					}
					ops = append(ops, kadm.AlterClientQuotaOp{Key: name, Remove: true})
					removed = append(removed, kadm.ClientQuotaValue{Key: name, Value: value})
				}
				v := newQuotaView(entity, removed)
				if err := alterQuotas(ctx, a, v, entity, ops); err != nil {
					return err
				}
				return q.changed(cmd.OutOrStdout(), "removed", v)
			})
		},
	}
}

// changed says what was done to which quotas.
func (q *quotaCommand) changed(w io.Writer, what string, v quotaView) error {
	return q.print(w, v, func(w io.Writer) {
		for _, name := range sortedKeys(v.Quotas) {
			fmt.Fprintf(w, "%s %s=%s of %s\n", what, name, numberText(v.Quotas[name]), v)
		}
	})
}

func alterQuotas(ctx context.Context, a *kadm.Client, v quotaView, entity kadm.ClientQuotaEntity, ops []kadm.AlterClientQuotaOp) error {
	altered, err := a.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{Entity: entity, Ops: ops}})
	if err != nil {
		return err
	}
	for _, r := range altered {
		if r.Err != nil {
			return fmt.Errorf("quotas of %s: %w", v, &refusal{r.Err, r.ErrMessage})
		}
	}
	return nil
}

// quotaEntity takes the parts of an entity from arguments, and returns what is left.
func quotaEntity(args []string) (entity kadm.ClientQuotaEntity, rest []string, err error) {
	seen := map[string]bool{}
	for _, arg := range args {
		kind, name, named := strings.Cut(arg, "=")
		if !slices.Contains(quotaKinds, kind) {
			rest = append(rest, arg)
			continue
		}
		if named && name == "" {
			return nil, nil, fmt.Errorf("%s names nobody; %s alone is the default of all", arg, kind)
		}
		if seen[kind] {
			return nil, nil, fmt.Errorf("%s is there twice: an entity has one", kind)
		}
		seen[kind] = true
		part := kadm.ClientQuotaEntityComponent{Type: kind}
		if named {
			part.Name = &name
		}
		entity = append(entity, part)
	}
	if len(entity) == 0 {
		return nil, rest, errors.New("whose quota? Name user=…, client-id=… or ip=…, or one of these alone for its default")
	}
	if seen["ip"] && len(seen) > 1 {
		return nil, nil, errors.New("ip goes with neither user nor client-id")
	}
	return entity, rest, nil
}

// quotaFilter is what list asks a broker for: nothing for all.
func quotaFilter(args, kinds []string) ([]kadm.DescribeClientQuotaComponent, error) {
	var out []kadm.DescribeClientQuotaComponent
	if len(args) > 0 {
		entity, rest, err := quotaEntity(args)
		if len(rest) > 0 {
			return nil, fmt.Errorf("%q: want user, client-id or ip, with = and a name or alone", rest[0])
		}
		if err != nil {
			return nil, err
		}
		for _, c := range entity {
			out = append(out, quotaMatch(c))
		}
	}
	for _, kind := range kinds {
		if !slices.Contains(quotaKinds, kind) {
			return nil, fmt.Errorf("--any %q: want user, client-id or ip", kind)
		}
		if slices.ContainsFunc(out, func(c kadm.DescribeClientQuotaComponent) bool { return c.Type == kind }) {
			return nil, fmt.Errorf("--any %s: %s is named already", kind, kind)
		}
		out = append(out, kadm.DescribeClientQuotaComponent{Type: kind, MatchType: kmsg.QuotasMatchTypeAny})
	}
	return out, nil
}

func quotaMatch(c kadm.ClientQuotaEntityComponent) kadm.DescribeClientQuotaComponent {
	if c.Name == nil {
		return kadm.DescribeClientQuotaComponent{Type: c.Type, MatchType: kmsg.QuotasMatchTypeDefault}
	}
	return kadm.DescribeClientQuotaComponent{Type: c.Type, MatchName: c.Name, MatchType: kmsg.QuotasMatchTypeExact}
}

func numberText(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// quotaText says a quota with its unit, "-" for one that is not known here.
func quotaText(name string, v float64) string {
	switch name {
	case "producer_byte_rate", "consumer_byte_rate":
		return byteRateText(v)
	case "request_percentage":
		return numberText(v) + "% of a thread"
	case "controller_mutation_rate":
		return numberText(v) + " partitions/s"
	case "connection_creation_rate":
		return numberText(v) + " connections/s"
	}
	return "-"
}

// completeEntities completes parts of entities that there are, and quotas with what
// follows them.
func (q *quotaCommand) completeEntities(equals string) completer {
	return anyOf(func(cmd *cobra.Command, args []string, prefix string) (names []string, _ cobra.ShellCompDirective) {
		for _, kind := range quotaKinds {
			names = append(names, kind, kind+"=")
		}
		if cmd.Name() != "list" {
			for _, name := range quotaNames {
				names = append(names, name+equals)
			}
		}
		q.ask(cmd, func(ctx context.Context) {
			_ = q.admin(ctx, func(ctx context.Context, a *kadm.Client) error {
				users, _ := a.DescribeUserSCRAMs(ctx)
				for name := range users {
					names = append(names, "user="+name)
				}
				described, err := a.DescribeClientQuotas(ctx, false, nil)
				for _, d := range described {
					for _, c := range d.Entity {
						if c.Name != nil {
							names = append(names, c.Type+"="+*c.Name)
						}
					}
				}
				return err
			})
		})
		slices.Sort(names)
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}
