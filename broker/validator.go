package broker

import (
	"context"

	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

// Validator decides whether the records of a batch are what a topic's schemas
// say. It is asked before the batch is appended, for topics whose
// configuration wants records checked, and may be called concurrently.
type Validator interface {
	// ValidateBatch returns what is wrong with which records, nothing if the
	// batch may be appended. All records are judged, not only the first or last
	// bad one, until there are MaxBatchFaults. The batch is whole and its header right;
	// its records may be malformed, and its checksum is compared afterwards: a batch that
	// was changed, on its way or by a Validator, is refused for that. It must not be kept.
	// An error means that no judgement was possible; the producer is told to try again.
	ValidateBatch(ctx context.Context, topic ValidatedTopic, batch *record.Opened) ([]RecordError, error)
}

// MaxBatchFaults is how many bad records of a batch a Validator names. A batch that
// has so many is refused, dead letters or not: few compressed bytes could otherwise
// become any number of letters.
const MaxBatchFaults = 10_000

// ValidatedTopic is what a Validator needs to know of a topic.
type ValidatedTopic struct {
	Name   string
	Schema topics.SchemaValues // what is to be checked
}

// RecordError is why one record of a batch is refused.
type RecordError struct {
	Index  int    // in the batch, from 0
	Reason string // for people: where in the document, what was expected and found
	// Kind is one of a few fixed words, such as "unknown-id" or "payload", that
	// rejections are counted by.
	Kind string
}
