package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestAddressesThatClientsCannotReachAreWarnedOf(t *testing.T) {
	for _, c := range []struct{ listens, advertised, want string }{
		{"127.0.0.1:9092", "", ""},
		{"0.0.0.0:9092", "10.1.2.3:9092", ""},
		{"0.0.0.0:9092", "localhost:9092", ""},
		{"127.0.0.1:9092", "0.0.0.0:9092", "every address and so to none"},
		{"127.0.0.1:9092", "[::]:9092", "every address and so to none"},
		{"0.0.0.0:9092", "", "clients are told to connect to localhost"},
		{":9092", "", "clients are told to connect to localhost"},
		{"127.0.0.1:9092", "no-such-host.invalid:9092", "is not known on this machine"},
	} {
		var said bytes.Buffer
		s := serveSettings{kafkaAddr: c.listens, advertised: c.advertised}
		s.warnOfAdvertised(t.Context(), slog.New(slog.NewTextHandler(&said, nil)))
		if c.want == "" && said.Len() > 0 || !strings.Contains(said.String(), c.want) {
			t.Errorf("%s advertised as %q: %q, want %q", c.listens, c.advertised, &said, c.want)
		}
	}
}
