package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// server is a `dovetail serve` process with a data directory of its own.
type server struct {
	binary, httpAddr, kafkaAddr string
	dir                         string
	log                         *os.File

	cmd  *exec.Cmd
	done chan struct{} // closed when the running process has ended
	err  error         // how it ended
}

func newServer(binary, httpAddr, kafkaAddr string) (*server, error) {
	path, err := exec.LookPath(binary)
	if err != nil {
		return nil, fmt.Errorf("%w: run make build", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	for _, addr := range []string{httpAddr, kafkaAddr} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("%s is in use; stop what listens there, or choose with --http-addr and --kafka-addr", addr)
		}
		_ = l.Close()
	}
	dir, err := os.MkdirTemp("", "dovetail-demo-")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, err
	}
	return &server{binary: path, httpAddr: httpAddr, kafkaAddr: kafkaAddr, dir: dir, log: log}, nil
}

func (s *server) dataDir() string     { return filepath.Join(s.dir, "data") }
func (s *server) logPath() string     { return s.log.Name() }
func (s *server) registryURL() string { return "http://" + s.httpAddr }

// start runs the process and returns how long it took to be ready.
func (s *server) start(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	s.cmd = exec.Command(s.binary, "serve", "--data-dir", s.dataDir(), "--http-addr", s.httpAddr, "--kafka-addr", s.kafkaAddr)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	ownGroup(s.cmd) // Ctrl-C is for us: the server is stopped in order
	if err := s.cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	s.done = done
	go func() {
		s.err = s.cmd.Wait()
		close(done)
	}()
	for time.Since(began) < 30*time.Second {
		if ready(s.registryURL()) {
			return time.Since(began), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-done:
			return 0, fmt.Errorf("the server did not start: %w", s.err)
		case <-time.After(2 * time.Millisecond):
		}
	}
	return 0, errors.New("the server was not ready within 30 s")
}

func ready(url string) bool {
	r, err := http.Get(url + "/readyz")
	if err != nil {
		return false
	}
	_ = r.Body.Close()
	return r.StatusCode == http.StatusOK
}

func (s *server) ended() <-chan struct{} { return s.done }

// kill sends SIGKILL: the process can do nothing about it.
func (s *server) kill() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	<-s.done
	return nil
}

// stop asks the process to end and fails unless it ends well.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-s.done:
		return s.err
	case <-time.After(30 * time.Second):
		_ = s.kill()
		return errors.New("the server did not stop within 30 s of being asked to")
	}
}

// remove ends whatever still runs and deletes the data.
func (s *server) remove() {
	if s.cmd != nil && s.cmd.ProcessState == nil {
		select {
		case <-s.done:
		default:
			_ = s.kill()
		}
	}
	_ = s.log.Close()
	_ = os.RemoveAll(s.dir)
}
