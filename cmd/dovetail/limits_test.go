package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker"
)

func TestFlagsOfLimits(t *testing.T) {
	cmd := newServe()
	for name, value := range map[string]string{
		"max-connections": "20", "max-connections-per-ip": "5", "max-idle": "1m", "max-request-bytes": "4096", "client-memory": "67108864",
	} {
		if err := cmd.Flags().Set(name, value); err != nil {
			t.Error(err)
		}
	}
	s := limitSettings{connections: 20, connectionsPerIP: 5, connectionsOfIP: []string{"192.0.2.1=7", "2001:db8::1=0"}, idle: time.Minute, requestBytes: 4096, memoryBytes: 64 << 20}
	got, err := s.limits()
	want := broker.Limits{Connections: 20, ConnectionsPerIP: 5, ConnectionsOfIP: map[string]int{"192.0.2.1": 7, "2001:db8::1": 0}, Idle: time.Minute, RequestBytes: 4096, MemoryBytes: 64 << 20}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if l, err := (&limitSettings{}).limits(); err != nil || !reflect.DeepEqual(l, broker.Limits{}) {
		t.Errorf("nothing set: %+v, %v", l, err)
	}
}

func TestWrongLimitsNameTheirFlags(t *testing.T) {
	s := limitSettings{connections: -1, connectionsPerIP: -1, connectionsOfIP: []string{"somewhere=1", "192.0.2.1", "192.0.2.1=-1"}, idle: -1, requestBytes: 10, memoryBytes: 1000}
	_, err := s.limits()
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"--max-connections -1", "--max-connections-per-ip -1", `"somewhere=1"`, `"192.0.2.1"`, `"192.0.2.1=-1"`, "--max-idle -1", "--max-request-bytes 10", "--client-memory 1000"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}
