// Command warehouse loads orders from their topic into a folder of Parquet files
// by day, each record once, however often it is run, killed and run again.
//
//	warehouse load --dir DIR [--from TIME] --until TIME
//
// Every load goes on where the folder ends, up to the first record of TIME. See
// the type store for how the folder remembers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	kafka, registry, topic, group, dir string
	from, until                        time.Time
	chunk                              int
	die                                int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintf(os.Stderr, "  ✗ %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "load" {
		return errors.New("usage: warehouse load [flags]; warehouse load -h lists them")
	}
	var s settings
	flags := flag.NewFlagSet("warehouse load", flag.ContinueOnError)
	flags.StringVar(&s.kafka, "kafka", "127.0.0.1:9092", "broker to start from")
	flags.StringVar(&s.registry, "registry", "http://127.0.0.1:8081", "URL of the registry")
	flags.StringVar(&s.topic, "topic", "orders", "topic to load")
	flags.StringVar(&s.group, "group", "warehouse", "consumer group; the files are what counts, it shows others how far they are")
	flags.StringVar(&s.dir, "dir", "warehouse", "folder of the files")
	flags.Func("from", "where an empty folder begins, as 2026-03-02 or 2026-03-02T15:04:05Z; with the topic, otherwise", instant(&s.from))
	flags.Func("until", "where to end, exclusively; now, otherwise", instant(&s.until))
	flags.IntVar(&s.chunk, "chunk", 2000, "records of a partition that are committed at a time")
	flags.IntVar(&s.die, "die-before-commit", 0, "kill the process (SIGKILL) when the files of the n-th commit are written and the commit is not")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("what is %q?", flags.Arg(0))
	case s.chunk < 1:
		return errors.New("--chunk is a positive number")
	case !s.until.IsZero() && !s.from.Before(s.until):
		return errors.New("--from is before --until")
	}
	return load(ctx, s)
}

func instant(t *time.Time) func(string) error {
	return func(v string) (err error) {
		if *t, err = time.Parse(time.DateOnly, v); err != nil {
			*t, err = time.Parse(time.RFC3339, v)
		}
		return err
	}
}

// say prints a line of the story, proven one that was checked.
func say(format string, args ...any)    { fmt.Printf("    "+format+"\n", args...) }
func proven(format string, args ...any) { fmt.Printf("  ✓ "+format+"\n", args...) }

// thousands writes n as 12,345.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
