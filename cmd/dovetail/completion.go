package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// What the shell completes beside commands and flags: the values that a flag
// takes, and names that servers know. A server that does not answer soon, or lets
// nobody in, has no names.

// completionPatience is how long a shell waits for names.
const completionPatience = 2 * time.Second

type completer = func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective)

// oneOf completes a flag with the values that it takes.
func oneOf(cmd *cobra.Command, flag string, values ...string) {
	complete(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// complete panics if there is no such flag.
func complete(cmd *cobra.Command, flag string, by completer) {
	if err := cmd.RegisterFlagCompletionFunc(flag, by); err != nil {
		panic(err)
	}
}

// positions completes each argument by a completer of its own, and nothing
// behind the last.
func positions(by ...completer) completer {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(by) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return by[len(args)](cmd, args, prefix)
	}
}

// anyOf completes arguments that name different things of one kind.
func anyOf(by completer) completer {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		names, directive := by(cmd, args, prefix)
		taken := map[string]bool{}
		for _, a := range args {
			taken[a] = true
		}
		var rest []string
		for _, name := range names {
			if !taken[name] {
				rest = append(rest, name)
			}
		}
		return rest, directive
	}
}

// completeFiles leaves the argument to the shell.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// completeFolders leaves the argument to the shell, which shows folders alone.
func completeFolders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completeRefs completes branches and tags of the repository here.
func completeRefs(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	out, _ := exec.CommandContext(cmd.Context(), "git", "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags").Output()
	return strings.Fields(string(out)), cobra.ShellCompDirectiveNoFileComp
}

func completeLevels(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for l := compat.None; l <= compat.LevelFullTransitive; l++ {
		names = append(names, l.String())
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// ask runs f with what the environment says about servers.
func (c *connection) ask(cmd *cobra.Command, f func(ctx context.Context)) {
	if connectionEnv(cmd, os.LookupEnv) != nil {
		return
	}
	c.timeout = min(c.timeout, completionPatience)
	ctx, cancel := context.WithTimeout(cmd.Context(), c.timeout)
	defer cancel()
	f(ctx)
}

func (c *connection) askRegistry(cmd *cobra.Command, f func(ctx context.Context, r *srclient.Client)) {
	c.ask(cmd, func(ctx context.Context) {
		if r, err := c.openRegistry(); err == nil {
			defer r.Close()
			f(ctx, r)
		}
	})
}

// completeSubjects completes names of subjects, those in contexts, too.
func (c *connection) completeSubjects(cmd *cobra.Command, _ []string, prefix string) (names []string, _ cobra.ShellCompDirective) {
	c.askRegistry(cmd, func(ctx context.Context, r *srclient.Client) {
		list, _ := r.Subjects(ctx, srclient.SubjectsOptions{Prefix: prefix})
		for _, name := range list {
			names = append(names, string(name))
		}
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeVersions completes the version of the subject that is the first
// argument.
func (c *connection) completeVersions(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	names := []string{"latest"}
	c.askRegistry(cmd, func(ctx context.Context, r *srclient.Client) {
		list, _ := r.Versions(ctx, schema.Subject(args[0]), srclient.VersionsOptions{})
		for _, v := range list {
			names = append(names, strconv.Itoa(int(v)))
		}
	})
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func (c *connection) completeTopics(cmd *cobra.Command, _ []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	c.ask(cmd, func(ctx context.Context) {
		_ = c.admin(ctx, func(ctx context.Context, a *kadm.Client) error {
			list, err := a.ListTopics(ctx)
			names = list.Names()
			return err
		})
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (c *connection) completeGroups(cmd *cobra.Command, _ []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	c.ask(cmd, func(ctx context.Context) {
		_ = c.admin(ctx, func(ctx context.Context, a *kadm.Client) error {
			list, err := a.ListGroups(ctx)
			names = list.Groups()
			return err
		})
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeSettings completes "name=" of what can be set for the topic that is
// the first argument, or for any topic.
func (c *connection) completeSettings(equals string) completer {
	return func(cmd *cobra.Command, args []string, prefix string) (names []string, _ cobra.ShellCompDirective) {
		if strings.Contains(prefix, "=") {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c.ask(cmd, func(ctx context.Context) {
			_ = c.admin(ctx, func(ctx context.Context, a *kadm.Client) error {
				topic := args[:min(len(args), 1)]
				if len(topic) == 0 {
					list, err := a.ListTopics(ctx)
					if err != nil || len(list) == 0 {
						return err
					}
					topic = list.Names()[:1]
				}
				got, err := a.DescribeTopicConfigs(ctx, topic...)
				for _, r := range got {
					for _, s := range r.Configs {
						names = append(names, s.Key+equals)
					}
				}
				return err
			})
		})
		return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// completePartitions completes folders of partitions in a data directory.
func completePartitions(dataDir *string) completer {
	return func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
		entries, _ := os.ReadDir(filepath.Clean(*dataDir))
		for _, e := range entries {
			if _, ok := parsePartitionDir(e.Name()); ok && e.IsDir() {
				names = append(names, e.Name())
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
