package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
)

// TestRootBytesHaveNoLengthAnywhere: a root of type bytes stands behind its frame
// without the length of Avro's encoding. The Go serializer, the command line and
// the serialization service write the same bytes, read each other's, and the
// broker, which checks payloads, takes them all.
func TestRootBytesHaveNoLengthAnywhere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	server := newProcess(t)
	server.start(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(server.kafka), kgo.ConsumeTopics("blobs"), kgo.DefaultProduceTopic("blobs"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	level := "payload"
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, 1, map[string]*string{"schema.validation.level": &level}, "blobs"); err != nil {
		t.Fatal(err)
	}
	registry, err := srclient.New([]string{server.url})
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	const text = `"bytes"`
	writer, err := serdeavro.NewSerializer[[]byte](registry, text)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := serdeavro.NewDeserializer[[]byte](registry, text)
	if err != nil {
		t.Fatal(err)
	}
	post := func(path, media, body string) string {
		t.Helper()
		answer, err := http.Post(server.url+path, media, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		got, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %s, %v", path, answer.Status, got, err)
		}
		return string(got)
	}

	// In the JSON encoding each code point stands for a byte. The third would,
	// with a length before it, be that length and nothing more.
	values := map[string][]byte{`"abc"`: []byte("abc"), `"\u0000\u00ff"`: {0, 255}, `"\u0002"`: {2}, `""`: {}}
	for document, value := range values {
		framed, err := writer.Append(ctx, nil, "blobs", value)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(framed[5:], value) {
			t.Fatalf("the serializer writes % x for % x", framed[5:], value)
		}
		if err := client.ProduceSync(ctx, &kgo.Record{Value: framed}).FirstErr(); err != nil {
			t.Errorf("the broker refuses % x: %v", framed, err)
		}
		command := &produceCommand{partition: -1, acks: "all", connection: connection{registry: server.url, kafka: server.kafka, timeout: time.Minute}}
		if err := command.run(ctx, "blobs", strings.NewReader(document+"\n"), io.Discard); err != nil {
			t.Errorf("produce %s: %v", document, err)
		}
		encoded := post("/serde/blobs-value/encode", "application/json", document)
		if !bytes.Equal([]byte(encoded), framed) {
			t.Errorf("the service writes % x, the serializer % x", encoded, framed)
		}
		if err := client.ProduceSync(ctx, &kgo.Record{Value: []byte(encoded)}).FirstErr(); err != nil {
			t.Errorf("the broker refuses what the service wrote, % x: %v", encoded, err)
		}
		decoded := post("/serde/blobs-value/decode", "application/octet-stream", string(framed))
		if again := post("/serde/blobs-value/encode", "application/json", decoded); again != encoded {
			t.Errorf("the service reads %q, which becomes % x, not % x", decoded, again, framed)
		}
	}

	// Three writers of each value; every record is the same to each reader.
	var records []*kgo.Record
	for len(records) < 3*len(values) {
		fetched := client.PollFetches(ctx)
		if err := fetched.Err(); err != nil {
			t.Fatalf("after %d records: %v", len(records), err)
		}
		records = append(records, fetched.Records()...)
	}
	var want []string
	for i, r := range records {
		var got []byte
		if err := reader.Decode(ctx, "blobs", r.Value, &got); err != nil {
			t.Fatal(err)
		}
		if first := records[i/3*3]; !bytes.Equal(got, r.Value[5:]) || !bytes.Equal(r.Value, first.Value) {
			t.Errorf("record %d is % x, read as % x; the serializer wrote % x", i, r.Value, got, first.Value)
		}
		want = append(want, post("/serde/blobs-value/decode", "application/octet-stream", string(r.Value)))
	}
	consume := &consumeCommand{from: "start", partition: -1, valueOnly: true}
	consume.registry, consume.kafka, consume.timeout = server.url, server.kafka, time.Minute
	var printed strings.Builder
	if err := consume.run(ctx, "blobs", &printed, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(printed.String()); !slices.Equal(got, trimmed(want)) {
		t.Errorf("consume prints %q, the service %q", got, want)
	}
	if all := fmt.Sprint(want); !strings.Contains(all, `"abc"`) {
		t.Errorf("the documents are %s", all)
	}
}

func trimmed(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimSpace(l)
	}
	return out
}
