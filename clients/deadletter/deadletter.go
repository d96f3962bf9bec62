// Package deadletter sends what a data-contract rule refuses to the topic that the
// rule names: action DLQ of serde/rules for producers and consumers.
//
//	engine, err := rules.New(rules.Options{DeadLetters: deadletter.New(client)})
//
// The letter of a record that was read is that record: its key, its value as it
// was stored, its headers. The letter of a record that was to be written has its
// key and headers, and as value the JSON form of what was refused, with masked
// what the contract encrypts. Headers say why: __rule.name, __rule.mode,
// __rule.subject, __rule.topic and __rule.exception. A record with __rule.name
// that is processed again is not given to that rule a second time.
//
// Keys and headers are known where clients/producer and clients/consumer run the
// rules, or whoever else calls serde.WithOrigin.
package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

// maxReasonBytes bounds __rule.exception.
const maxReasonBytes = 4 << 10

// Letters sends dead letters with a Kafka client. It is safe for concurrent use.
type Letters struct{ client *kgo.Client }

var _ rules.DeadLetters = (*Letters)(nil)

// New returns a sender on client, which stays the caller's and must not be
// transactional.
func New(client *kgo.Client) *Letters { return &Letters{client} }

// Send waits until the broker has the letter.
func (s *Letters) Send(ctx context.Context, l rules.DeadLetter) error {
	if s.client == nil {
		return errors.New("deadletter: no Kafka client: New got nil")
	}
	r, err := record(serde.OriginOf(ctx), l)
	if err != nil {
		return err
	}
	return s.client.ProduceSync(context.WithoutCancel(ctx), r).FirstErr()
}

func record(from serde.Origin, l rules.DeadLetter) (*kgo.Record, error) {
	out := &kgo.Record{Topic: l.Topic, Key: from.Key, Value: from.Value}
	if out.Value == nil {
		var err error
		if out.Value, err = text(l.Value); err != nil {
			return nil, fmt.Errorf("deadletter: %w", err)
		}
	}
	for _, h := range from.Headers {
		if !strings.HasPrefix(h.Key, "__rule.") {
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	for _, h := range l.Headers() {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(cut(h[1], maxReasonBytes))})
	}
	return out, nil
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

// text is a value as bytes: those that it is, or JSON.
func text(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case json.RawMessage:
		return v, nil
	case string:
		return []byte(v), nil
	case proto.Message:
		return protojson.Marshal(v)
	}
	return json.Marshal(v)
}
