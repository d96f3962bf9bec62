package dials_test

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/internal/dials"
)

func TestABrokerThatIsBackIsForgotten(t *testing.T) {
	d := &dials.Failures{}
	meta := kgo.BrokerMetadata{Host: "h", Port: 1}
	d.OnBrokerConnect(meta, 0, nil, context.Canceled)
	if got := d.String(); got != "" {
		t.Errorf("given up: %q", got)
	}
	d.OnBrokerConnect(meta, 0, nil, errors.New("refused"))
	if got := d.String(); got != "; no connection to h:1: refused" {
		t.Errorf("refused: %q", got)
	}
	d.OnBrokerConnect(meta, 0, nil, nil)
	if got := d.String(); got != "" {
		t.Errorf("back: %q", got)
	}
}
