package main

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// said is what a server has logged so far.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

var brokerAt = regexp.MustCompile(`msg=ready .*broker=(\S+)`)

func (s *said) broker() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := brokerAt.FindSubmatch(s.text.Bytes()); m != nil {
		return string(m[1])
	}
	return ""
}

// TestHowGroupsMayMigrateIsAFlag: the flag reaches the broker, which tells it to tools.
func TestHowGroupsMayMigrateIsAFlag(t *testing.T) {
	cmd := newServe()
	values, ok := cmd.GetFlagCompletionFunc("group-migration")
	if !ok {
		t.Fatal("the shell does not complete the flag")
	}
	if got, _ := values(cmd, nil, ""); !slices.Equal(got, []string{"bidirectional", "upgrade", "downgrade", "disabled"}) {
		t.Errorf("the shell completes %v", got)
	}
	var out said
	cmd.SetErr(&out)
	cmd.SetArgs([]string{"--data-dir", t.TempDir(), "--http-addr", "127.0.0.1:0", "--kafka-addr", "127.0.0.1:0", "--journal", "memory", "--group-migration", "upgrade"})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	stopped := make(chan error, 1)
	go func() { stopped <- cmd.ExecuteContext(ctx) }()
	defer func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}()
	for out.broker() == "" {
		select {
		case err := <-stopped:
			stopped <- err
			t.Fatal("the server ended")
		case <-ctx.Done():
			t.Fatal("the server is not ready")
		case <-time.After(10 * time.Millisecond):
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(out.broker()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	described, err := kadm.NewClient(client).DescribeBrokerConfigs(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range described[0].Configs {
		if c.Key == "group.consumer.migration.policy" {
			if c.Value == nil || *c.Value != "upgrade" {
				t.Errorf("it is %v", c.MaybeValue())
			}
			return
		}
	}
	t.Error("group.consumer.migration.policy is not described")
}
