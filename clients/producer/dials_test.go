package producer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// nobody is an address that refuses connections: nothing gets that port by chance.
const nobody = "127.0.0.1:1"

func TestADeadBrokerIsNamed(t *testing.T) {
	p, err := New(Raw[string]{}, Encoder[string](Raw[string]{}), WithSeeds(nobody), WithTopic("orders"),
		WithDeliveryTimeout(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(limit(t))
	// The connection is refused before any deadline, which makes the rest certain.
	for end := time.Now().Add(time.Minute); p.dials.String() == "" && time.Now().Before(end); {
		_ = p.Client().Ping(limit(t))
	}
	short, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for want, ctx := range map[string]context.Context{
		"delivery time-out of 2s (WithDeliveryTimeout)": context.Background(),
		"the deadline of the context":                   short,
	} {
		_, err := p.Send(ctx, Record[string, string]{Value: "v"})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
			continue
		}
		for _, part := range []string{`topic "orders"`, want, "no connection to " + nobody} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is missing in %v", part, err)
			}
		}
	}
}

func TestAMissingTopicIsNamed(t *testing.T) {
	p := open(t, cluster(t, 1), WithKafka(kgo.UnknownTopicRetries(0)))
	_, err := p.Send(limit(t), Record[string, string]{Topic: "missing", Value: "v"})
	if !errors.Is(err, kerr.UnknownTopicOrPartition) || !strings.Contains(err.Error(), `topic "missing" does not exist: create it`) {
		t.Errorf("got %v", err)
	}
}
