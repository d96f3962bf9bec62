// Command dovetail-crash looks for what a crash can take away. It runs
// `dovetail serve`, loads it with producers of every kind, kills it with SIGKILL
// at random moments, starts it again on the same data, and holds what consumers
// see against what producers were told:
//
//	lost            an acknowledged record is not at its offset
//	changed         an offset holds another record than it held before
//	duplicate       an idempotent or transactional record is there twice
//	reordered       two records of one producer and partition changed places
//	aborted read    a committed read shows a record of an aborted transaction
//	torn            a transaction is there in part
//	commit lost     a committed group offset went back
//
// The clients live through the kills: what they retry afterwards is the case
// that idempotence is for. Compaction runs on a topic of its own, in which the
// newest acknowledged value of a key must never be missing.
//
// The anomalies are those of Jepsen's analyses of Kafka-like logs. A run prints
// its seed; the same seed makes the same decisions, though not the same races.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	binary := flag.String("dovetail", "bin/dovetail", "the dovetail binary")
	rounds := flag.Int("rounds", 1000, "how often to kill")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of all decisions")
	every := flag.Int("check-every", 5, "rounds between two checks of everything new")
	keep := flag.Bool("keep", false, "keep the data directory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Printf("crash: %d rounds, seed %d\n", *rounds, *seed)
	if err := run(ctx, *binary, *rounds, *every, *seed, *keep); err != nil {
		fmt.Fprintf(os.Stderr, "crash: FAILED with seed %d: %v\n", *seed, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, rounds, every int, seed uint64, keep bool) error {
	s, err := newServer(binary)
	if err != nil {
		return err
	}
	defer func() {
		s.kill()
		if keep {
			fmt.Println("crash: data kept in", s.dir)
			return
		}
		_ = os.RemoveAll(s.dir)
	}()
	if err := s.start(ctx); err != nil {
		return err
	}
	l, err := newLoad(ctx, s.kafka, seed)
	if err != nil {
		return err
	}
	defer l.close()
	r := rand.New(rand.NewPCG(seed, 1))
	var slowest time.Duration
	began := time.Now()
	for round := 1; round <= rounds; round++ {
		l.resume()
		time.Sleep(time.Duration(20+r.IntN(250)) * time.Millisecond)
		s.kill()
		restarted := time.Now()
		if err := s.start(ctx); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		slowest = max(slowest, time.Since(restarted))
		if round%every != 0 && round != rounds {
			continue
		}
		if err := l.pause(ctx); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if err := l.check(ctx); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if round%(10*every) == 0 || round == rounds {
			fmt.Printf("crash: round %d: %s; slowest restart %v; %v\n", round, l.summary(), slowest.Round(time.Millisecond), time.Since(began).Round(time.Second))
		}
	}
	fmt.Printf("crash: nothing lost, doubled, reordered, torn or shown too early in %d rounds\n", rounds)
	return nil
}

// server is the process that is killed.
type server struct {
	binary, dir, kafka, http string
	cmd                      *exec.Cmd
	log                      *os.File
}

func newServer(binary string) (*server, error) {
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "dovetail-crash-")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, err
	}
	s := &server{binary: path, dir: dir, log: log}
	for _, addr := range []*string{&s.kafka, &s.http} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*addr = l.Addr().String()
		_ = l.Close()
	}
	return s, nil
}

func (s *server) start(ctx context.Context) error {
	s.cmd = exec.Command(s.binary, "serve", "--data-dir", filepath.Join(s.dir, "data"), "--http-addr", s.http, "--kafka-addr", s.kafka)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for range 3000 {
		if r, err := http.Get("http://" + s.http + "/readyz"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("the server does not come back; its log is %s", s.log.Name())
}

func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}
