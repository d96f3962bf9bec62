package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxPasswordBytes bounds what is read for a password.
const maxPasswordBytes = 1 << 10

// readNewPassword asks for a password twice if in is a terminal, which does not show it,
// and reads all of in otherwise. One line end after it does not count.
func readNewPassword(ctx context.Context, in io.Reader, prompts io.Writer, user string) (string, error) {
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return promptPassword(ctx, int(f.Fd()), prompts, user)
	}
	b, err := io.ReadAll(io.LimitReader(in, maxPasswordBytes+3))
	if err != nil {
		return "", fmt.Errorf("read the password of %s: %w", user, err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	return password, checkPassword(password, user)
}

func promptPassword(ctx context.Context, terminal int, prompts io.Writer, user string) (string, error) {
	first, err := askHidden(ctx, terminal, prompts, "password of "+user+": ")
	if err != nil {
		return "", err
	}
	if err := checkPassword(first, user); err != nil {
		return "", err
	}
	second, err := askHidden(ctx, terminal, prompts, "once more: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the passwords differ: nothing was changed")
	}
	return first, nil
}

// askHidden reads a line that the terminal does not show. If ctx ends before, the
// terminal is as it was.
func askHidden(ctx context.Context, terminal int, prompts io.Writer, question string) (string, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return "", fmt.Errorf("the terminal: %w", err)
	}
	fmt.Fprint(prompts, question)
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() { // ends with the process at the latest: a read of a terminal cannot be called back
		text, err := term.ReadPassword(terminal)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		fmt.Fprintln(prompts)
		if l.err != nil {
			return "", fmt.Errorf("read the password: %w", l.err)
		}
		return string(l.text), nil
	case <-ctx.Done():
		_ = term.Restore(terminal, before)
		fmt.Fprintln(prompts)
		return "", context.Cause(ctx)
	}
}

func checkPassword(password, user string) error {
	switch {
	case password == "":
		return fmt.Errorf("the password of %s is empty: type it, or give it on standard input", user)
	case len(password) > maxPasswordBytes:
		return fmt.Errorf("the password of %s is longer than %d bytes", user, maxPasswordBytes)
	case strings.ContainsAny(password, "\r\n\x00"):
		return fmt.Errorf("the password of %s has more than one line: give nothing else on standard input", user)
	}
	return nil
}
