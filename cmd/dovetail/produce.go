package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/service"
)

// produceCommand is `dovetail produce`.
type produceCommand struct {
	connection
	value, keys schemaChoice
	key         string
	keyFrom     string
	headers     map[string]string
	partition   int32
	envelope    bool
	acks        string
}

func newProduce() *cobra.Command {
	p := &produceCommand{}
	cmd := &cobra.Command{
		Use:   "produce topic",
		Short: "Send records, one line of JSON each",
		Long: `Produce reads standard input and sends each line as a record.

If the registry has the subject <topic>-value, each line is a document that is
encoded with its newest version (Avro in the JSON encoding of the specification,
Protobuf in its JSON mapping), and a document that does not fit stops with the
line and the place in it. Without that subject, or with --raw, the line is the
value as it stands. Keys are text, unless there is a subject <topic>-key.

With --envelope each line is a whole record, in the form that ` + "`dovetail consume`" + `
prints: key, headers, timestamp and value count; the partition follows the key, as
without. A line's schemaId and keySchemaId say with which schema its value and its key
are written, unless --subject, --version, --key-subject or a --raw flag says otherwise.

Ctrl-C ends the input: what was read before it is delivered.`,
		Example: `  echo '{"id": 42}' | dovetail produce orders --key-from id
  dovetail produce orders --subject orders-value --version 3 < orders.ndjson
  dovetail consume orders | dovetail produce orders-copy --envelope`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: positions(p.completeTopics),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.run(cmd.Context(), args[0], cmd.InOrStdin(), cmd.ErrOrStderr())
		},
	}
	p.connection.flags(cmd, true, true)
	f := cmd.Flags()
	f.StringVar(&p.value.subject, "subject", "", "subject of the values' schema; the default is <topic>-value if there is one")
	f.StringVar(&p.value.version, "version", "", "version of that subject; the default is the newest")
	f.StringVar(&p.value.message, "message", "", "full name of the Protobuf message; the default is the first one")
	f.BoolVar(&p.value.none, "raw", false, "values have no schema: send the lines as they are")
	f.StringVar(&p.keys.subject, "key-subject", "", "subject of the keys' schema; the default is <topic>-key if there is one")
	f.BoolVar(&p.keys.none, "raw-key", false, "keys have no schema")
	f.StringVarP(&p.key, "key", "k", "", "key of every record")
	f.StringVar(&p.keyFrom, "key-from", "", "member of the document that becomes the key")
	f.StringToStringVarP(&p.headers, "header", "H", nil, "name=value of a header of every record; repeat it for several")
	f.Int32VarP(&p.partition, "partition", "p", -1, "partition; the default follows the key")
	f.BoolVar(&p.envelope, "envelope", false, "lines are whole records")
	f.StringVar(&p.acks, "acks", "all", "what to wait for: all (on the disk) or 1 (received)")
	oneOf(cmd, "acks", "all", "1")
	complete(cmd, "subject", p.completeSubjects)
	complete(cmd, "key-subject", p.completeSubjects)
	return cmd
}

// maxBatchBytes bounds what is sent at once: below the default of the brokers'
// max.message.bytes.
const maxBatchBytes = 1_000_012

var errNoTopic = errors.New("the name of the topic is empty: `dovetail topic list` shows what there is")

func (p *produceCommand) run(ctx context.Context, topic string, in io.Reader, stderr io.Writer) error {
	if topic == "" {
		return exitStatus{exitUsage, errNoTopic}
	}
	if p.key != "" && p.keyFrom != "" || p.envelope && (p.key != "" || p.keyFrom != "") {
		return exitStatus{2, errors.New("--key, --key-from and --envelope exclude each other")}
	}
	values, keys, err := p.writers(ctx, topic, stderr)
	if err != nil {
		return err
	}
	opts := []kgo.Opt{
		kgo.RecordPartitioner(partitioner{kgo.StickyKeyPartitioner(nil)}),
		kgo.AllowAutoTopicCreation(),
		kgo.UnknownTopicRetries(3),
		kgo.ProducerBatchMaxBytes(maxBatchBytes),
	}
	switch p.acks {
	case "all":
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	default:
		return exitStatus{2, fmt.Errorf("--acks %q: want all or 1", p.acks)}
	}
	client, err := p.openKafka(ctx, opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := p.checkPartition(ctx, client, topic); err != nil {
		return err
	}

	sent, outcome := 0, deliveries{}
	// The client's own time limit for a record counts from the record's
	// timestamp, which is long ago for a record that is copied.
	delivering, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	go outcome.watch(delivering, p.timeout, func() { giveUp(p.silence(ctx)) })
	var fault error
	err = readLines(ctx, in, func(l inputLine) bool {
		if outcome.err() != nil || delivering.Err() != nil {
			return false
		}
		record, err := p.record(ctx, topic, l.text, values, keys)
		if err != nil {
			fault = fmt.Errorf("line %d: %w", l.number, p.lineError(err))
			return false
		}
		sent++
		outcome.sent()
		client.Produce(delivering, record, func(r *kgo.Record, err error) {
			if errors.Is(err, kerr.MessageTooLarge) {
				err = advised(err, fmt.Sprintf("the record has %d bytes; this command sends at most %d in a batch, and the topic takes at most its max.message.bytes (`dovetail topic config %s`)", len(r.Key)+len(r.Value), maxBatchBytes, topic))
			}
			if errors.Is(err, kerr.InvalidRecord) {
				err = advised(err, fmt.Sprintf("a compacted topic takes only records with keys, and one with schema validation only those that fit their schemas (`dovetail topic config %s`): the server's log says which record of the batch it was, and why", topic))
			}
			outcome.done(l.number, err)
		})
		return true
	})
	// What was read is delivered, whatever came after it.
	if err := client.Flush(delivering); err != nil {
		return errors.Join(context.Cause(delivering), outcome.report(stderr, sent))
	}
	failed := errors.Join(fault, outcome.report(stderr, sent))
	var by stopped
	if failed != nil && errors.As(err, &by) {
		return failed
	}
	return errors.Join(err, failed)
}

// checkPartition refuses a partition that the topic does not have. A topic that is
// not there yet may get it.
func (p *produceCommand) checkPartition(ctx context.Context, client *kgo.Client, topic string) error {
	if p.partition < 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	details, err := kadm.NewClient(client).ListTopicsWithInternal(ctx, topic)
	if err != nil {
		return kafkaError(err)
	}
	if d := details[topic]; d.Err == nil && int(p.partition) >= len(d.Partitions) {
		return fmt.Errorf("topic %s has no partition %d, only 0 to %d", topic, p.partition, len(d.Partitions)-1)
	}
	return nil
}

// silence says why nothing is delivered, as far as the broker's own HTTP address tells.
func (p *produceCommand) silence(ctx context.Context) error {
	var live faultsAnswer
	if p.getLive(ctx, "/broker/faults", &live) == "" && len(live.Faults) > 0 {
		f := live.Faults[0]
		return fmt.Errorf("nothing was delivered for %v; of the server `dovetail doctor` tells %s: %s. What to do: %s", p.timeout, f.Kind, f.What, f.Remedy)
	}
	return fmt.Errorf("nothing was delivered for %v: is the broker running, and reachable at the address that it advertises? `dovetail doctor` says what is wrong with it", p.timeout)
}

// deliveries collects what became of records.
type deliveries struct {
	mu     sync.Mutex
	open   int // sent and not answered
	ok     int
	failed int
	first  error
}

func (d *deliveries) sent() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open++
}

// watch gives up once nothing was answered for as long as patience although
// something was due.
func (d *deliveries) watch(ctx context.Context, patience time.Duration, giveUp func()) {
	for before := -1; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(patience):
		}
		d.mu.Lock()
		open, answered := d.open, d.ok+d.failed
		d.mu.Unlock()
		if open > 0 && answered == before {
			giveUp()
			return
		}
		before = answered
	}
}

func (d *deliveries) done(line int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open--
	if err == nil {
		d.ok++
		return
	}
	if d.failed++; d.first == nil {
		d.first = fmt.Errorf("line %d: %w", line, kafkaError(err))
	}
}

func (d *deliveries) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.first
}

func (d *deliveries) report(stderr io.Writer, sent int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(stderr, "%s delivered\n", count(d.ok, "record"))
	if d.first != nil {
		return fmt.Errorf("%d of %s refused: %w", d.failed, count(sent, "record"), d.first)
	}
	return nil
}

// writers finds the schemas of values and keys.
func (p *produceCommand) writers(ctx context.Context, topic string, stderr io.Writer) (values, keys *documentWriter, err error) {
	if p.value.none && p.keys.none {
		return &documentWriter{}, &documentWriter{}, nil
	}
	registry, err := p.openRegistry()
	if err != nil {
		return nil, nil, err
	}
	defer registry.Close()
	converter, err := service.New(registry, service.Options{})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if values, err = p.value.open(ctx, converter, topic, false, p.envelope); err != nil {
		return nil, nil, p.schemaError(err)
	}
	if values.program == nil && !p.value.none {
		which := "values"
		if values.converter != nil {
			which = "values without a schemaId"
		}
		fmt.Fprintf(stderr, "no subject %s-value: %s have no schema\n", topic, which)
	}
	if keys, err = p.keys.open(ctx, converter, topic, true, p.envelope); err != nil {
		return nil, nil, p.schemaError(err)
	}
	return values, keys, nil
}

// schemaError tells faults of the registry from others.
func (p *produceCommand) schemaError(err error) error {
	var answered *srclient.Error
	switch {
	case errors.As(err, &answered):
		return p.registryError(err)
	case errors.Is(err, serde.ErrUnavailable):
		return fmt.Errorf("%w; --raw --raw-key sends without schemas", p.registryError(err))
	}
	return err
}

// lineError is schemaError for what a line asked for by itself.
func (p *produceCommand) lineError(err error) error {
	var unknown *unknownIDError
	if errors.As(err, &unknown) {
		return err
	}
	return p.schemaError(err)
}

// record makes the record of a line.
func (p *produceCommand) record(ctx context.Context, topic string, line []byte, values, keys *documentWriter) (*kgo.Record, error) {
	record := &kgo.Record{Topic: topic, Partition: p.partition}
	for _, name := range sortedKeys(p.headers) {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: []byte(p.headers[name])})
	}
	if !p.envelope {
		var err error
		if values.program == nil {
			record.Value = line
		} else if record.Value, err = values.bytes(line); err != nil {
			return nil, err
		}
		record.Key, err = p.keyOf(line, keys)
		return record, err
	}
	l, err := parseRecordLine(line)
	if err != nil {
		return nil, err
	}
	// A line that was read is delivered, even after Ctrl-C.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timeout)
	defer cancel()
	if record.Value, err = values.bytesOf(ctx, "schemaId", l.SchemaID, l.Value); err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	if record.Key, err = keys.bytesOf(ctx, "keySchemaId", l.KeySchemaID, l.Key); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if l.Timestamp != nil {
		record.Timestamp = *l.Timestamp
	}
	for _, name := range sortedKeys(l.Headers) {
		value, err := service.ParseBare(l.Headers[name])
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: value})
	}
	return record, nil
}

// keyOf is the key of a line that is a value.
func (p *produceCommand) keyOf(line []byte, keys *documentWriter) ([]byte, error) {
	switch {
	case p.keyFrom != "":
		at := json.RawMessage(line)
		for _, name := range strings.Split(p.keyFrom, ".") {
			var members map[string]json.RawMessage
			if err := json.Unmarshal(at, &members); err != nil || members[name] == nil {
				return nil, fmt.Errorf("--key-from %s: the document has no such member", p.keyFrom)
			}
			at = members[name]
		}
		return p.keyBytes(keys, at)
	case p.key == "":
		return nil, nil
	case keys.program != nil && !json.Valid([]byte(p.key)):
		text, _ := json.Marshal(p.key)
		return p.keyBytes(keys, text)
	case keys.program != nil:
		return p.keyBytes(keys, []byte(p.key))
	}
	return []byte(p.key), nil
}

// keyBytes is keys.bytes with the reason why keys have a schema.
func (p *produceCommand) keyBytes(keys *documentWriter, text json.RawMessage) ([]byte, error) {
	b, err := keys.bytes(text)
	switch {
	case err != nil && keys.program != nil:
		return nil, fmt.Errorf("key %s does not fit the schema of %s: %w; --raw-key sends keys without a schema", clipped(text), keys.subject, err)
	case err != nil:
		return nil, fmt.Errorf("key: %w", err)
	}
	return b, nil
}

// partitioner takes the partition of a record that names one.
type partitioner struct{ kgo.Partitioner }

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{p.Partitioner.ForTopic(topic)}
}

type topicPartitioner struct{ kgo.TopicPartitioner }

func (t topicPartitioner) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || t.TopicPartitioner.RequiresConsistency(r)
}

func (t topicPartitioner) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	return t.TopicPartitioner.Partition(r, n)
}
