package serde

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// SubjectInput is what a subject can be derived from.
type SubjectInput struct {
	Topic      string
	Key        bool
	RecordName string // empty if the schema has none, or is not known yet
}

// SubjectStrategy derives the subject of a schema. It is called when a
// serializer meets a topic or schema for the first time, not for every record,
// and may block. It returns an error that is ErrNoRecordName if it needs a
// record name and got none; a deserializer then asks for the schema by ID
// alone.
type SubjectStrategy func(ctx context.Context, in SubjectInput) (schema.Subject, error)

// TopicName is the strategy "<topic>-key" or "<topic>-value": all records of a
// topic share one lineage. It is the default.
func TopicName(_ context.Context, in SubjectInput) (schema.Subject, error) {
	if in.Topic == "" {
		return "", errors.New("the topic-name strategy needs a topic")
	}
	return schema.Subject(in.Topic + suffix(in.Key)), nil
}

func suffix(key bool) string {
	if key {
		return "-key"
	}
	return "-value"
}

// RecordName is the strategy that takes the record's full name: one lineage per
// record type, whatever the topic.
func RecordName(_ context.Context, in SubjectInput) (schema.Subject, error) {
	if in.RecordName == "" {
		return "", fmt.Errorf("the record-name strategy: %w", ErrNoRecordName)
	}
	return schema.Subject(in.RecordName), nil
}

// TopicRecordName is the strategy "<topic>-<record name>": one lineage per
// topic and record type.
func TopicRecordName(_ context.Context, in SubjectInput) (schema.Subject, error) {
	if in.Topic == "" {
		return "", errors.New("the topic-record-name strategy needs a topic")
	}
	if in.RecordName == "" {
		return "", fmt.Errorf("the topic-record-name strategy: %w", ErrNoRecordName)
	}
	return schema.Subject(in.Topic + "-" + in.RecordName), nil
}

// AssociatedOptions are the options of Associated. The zero value works.
type AssociatedOptions struct {
	Namespace string          // Kafka cluster ID; empty for any
	Fallback  SubjectStrategy // when nothing is associated; nil for TopicName
	TTL       time.Duration   // how long an answer is used; 0 for ever
	Clock     func() time.Time
}

// Associated is the strategy that asks the registry which subject is
// associated with the topic. Exactly one: that one. None, or a registry that
// does not know associations: the fallback. Several: an error.
//
// Answers are cached. If the registry cannot be asked again once an answer has
// aged, the old answer stays in use.
func Associated(registry Registry, opts AssociatedOptions) SubjectStrategy {
	if opts.Fallback == nil {
		opts.Fallback = TopicName
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	a := &associated{registry: registry, opts: opts, known: map[associatedKey]associatedAnswer{}}
	return a.subject
}

// maxAssociated bounds the answers that Associated keeps.
const maxAssociated = 1000

type associated struct {
	registry Registry
	opts     AssociatedOptions

	mu    sync.Mutex // never held while the registry is asked
	known map[associatedKey]associatedAnswer
}

type associatedKey struct {
	topic string
	key   bool
}

type associatedAnswer struct {
	subject schema.Subject // empty: fall back
	asked   time.Time
}

func (a *associated) subject(ctx context.Context, in SubjectInput) (schema.Subject, error) {
	k := associatedKey{in.Topic, in.Key}
	now := a.opts.Clock()
	a.mu.Lock()
	answer, ok := a.known[k]
	a.mu.Unlock()
	if !ok || a.opts.TTL > 0 && now.Sub(answer.asked) >= a.opts.TTL {
		fresh, err := a.ask(ctx, in)
		switch {
		case err == nil:
			answer = associatedAnswer{subject: fresh, asked: now}
			a.keep(k, answer)
		case !ok || !errors.Is(err, ErrUnavailable):
			return "", err
		}
	}
	if answer.subject == "" {
		return a.opts.Fallback(ctx, in)
	}
	return answer.subject, nil
}

func (a *associated) ask(ctx context.Context, in SubjectInput) (schema.Subject, error) {
	list, err := a.registry.Associations(ctx, Resource{Namespace: a.opts.Namespace, Name: in.Topic, Key: in.Key})
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("associations of topic %q: %w", in.Topic, err)
	}
	switch len(list) {
	case 0:
		return "", nil
	case 1:
		return list[0].Subject, nil
	}
	return "", fmt.Errorf("topic %q is associated with %d subjects, want one: %q and %q among them",
		in.Topic, len(list), list[0].Subject, list[1].Subject)
}

func (a *associated) keep(k associatedKey, answer associatedAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxAssociated {
		for other := range a.known {
			delete(a.known, other)
			break
		}
	}
	a.known[k] = answer
}
