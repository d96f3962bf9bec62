// Command bench measures Dovetail beside its peers and beside the limits of the
// machine, and says for every number of the design whether it is reached.
//
//	go run . [flags] serde | registry | broker | all
//
// Two things that are compared take turns in rounds, one right after the other,
// so that whatever else the machine does falls on both; a ratio is the median of
// the ratios of the rounds. Nothing is asserted: a number that falls short is
// printed as such, and one that could not be measured says why.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"
)

// options are the flags.
type options struct {
	quick    bool   // short rounds
	dovetail string // path of the binary; built if empty
	results  string // directory of the JSON files; empty for none
	work     string // directory for data; a temporary one if empty
	logGB    float64
	only     string
	keep     bool
}

// rounds returns how many rounds to make of how long a turn.
func (o options) rounds() (int, time.Duration) {
	if o.quick {
		return 5, 10 * time.Millisecond
	}
	return 15, 60 * time.Millisecond
}

var areas = []struct {
	name string
	run  func(ctx context.Context, o options, r *report) error
}{
	{"serde", benchSerde},
	{"registry", benchRegistry},
	{"broker", benchBroker},
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "short rounds: to see that it runs, not how fast")
	flag.StringVar(&o.dovetail, "dovetail", "", "the dovetail binary; built into a temporary folder if empty")
	flag.StringVar(&o.results, "results", "results", "folder for the JSON files; empty for none")
	flag.StringVar(&o.work, "dir", "", "folder for data, on the disk to be measured; a temporary one if empty")
	flag.Float64Var(&o.logGB, "log-gb", 10, "size of the log that is restarted after SIGKILL, in GB")
	flag.StringVar(&o.only, "only", "", "measure only the parts whose name contains this; the JSON file is left alone")
	flag.BoolVar(&o.keep, "keep", false, "do not remove the temporary folder")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: bench [flags] serde | registry | broker | all\n")
		flag.PrintDefaults()
	}
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		runChild(os.Args[2:])
		return
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, args []string) error {
	if len(args) != 1 || args[0] != "all" && !slices.ContainsFunc(areas, func(a struct {
		name string
		run  func(ctx context.Context, o options, r *report) error
	}) bool {
		return a.name == args[0]
	}) {
		flag.Usage()
		return errors.New("name one area")
	}
	if o.work == "" {
		dir, err := os.MkdirTemp("", "dovetail-bench-")
		if err != nil {
			return err
		}
		o.work = dir
		if !o.keep {
			defer os.RemoveAll(dir)
		}
	}
	for _, a := range areas {
		if args[0] != "all" && args[0] != a.name {
			continue
		}
		r := &report{area: a.name, Machine: machine()}
		err := a.run(ctx, o, r)
		r.print(os.Stdout)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		if o.results != "" && o.only == "" {
			if err := r.write(o.results); err != nil {
				return err
			}
		}
	}
	return nil
}
