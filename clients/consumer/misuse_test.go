package consumer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestMisuseIsAnErrorOfTheConstructor(t *testing.T) {
	raw := Decoder[string](Raw[string]{})
	base := []Option{WithSeeds("127.0.0.1:1"), WithGroup("g"), WithTopics("a", "b"), WithTransactionalID("tx")}
	for _, test := range []struct {
		key, value Decoder[string]
		with       []Option
		want       string
	}{
		{nil, raw, nil, "decoder is nil"},
		{raw, nil, nil, "decoder is nil"},
		{raw, raw, []Option{nil}, "option 5 of 5 is nil"},
		{raw, raw, []Option{WithKafka(nil, kgo.FetchMinBytes(1))}, "WithKafka is nil"},
		{raw, raw, []Option{WithDeadLetter("b")}, `dead-letter topic "b" is one of the topics that are read`},
	} {
		opts := append(base[:len(base):len(base)], test.with...)
		if c, err := New(test.key, test.value, opts...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("New: %v, %v, want %q", c, err, test.want)
		}
		if p, err := NewProcessor(test.key, test.value, opts...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("NewProcessor: %v, %v, want %q", p, err, test.want)
		}
	}
}

func TestNothingToRun(t *testing.T) {
	w := newWorld(t, 1)
	c := w.open(WithDeadLetter("dead"))
	if err := c.Run(limit(t), nil); !errors.Is(err, errNoHandler) {
		t.Errorf("consumer: %v", err)
	}
	p, err := NewProcessor(Raw[string]{}, Decoder[string](Raw[string]{}), w.options(WithTransactionalID("tx"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Run(limit(t), nil); !errors.Is(err, errNoHandler) {
		t.Errorf("processor: %v", err)
	}
	if err := c.DeadLetter(limit(t), &Record[string, string]{raw: &kgo.Record{}}, nil); err == nil || !strings.Contains(err.Error(), "reason") {
		t.Errorf("no reason: %v", err)
	}
	for _, r := range []*Record[string, string]{nil, {}} {
		if err := c.DeadLetter(limit(t), r, errHandler); !errors.Is(err, errNotPolled) {
			t.Errorf("%v: %v", r, err)
		}
	}
}

func TestReasonsAreCutBetweenCharacters(t *testing.T) {
	for pad := range 4 {
		r := deadLetter("dead", "g", &kgo.Record{}, errors.New(strings.Repeat("x", pad)+strings.Repeat("€", maxReasonBytes)), 1)
		if reason := header(r, HeaderReason); !utf8.Valid(reason) || len(reason) > maxReasonBytes || len(reason) < maxReasonBytes-3 {
			t.Errorf("%d bytes that end in %q", len(reason), reason[len(reason)-4:])
		}
	}
}

func TestAPanicsStackIsInTheLogAlone(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(1, 0)
	log := &logbook{}
	c := w.open(WithDeadLetter("dead"), WithLogger(log.logger()))
	stop := start(t, c, func(context.Context, *Record[string, string]) error { panic("boom") })
	dead := w.read("dead", 1)[0]
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := string(header(dead, HeaderReason)); got != "handler panicked: boom" {
		t.Errorf("reason %q", got)
	}
	if log.count(`stack="goroutine`) != 1 || log.count("misuse_test.go") == 0 {
		t.Errorf("the log: %s", log.text.String())
	}
}
