package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/cluster"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// overview is the first page: everything in numbers. A half that does not answer
// is named, and the other half shown.
type overview struct {
	Version  string   `json:"version"`
	Faults   []string `json:"faults"`
	Level    string   `json:"level"`
	Mode     string   `json:"mode"`
	Subjects int      `json:"subjects"`
	Versions int      `json:"versions"`
	Types    struct {
		Avro     int `json:"AVRO"`
		Protobuf int `json:"PROTOBUF"`
		JSON     int `json:"JSON"`
	} `json:"types"`
	Topics     []cluster.Topic `json:"topics"`
	Partitions int             `json:"partitions"`
	Records    int64           `json:"records"`
	Bytes      int64           `json:"bytes"`
	Groups     []cluster.Group `json:"groups"`
	Lag        int64           `json:"lag"`
}

func (h *handler) overview(ctx context.Context, r *http.Request) (any, error) {
	o := overview{Version: h.opts.Version, Faults: []string{}}
	note := func(err error) {
		if err != nil {
			o.Faults = append(o.Faults, err.Error())
		}
	}
	list, err := h.subjectSummaries(ctx)
	note(err)
	for _, s := range list {
		o.Subjects++
		o.Versions += s.Versions
		switch s.Type {
		case schema.Protobuf:
			o.Types.Protobuf++
		case schema.JSON:
			o.Types.JSON++
		default:
			o.Types.Avro++
		}
	}
	if err == nil {
		config, err := h.opts.Registry.Config(ctx, "", true)
		note(err)
		o.Level = config.Level
		mode, err := h.opts.Registry.Mode(ctx, "", true)
		note(err)
		o.Mode = string(mode)
	}
	o.Topics, err = h.opts.Kafka.Topics(ctx, false)
	note(err)
	for _, t := range o.Topics {
		o.Partitions += len(t.Partitions)
		o.Records += t.Records
		o.Bytes += t.Bytes
	}
	if err == nil {
		o.Groups, err = h.opts.Kafka.Groups(ctx)
		note(err)
	}
	for _, g := range o.Groups {
		o.Lag += g.Lag
	}
	if len(o.Faults) > 1 && list == nil && o.Topics == nil {
		return nil, errors.New(o.Faults[0])
	}
	return o, nil
}

func (h *handler) topics(ctx context.Context, r *http.Request) (any, error) {
	return h.opts.Kafka.Topics(ctx, r.URL.Query().Get("internal") == "true")
}

func (h *handler) topic(ctx context.Context, r *http.Request) (any, error) {
	name := r.URL.Query().Get("name")
	if name == "" {
		return nil, badRequest("name a topic: ?name=orders")
	}
	topics, err := h.opts.Kafka.Topics(ctx, true, name)
	if err != nil {
		return nil, err
	}
	if len(topics) == 0 {
		return nil, &cluster.TopicError{Topic: name, Err: errors.New("there is no such topic")}
	}
	return topics[0], nil
}

// record is a record as a page shows it.
type record struct {
	Partition   int32           `json:"partition"`
	Offset      int64           `json:"offset"`
	Timestamp   time.Time       `json:"timestamp"`
	Key         json.RawMessage `json:"key"`
	KeySchemaID schema.ID       `json:"keySchemaId,omitempty"`
	Value       json.RawMessage `json:"value"`
	SchemaID    schema.ID       `json:"schemaId,omitempty"`
	Bytes       int             `json:"bytes"`
	Headers     []recordHeader  `json:"headers,omitempty"`
	Fault       string          `json:"fault,omitempty"` // why it is not its document
}

type recordHeader struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

// maxRecords and maxShownBytes bound a page of records: longer values are cut.
const (
	maxRecords    = 200
	maxShownBytes = 64 << 10
)

func (h *handler) records(ctx context.Context, r *http.Request) (any, error) {
	q := r.URL.Query()
	n, partition := 50, int64(-1)
	var err error
	if v := q.Get("n"); v != "" {
		if n, err = strconv.Atoi(v); err != nil || n < 1 || n > maxRecords {
			return nil, badRequest("n: want 1 to " + strconv.Itoa(maxRecords))
		}
	}
	if v := q.Get("partition"); v != "" {
		if partition, err = strconv.ParseInt(v, 10, 32); err != nil || partition < 0 {
			return nil, badRequest("partition: want a number from 0")
		}
	}
	if q.Get("topic") == "" {
		return nil, badRequest("name a topic: ?topic=orders")
	}
	list, err := h.opts.Kafka.Tail(ctx, q.Get("topic"), int32(partition), n)
	if err != nil {
		return nil, err
	}
	out := make([]record, len(list))
	for i, rec := range list {
		out[i] = h.show(ctx, rec)
	}
	return out, nil
}

func (h *handler) show(ctx context.Context, rec *kgo.Record) record {
	out := record{Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp.UTC(), Bytes: len(rec.Key) + len(rec.Value)}
	headers := map[string][]byte{}
	for _, header := range rec.Headers {
		if header.Key == frame.KeyHeader || header.Key == frame.ValueHeader {
			headers[header.Key] = header.Value
			continue
		}
		out.Headers = append(out.Headers, recordHeader{header.Key, cut(header.Value)})
	}
	var err1, err2 error
	out.Key, out.KeySchemaID, err1 = h.document(ctx, headers[frame.KeyHeader], rec.Key)
	out.Value, out.SchemaID, err2 = h.document(ctx, headers[frame.ValueHeader], rec.Value)
	if err := errors.Join(err1, err2); err != nil {
		out.Fault = err.Error()
	}
	return out
}
