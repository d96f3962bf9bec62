// Command flights plays the whole of Dovetail on real records: 20,000 flights
// and a week of earthquakes. It starts `dovetail serve` in a fresh data
// directory, does what a team does with a registry and a log (register, evolve,
// be refused, share partitions, survive a kill), checks every step, and leaves
// the server running to try things on.
//
//	go run ./examples/flights --dovetail bin/dovetail [--exit]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	binary := flag.String("dovetail", "bin/dovetail", "the dovetail binary")
	exit := flag.Bool("exit", false, "end after the story")
	httpAddr := flag.String("http-addr", "127.0.0.1:8081", "where the registry listens")
	kafkaAddr := flag.String("kafka-addr", "127.0.0.1:9092", "where the broker listens")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *binary, *httpAddr, *kafkaAddr, *exit); err != nil {
		if errors.Is(err, context.Canceled) {
			fmt.Println("\nstopped")
			return
		}
		fmt.Fprintf(os.Stderr, "\n   ✗ %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary, httpAddr, kafkaAddr string, exit bool) error {
	began := time.Now()
	server, err := newServer(binary, httpAddr, kafkaAddr)
	if err != nil {
		return err
	}
	defer server.remove()
	s, err := newStory(server)
	if err != nil {
		return err
	}
	defer s.close()
	chapters := []struct {
		title string
		tell  func(context.Context) error
	}{
		{"One binary", s.start},
		{"Two subjects", s.register},
		{"Real records, in order per key", s.produce},
		{"The schema evolves", s.evolve},
		{"A change that would break readers", s.refuse},
		{"A group shares the partitions", s.share},
		{"A payload that is not what it says", s.reject},
		{"Pull the plug", s.crash},
	}
	for i, c := range chapters {
		chapter(i+1, c.title)
		if err := c.tell(ctx); err != nil {
			return fmt.Errorf("%s: %w\n     the server's log: %s", c.title, err, server.logPath())
		}
	}
	fmt.Printf("\n   Every step did what it says, in %.1f seconds.\n", time.Since(began).Seconds())
	if exit {
		return server.stop()
	}
	s.nextThings()
	select {
	case <-ctx.Done():
		fmt.Println()
		return server.stop()
	case <-server.ended():
		return errors.New("the server ended by itself")
	}
}

func chapter(n int, title string) { fmt.Printf("\n%2d  %s\n", n, title) }

// say prints a line of the story.
func say(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) }

// proven prints a line that was checked.
func proven(format string, args ...any) { fmt.Printf("  ✓ "+format+"\n", args...) }
