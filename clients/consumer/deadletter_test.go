package consumer

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// logbook is where a logger writes.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestRecordsWaitForAMissingDeadLetterTopic(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(1, 0)
	o, log := &journal{}, &logbook{}
	c := w.open(WithDeadLetter("missing"), WithObserver(o), WithLogger(log.logger()),
		WithKafka(kgo.UnknownTopicRetries(0), kgo.MetadataMinAge(20*time.Millisecond)))
	stop := start(t, c, func(context.Context, *Record[string, string]) error { return Permanent(errHandler) })
	until(t, "two attempts fail", func() bool { return log.count("dead-letter topic not reached, trying again") >= 2 })
	if got := w.committed(); got != 0 {
		t.Errorf("committed %d before the record is in the dead-letter topic", got)
	}
	if _, err := kadm.NewClient(w.client).CreateTopic(limit(t), 1, 1, nil, "missing"); err != nil {
		t.Fatal(err)
	}
	until(t, "committed", func() bool { return w.committed() == 1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	dead := w.read("missing", 1)[0]
	if string(header(dead, HeaderAttempts)) != "1" || string(header(dead, HeaderReason)) != errHandler.Error() {
		t.Errorf("headers %v", dead.Headers)
	}
	if o.count("0/1 retried") != 1 || o.count("0/2 retried") != 1 {
		t.Errorf("the observer saw %v", o.seen)
	}
}
