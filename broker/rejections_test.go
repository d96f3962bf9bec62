package broker

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestTheLogSaysWhichRecordWasRefusedAndWhy(t *testing.T) {
	logged := &lockedBuffer{}
	b := startBroker(t, validating(nil), func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	createTopic(t, b, "t", 1, map[string]string{"schema.validation.level": "payload"})
	out := produced(dialRaw(t, b).ask(produceRequest("t", -1, valuesBatch(t, record.None, "good", "bad", "bad"))))
	if out.ErrorCode != kerr.InvalidRecord.Code {
		t.Fatalf("%+v", out)
	}
	for _, want := range []string{"level=WARN", "topic=t ", "partition=0 ", "record=1 ", `reason="/name: is bad"`, "bad_records=2 "} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("no %q in %s", want, logged)
		}
	}
}

func TestRefusedRecordsAreLoggedRarelyAndCounted(t *testing.T) {
	var j rejections
	now := time.Unix(1_700_000_000, 0)
	var got []string
	for _, c := range []struct {
		topic   byte
		after   time.Duration
		records int
	}{{1, 0, 1}, {1, 1, 3}, {2, 1, 1}, {1, 9, 4}, {1, 10, 1}, {1, 11, 2}, {1, 20, 1}, {1, -5, 1}} {
		before, ok := j.allow(topics.ID{c.topic}, now.Add(c.after*time.Second), c.records)
		got = append(got, fmt.Sprint(before, ok))
	}
	want := "0 true, 0 false, 0 true, 0 false, 7 true, 0 false, 2 true, 0 true"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
	j.forget(topics.ID{1})
	if len(j.topics) != 1 {
		t.Errorf("%d topics", len(j.topics))
	}
}
