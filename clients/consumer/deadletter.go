package consumer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Headers of records in a dead-letter topic, beside those that the record had.
// Key, value and timestamp are the record's own, so that it can be sent again.
const (
	HeaderTopic     = "dovetail.dead-letter.topic"
	HeaderPartition = "dovetail.dead-letter.partition"
	HeaderOffset    = "dovetail.dead-letter.offset"
	HeaderGroup     = "dovetail.dead-letter.group"
	HeaderAttempts  = "dovetail.dead-letter.attempts"
	HeaderStage     = "dovetail.dead-letter.stage" // "decode" or "handle"
	HeaderReason    = "dovetail.dead-letter.reason"
	HeaderTime      = "dovetail.dead-letter.time" // RFC 3339
)

// maxReasonBytes bounds HeaderReason.
const maxReasonBytes = 4 << 10

// DeadLetter sends a record that Poll returned to the dead-letter topic and
// waits until it is there. Commit it afterwards like any other.
func (c *Consumer[K, V]) DeadLetter(ctx context.Context, r *Record[K, V], reason error) error {
	if c.cfg.deadLetter == "" {
		return errors.New("consumer: no dead-letter topic: use WithDeadLetter")
	}
	if r == nil || r.raw == nil {
		return errNotPolled
	}
	if reason == nil {
		return errors.New("consumer: a dead letter needs a reason, not nil")
	}
	return c.bury(ctx, r.raw, reason, r.Attempt)
}

func (c *Consumer[K, V]) bury(ctx context.Context, r *kgo.Record, reason error, attempts int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := c.client.ProduceSync(ctx, deadLetter(c.cfg.deadLetter, c.cfg.group, r, reason, attempts)).FirstErr(); err != nil {
		return fmt.Errorf("consumer: dead-letter topic %q: %w", c.cfg.deadLetter, err)
	}
	return nil
}

func deadLetter(topic, group string, r *kgo.Record, reason error, attempts int) *kgo.Record {
	stage := "handle"
	if _, ok := reason.(*DecodeError); ok { //nolint:errorlint // the decoder's own, not one that a handler wraps
		stage = "decode"
	}
	text := cut(reason.Error(), maxReasonBytes)
	out := &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp, Headers: make([]Header, 0, len(r.Headers)+8)}
	out.Headers = append(out.Headers, r.Headers...)
	for _, h := range [][2]string{
		{HeaderTopic, r.Topic},
		{HeaderPartition, strconv.Itoa(int(r.Partition))},
		{HeaderOffset, strconv.FormatInt(r.Offset, 10)},
		{HeaderGroup, group},
		{HeaderAttempts, strconv.Itoa(attempts)},
		{HeaderStage, stage},
		{HeaderReason, text},
		{HeaderTime, time.Now().UTC().Format(time.RFC3339Nano)},
	} {
		out.Headers = append(out.Headers, Header{Key: h[0], Value: []byte(h[1])})
	}
	return out
}

// cut shortens text to at most n bytes, between two characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
