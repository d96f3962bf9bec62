package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/examples/flights/quakepb"
	"github.com/dovetail-dev/dovetail/serde"
	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
	serdeprotobuf "github.com/dovetail-dev/dovetail/serde/protobuf"
)

const (
	flightsTopic = "flights"
	quakesTopic  = "earthquakes"
	partitions   = 6
)

// story is what the chapters hand on to each other.
type story struct {
	server   *server
	registry *srclient.Client
	admin    *kadm.Client
	client   *kgo.Client

	flights []Flight
	quakes  []*quakepb.Earthquake

	ids       map[string]int // "subject version" → schema ID
	acked     int64          // flights that were acknowledged
	committed map[int32]int64
}

func newStory(s *server) (*story, error) {
	registry, err := srclient.New([]string{s.registryURL()})
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafkaAddr))
	if err != nil {
		return nil, err
	}
	st := &story{server: s, registry: registry, client: client, admin: kadm.NewClient(client), ids: map[string]int{}}
	if st.flights, err = readFlights(); err != nil {
		return nil, err
	}
	st.quakes, err = readEarthquakes()
	return st, err
}

func (s *story) close() {
	s.client.Close()
	s.registry.Close()
}

func (s *story) start(ctx context.Context) error {
	took, err := s.server.start(ctx)
	if err != nil {
		return err
	}
	size := ""
	if info, err := os.Stat(s.server.binary); err == nil {
		size = fmt.Sprintf(" of %.0f MB", float64(info.Size())/1e6)
	}
	say("one process%s, a fresh data directory, nothing beside it", size)
	say("registry  %s        broker  %s", s.server.registryURL(), s.server.kafkaAddr)
	proven("ready %d ms after it was started", took.Milliseconds())
	return nil
}

// post sends a request to the registry the way curl would.
func (s *story) post(ctx context.Context, path string, body any) (int, []byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server.registryURL()+path, bytes.NewReader(b))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func (s *story) registerText(ctx context.Context, subject, typ, text string, version int) error {
	status, answer, err := s.post(ctx, "/subjects/"+subject+"/versions", map[string]any{"schemaType": typ, "schema": text})
	if err != nil {
		return err
	}
	var got struct{ ID, Version int }
	if err := json.Unmarshal(answer, &got); err != nil || status != http.StatusOK {
		return fmt.Errorf("register %s: %d %s", subject, status, answer)
	}
	if got.Version != version {
		return fmt.Errorf("register %s: version %d, want %d", subject, got.Version, version)
	}
	s.ids[fmt.Sprint(subject, " ", version)] = got.ID
	proven("POST /subjects/%s/versions  →  %s, version %d, ID %d", subject, typ, got.Version, got.ID)
	return nil
}

func (s *story) register(ctx context.Context) error {
	return errors.Join(
		s.registerText(ctx, flightsTopic+"-value", "AVRO", flightV1, 1),
		s.registerText(ctx, quakesTopic+"-value", "PROTOBUF", earthquakeProto, 1),
	)
}

func (s *story) produce(ctx context.Context) error {
	for topic, n := range map[string]int32{flightsTopic: partitions, quakesTopic: 2} {
		if _, err := s.admin.CreateTopic(ctx, n, -1, nil, topic); err != nil {
			return err
		}
	}
	flights, err := serdeavro.NewSerializer[Flight](s.registry, flightV1, serde.WithLookup())
	if err != nil {
		return err
	}
	quakes, err := serdeprotobuf.NewSerializer[*quakepb.Earthquake](s.registry, serde.WithLatest(), serde.WithStrict(false))
	if err != nil {
		return err
	}
	began := time.Now()
	perPartition, err := send(ctx, s.client, flightsTopic, s.flights, func(f Flight) (key string, value []byte, err error) {
		value, err = flights.Append(ctx, nil, flightsTopic, f)
		return f.Origin, value, err
	})
	if err != nil {
		return err
	}
	took := time.Since(began)
	s.acked = int64(len(s.flights))
	say("%s flights, Avro, keyed by origin, acknowledged after fsync: %.0f ms", thousands(len(s.flights)), took.Seconds()*1000)
	if _, err := send(ctx, s.client, quakesTopic, s.quakes, func(q *quakepb.Earthquake) (string, []byte, error) {
		value, err := quakes.Append(ctx, nil, quakesTopic, q)
		return q.GetNetwork(), value, err
	}); err != nil {
		return err
	}
	say("%s earthquakes, Protobuf, keyed by seismic network", thousands(len(s.quakes)))
	s.tellSkew(perPartition)
	return s.checkOrder(ctx)
}

// send produces one record per value, waits for all acknowledgements, and
// returns how many each partition got.
func send[T any](ctx context.Context, client *kgo.Client, topic string, values []T, encode func(T) (string, []byte, error)) (map[int32]int, error) {
	var (
		mu     sync.Mutex
		counts = map[int32]int{}
		first  error
	)
	for _, v := range values {
		key, value, err := encode(v)
		if err != nil {
			return nil, err
		}
		client.Produce(ctx, &kgo.Record{Topic: topic, Key: []byte(key), Value: value}, func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = err
			}
			counts[r.Partition]++
		})
	}
	if err := client.Flush(ctx); err != nil {
		return nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	return counts, first
}

// tellSkew shows what keys do to partitions.
func (s *story) tellSkew(perPartition map[int32]int) {
	byOrigin := map[string]int{}
	for _, f := range s.flights {
		byOrigin[f.Origin]++
	}
	origins := make([]string, 0, len(byOrigin))
	for o := range byOrigin {
		origins = append(origins, o)
	}
	sort.Slice(origins, func(i, j int) bool { return byOrigin[origins[i]] > byOrigin[origins[j]] })
	var bars []string
	for p := range int32(partitions) {
		bars = append(bars, fmt.Sprintf("%d: %s", p, thousands(perPartition[p])))
	}
	say("partitions  %s", strings.Join(bars, "  "))
	top := origins[0]
	say("skew: %d airports, the busiest, %s, has %.1f %% of all records and stays in one partition", len(origins), top, 100*float64(byOrigin[top])/float64(len(s.flights)))
}

// checkOrder reads everything back and compares each airport's flights with
// what was sent, one by one.
func (s *story) checkOrder(ctx context.Context) error {
	reader, err := serdeavro.NewDeserializer[Flight](s.registry, flightV1)
	if err != nil {
		return err
	}
	got := map[string][]Flight{}
	home := map[string]int32{}
	err = s.readAll(ctx, flightsTopic, s.acked, func(r *kgo.Record) error {
		var f Flight
		if err := reader.Decode(ctx, flightsTopic, r.Value, &f); err != nil {
			return err
		}
		if p, ok := home[f.Origin]; ok && p != r.Partition {
			return fmt.Errorf("%s is in partitions %d and %d", f.Origin, p, r.Partition)
		}
		home[f.Origin] = r.Partition
		got[f.Origin] = append(got[f.Origin], f)
		return nil
	})
	if err != nil {
		return err
	}
	next := map[string]int{}
	for _, want := range s.flights {
		i := next[want.Origin]
		if have := got[want.Origin]; i >= len(have) || !have[i].Scheduled.Equal(want.Scheduled) || have[i].Destination != want.Destination || have[i].Delay != want.Delay {
			return fmt.Errorf("flight %d from %s came back as something else", i, want.Origin)
		}
		next[want.Origin]++
	}
	proven("read back: all %s flights, each airport's in the order they were sent", thousands(len(s.flights)))
	return nil
}

// readAll reads count records of topic from the start, without a group.
func (s *story) readAll(ctx context.Context, topic string, count int64, each func(*kgo.Record) error) error {
	consumer, err := kgo.NewClient(kgo.SeedBrokers(s.server.kafkaAddr), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for count > 0 {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("with %d records to come: %w", count, err)
		}
		for it := fetches.RecordIter(); !it.Done(); count-- {
			if err := each(it.Next()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *story) evolve(ctx context.Context) error {
	if err := s.registerText(ctx, flightsTopic+"-value", "AVRO", flightV2, 2); err != nil {
		return err
	}
	say("version 2 adds the field \"late\", null by default. A new producer writes it:")
	writer, err := serdeavro.NewSerializer[FlightWithLate](s.registry, flightV2, serde.WithLookup())
	if err != nil {
		return err
	}
	const more = 2000
	if _, err := send(ctx, s.client, flightsTopic, s.flights[:more], func(f Flight) (string, []byte, error) {
		value, err := writer.Append(ctx, nil, flightsTopic, f.withLate())
		return f.Origin, value, err
	}); err != nil {
		return err
	}
	s.acked += more
	say("%s more flights", thousands(more))

	older, err := serdeavro.NewDeserializer[Flight](s.registry, flightV1)
	if err != nil {
		return err
	}
	newer, err := serdeavro.NewDeserializer[FlightWithLate](s.registry, flightV2)
	if err != nil {
		return err
	}
	var read, late, unknown int
	if err := s.readAll(ctx, flightsTopic, s.acked, func(r *kgo.Record) error {
		var f1 Flight
		var f2 FlightWithLate
		if err := errors.Join(older.Decode(ctx, flightsTopic, r.Value, &f1), newer.Decode(ctx, flightsTopic, r.Value, &f2)); err != nil {
			return err
		}
		if f1.Delay != f2.Delay || !f1.Scheduled.Equal(f2.Scheduled) {
			return errors.New("the two readers disagree")
		}
		read++
		switch {
		case f2.Late == nil:
			unknown++
		case *f2.Late:
			late++
		}
		return nil
	}); err != nil {
		return err
	}
	wantLate := 0
	for _, f := range s.flights[:more] {
		if f.Delay >= 15 {
			wantLate++
		}
	}
	if unknown != len(s.flights) || late != wantLate {
		return fmt.Errorf("%d flights without and %d with the new field set, want %d and %d", unknown, late, len(s.flights), wantLate)
	}
	proven("the consumer of version 1 reads all %s, old and new", thousands(read))
	proven("the consumer of version 2 too: %s were late, %s do not say", thousands(late), thousands(unknown))
	return nil
}

func (s *story) refuse(ctx context.Context) error {
	say("somebody makes delay_minutes a string and adds \"gate\" without a default:")
	status, answer, err := s.post(ctx, "/subjects/"+flightsTopic+"-value/versions?explain=true", map[string]any{"schema": flightV3})
	if err != nil {
		return err
	}
	var refusal struct {
		Code        int `json:"error_code"`
		Message     string
		Explanation []struct{ Rule, Sentence, Suggestion string }
	}
	if err := json.Unmarshal(answer, &refusal); err != nil {
		return err
	}
	if status != http.StatusConflict {
		return fmt.Errorf("want 409, got %d %s", status, answer)
	}
	for _, want := range []string{"TYPE_MISMATCH", "/fields/1/type", "READER_FIELD_MISSING_DEFAULT_VALUE", "'gate'", "oldSchemaVersion: 2"} {
		if !strings.Contains(refusal.Message, want) {
			return fmt.Errorf("the refusal does not name %s: %s", want, refusal.Message)
		}
	}
	proven("%d, error code %d:", status, refusal.Code)
	for _, e := range refusal.Explanation {
		say("  %s", e.Rule)
		say("    %s", e.Sentence)
		say("    %s", e.Suggestion)
	}
	if len(refusal.Explanation) != 2 {
		return fmt.Errorf("%d findings are explained, want 2", len(refusal.Explanation))
	}
	versions, err := s.registry.Versions(ctx, flightsTopic+"-value", srclient.VersionsOptions{})
	if err != nil {
		return err
	}
	if len(versions) != 2 {
		return fmt.Errorf("versions %v after the refusal, want 1 and 2", versions)
	}
	proven("the subject still has versions %v", versions)
	return nil
}

func (s *story) reject(ctx context.Context) error {
	level := "payload"
	alter, err := s.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "schema.validation.level", Value: &level}}, flightsTopic)
	if err == nil && len(alter) == 1 {
		err = alter[0].Err
	}
	if err != nil {
		return err
	}
	say("topic %s now has schema.validation.level=payload", flightsTopic)
	writer, err := serdeavro.NewSerializer[Flight](s.registry, flightV1, serde.WithLookup())
	if err != nil {
		return err
	}
	good, err := writer.Append(ctx, nil, flightsTopic, s.flights[0])
	if err != nil {
		return err
	}
	unknown := append([]byte{0, 0, 0, 0xff, 0xff}, good[5:]...)
	for _, bad := range []struct {
		what  string
		value []byte
	}{
		{"text without a schema ID", []byte("hello")},
		{"an ID that nobody registered", unknown},
		{"the right ID, the last 3 bytes missing", good[:len(good)-3]},
	} {
		err := s.client.ProduceSync(ctx, &kgo.Record{Topic: flightsTopic, Key: []byte("XXX"), Value: bad.value}).FirstErr()
		if !errors.Is(err, kerr.InvalidRecord) {
			return fmt.Errorf("%s: got %v, want INVALID_RECORD", bad.what, err)
		}
		reason, err := s.whyRefused(ctx, bad.value)
		if err != nil {
			return err
		}
		proven("%s: INVALID_RECORD", bad.what)
		say("  %s", reason)
	}
	if err := s.client.ProduceSync(ctx, &kgo.Record{Topic: flightsTopic, Key: []byte(s.flights[0].Origin), Value: good}).FirstErr(); err != nil {
		return err
	}
	s.acked++
	proven("a good one still gets in")
	end, err := s.endOfFlights(ctx)
	if err != nil {
		return err
	}
	if end != s.acked {
		return fmt.Errorf("the topic holds %d records, want %d: a refused one got in", end, s.acked)
	}
	return nil
}

func (s *story) endOfFlights(ctx context.Context) (int64, error) {
	ends, err := s.admin.ListEndOffsets(ctx, flightsTopic)
	if err == nil {
		err = ends.Error()
	}
	var sum int64
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum, err
}

func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func (s *story) nextThings() {
	fmt.Printf(`
    The server stays up; Ctrl-C stops it and deletes its data. Things to try:

      open %[1]s/console/                     # the console, in a browser
      curl '%[1]s/subjects?summary=true'
      curl %[1]s/subjects/flights-value/versions/latest
      kcat -b %[2]s -L                              # a client that knows nothing of us
      %[3]s consume flights --from end --follow      # records as JSON, by their schemas
      %[3]s topic describe flights                   # partitions, and how keys skew them
      %[3]s check examples/flights/schemas --registry %[1]s --subject flight.v2.avsc=flights-value
      ls %[4]s                  # Kafka's own files
`, s.server.registryURL(), s.server.kafkaAddr, "bin/dovetail", s.server.dataDir())
}
