// Command dovetail is the schema registry, the log broker and their tools in
// one binary. All wiring, flags, environment variables and files of the project
// are read here and nowhere else.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		if status.err != nil {
			fmt.Fprintln(os.Stderr, "dovetail:", status.err)
		}
		return status.code
	case cmd == root: // which does nothing itself: no such command
		fmt.Fprintf(os.Stderr, "dovetail: %v (see dovetail --help)\n", err)
		return exitUsage
	}
	fmt.Fprintln(os.Stderr, "dovetail:", err)
	return 1
}

// exitUsage is the exit status of a command line that is not understood. It is
// never 1, which for check means incompatible.
const exitUsage = 2

// usageErrors gives a command and all below it that exit status.
func usageErrors(cmd *cobra.Command) {
	wrap := func(c *cobra.Command, err error) error {
		return exitStatus{exitUsage, fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	}
	cmd.SetFlagErrorFunc(wrap)
	if cmd.HasParent() && cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = cobra.NoArgs // a misspelt subcommand is no call for help
		cmd.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	if valid := cmd.Args; valid != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := valid(c, args); err != nil {
				return wrap(c, err)
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		usageErrors(c)
	}
}

// exitStatus is an error that chooses the exit status; err may be nil when
// everything has been said.
type exitStatus struct {
	code int
	err  error
}

func (e exitStatus) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e exitStatus) Unwrap() error { return e.err }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "dovetail",
		Short: "Schema registry, serialization and a partitioned log in one binary",
		Long: `Dovetail is a schema registry, a serialization library and a partitioned log broker.

It speaks the Confluent Schema Registry REST API and the Kafka wire protocol, so
the clients you have work as they are.

  dovetail serve                          run registry and broker
  dovetail check schemas --against main   are my schema changes compatible?`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newServe(), newCheck(), newGen(), newSchema(), newTopic(), newGroup(), newLog(), newProduce(), newConsume(), newVersion())
	usageErrors(root)
	return root
}
