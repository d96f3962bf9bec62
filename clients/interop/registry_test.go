package interop

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// registryClient is somebody's registry client with its serializers.
type registryClient struct {
	name    string
	command []string // nil for our own, which runs in the test
	formats []string
	// reads says how the client reads with another schema than the writer's, by
	// format: with one that it is given ("schema"), with the newest of the subject
	// only ("latest"), or not at all.
	reads map[string]string
	// lacks are the scenarios that the client has no means for.
	lacks []string
	// registersImports says that its Protobuf serializer registers what a file
	// imports by itself.
	registersImports bool
	// withoutIndexes says that its Protobuf records have no message indexes, so
	// that only itself can read them.
	withoutIndexes bool

	asker
}

func registryClients() []*registryClient {
	all := []string{"AVRO", "JSON", "PROTOBUF"}
	return []*registryClient{
		{name: "python", command: []string{".venv/bin/python", "registry_python/client.py"}, formats: all, registersImports: true,
			reads: map[string]string{"AVRO": "schema", "PROTOBUF": "schema"}},
		{name: "npm", command: []string{"node", "node/registry.mjs"}, formats: all, registersImports: true,
			reads: map[string]string{"AVRO": "latest"}},
		{name: "kafkajs", command: []string{"node", "node/registry.mjs", "kafkajs"}, formats: all, withoutIndexes: true,
			reads: map[string]string{"AVRO": "schema"},
			lacks: []string{"get", "normalize", "header", "compatible"}},
		{name: "go", command: []string{"build/registry/confluent"}, formats: all, registersImports: true,
			reads: map[string]string{"AVRO": "latest", "PROTOBUF": "schema"}},
		{name: "franz", command: []string{"build/registry/franz"}, formats: all,
			reads: map[string]string{"AVRO": "schema", "PROTOBUF": "schema"},
			lacks: []string{"header"}},
		{name: "java", command: java("registry_java/target/classes:registry_java/target/lib/*", "dev.dovetail.interop.registry.Client"),
			formats: []string{"AVRO"},
			reads:   map[string]string{"AVRO": "schema"},
			lacks:   []string{"header"}},
		{name: "dovetail", formats: all, registersImports: true,
			reads: map[string]string{"AVRO": "schema"}},
	}
}

// registrySuite is what the scenarios of one format share.
type registrySuite struct {
	*server
	*formatSchemas
	clients []*registryClient // that have the format
	mu      sync.Mutex
	table   *table
}

// TestRegistryClients lets registry clients register, look up, write and read
// against a listening Dovetail: what each one wrote, each other one reads.
func TestRegistryClients(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("go", "-C", "registry_go", "build", "-o", "../build/registry/", "./confluent", "./franz").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	s := startServer(t)
	table := newTable()
	t.Cleanup(func() { t.Log("\n" + table.String()) })
	clients := registryClients()
	for _, c := range clients {
		if c.asker = asker(ourClient{s.registry}); c.command != nil {
			c.asker = startLineClient(t, s.registry, c.command)
		}
	}
	for _, c := range clients {
		got, err := do(c, wireRequest{Op: "version"})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		table.version(c.name, got.Text)
	}
	for i := range registrySchemas {
		f := &registrySchemas[i]
		suite := &registrySuite{server: s, formatSchemas: f, table: table}
		for _, c := range clients {
			if slices.Contains(c.formats, f.format) {
				suite.clients = append(suite.clients, c)
			}
		}
		t.Run(f.format, suite.run)
	}
}

func (s *registrySuite) run(t *testing.T) {
	id := s.publish(t, "customer-"+s.format, s.customer)
	for _, c := range s.clients {
		t.Run(c.name, func(t *testing.T) {
			for _, sc := range []struct {
				name string
				run  func(*testing.T, *registryClient)
			}{
				{"auto", s.auto}, {"latest", s.latest}, {"normalize", s.normalize}, {"references", s.references},
				{"header", s.header}, {"compatible", s.compatible}, {"evolved", s.evolved},
			} {
				if slices.Contains(c.lacks, sc.name) {
					continue
				}
				t.Run(sc.name, func(t *testing.T) { sc.run(t, c) })
			}
		})
	}
	if again := s.publish(t, "customer-"+s.format, s.customer); again != id {
		t.Errorf("the customer's schema had ID %d, has %d", id, again)
	}
}

// publish registers a text as it is, and returns its ID.
func (s *registrySuite) publish(t *testing.T, subject, text string) int {
	t.Helper()
	body, err := json.Marshal(map[string]string{"schema": text, "schemaType": s.format})
	if err != nil {
		t.Fatal(err)
	}
	status, answer := s.post(t, "/subjects/"+subject+"/versions", string(body))
	var made struct{ ID int }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || status != 200 {
		t.Fatalf("%s: %d %s", subject, status, answer)
	}
	return made.ID
}

// must asks for what has to succeed. Whether it did goes to the table.
func (s *registrySuite) must(t *testing.T, c *registryClient, row string, r wireRequest) wireAnswer {
	t.Helper()
	r.Format = s.format
	if r.Subject == "" && r.Topic != "" {
		r.Subject = r.Topic + "-value"
	}
	if r.Descriptors != nil {
		r.Message = messageName
	}
	got, err := do(c, r)
	s.mark(c, row, err == nil)
	if err != nil {
		t.Fatalf("%s: %s: %v", c.name, r.Op, err)
	}
	return got
}

// mark notes whether a step went well; one that did not counts for good.
func (s *registrySuite) mark(c *registryClient, row string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row = strings.ToLower(s.format) + " " + row
	if !slices.Contains(s.table.rows, row) {
		s.table.rows = append(s.table.rows, row)
	}
	cell := [2]string{c.name, row}
	if !ok {
		s.table.cells[cell] = "FAIL"
	} else if s.table.cells[cell] == "" {
		s.table.cells[cell] = "ok"
	}
}

// check fails the test, and the table, unless ok.
func (s *registrySuite) check(t *testing.T, c *registryClient, row string, ok bool, format string, args ...any) {
	t.Helper()
	s.mark(c, row, ok)
	if !ok {
		t.Errorf(c.name+": "+format, args...)
	}
}

// everyoneReads lets each client read a record of writer, at once.
func (s *registrySuite) everyoneReads(t *testing.T, writer *registryClient, row, topic string, written wireAnswer, request func(*registryClient) (wireRequest, map[string]any)) {
	t.Helper()
	var wg sync.WaitGroup
	for _, r := range s.clients {
		if writer.withoutIndexes && s.format == "PROTOBUF" && r != writer {
			continue
		}
		if written.Headers != nil && slices.Contains(r.lacks, "header") {
			continue
		}
		req, want := request(r)
		wg.Go(func() {
			req.Op, req.Format, req.Topic, req.Subject = "deserialize", s.format, topic, topic+"-value"
			req.Payload, req.Headers = written.Payload, written.Headers
			if req.Descriptors != nil {
				req.Message = messageName
			}
			got, err := do(r, req)
			if err == nil {
				err = sameFields(got.Value, want)
			}
			s.mark(writer, row+": writes", err == nil)
			s.mark(r, row+": reads", err == nil)
			if err != nil {
				t.Errorf("%s → %s: %v", writer.name, r.name, err)
			}
		})
	}
	wg.Wait()
}

// sameFields compares what was read with what was written. Members that are null
// or absent are the same; so are 7 and "7", since JSON has no 64-bit integers.
func sameFields(text json.RawMessage, want map[string]any) error {
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		return fmt.Errorf("%w in %s", err, text)
	}
	maps.DeleteFunc(got, func(_ string, v any) bool { return v == nil })
	if fmt.Sprint(got) != fmt.Sprint(want) { // maps are printed in the order of their keys
		return fmt.Errorf("read %s, want %v", text, want)
	}
	return nil
}

func fields(text string) (v map[string]any) {
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	return v
}

// framedID returns the schema ID in front of a payload.
func framedID(t *testing.T, payload []byte) int {
	t.Helper()
	if len(payload) < 5 || payload[0] != 0 {
		t.Fatalf("payload %x is not framed", payload)
	}
	return int(binary.BigEndian.Uint32(payload[1:]))
}

// auto: a serializer registers its own schema, finds it again, and does not
// register it again. The ID leads back to the text.
func (s *registrySuite) auto(t *testing.T, c *registryClient) {
	topic := "auto-" + s.format + "-" + c.name
	write := wireRequest{Op: "serialize", Topic: topic, Mode: "auto", Schema: s.older, Value: json.RawMessage(olderValue), Descriptors: s.descriptors(t, s.older)}
	first := s.must(t, c, "auto: writes", write)
	second := s.must(t, c, "auto: writes", write)
	write.Mode = "lookup"
	found := s.must(t, c, "lookup", write)
	id := framedID(t, first.Payload)
	s.check(t, c, "lookup", id == framedID(t, second.Payload) && id == framedID(t, found.Payload),
		"IDs %d, %d and, looked up, %d", id, framedID(t, second.Payload), framedID(t, found.Payload))
	versions := s.get(t, "/subjects/"+topic+"-value/versions")
	s.check(t, c, "auto: writes", versions == "[1]", "versions %s", versions)
	if !slices.Contains(c.lacks, "get") {
		text := s.must(t, c, "get by ID", wireRequest{Op: "get", ID: id, Topic: topic}).Text
		s.check(t, c, "get by ID", strings.Contains(text, "customer"), "ID %d is %s", id, text)
	}
	s.everyoneReads(t, c, "auto", topic, first, func(*registryClient) (wireRequest, map[string]any) {
		return wireRequest{Descriptors: s.descriptors(t, s.older)}, fields(olderValue)
	})
}

// latest: a serializer writes with the newest version, whichever that is.
func (s *registrySuite) latest(t *testing.T, c *registryClient) {
	topic := "latest-" + s.format + "-" + c.name
	s.publish(t, topic+"-value", s.older)
	id := s.publish(t, topic+"-value", s.newer)
	out := s.must(t, c, "latest: writes", wireRequest{Op: "serialize", Topic: topic, Mode: "latest", Value: json.RawMessage(newerValue), Descriptors: s.descriptors(t, s.newer)})
	got := framedID(t, out.Payload)
	s.check(t, c, "latest: writes", got == id, "ID %d, the latest is %d", got, id)
	s.everyoneReads(t, c, "latest", topic, out, func(*registryClient) (wireRequest, map[string]any) {
		return wireRequest{Descriptors: s.descriptors(t, s.newer)}, fields(newerValue)
	})
}

// normalize: two texts with one normal form are one schema if the client says
// so, and two if not.
func (s *registrySuite) normalize(t *testing.T, c *registryClient) {
	subject := "normal-" + s.format + "-" + c.name
	ask := func(op, text string, normalize bool) wireAnswer {
		return s.must(t, c, "normalize", wireRequest{Op: op, Subject: subject, Schema: text, Normalize: normalize})
	}
	first := ask("register", s.sorted, true).ID
	second := ask("register", s.shuffled, true).ID
	found := ask("lookup", s.shuffled, true)
	s.check(t, c, "normalize", first == second && first == found.ID, "IDs %d, %d, %d", first, second, found.ID)
	if plain := ask("register", s.shuffled, false).ID; plain == first {
		s.check(t, c, "normalize", false, "unasked, the text was made normal too")
	}
}

// references: a schema that refers to a version of another subject.
func (s *registrySuite) references(t *testing.T, c *registryClient) {
	topic := "placed-" + s.format + "-" + c.name
	ref := wireReference{Name: s.name, Subject: "customer-" + s.format, Version: 1}
	descriptors := s.descriptors(t, s.placed)
	write := wireRequest{Op: "serialize", Topic: topic, Mode: "auto", Value: json.RawMessage(placedValue), Descriptors: descriptors}
	if s.format != "PROTOBUF" || !c.registersImports {
		made := s.must(t, c, "refs: writes", wireRequest{Op: "register", Topic: topic, Schema: s.placed, References: []wireReference{ref}})
		s.check(t, c, "refs: writes", made.ID > 0, "no ID")
		write.Mode = "latest"
	} else {
		ref.Subject = s.name
	}
	out := s.must(t, c, "refs: writes", write)
	stored := s.get(t, "/subjects/"+topic+"-value/versions/latest")
	var got struct{ References []wireReference }
	err := json.Unmarshal([]byte(stored), &got)
	s.check(t, c, "refs: writes", err == nil && slices.Equal(got.References, []wireReference{ref}), "the registry has %s", stored)
	versions := s.get(t, "/subjects/"+topic+"-value/versions")
	s.check(t, c, "refs: writes", versions == "[1]", "versions %s", versions)
	s.everyoneReads(t, c, "refs", topic, out, func(*registryClient) (wireRequest, map[string]any) {
		return wireRequest{Descriptors: descriptors}, fields(placedValue)
	})
}

// header: the schema's GUID goes into a record header, and the payload starts at
// its first byte.
func (s *registrySuite) header(t *testing.T, c *registryClient) {
	const name = "__value_schema_id"
	topic := "header-" + s.format + "-" + c.name
	id := s.publish(t, topic+"-value", s.older)
	out := s.must(t, c, "header: writes", wireRequest{Op: "serialize", Topic: topic, Mode: "latest", Header: true, Value: json.RawMessage(olderValue), Descriptors: s.descriptors(t, s.older)})
	value := out.Headers[name]
	s.check(t, c, "header: writes", len(value) >= 17 && value[0] == 1, "header %x", value)
	if len(value) >= 17 {
		g := value[1:17]
		guid := fmt.Sprintf("%x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
		ids := s.get(t, "/schemas/guids/"+guid+"/ids")
		s.check(t, c, "header: writes", ids == fmt.Sprintf(`[{"context":".","id":%d}]`, id), "GUID %s is %s, want ID %d", guid, ids, id)
	}
	s.everyoneReads(t, c, "header", topic, out, func(*registryClient) (wireRequest, map[string]any) {
		return wireRequest{Descriptors: s.descriptors(t, s.older)}, fields(olderValue)
	})
}

// compatible: the client's check and the registry's refusal agree, and the
// refusal arrives as one.
func (s *registrySuite) compatible(t *testing.T, c *registryClient) {
	subject := "check-" + s.format + "-" + c.name
	s.publish(t, subject, s.older)
	for text, want := range map[string]bool{s.newer: true, s.broken: false} {
		got := s.must(t, c, "compatible", wireRequest{Op: "compatible", Subject: subject, Schema: text})
		s.check(t, c, "compatible", got.Compatible == want, "compatible: %v, want %v: %s", got.Compatible, want, text)
	}
	for op, text := range map[string][]string{"register": {s.broken, "incompatible"}, "lookup": {s.newer, "not found"}} {
		_, err := do(c, wireRequest{Op: op, Format: s.format, Subject: subject, Schema: text[0]})
		s.check(t, c, op+" refused", err != nil && strings.Contains(strings.ToLower(err.Error()), text[1]), "%s: error %v, want one with %q", op, err, text[1])
	}
}

// evolved: records of the older version are read with the newer one, and the
// other way round, by clients that can.
func (s *registrySuite) evolved(t *testing.T, c *registryClient) {
	topic := "evolved-" + s.format + "-" + c.name
	register := func(text string) {
		s.must(t, c, "register", wireRequest{Op: "register", Topic: topic, Schema: text})
	}
	write := func(text, value string) wireAnswer {
		return s.must(t, c, "latest: writes", wireRequest{Op: "serialize", Topic: topic, Mode: "latest", Value: json.RawMessage(value), Descriptors: s.descriptors(t, text)})
	}
	register(s.older)
	older := write(s.older, olderValue)
	register(s.newer)
	newer := write(s.newer, newerValue)
	s.everyoneReads(t, c, "v1 as v2", topic, older, func(r *registryClient) (wireRequest, map[string]any) {
		req, want := s.reading(t, r, s.newer), fields(olderValue)
		if s.format == "AVRO" && r.reads["AVRO"] != "" {
			want["priority"] = "normal"
		}
		if r.reads[s.format] == "latest" {
			req.Mode = "latest"
		}
		return req, want
	})
	s.everyoneReads(t, c, "v2 as v1", topic, newer, func(r *registryClient) (wireRequest, map[string]any) {
		if r.reads[s.format] == "schema" {
			return s.reading(t, r, s.older), fields(olderValue)
		}
		return s.reading(t, r, ""), fields(newerValue)
	})
}

// reading is the request of a client that reads with a schema.
func (s *registrySuite) reading(t *testing.T, r *registryClient, text string) wireRequest {
	t.Helper()
	if s.format == "PROTOBUF" {
		return wireRequest{Descriptors: s.descriptors(t, text)}
	}
	if r.reads[s.format] == "schema" {
		return wireRequest{Schema: text}
	}
	return wireRequest{}
}
