package broker

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// noBadValues refuses records whose value is "bad".
type noBadValues struct{ err error }

func (v noBadValues) ValidateBatch(_ context.Context, _ ValidatedTopic, batch *record.Opened) ([]RecordError, error) {
	var faults []RecordError
	it, err := batch.Records()
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for it.Next() {
		if bytes.Equal(it.Record().Value, []byte("bad")) {
			faults = append(faults, RecordError{Index: it.Index(), Reason: "/name: is bad", Kind: "payload"})
		}
	}
	return faults, v.err
}

func validating(err error) func(*Options) {
	return func(o *Options) { o.Validator = noBadValues{err} }
}

// valuesBatch is a batch of records with values.
func valuesBatch(t *testing.T, codec record.Codec, values ...string) []byte {
	t.Helper()
	builder := record.NewBuilder(record.BatchOptions{Codec: codec})
	for _, v := range values {
		builder.Add(1_700_000_000_000, []byte("k"), []byte(v))
	}
	batch, err := builder.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func TestABadRecordAnywhereRefusesItsBatch(t *testing.T) {
	b := startBroker(t, validating(nil))
	createTopic(t, b, "t", 1, map[string]string{"confluent.value.schema.validation": "true"})
	c := dialRaw(t, b)
	for _, codec := range []record.Codec{record.None, record.Snappy, record.Zstd} {
		for _, values := range [][]string{{"bad", "good", "good"}, {"good", "bad", "good"}, {"good", "good", "bad"}, {"bad"}} {
			out := produced(c.ask(produceRequest("t", -1, valuesBatch(t, codec, values...))))
			if out.ErrorCode != kerr.InvalidRecord.Code || len(out.ErrorRecords) != 1 || values[out.ErrorRecords[0].RelativeOffset] != "bad" ||
				*out.ErrorRecords[0].ErrorMessage != "/name: is bad" || out.ErrorMessage == nil {
				t.Errorf("%v: %+v", values, out)
			}
		}
	}
	if out := produced(c.ask(produceRequest("t", -1, valuesBatch(t, record.None, "good")))); out.ErrorCode != 0 || out.BaseOffset != 0 {
		t.Errorf("good: %+v", out)
	}
}

func TestTopicsThatDoNotAskAreNotValidated(t *testing.T) {
	b := startBroker(t, validating(nil))
	createTopic(t, b, "t", 1, nil)
	if out := produced(dialRaw(t, b).ask(produceRequest("t", -1, valuesBatch(t, record.None, "bad")))); out.ErrorCode != 0 {
		t.Errorf("%+v", out)
	}
}

func TestWithoutAJudgementNothingIsAppended(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   int16
	}{
		"no validator":   {func(*Options) {}, kerr.InvalidConfig.Code},
		"cannot say now": {validating(errors.New("the registry is behind")), kerr.CoordinatorNotAvailable.Code},
	} {
		b := startBroker(t, c.change)
		createTopic(t, b, "t", 1, map[string]string{"schema.validation.level": "payload"})
		if out := produced(dialRaw(t, b).ask(produceRequest("t", -1, valuesBatch(t, record.None, "good")))); out.ErrorCode != c.want {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

func TestDeadLettersLeaveTheRestOfTheBatchWithItsOffsets(t *testing.T) {
	for _, codec := range []record.Codec{record.None, record.LZ4} {
		b := startBroker(t, validating(nil))
		createTopic(t, b, "t", 1, map[string]string{"schema.validation.level": "payload", "schema.validation.mode": "dlq"})
		c := dialRaw(t, b)
		for i, values := range [][]string{{"a", "bad", "b"}, {"bad"}, {"c"}} {
			if out := produced(c.ask(produceRequest("t", -1, valuesBatch(t, codec, values...)))); out.ErrorCode != 0 || out.BaseOffset != []int64{0, 3, 4}[i] {
				t.Fatalf("%v: %+v", values, out)
			}
		}
		kept := consume(t, b, "t", 3)
		for i, want := range []struct {
			value  string
			offset int64
		}{{"a", 0}, {"b", 2}, {"c", 4}} {
			if string(kept[i].Value) != want.value || kept[i].Offset != want.offset || kept[i].Timestamp.UnixMilli() != 1_700_000_000_000 {
				t.Errorf("kept %d: %+v", i, kept[i])
			}
		}
		for i, dead := range consume(t, b, "t.dlq", 2) {
			headers := map[string]string{}
			for _, h := range dead.Headers {
				headers[h.Key] = string(h.Value)
			}
			if string(dead.Value) != "bad" || string(dead.Key) != "k" || headers["dovetail.dlq.topic"] != "t" || headers["dovetail.dlq.partition"] != "0" ||
				headers["dovetail.dlq.record"] != []string{"1", "0"}[i] || headers["dovetail.dlq.reason"] != "/name: is bad" {
				t.Errorf("dead letter %+v", dead)
			}
		}
	}
}

func TestDeadLettersKeepAnIdempotentProducersSequence(t *testing.T) {
	b := startBroker(t, validating(nil))
	createTopic(t, b, "t", 1, map[string]string{"schema.validation.level": "payload", "schema.validation.mode": "dlq"})
	client := newClient(t, b, kgo.DefaultProduceTopic("t"), kgo.ProducerLinger(0))
	for _, v := range []string{"a", "bad", "b", "bad", "bad", "c"} {
		if err := client.ProduceSync(t.Context(), kgo.StringRecord(v)).FirstErr(); err != nil {
			t.Fatalf("%s: %v", v, err)
		}
	}
	if got := consume(t, b, "t", 3); string(got[2].Value) != "c" || got[2].Offset != 5 {
		t.Errorf("%+v", got[2])
	}
}
