package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
)

// stopped is the cause of a context that a signal has ended.
type stopped struct{ signal syscall.Signal }

func (s stopped) Error() string { return "stopped by a signal: " + s.signal.String() }

// status is the exit status by which shells know that a signal was the reason.
func (s stopped) status() int { return 128 + int(s.signal) }

// untilSignal returns a context that ends with Ctrl-C and SIGTERM. A second
// signal ends the process at once.
//
// Whoever reads the output may go before its end (`| head -1`): a write then
// fails with EPIPE instead of killing the process, which has groups to leave.
func untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Reset(os.Interrupt, syscall.SIGTERM)
			by, _ := s.(syscall.Signal)
			cancel(stopped{by})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// readerGone reports whether err means that nobody reads the output any more.
// A connection that broke is something else.
func readerGone(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && at.Op == "write" && errors.Is(at.Err, syscall.EPIPE)
}
