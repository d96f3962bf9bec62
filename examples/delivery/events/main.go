// Command events tells what happens in the city, and checks what arrived.
//
//	events produce   to topics: Avro and Protobuf through the registry, with a producer that restarts
//	events check     reads the topics back as a group: order within keys, repeats, commits
//	events sql       as SQL for a database whose changes are captured
//
// What is true is written to the ledger, a folder with orders.csv (each order
// once, with its outcome) and sent.json (what each topic was sent); whoever
// reads the topics can be checked against it. Works with Dovetail and Kafka.
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

	"github.com/dovetail-dev/dovetail/examples/delivery/city"
)

const usage = "usage: events produce|check|sql [flags]; events produce -h lists them"

// settings are the flags; each command uses its part of them.
type settings struct {
	kafka, registry string
	ledger          string
	city            city.Options
	key             string
	partitions      int
	restarts        int
	part            string
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
	if len(args) == 0 {
		return errors.New(usage)
	}
	var s settings
	flags := flag.NewFlagSet("events "+args[0], flag.ContinueOnError)
	flags.StringVar(&s.kafka, "kafka", "127.0.0.1:9092", "broker to start from")
	flags.StringVar(&s.registry, "registry", "http://127.0.0.1:8081", "URL of the registry")
	flags.StringVar(&s.ledger, "ledger", "ledger", "folder for what is true")
	flags.IntVar(&s.city.Orders, "orders", 20_000, "how many orders there are")
	flags.IntVar(&s.city.Days, "days", 3, "over how many days")
	flags.Uint64Var(&s.city.Seed, "seed", 7, "another seed is another city")
	flags.StringVar(&s.key, "key", "order", "what orders and their changes are keyed by: order, or restaurant (into topics of their own, to see skew)")
	flags.IntVar(&s.partitions, "partitions", 6, "of each topic")
	flags.IntVar(&s.restarts, "restarts", 4, "how often the producer dies and sends again what it does not remember")
	flags.StringVar(&s.part, "part", "", "of the SQL: schema, first or second")
	flags.Func("start", "first day, as 2026-03-02; so long ago that the last day ended yesterday, otherwise", func(v string) (err error) {
		s.city.Start, err = time.Parse(time.DateOnly, v)
		return err
	})
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("what is %q?\n%s", flags.Arg(0), usage)
	}
	if s.city.Start.IsZero() {
		s.city.Start = time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -s.city.Days-1)
	}
	switch args[0] {
	case "produce":
		return produce(ctx, s)
	case "check":
		return check(ctx, s)
	case "sql":
		return writeSQL(os.Stdout, s)
	default:
		return fmt.Errorf("what is %q?\n%s", args[0], usage)
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
