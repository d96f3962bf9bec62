// Command dovetail-corpus registers published histories of schemas, version by
// version, in registries of each compatibility level, and prints where each
// history would have been refused and why.
//
// It proves two things that no example of our own can: that real schemas
// neither crash nor stall the registry, and that its refusals are right. Each
// is printed with its place and rule. They were checked by hand, cause by cause
// (see README.md), and are kept in verdicts.txt; the command fails if they have
// changed since.
//
// The histories are downloaded with the package managers that publish them (go,
// npm, pip) and kept below --dir. Nothing is sent anywhere.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dovetail-dev/dovetail/compat"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "dovetail-corpus:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	flags := flag.NewFlagSet("dovetail-corpus", flag.ContinueOnError)
	dir := flags.String("dir", filepath.Join(cache, "dovetail-corpus"), "where downloads are kept")
	only := flags.String("only", "", "histories to replay, separated by commas; all if empty")
	levels := flags.String("levels", allLevels, "levels to replay them under")
	most := flags.Int("findings", 5, "how many findings of a refusal are printed")
	rewrite := flags.Bool("rewrite", false, "write the verdicts to ./cmd/dovetail-corpus/verdicts.txt instead of comparing them; for all histories and levels only")
	slowest := flags.Duration("slowest", time.Minute, "how long a registration may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var asked []compat.Level
	for name := range strings.SplitSeq(*levels, ",") {
		level, err := compat.ParseLevel(name)
		if err != nil {
			return fmt.Errorf("--levels: %w", err)
		}
		asked = append(asked, level)
	}
	known := map[string]bool{}
	for _, h := range histories {
		known[h.Name] = true
	}
	names := strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	for _, name := range names {
		if !known[name] {
			return fmt.Errorf("--only %s: there is no such history", name)
		}
	}
	var got []string
	for _, h := range histories {
		if len(names) > 0 && !slices.Contains(names, h.Name) {
			continue
		}
		results, err := replayAndPrint(ctx, h, *dir, asked, *slowest, *most, out)
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		got = append(got, verdicts(h.Name, results)...)
	}
	if *rewrite {
		if len(names) > 0 || *levels != allLevels {
			return errors.New("--rewrite writes the verdicts of all histories and levels: leave --only and --levels out")
		}
		return os.WriteFile("cmd/dovetail-corpus/verdicts.txt", []byte(strings.Join(got, "\n")+"\n"), 0o644)
	}
	changed := changes(checked(names, asked), got)
	if len(changed) > 0 {
		return fmt.Errorf("%d verdicts changed (-: checked by hand, +: now):\n%s", len(changed), strings.Join(changed, "\n"))
	}
	fmt.Fprintf(out, "\n%d refusals, all as they were checked by hand\n", len(got))
	return nil
}

const allLevels = "NONE,BACKWARD,BACKWARD_TRANSITIVE,FORWARD,FORWARD_TRANSITIVE,FULL,FULL_TRANSITIVE"

// replayAndPrint downloads a history and prints what each level says about it.
func replayAndPrint(ctx context.Context, h History, dir string, levels []compat.Level, slowest time.Duration, most int, out io.Writer) ([]*Result, error) {
	var releases []Release
	for _, version := range h.Versions {
		files, err := h.Fetch(ctx, filepath.Join(dir, h.Name), version)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", version, err)
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s has no schema files", version)
		}
		releases = append(releases, Release{version, files})
	}
	last := releases[len(releases)-1]
	fmt.Fprintf(out, "\n== %s: %s, %d releases from %s to %s, %d files in the last\n",
		h.Name, h.What, len(releases), releases[0].Version, last.Version, len(last.Files))
	results, err := Replay(ctx, levels, h, releases, slowest)
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		r.print(out, most)
	}
	return results, nil
}

// print writes the result of one level.
func (r *Result) print(out io.Writer, most int) {
	fmt.Fprintf(out, "\n-- %s: %d registrations, %d of them refused; the slowest took %s (%s)\n",
		r.Level, r.Registrations, len(r.Refusals), r.Slowest.Round(time.Millisecond), r.SlowestOf)
	for _, refusal := range r.Refusals {
		fmt.Fprintf(out, "   %s  %s  %d findings\n", refusal.Release, refusal.Subject, len(refusal.Findings))
		for i, f := range refusal.Findings {
			if i == most {
				fmt.Fprintf(out, "      and %d more\n", len(refusal.Findings)-most)
				break
			}
			fmt.Fprintf(out, "      version %d, %s, %s at %s: %s\n", f.Version, f.Direction, f.Rule, f.Path, f.Sentence)
		}
	}
}
