// Command dovetail is the schema registry, the log broker and their tools in
// one binary. All wiring, flags, environment variables and files of the project
// are read here and nowhere else.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := untilSignal(context.Background())
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var by stopped
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case readerGone(err):
		return stopped{syscall.SIGPIPE}.status()
	case errors.As(context.Cause(ctx), &by):
		if !errors.Is(err, context.Canceled) && !errors.As(err, &by) {
			fmt.Fprintln(os.Stderr, "dovetail:", err)
		}
		return by.status()
	case errors.As(err, &status):
		if status.err != nil {
			fmt.Fprintln(os.Stderr, "dovetail:", status.err)
		}
		return status.code
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
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = noSuchCommand // a misspelt command is no call for help
		cmd.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		cmd.ValidArgsFunction = cobra.NoFileCompletions
		cmd.SuggestionsMinimumDistance = 2
	}
	if cmd.ValidArgsFunction == nil && !strings.Contains(cmd.Use, " ") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	if valid := cmd.Args; valid != nil {
		named := cmd.HasSubCommands()
		cmd.Args = func(c *cobra.Command, args []string) error {
			switch err := valid(c, args); {
			case err == nil:
				return nil
			case named:
				return wrap(c, err)
			}
			_, wanted, ok := strings.Cut(c.Use, " ")
			if !ok {
				wanted = "no argument"
			}
			return wrap(c, fmt.Errorf("%s wants %s, and got %s", c.CommandPath(), wanted, count(len(args), "argument")))
		}
	}
	for _, c := range cmd.Commands() {
		usageErrors(c)
	}
}

func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("%s has no command %q", c.CommandPath(), args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w: did you mean %s?", err, strings.Join(near, " or "))
	}
	return err
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
  dovetail check schemas --against main   are my schema changes compatible?

Exit status: 0 done, 1 not done, 2 not understood; 130 after Ctrl-C, and 141 if
whoever reads the output has gone.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newServe(), newCheck(), newGen(), newSchema(), newTopic(), newGroup(), newTransaction(), newACL(), newQuota(), newUser(), newDoctor(), newLog(), newProduce(), newConsume(), newVersion())
	root.InitDefaultCompletionCmd() // now, so that it refuses shells that it does not know
	usageErrors(root)
	return root
}
