package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// userCommand holds what the verbs of `dovetail user` share.
type userCommand struct {
	connection
	output
}

func newUser() *cobra.Command {
	u := &userCommand{}
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Users of a broker, who prove themselves by SCRAM: list, set, remove",
		Long: `A broker keeps users of its own, who come in by SASL/SCRAM; it knows their
passwords salted only. Those of a server's --users-file are not among them. What a
user may do is said by ` + "`dovetail acl`" + `.`,
		Example: `  dovetail user list
  dovetail user set ann
  dovetail user set ann <password.txt
  dovetail user remove ann`,
	}
	u.connection.flags(cmd, false, true)
	u.output.flag(cmd)
	cmd.AddCommand(u.list(), u.set(), u.remove())
	return cmd
}

// userView is a user with his credentials.
type userView struct {
	User        string           `json:"user"`
	Credentials []credentialView `json:"credentials"`
}

type credentialView struct {
	Mechanism  string `json:"mechanism"`
	Iterations int32  `json:"iterations"`
}

func (u *userCommand) list() *cobra.Command {
	return &cobra.Command{
		Use:               "list [user…]",
		Short:             "List users with the mechanisms that they have a password for",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: anyOf(u.completeUsers),
		RunE: func(cmd *cobra.Command, args []string) error {
			return u.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
				described, err := a.DescribeUserSCRAMs(ctx, args...)
				if err != nil {
					return err
				}
				users := []userView{}
				var faults []error
				for _, d := range described.Sorted() {
					if d.Err != nil {
						faults = append(faults, userFault(d.User, d.Err, d.ErrMessage))
						continue
					}
					v := userView{d.User, []credentialView{}}
					for _, c := range d.CredInfos {
						v.Credentials = append(v.Credentials, credentialView{c.Mechanism.String(), c.Iterations})
					}
					slices.SortFunc(v.Credentials, func(a, b credentialView) int { return strings.Compare(a.Mechanism, b.Mechanism) })
					users = append(users, v)
				}
				err = u.print(cmd.OutOrStdout(), users, func(w io.Writer) {
					fmt.Fprintln(w, "USER\tMECHANISM\tITERATIONS")
					for _, v := range users {
						for _, c := range v.Credentials {
							fmt.Fprintf(w, "%s\t%s\t%d\n", v.User, c.Mechanism, c.Iterations)
						}
					}
				})
				return errors.Join(append(faults, err)...)
			})
		},
	}
}

// scramIterations is how often a password is hashed; brokers take 4096 to 16384.
const scramIterations = 8192

func (u *userCommand) set() *cobra.Command {
	var mechanisms []string
	var iterations int32
	cmd := &cobra.Command{
		Use:   "set user",
		Short: "Make a user, or give him another password",
		Long: `Set asks for the password twice, or reads it from standard input if that is no
terminal; a line end after it does not count. A user who is there gets it for every
mechanism that he has one for, so that no old password is left; a new one for
SCRAM-SHA-512. Only its salted hash is sent. Connections that are open go on.`,
		Example: `  dovetail user set ann
  dovetail user set ann --mechanism SCRAM-SHA-256,SCRAM-SHA-512 <password.txt`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: positions(u.completeUsers),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := scramMechanisms(mechanisms)
			if err != nil {
				return exitStatus{exitUsage, err}
			}
			if iterations < 4096 || iterations > 16384 {
				return exitStatus{exitUsage, fmt.Errorf("--iterations %d: brokers take 4096 to 16384", iterations)}
			}
			password, err := readNewPassword(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), args[0])
			if err != nil {
				return err
			}
			return u.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
				if len(wanted) == 0 {
					if wanted, err = hisMechanisms(ctx, a, args[0]); err != nil {
						return err
					}
				}
				if len(wanted) == 0 {
					wanted = []kadm.ScramMechanism{kadm.ScramSha512}
				}
				var upserts []kadm.UpsertSCRAM
				for _, m := range wanted {
					upserts = append(upserts, kadm.UpsertSCRAM{User: args[0], Mechanism: m, Iterations: iterations, Password: password})
				}
				if err := alterUser(ctx, a, args[0], nil, upserts); err != nil {
					return err
				}
				return u.done(cmd.OutOrStdout(), "set", args)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&mechanisms, "mechanism", nil, "what the password is for: SCRAM-SHA-512, SCRAM-SHA-256 or both; those that the user has otherwise")
	f.Int32Var(&iterations, "iterations", scramIterations, "how often the password is hashed, 4096 to 16384")
	oneOf(cmd, "mechanism", "SCRAM-SHA-512", "SCRAM-SHA-256")
	return cmd
}

func (u *userCommand) remove() *cobra.Command {
	var mechanisms []string
	cmd := &cobra.Command{
		Use:   "remove user…",
		Short: "Remove users, or their password for one mechanism",
		Long: `Remove takes the passwords of users away, so that they cannot come in any more.
Connections that are open go on, and so do rules for them: ` + "`dovetail acl remove\n--principal User:name`" + ` removes those.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: anyOf(u.completeUsers),
		RunE: func(cmd *cobra.Command, args []string) error {
			named, err := scramMechanisms(mechanisms)
			if err != nil {
				return exitStatus{exitUsage, err}
			}
			return u.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
				removed := []string{}
				var faults []error
				for _, name := range slices.Compact(slices.Sorted(slices.Values(args))) {
					if err := removeUser(ctx, a, name, named); err != nil {
						faults = append(faults, err)
						continue
					}
					removed = append(removed, name)
				}
				return errors.Join(append(faults, u.done(cmd.OutOrStdout(), "removed", removed))...)
			})
		},
	}
	cmd.Flags().StringSliceVar(&mechanisms, "mechanism", nil, "remove only the password for SCRAM-SHA-512 or SCRAM-SHA-256; all otherwise")
	oneOf(cmd, "mechanism", "SCRAM-SHA-512", "SCRAM-SHA-256")
	return cmd
}

// removeUser removes the user's credentials of these mechanisms, all if there are none.
func removeUser(ctx context.Context, a *kadm.Client, user string, mechanisms []kadm.ScramMechanism) error {
	if len(mechanisms) == 0 {
		has, err := hisMechanisms(ctx, a, user)
		if err != nil {
			return err
		}
		if len(has) == 0 {
			return userFault(user, kerr.ResourceNotFound, "")
		}
		mechanisms = has
	}
	var deletions []kadm.DeleteSCRAM
	for _, m := range mechanisms {
		deletions = append(deletions, kadm.DeleteSCRAM{User: user, Mechanism: m})
	}
	return alterUser(ctx, a, user, deletions, nil)
}

// hisMechanisms are those that a user has a password for.
func hisMechanisms(ctx context.Context, a *kadm.Client, user string) ([]kadm.ScramMechanism, error) {
	described, err := a.DescribeUserSCRAMs(ctx, user)
	if err != nil {
		return nil, err
	}
	d := described[user]
	if d.Err != nil && !errors.Is(d.Err, kerr.ResourceNotFound) {
		return nil, userFault(user, d.Err, d.ErrMessage)
	}
	var out []kadm.ScramMechanism
	for _, c := range d.CredInfos {
		out = append(out, c.Mechanism)
	}
	return out, nil
}

// alterUser changes one credential after the other: Kafka takes one of a user in a
// request.
func alterUser(ctx context.Context, a *kadm.Client, user string, deletions []kadm.DeleteSCRAM, upserts []kadm.UpsertSCRAM) error {
	one := func(deletions []kadm.DeleteSCRAM, upserts []kadm.UpsertSCRAM) error {
		altered, err := a.AlterUserSCRAMs(ctx, deletions, upserts)
		if err != nil {
			return err
		}
		if d := altered[user]; d.Err != nil {
			return userFault(user, d.Err, d.ErrMessage)
		}
		return nil
	}
	for i := range deletions {
		if err := one(deletions[i:i+1], nil); err != nil {
			return err
		}
	}
	for i := range upserts {
		if err := one(nil, upserts[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

func userFault(user string, err error, message string) error {
	if errors.Is(err, kerr.ResourceNotFound) {
		return fmt.Errorf("user %s has no such password: `dovetail user list` shows who has one; those of a users file are not among them (%w)", user, err)
	}
	return fmt.Errorf("user %s: %w", user, &refusal{err, message})
}

// refusal is the error of a broker with what the broker says beside it.
type refusal struct {
	err     error
	message string // empty if there is none
}

func (r *refusal) Error() string {
	if r.message == "" {
		return r.err.Error()
	}
	var code *kerr.Error
	if errors.As(r.err, &code) {
		return code.Message + ": " + r.message
	}
	return r.err.Error() + ": " + r.message
}

func (r *refusal) Unwrap() error { return r.err }

func scramMechanisms(names []string) ([]kadm.ScramMechanism, error) {
	var out []kadm.ScramMechanism
	for _, name := range names {
		switch strings.ToUpper(name) {
		case "SCRAM-SHA-256":
			out = append(out, kadm.ScramSha256)
		case "SCRAM-SHA-512":
			out = append(out, kadm.ScramSha512)
		default:
			return nil, fmt.Errorf("--mechanism %q: want SCRAM-SHA-512 or SCRAM-SHA-256", name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (c *connection) completeUsers(cmd *cobra.Command, _ []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	c.ask(cmd, func(ctx context.Context) {
		_ = c.admin(ctx, func(ctx context.Context, a *kadm.Client) error {
			users, err := a.DescribeUserSCRAMs(ctx)
			for _, u := range users.Sorted() {
				names = append(names, u.User)
			}
			return err
		})
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
