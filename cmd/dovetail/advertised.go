package main

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"time"
)

// nameTime is how long a start may wait for a name.
const nameTime = time.Second

// warnOfAdvertised says of an address that clients are told to connect to that they
// cannot: it is none of a machine, or no name that is known here.
func (s *serveSettings) warnOfAdvertised(ctx context.Context, log *slog.Logger) {
	advertised := cmp.Or(s.advertised, s.kafkaAddr)
	host, _, err := net.SplitHostPort(advertised)
	if err != nil {
		return // refused elsewhere
	}
	const advice = "set --kafka-advertised to the host:port that clients reach this broker by"
	ip := net.ParseIP(host)
	switch {
	case s.advertised != "" && ip != nil && ip.IsUnspecified():
		log.Warn("clients are told to connect to every address and so to none: most will not reach the broker", "advertised", advertised, "advice", advice)
	case s.advertised == "" && (host == "" || ip != nil && ip.IsUnspecified()):
		log.Warn("the broker listens on all addresses, and clients are told to connect to localhost, which those on other machines cannot", "address", s.kafkaAddr, "advice", advice)
	case s.advertised != "" && ip == nil:
		ctx, cancel := context.WithTimeout(ctx, nameTime)
		defer cancel()
		if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
			log.Warn("the name that clients are told to connect to is not known on this machine", "advertised", advertised, "err", err, "advice", advice)
		}
	}
}
