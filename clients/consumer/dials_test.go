package consumer

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestPollNamesADeadBroker(t *testing.T) {
	const address = "127.0.0.1:1" // nothing gets that port by chance
	c, err := New(Raw[string]{}, Decoder[string](Raw[string]{}), WithSeeds(address), WithGroup("g"), WithTopics("in"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	until(t, "a connection is refused", func() bool { return c.dials.String() != "" })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = c.Poll(ctx, 1)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no records of in") || !strings.Contains(err.Error(), "no connection to "+address) {
		t.Errorf("got %v", err)
	}
}
