package main

import (
	"strings"
	"testing"
	"time"
)

func TestSettingsOutOfRangeAreNamed(t *testing.T) {
	s := serveSettings{
		dataDir: "d", httpAddr: "127.0.0.1:0", kafkaAddr: "127.0.0.1:0", durability: "fsync", level: "BACKWARD",
		shutdownTimeout: -time.Second,
	}
	_, _, err := s.validate()
	for _, flag := range []string{"--shutdown-timeout -1s", "--default-partitions 0"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%v does not name %s", err, flag)
		}
	}
}
