package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// aclCommand holds what the verbs of `dovetail acl` share.
type aclCommand struct {
	connection
	output
}

func newACL() *cobra.Command {
	a := &aclCommand{}
	cmd := &cobra.Command{
		Use:   "acl",
		Short: "Access control lists of a broker, who may do what: list, add, remove",
		Long: `A rule allows or denies a principal, from a host, an operation on a resource: a topic,
a group, a transactional ID, the cluster, a delegation token, a user. What no rule allows is denied,
and what one denies is denied whatever others allow. A dovetail serve asks them if it
has --authorize, and its --super-user may do everything.`,
		Example: `  dovetail acl list --topic orders --pattern match
  dovetail acl add --principal User:shop --producer --topic orders
  dovetail acl add --principal User:billing --consumer --topic orders --group billing
  dovetail acl add --principal User:eve --permission deny --operation all --topic '*'
  dovetail acl remove --principal User:shop --yes`,
	}
	a.connection.flags(cmd, false, true)
	a.output.flag(cmd)
	cmd.AddCommand(a.list(), a.add(), a.remove())
	return cmd
}

// run makes a verb of a function that talks to the broker.
func (a *aclCommand) run(ctx context.Context, f func(context.Context, *kgo.Client) error) error {
	client, err := a.openKafka(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return kafkaError(f(ctx, client))
}

func (a *aclCommand) list() *cobra.Command {
	var s aclSelection
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List rules, all or those that the flags select",
		Long: `List shows the rules that fit all of the flags. --pattern match shows every rule that counts for
a resource: --topic orders then finds those for orders, for a prefix of it, and for *.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filters, err := s.filters()
			if err != nil {
				return exitStatus{exitUsage, err}
			}
			return a.run(cmd.Context(), func(ctx context.Context, client *kgo.Client) error {
				rules, err := describeACLs(ctx, client, filters)
				if err != nil {
					return err
				}
				return a.print(cmd.OutOrStdout(), rules, func(w io.Writer) { aclTable(w, rules) })
			})
		},
	}
	a.selectionFlags(cmd, &s, false)
	return cmd
}

func aclTable(w io.Writer, rules []aclRule) {
	fmt.Fprintln(w, "PRINCIPAL\tHOST\tPERMISSION\tOPERATION\tRESOURCE\tPATTERN\tNAME")
	for _, r := range rules {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Principal, r.Host, r.Permission, r.Operation, r.ResourceType, r.Pattern, r.ResourceName)
	}
}

func (a *aclCommand) add() *cobra.Command {
	var s aclSelection
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Add rules: each principal, from each host, each operation on each resource",
		Long: `Add adds a rule for each combination of what the flags name. One that is there already
is no error. --producer and --consumer stand for the operations that those need:

  --producer   WRITE, DESCRIBE and CREATE of topics, WRITE and DESCRIBE of transactional IDs
  --consumer   READ and DESCRIBE of topics, READ of groups`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rules, err := s.rules()
			if err != nil {
				return exitStatus{exitUsage, err}
			}
			return a.run(cmd.Context(), func(ctx context.Context, client *kgo.Client) error {
				added, err := createACLs(ctx, client, rules)
				if added == nil {
					return err
				}
				return errors.Join(err, a.changed(cmd.OutOrStdout(), "added", added))
			})
		},
	}
	a.selectionFlags(cmd, &s, true)
	return cmd
}

// changed says what was done to which rules.
func (a *aclCommand) changed(w io.Writer, what string, rules []aclRule) error {
	return a.print(w, rules, func(w io.Writer) {
		for _, r := range rules {
			fmt.Fprintf(w, "%s %s\n", what, r)
		}
	})
}

func (a *aclCommand) remove() *cobra.Command {
	var s aclSelection
	var all, yes bool
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Remove the rules that the flags select",
		Long: `Remove removes the rules that fit all of the flags, those that list shows with the same ones.
Without --yes it lists them and changes nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.empty() != all {
				if all {
					return exitStatus{exitUsage, errors.New("--all is for all rules: leave the other flags out")}
				}
				return exitStatus{exitUsage, errors.New("remove which rules? Select some as for list, or give --all")}
			}
			filters, err := s.filters()
			if err != nil {
				return exitStatus{exitUsage, err}
			}
			return a.run(cmd.Context(), func(ctx context.Context, client *kgo.Client) error {
				if yes {
					removed, err := deleteACLs(ctx, client, filters)
					if err == nil && len(removed) == 0 {
						return errNoRule
					}
					if len(removed) == 0 {
						return err
					}
					return errors.Join(err, a.changed(cmd.OutOrStdout(), "removed", removed))
				}
				rules, err := describeACLs(ctx, client, filters)
				switch {
				case err != nil:
					return err
				case len(rules) == 0:
					return errNoRule
				}
				err = a.print(cmd.OutOrStdout(), rules, func(w io.Writer) { aclTable(w, rules) })
				return errors.Join(err, errors.New("nothing was changed: --yes removes what is listed"))
			})
		},
	}
	a.selectionFlags(cmd, &s, false)
	cmd.Flags().BoolVar(&all, "all", false, "all rules that there are")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

var errNoRule = errors.New("no rule fits: `dovetail acl list` shows what there is")

// describeACLs returns the rules that one of the filters fits, in order.
func describeACLs(ctx context.Context, client *kgo.Client, filters []aclFilter) ([]aclRule, error) {
	rules := []aclRule{}
	for _, f := range filters {
		req := kmsg.NewPtrDescribeACLsRequest()
		req.ResourceType, req.ResourceName, req.ResourcePatternType = f.resource, f.name, f.pattern
		req.Principal, req.Host, req.Operation, req.PermissionType = f.principal, f.host, f.operation, f.permission
		resp, err := req.RequestWith(ctx, client)
		if err != nil {
			return nil, err
		}
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			return nil, &refusal{err, textOf(resp.ErrorMessage)}
		}
		for _, r := range resp.Resources {
			for _, one := range r.ACLs {
				rules = append(rules, newACLRule(r.ResourceType, r.ResourceName, r.ResourcePatternType, one.Principal, one.Host, one.Operation, one.PermissionType))
			}
		}
	}
	return sortedRules(rules), nil
}

// createACLs returns the rules that are there now, nil if none was asked for.
func createACLs(ctx context.Context, client *kgo.Client, rules []aclFilter) ([]aclRule, error) {
	req := kmsg.NewPtrCreateACLsRequest()
	for _, r := range rules {
		c := kmsg.NewCreateACLsRequestCreation()
		c.ResourceType, c.ResourceName, c.ResourcePatternType = r.resource, *r.name, r.pattern
		c.Principal, c.Host, c.Operation, c.PermissionType = *r.principal, *r.host, r.operation, r.permission
		req.Creations = append(req.Creations, c)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	if len(resp.Results) != len(rules) {
		return nil, fmt.Errorf("the broker answered %d of %s", len(resp.Results), count(len(rules), "rule"))
	}
	var added []aclRule
	var faults []error
	for i, c := range req.Creations {
		rule := newACLRule(c.ResourceType, c.ResourceName, c.ResourcePatternType, c.Principal, c.Host, c.Operation, c.PermissionType)
		if err := kerr.ErrorForCode(resp.Results[i].ErrorCode); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", rule, &refusal{err, textOf(resp.Results[i].ErrorMessage)}))
			continue
		}
		added = append(added, rule)
	}
	return sortedRules(added), errors.Join(faults...)
}

// deleteACLs returns the rules that were removed.
func deleteACLs(ctx context.Context, client *kgo.Client, filters []aclFilter) ([]aclRule, error) {
	req := kmsg.NewPtrDeleteACLsRequest()
	for _, f := range filters {
		one := kmsg.NewDeleteACLsRequestFilter()
		one.ResourceType, one.ResourceName, one.ResourcePatternType = f.resource, f.name, f.pattern
		one.Principal, one.Host, one.Operation, one.PermissionType = f.principal, f.host, f.operation, f.permission
		req.Filters = append(req.Filters, one)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	var removed []aclRule
	var faults []error
	for _, r := range resp.Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			faults = append(faults, &refusal{err, textOf(r.ErrorMessage)})
			continue
		}
		for _, m := range r.MatchingACLs {
			rule := newACLRule(m.ResourceType, m.ResourceName, m.ResourcePatternType, m.Principal, m.Host, m.Operation, m.PermissionType)
			if err := kerr.ErrorForCode(m.ErrorCode); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", rule, &refusal{err, textOf(m.ErrorMessage)}))
				continue
			}
			removed = append(removed, rule)
		}
	}
	return sortedRules(removed), errors.Join(faults...)
}

// textOf is what a broker says, empty if nothing.
func textOf(message *string) string {
	if message == nil {
		return ""
	}
	return *message
}

// completePrincipals completes who has rules, and the users of the broker.
func (a *aclCommand) completePrincipals(cmd *cobra.Command, _ []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	a.ask(cmd, func(ctx context.Context) {
		_ = a.run(ctx, func(ctx context.Context, client *kgo.Client) error {
			users, _ := kadm.NewClient(client).DescribeUserSCRAMs(ctx)
			for name := range users {
				names = append(names, "User:"+name)
			}
			rules, err := describeACLs(ctx, client, []aclFilter{anyACL()})
			for _, r := range rules {
				names = append(names, r.Principal)
			}
			return err
		})
	})
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

func (a *aclCommand) completeTransactionalIDs(cmd *cobra.Command, _ []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	a.ask(cmd, func(ctx context.Context) {
		_ = a.admin(ctx, func(ctx context.Context, k *kadm.Client) error {
			listed, err := k.ListTransactions(ctx, nil, nil)
			names = listed.TransactionalIDs()
			return err
		})
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
