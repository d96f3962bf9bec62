package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server that was started to be measured.
type process struct {
	cmd  *exec.Cmd
	log  bytes.Buffer
	mu   sync.Mutex // guards log
	done chan struct{}
}

// Write keeps the last of what the process says, for errors.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.log.Len() > 1<<20 {
		p.log.Reset()
	}
	return p.log.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.log.String()
	return s[max(0, len(s)-2000):]
}

// start runs a program in the background.
func start(dir string, env []string, name string, args ...string) (*process, error) {
	p := &process{done: make(chan struct{})}
	p.cmd = exec.Command(name, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p, p
	p.cmd.Env = append(os.Environ(), env...)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.done)
	}()
	return p, nil
}

// kill ends the process at once and waits for it.
func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks the process to end, and makes it after ten seconds.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.kill()
	}
}

// residentMB is the process's resident memory in MB.
func (p *process) residentMB() (float64, error) {
	for line := range strings.Lines(file(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))) {
		var kb int64
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err == nil {
			return float64(kb) / 1000, nil
		}
	}
	return 0, errors.New("no /proc with resident sizes here")
}

// cpuSeconds is how long the process has run, in user and system mode.
func (p *process) cpuSeconds() float64 { return processCPU(p.cmd.Process.Pid) }

// await calls try until it succeeds, the process ends or the time is up, and
// returns how long that took.
func (p *process) await(ctx context.Context, within time.Duration, try func() error) (time.Duration, error) {
	began := time.Now()
	for {
		err := try()
		took := time.Since(began)
		if err == nil {
			return took, nil
		}
		if took > within {
			return took, fmt.Errorf("not ready within %s: %w\n%s", within, err, p.said())
		}
		select {
		case <-p.done:
			return took, fmt.Errorf("the process ended: %s", p.said())
		case <-ctx.Done():
			return took, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// dovetailBinary returns the binary to measure, built unless a flag names one.
func dovetailBinary(ctx context.Context, o options) (string, error) {
	if o.dovetail != "" {
		return filepath.Abs(o.dovetail)
	}
	out := filepath.Join(o.work, "dovetail")
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", out, "./cmd/dovetail")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/dovetail in %s: %w\n%s", build.Dir, err, text)
	}
	return out, nil
}

// dovetail is a running server of ours.
type dovetail struct {
	*process
	binary, dir string
	http, kafka string
}

// startDovetail runs the server on the data in dir.
func startDovetail(binary, dir string, args ...string) (*dovetail, error) {
	d := &dovetail{binary: binary, dir: dir}
	var err error
	if d.http, err = freeAddr(); err != nil {
		return nil, err
	}
	if d.kafka, err = freeAddr(); err != nil {
		return nil, err
	}
	return d, d.again(args...)
}

// again starts the server once more, with the same addresses and data.
func (d *dovetail) again(args ...string) (err error) {
	d.process, err = start("", nil, d.binary, append([]string{"serve", "--data-dir", d.dir, "--http-addr", d.http, "--kafka-addr", d.kafka}, args...)...)
	return err
}
