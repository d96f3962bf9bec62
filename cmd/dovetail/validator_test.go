package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/validate"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// checked is a broker whose validator asks a registry of the same process.
type checked struct {
	t       testing.TB
	broker  *broker.Broker
	reg     *registry.Registry
	journal *journal.Memory
	client  *kgo.Client
	metrics *prometheus.Registry
}

func startChecked(t testing.TB) *checked {
	t.Helper()
	c := &checked{t: t, journal: &journal.Memory{}, metrics: prometheus.NewRegistry()}
	c.reg = c.openRegistry()
	ready := make(chan struct{})
	close(ready)
	var err error
	c.broker, err = broker.New(broker.Options{
		DataDir:   t.TempDir(),
		Validator: &batchValidator{ready: ready, validator: validate.New(registryLookup{c.reg}, validate.Options{})},
		Logger:    slog.New(slog.DiscardHandler),
		Metrics:   c.metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := c.broker.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	// Version 8 of Produce is the first that names records, and addresses topics by name.
	c.client, err = kgo.NewClient(kgo.SeedBrokers(c.broker.Addr("").String()), kgo.MaxVersions(kversion.V2_4_0()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.client.Close)
	return c
}

// openRegistry is one more instance on the same journal.
func (c *checked) openRegistry() *registry.Registry {
	c.t.Helper()
	reg, err := registry.Open(c.t.Context(), registry.Options{Journal: c.journal, Parse: formats.Parse})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = reg.Close() })
	return reg
}

func (c *checked) topic(name string, configs map[string]string) {
	c.t.Helper()
	pointers := map[string]*string{}
	for k, v := range configs {
		pointers[k] = &v
	}
	if _, err := kadm.NewClient(c.client).CreateTopic(c.t.Context(), 1, 1, pointers, name); err != nil {
		c.t.Fatal(err)
	}
}

func (c *checked) register(subject schema.Subject, typ schema.Type, text string) registry.Schema {
	c.t.Helper()
	s, err := c.reg.Register(c.t.Context(), subject, registry.RegisterRequest{Definition: schema.Definition{Type: typ, Text: text}})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// kv is a record; nil is null.
type kv struct {
	key, value []byte
	headers    []record.Header
}

// produce sends records as one batch and returns what the broker says of it.
func (c *checked) produce(topic string, codec record.Codec, records ...kv) kmsg.ProduceResponseTopicPartition {
	c.t.Helper()
	builder := record.NewBuilder(record.BatchOptions{Codec: codec})
	for _, r := range records {
		builder.Add(1_700_000_000_000, r.key, r.value, r.headers...)
	}
	batch, err := builder.Append(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 60_000
	rt, rp := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	rt.Topic, rp.Records = topic, batch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := c.client.SeedBrokers()[0].Request(c.t.Context(), req)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
}

func (c *checked) wantTaken(what string, out kmsg.ProduceResponseTopicPartition) {
	c.t.Helper()
	if out.ErrorCode != 0 {
		c.t.Errorf("%s: refused: %v %s", what, kerr.ErrorForCode(out.ErrorCode), deref(out.ErrorMessage))
	}
}

// wantRefused checks that exactly record index is named, with these words.
func (c *checked) wantRefused(what string, out kmsg.ProduceResponseTopicPartition, index int32, words ...string) {
	c.t.Helper()
	if out.ErrorCode != kerr.InvalidRecord.Code || len(out.ErrorRecords) != 1 || out.ErrorRecords[0].RelativeOffset != index || out.BaseOffset != -1 {
		c.t.Errorf("%s: %+v", what, out)
		return
	}
	for _, w := range words {
		if reason := deref(out.ErrorRecords[0].ErrorMessage); !strings.Contains(reason, w) || !strings.Contains(deref(out.ErrorMessage), reason) {
			c.t.Errorf("%s: %q in %q does not name %q", what, reason, deref(out.ErrorMessage), w)
		}
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func framed(id schema.ID, payload ...byte) []byte { return append(frame.AppendID(nil, id), payload...) }

const (
	orderSchema = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"int"},{"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[{"name":"sku","type":"string"}]}}}]}`
	eventSchema = "syntax = \"proto3\";\npackage shop;\nmessage Event { Inner inner = 1; }\nmessage Inner { string name = 1; }\n"
	formSchema  = `{"type":"object","properties":{"age":{"type":"integer"}},"required":["age"]}`
)

var (
	goodOrder = []byte{14, 4, 2, 'a', 2, 'b', 0} // 7, two lines
	badOrder  = goodOrder[:5]                    // ends before the second line's sku
	goodEvent = []byte{0, 10, 3, 10, 1, 'x'}     // index, then inner.name = x
	badEvent  = []byte{0, 10, 2, 8, 1}           // inner.name is a varint
	goodForm  = []byte(`{"age":7}`)
	badForm   = []byte(`{"age":"seven"}`)
	codecs    = []record.Codec{record.None, record.Gzip, record.Snappy, record.LZ4, record.Zstd}
	noJudge   = map[string]string{"schema.validation.level": "none"}
	byID      = map[string]string{"schema.validation.level": "id"}
	byPayload = map[string]string{"schema.validation.level": "payload"}
)

func TestARefusalNamesTheRecordThePathAndWhatWasExpectedAndFound(t *testing.T) {
	c := startChecked(t)
	for _, format := range []struct {
		topic     string
		typ       schema.Type
		text      string
		good, bad []byte
		words     []string
	}{
		{"orders", schema.Avro, orderSchema, goodOrder, badOrder, []string{"lines[1].sku", "expected", "found"}},
		{"events", schema.Protobuf, eventSchema, goodEvent, badEvent, []string{"inner.name", "wire type varint", "want length-delimited"}},
		{"forms", schema.JSON, formSchema, goodForm, badForm, []string{"/age", "want a value of type integer", `found "seven"`}},
	} {
		c.topic(format.topic, byPayload)
		s := c.register(schema.Subject(format.topic+"-value"), format.typ, format.text)
		good, bad := kv{value: framed(s.ID, format.good...)}, kv{value: framed(s.ID, format.bad...)}
		for _, codec := range codecs {
			what := format.topic + " as " + codec.String()
			c.wantTaken(what, c.produce(format.topic, codec, good, good, good))
			c.wantRefused(what, c.produce(format.topic, codec, bad, good, good), 0, format.words...)
			c.wantRefused(what, c.produce(format.topic, codec, good, bad, good), 1, format.words...)
			c.wantRefused(what, c.produce(format.topic, codec, good, good, bad), 2, format.words...)
		}
	}
}

func TestLevelsOfValidation(t *testing.T) {
	c := startChecked(t)
	id := c.register("t-value", schema.Avro, orderSchema).ID
	other := c.register("other-value", schema.Avro, `"string"`).ID
	for i, level := range []map[string]string{noJudge, byID, byPayload} {
		// All topics of a broker are of one registry, so one name is made anew.
		c.topic("t", level)
		for depth, value := range [][]byte{[]byte("no frame at all"), framed(id, badOrder[:3]...), framed(id, goodOrder...)} {
			if out := c.produce("t", record.None, kv{value: value}); (out.ErrorCode == 0) != (depth >= i) {
				t.Errorf("%v: record %d: %+v", level, depth, out)
			}
		}
		if i > 0 {
			c.wantRefused("unknown", c.produce("t", record.None, kv{value: framed(9999, goodOrder...)}), 0, "9999", "does not have")
			c.wantRefused("wrong subject", c.produce("t", record.None, kv{value: framed(other, 0)}), 0, "t-value")
			c.wantRefused("no frame", c.produce("t", record.None, kv{value: []byte("x")}), 0, "no schema ID")
		}
		if _, err := kadm.NewClient(c.client).DeleteTopic(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryNameOfTheSwitchChecksKeysAndValues(t *testing.T) {
	c := startChecked(t)
	for topic, names := range map[string][2]string{
		"own": {"schema.validation.key.level=id", "schema.validation.level=id"}, "ours-deep": {"schema.validation.key.level=payload", "schema.validation.level=payload"},
		"confluent": {"confluent.key.schema.validation=true", "confluent.value.schema.validation=true"},
		"redpanda":  {"redpanda.key.schema.id.validation=true", "redpanda.value.schema.id.validation=true"},
		"kop":       {"kop.kafka.key.schema.validation=true", "kop.kafka.value.schema.validation=true"},
	} {
		key := c.register(schema.Subject(topic+"-key"), schema.Avro, `"string"`).ID
		value := c.register(schema.Subject(topic+"-value"), schema.Avro, orderSchema).ID
		k, v := framed(key, 2, 'k'), framed(value, goodOrder...)
		for i, name := range names {
			each := topic
			config, to, _ := strings.Cut(name, "=")
			c.topic(each, map[string]string{config: to})
			c.wantTaken(name, c.produce(each, record.None, kv{key: k, value: v}))
			bad, word := kv{key: []byte("plain"), value: v}, "the key"
			if i == 1 {
				bad, word = kv{key: k, value: []byte("plain")}, "the value"
			}
			c.wantRefused(name, c.produce(each, record.None, kv{key: k, value: v}, bad), 1, word)
			c.wantTaken(name+", tombstone", c.produce(each, record.None, kv{}))
			if _, err := kadm.NewClient(c.client).DeleteTopic(t.Context(), each); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNullsPassUnlessTheTopicSaysNo(t *testing.T) {
	c := startChecked(t)
	id := c.register("strict-value", schema.Avro, orderSchema).ID
	c.topic("lax", byPayload)
	c.topic("strict", map[string]string{"schema.validation.level": "payload", "schema.validation.null": "reject"})
	c.wantTaken("a tombstone", c.produce("lax", record.None, kv{key: []byte("k")}))
	c.wantRefused("a tombstone", c.produce("strict", record.None, kv{value: framed(id, goodOrder...)}, kv{key: []byte("k")}), 1, "null")
}

func TestStrategiesOfEveryVendor(t *testing.T) {
	c := startChecked(t)
	id := c.register("shop.Order", schema.Avro, orderSchema).ID
	c.register("both-shop.Order", schema.Avro, orderSchema)
	only := c.register("t-value", schema.Avro, `"string"`).ID
	for topic, configs := range map[string]map[string]string{
		"own":  {"schema.value.subject.name.strategy": "RecordName"},
		"both": {"confluent.value.subject.name.strategy": "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy"},
		"red":  {"redpanda.value.subject.name.strategy": "RecordNameStrategy"},
	} {
		configs["schema.validation.level"] = "payload"
		c.topic(topic, configs)
		c.wantTaken(topic, c.produce(topic, record.None, kv{value: framed(id, goodOrder...)}))
		c.wantRefused(topic, c.produce(topic, record.None, kv{value: framed(only, 0)}), 0, "no version of subject")
	}
}

func TestAHeaderMayNameTheSchema(t *testing.T) {
	c := startChecked(t)
	value, key := c.register("t-value", schema.Avro, orderSchema), c.register("t-key", schema.Avro, `"string"`)
	c.topic("t", map[string]string{"schema.validation.level": "payload", "schema.validation.key.level": "payload"})
	headers := []record.Header{
		{Key: []byte(frame.ValueHeader), Value: frame.AppendGUID(nil, value.GUID())},
		{Key: []byte("trace"), Value: []byte("1")},
		{Key: []byte(frame.KeyHeader), Value: frame.AppendGUID(nil, key.GUID())},
	}
	for _, codec := range codecs {
		c.wantTaken(codec.String(), c.produce("t", codec, kv{[]byte{2, 'k'}, goodOrder, headers}))
		c.wantRefused(codec.String(), c.produce("t", codec, kv{[]byte{2, 'k'}, goodOrder, headers}, kv{[]byte{2, 'k'}, goodOrder[:4], headers}), 1, "lines", value.GUID().String())
	}
	c.wantRefused("no such GUID", c.produce("t", record.None, kv{nil, goodOrder, []record.Header{{Key: []byte(frame.ValueHeader), Value: frame.AppendGUID(nil, schema.GUID{1})}}}), 0, "does not have")
}

func TestSchemasOfAContext(t *testing.T) {
	c := startChecked(t)
	plain := c.register("t-value", schema.Avro, `"string"`)
	staged := c.register(":.staging:t-value", schema.Avro, orderSchema)
	if plain.ID != staged.ID {
		t.Fatalf("IDs %d and %d: each context counts for itself", plain.ID, staged.ID)
	}
	header := func(s registry.Schema) []record.Header {
		return []record.Header{{Key: []byte(frame.ValueHeader), Value: frame.AppendGUID(nil, s.GUID())}}
	}
	c.topic("t", map[string]string{"schema.validation.level": "payload", "schema.validation.context": ".staging"})
	c.wantTaken("the context's", c.produce("t", record.None, kv{value: framed(staged.ID, goodOrder...)}, kv{value: goodOrder, headers: header(staged)}))
	c.wantRefused("the default context's", c.produce("t", record.None, kv{value: framed(plain.ID, 2, 'a')}), 0, "lines")
	c.wantRefused("a GUID of the default context", c.produce("t", record.None, kv{value: []byte{2, 'a'}, headers: header(plain)}), 0, "does not have in context .staging")
	c.wantRefused("an ID of no schema", c.produce("t", record.None, kv{value: framed(77, 0)}), 0, "in context .staging")
	other := c.register(":.staging:u-value", schema.Avro, `"long"`)
	c.wantRefused("another subject", c.produce("t", record.None, kv{value: framed(other.ID, 0)}), 0, ":.staging:t-value")

	if _, err := kadm.NewClient(c.client).DeleteTopic(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	c.topic("t", byPayload)
	c.wantTaken("the default context's", c.produce("t", record.None, kv{value: framed(plain.ID, 2, 'a')}))
	// Its ID is that of a schema of this subject here, but it is another schema.
	c.wantRefused("a GUID of another context", c.produce("t", record.None, kv{value: goodOrder, headers: header(staged)}), 0, "does not have")
}

// TestWhatAnotherInstanceRegisteredIsLookedForOnce: the broker's registry may not
// have read it when the record comes.
func TestWhatAnotherInstanceRegisteredIsLookedForOnce(t *testing.T) {
	c := startChecked(t)
	other := c.openRegistry()
	c.topic("t", byPayload)
	for _, text := range []string{`"string"`, `"bytes"`, `{"type":"array","items":"string"}`, `{"type":"map","values":"string"}`} {
		if _, err := other.DeleteSubject(t.Context(), "t-value", false); err != nil && text != `"string"` {
			t.Fatal(err)
		}
		s, err := other.Register(t.Context(), "t-value", registry.RegisterRequest{Definition: schema.Definition{Type: schema.Avro, Text: text}, Force: true})
		if err != nil {
			t.Fatal(err)
		}
		c.wantTaken(text, c.produce("t", record.None, kv{value: framed(s.ID, 0)}))
	}
}

func TestRejectionsAreCountedByTopicAndReason(t *testing.T) {
	c := startChecked(t)
	id := c.register("t-value", schema.Avro, orderSchema).ID
	other := c.register("other-value", schema.Avro, `"string"`).ID
	c.topic("t", map[string]string{"schema.validation.level": "payload", "schema.validation.null": "reject"})
	good := kv{value: framed(id, goodOrder...)}
	bad := []kv{good, {value: framed(id, goodOrder[:2]...)}, {value: framed(77, 0)}, {value: []byte("x")}, {}, {value: framed(other, 0)}, good}
	for range 150 { // more than an answer names
		bad = append(bad, kv{value: []byte("x")})
	}
	out := c.produce("t", record.Zstd, bad...)
	if out.ErrorCode != kerr.InvalidRecord.Code || len(out.ErrorRecords) != 100 || !strings.Contains(deref(out.ErrorMessage), "155 of 157 records") {
		t.Errorf("%d: %s", len(out.ErrorRecords), deref(out.ErrorMessage))
	}
	families, err := c.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if strings.HasSuffix(family.GetName(), "records_rejected_total") {
			for _, m := range family.GetMetric() {
				labels := map[string]string{}
				for _, l := range m.GetLabel() {
					labels[l.GetName()] = l.GetValue()
				}
				got[labels["topic"]+" "+labels["reason"]] = m.GetCounter().GetValue()
			}
		}
	}
	for reason, want := range map[string]float64{"payload": 1, "unknown-id": 1, "not-framed": 151, "null": 1, "wrong-subject": 1} {
		if got["t "+reason] != want {
			t.Errorf("%s: %v, want %v (%v)", reason, got["t "+reason], want, got)
		}
	}
}

// TestDeadLettersOfEveryFormat: the good records stay where the producer put them.
func TestDeadLettersOfEveryFormat(t *testing.T) {
	c := startChecked(t)
	for _, format := range []struct {
		topic     string
		typ       schema.Type
		text      string
		good, bad []byte
		config    map[string]string
	}{
		{"orders", schema.Avro, orderSchema, goodOrder, badOrder[:4], map[string]string{"schema.validation.level": "payload", "schema.validation.mode": "dlq"}},
		{"events", schema.Protobuf, eventSchema, goodEvent, badEvent, map[string]string{"bufstream.validate.mode": "dlq"}},
		{"forms", schema.JSON, formSchema, goodForm, badForm, map[string]string{"confluent.value.schema.validation": "true", "bufstream.validate.mode": "dlq"}},
	} {
		c.topic(format.topic, format.config)
		id := c.register(schema.Subject(format.topic+"-value"), format.typ, format.text).ID
		good, bad := kv{value: framed(id, format.good...)}, kv{value: framed(id, format.bad...)}
		for _, codec := range codecs {
			c.wantTaken(format.topic, c.produce(format.topic, codec, good, bad, good))
		}
		ends, err := kadm.NewClient(c.client).ListEndOffsets(t.Context(), format.topic, format.topic+".dlq")
		if err != nil {
			t.Fatal(err)
		}
		kept, _ := ends.Lookup(format.topic, 0)
		dead, _ := ends.Lookup(format.topic+".dlq", 0)
		if n := int64(len(codecs)); kept.Offset != 3*n || dead.Offset != n {
			t.Errorf("%s ends at %d, its dead letters at %d", format.topic, kept.Offset, dead.Offset)
		}
	}
}

// TestABatchOfNothingButFaultsIsRefusedAlsoWithDeadLetters: a few compressed bytes
// do not become millions of letters.
func TestABatchOfNothingButFaultsIsRefusedAlsoWithDeadLetters(t *testing.T) {
	c := startChecked(t)
	c.topic("t", map[string]string{"schema.validation.level": "id", "schema.validation.mode": "dlq"})
	records := make([]kv, broker.MaxBatchFaults)
	for i := range records {
		records[i].value = []byte("x")
	}
	out := c.produce("t", record.Zstd, records...)
	if out.ErrorCode != kerr.InvalidRecord.Code || !strings.Contains(deref(out.ErrorMessage), "10000 or more of 10000 records") {
		t.Errorf("%d %s", out.ErrorCode, deref(out.ErrorMessage))
	}
	c.wantTaken("one less", c.produce("t", record.Zstd, records[1:]...))
}
