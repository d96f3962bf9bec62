package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
)

// maxLineBytes bounds a line of standard input.
const maxLineBytes = 64 << 20

// inputLine is a line of standard input, with its number from 1.
type inputLine struct {
	number int
	text   []byte
}

// readLines calls f with each line that is not blank until f returns false, ctx
// ends or the input does. A read that blocks does not keep it: whoever types the
// input may interrupt the command. in must not be used afterwards.
func readLines(ctx context.Context, in io.Reader, f func(inputLine) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines, end := make(chan inputLine, 64), make(chan error, 1)
	go func() { end <- scanLines(ctx, in, lines) }()
	for {
		select {
		case l := <-lines:
			if !f(l) {
				return nil
			}
		case err := <-end:
			for { // what was read before the end
				select {
				case l := <-lines:
					if !f(l) {
						return nil
					}
				default:
					return err
				}
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func scanLines(ctx context.Context, in io.Reader, lines chan<- inputLine) error {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 64<<10), maxLineBytes)
	number := 0
	for s.Scan() {
		number++
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		select {
		case lines <- inputLine{number, bytes.Clone(s.Bytes())}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("line %d: %w", number+1, err)
	}
	return nil
}
