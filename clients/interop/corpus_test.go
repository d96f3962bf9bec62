package interop

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// step is a request of the corpus in one version.
//
// A line of differential/corpus.txt is
//
//	API versions name | {request} | variable=field …
//
// versions is "all" (that both brokers serve), "last", "$v", a number, or a range;
// the request is JSON with the field names of package kmsg, and what it leaves
// out has its default. Between "each API versions" and "end" the lines are
// repeated for each version of that API, which is $v, as near as the API of a
// line can come. The last column keeps fields of each side's own answer as
// variables, which stand for themselves in later requests: "$variable", with $now
// and $early predefined. A value {"batch": …} is a record batch, {"topics": […]} what
// a member subscribes to, with the "generation" that it comes from, if it has one. A name that ends with ? may be answered with "busy".
type step struct {
	name, request string
	key, version  int16
	keep          [][2]string
	busy          bool
}

func readCorpus(t *testing.T, d *differential) (steps []*step) {
	t.Helper()
	text, err := os.ReadFile("differential/corpus.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		words := strings.Fields(lines[i])
		fail := func(what any) { t.Fatalf("differential/corpus.txt:%d: %v", i+1, what) }
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		if words[0] != "each" {
			more, err := d.expand(lines[i], -1)
			if err != nil {
				fail(err)
			}
			steps = append(steps, more...)
			continue
		}
		end := i + slices.Index(lines[i:], "end")
		if end < i || len(words) != 3 {
			fail("want: each API versions … end")
		}
		versions, _, err := d.versions(words[1], words[2], -1)
		if err != nil {
			fail(err)
		}
		for _, v := range versions {
			for _, line := range lines[i+1 : end] {
				if strings.TrimSpace(line) == "" || line[0] == '#' {
					continue
				}
				more, err := d.expand(line, v)
				if err != nil {
					fail(err)
				}
				steps = append(steps, more...)
			}
		}
		i = end
	}
	return steps
}

func (d *differential) expand(line string, outer int16) (steps []*step, err error) {
	columns := strings.Split(line, " | ")
	head := strings.SplitN(strings.TrimSpace(columns[0]), " ", 3)
	if len(columns) < 2 || len(head) != 3 {
		return nil, fmt.Errorf("want: API versions name | {request} | variable=field")
	}
	versions, key, err := d.versions(head[0], head[1], outer)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		inner := outer
		if inner < 0 {
			inner = v
		}
		name, mayBeBusy := strings.CutSuffix(head[2], "?")
		s := &step{
			key: key, version: v, busy: mayBeBusy,
			name:    fmt.Sprintf("%s v%d %s", head[0], v, strings.ReplaceAll(name, "$v", fmt.Sprint(inner))),
			request: strings.ReplaceAll(columns[1], "$v", fmt.Sprint(inner)),
		}
		if outer >= 0 && v != outer {
			s.name += fmt.Sprintf(" (of %d)", outer)
		}
		if len(columns) > 2 {
			for _, k := range strings.Fields(columns[2]) {
				name, path, ok := strings.Cut(k, "=")
				if !ok {
					return nil, fmt.Errorf("%q: want variable=field", k)
				}
				s.keep = append(s.keep, [2]string{name, path})
			}
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// versions returns those of an API that are asked for and both brokers offer.
func (d *differential) versions(api, want string, outer int16) (all []int16, key int16, err error) {
	for key = range int16(kmsg.MaxKey + 1) {
		if kmsg.Key(key).Name() == api {
			break
		}
	}
	req := kmsg.RequestForKey(key)
	if req == nil || kmsg.Key(key).Name() != api {
		return nil, 0, fmt.Errorf("no API %q", api)
	}
	a, b := d.kafka.offered[key], d.dovetail.offered[key]
	low, high := max(a[0], b[0]), min(a[1], b[1], req.MaxVersion())
	if from, to, isRange := strings.Cut(want, "-"); want == "all" {
		// As they are.
	} else if want == "last" {
		low = high
	} else if want == "$v" {
		low = min(max(outer, low), high)
		high = low
	} else {
		first, err := strconv.ParseInt(from, 10, 16)
		if err != nil {
			return nil, 0, err
		}
		last := first
		if isRange {
			if last, err = strconv.ParseInt(to, 10, 16); err != nil {
				return nil, 0, err
			}
		}
		low, high = max(low, int16(first)), min(high, int16(last))
		if !isRange {
			low, high = int16(first), int16(first) // even if it is not offered
		}
	}
	for v := low; v <= high; v++ {
		all = append(all, v)
	}
	if len(all) == 0 {
		return nil, 0, fmt.Errorf("%s: no version in %s: Kafka offers %v, Dovetail %v", api, want, a, b)
	}
	return all, key, nil
}

// side is one of the brokers.
type side struct {
	addr        string
	conn        net.Conn
	in          *bufio.Reader
	canon       canon
	variables   map[string]reflect.Value
	offered     map[int16][2]int16
	correlation int32
}

var corpusStart = time.Now()

func newSide(t *testing.T, addr string) *side {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &side{addr: addr, canon: canon{}, offered: map[int16][2]int16{}, variables: map[string]reflect.Value{
		"now":   reflect.ValueOf(corpusStart.UnixMilli()),
		"early": reflect.ValueOf(corpusStart.Add(-5 * time.Hour).UnixMilli()),
	}}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	s.canon["port "+port] = "<port>"
	s.canon["id0102030405060708090a0b0c0d0e0f10"] = "id(nothing)"
	s.variables["port"] = reflect.ValueOf(int32(n))
	t.Cleanup(s.hangUp)
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 4, "differential", "1"
	resp, err := s.roundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		s.offered[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	return s
}

func (s *side) hangUp() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

type answer = kmsg.Response

// ask sends a step's request and returns the answer with its fields.
func (s *side) ask(t *testing.T, st *step) (answer, []field) {
	t.Helper()
	req := kmsg.RequestForKey(st.key)
	req.SetVersion(st.version)
	var body any
	decoder := json.NewDecoder(strings.NewReader(st.request))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		t.Fatalf("%s: %v in %s", st.name, err, st.request)
	}
	if err := s.fill(reflect.ValueOf(req).Elem(), body); err != nil {
		t.Fatalf("%s: %v", st.name, err)
	}
	req.SetVersion(st.version)
	resp, err := s.roundTrip(req)
	if err != nil {
		s.hangUp()
		if err == io.EOF {
			return nil, []field{{"connection", "closed"}}
		}
		return nil, []field{{"connection", err.Error()}}
	}
	return resp, s.canon.flatten(nil, "", reflect.ValueOf(resp).Elem())
}

func (s *side) roundTrip(req kmsg.Request) (kmsg.Response, error) {
	if s.conn == nil {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return nil, err
		}
		s.conn, s.in = conn, bufio.NewReader(conn)
	}
	if err := s.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	s.correlation++
	if _, err := s.conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("differential")).AppendRequest(nil, req, s.correlation)); err != nil {
		return nil, io.EOF // reset by the last answer
	}
	var head [8]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return nil, io.EOF
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > 64<<20 || binary.BigEndian.Uint32(head[4:]) != uint32(s.correlation) {
		return nil, fmt.Errorf("answer of %d bytes to request %d", size, binary.BigEndian.Uint32(head[4:]))
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(s.in, body); err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && resp.Key() != kmsg.ApiVersions.Int16() {
		tags := kbin.Reader{Src: body}
		kmsg.SkipTags(&tags)
		body = tags.Src
	}
	if resp.Key() == kmsg.ApiVersions.Int16() && bytes.HasPrefix(body, []byte{0, 35}) {
		resp.SetVersion(0) // the only way to answer a version that is not known
	}
	return resp, resp.ReadFrom(body)
}

// remember keeps what the step's last column names.
func (s *side) remember(t *testing.T, st *step, a answer) {
	t.Helper()
	for _, k := range st.keep {
		if a == nil {
			t.Fatalf("%s: %s gave no answer", st.name, s.addr)
		}
		v := reflect.ValueOf(a).Elem()
		for part := range strings.SplitSeq(k[1], ".") {
			if n, err := strconv.Atoi(part); err == nil {
				if v.Kind() != reflect.Slice || n >= v.Len() {
					t.Fatalf("%s: %s has no %s", st.name, s.addr, k[1])
				}
				v = v.Index(n)
			} else {
				v = v.FieldByName(part)
			}
			if v.IsValid() && v.Kind() == reflect.Pointer && !v.IsNil() {
				v = v.Elem()
			}
			if !v.IsValid() {
				t.Fatalf("%s: no field %s", st.name, k[1])
			}
		}
		s.variables[k[0]] = v
	}
}

var variable = regexp.MustCompile(`^\$([a-z]+)([+-]\d+)?$`)

// fill sets v from decoded JSON; what that does not name keeps its default.
func (s *side) fill(v reflect.Value, from any) error {
	if text, ok := from.(string); ok {
		if m := variable.FindStringSubmatch(text); m != nil {
			value, ok := s.variables[m[1]]
			if !ok {
				return fmt.Errorf("no variable %s", text)
			}
			if v.Kind() == reflect.Pointer {
				v.Set(reflect.New(v.Type().Elem()))
				v = v.Elem()
			}
			if !value.CanConvert(v.Type()) {
				return fmt.Errorf("%s is %s, want %s", text, value.Type(), v.Type())
			}
			v.Set(value.Convert(v.Type()))
			if m[2] != "" {
				n, _ := strconv.ParseInt(m[2], 10, 64)
				v.SetInt(v.Int() + n)
			}
			return nil
		}
	}
	switch from := from.(type) {
	case nil:
		v.SetZero()
		return nil
	case map[string]any:
		if v.Kind() == reflect.Slice {
			b, err := s.bytes(from)
			v.SetBytes(b)
			return err
		}
		if v.Kind() == reflect.Pointer {
			v.Set(reflect.New(v.Type().Elem()))
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return fmt.Errorf("an object for a %s", v.Type())
		}
		if d, ok := v.Addr().Interface().(interface{ Default() }); ok {
			d.Default()
		}
		for _, name := range slices.Sorted(maps.Keys(from)) {
			f := v.FieldByName(name)
			if !f.IsValid() {
				return fmt.Errorf("%s has no field %s", v.Type(), name)
			}
			if err := s.fill(f, from[name]); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	case []any:
		if v.Kind() == reflect.Array { // an ID
			if len(from) != v.Len() {
				return fmt.Errorf("%d elements for %s", len(from), v.Type())
			}
			for i := range from {
				if err := s.fill(v.Index(i), from[i]); err != nil {
					return err
				}
			}
			return nil
		}
		v.Set(reflect.MakeSlice(v.Type(), len(from), len(from)))
		for i := range from {
			if err := s.fill(v.Index(i), from[i]); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch from := from.(type) {
	case bool:
		v.SetBool(from)
	case string:
		if v.Kind() == reflect.Slice {
			v.SetBytes([]byte(from))
			return nil
		}
		v.SetString(from)
	case json.Number:
		if v.Kind() == reflect.Float64 {
			f, err := from.Float64()
			v.SetFloat(f)
			return err
		}
		if v.Kind() == reflect.Uint8 {
			n, err := strconv.ParseUint(from.String(), 10, 8)
			v.SetUint(n)
			return err
		}
		n, err := from.Int64()
		if err != nil || v.OverflowInt(n) {
			return fmt.Errorf("%s for %s", from, v.Type())
		}
		v.SetInt(n)
	}
	return nil
}

// batch is a record batch as a producer sends it.
type batch struct {
	Records                    [][2]*string // key, value
	ProducerID                 int64
	Epoch                      int16
	Sequence                   int32
	Transactional, Control     bool
	Timestamp                  int64
	BadSum, BadMagic, BadCount bool
	Large                      int // size of one more value
	Attributes                 int16
}

// bytes makes what is not in fields of its own.
func (s *side) bytes(from map[string]any) ([]byte, error) {
	if names, ok := from["topics"].([]any); ok {
		m := kmsg.NewConsumerMemberMetadata()
		for _, n := range names {
			m.Topics = append(m.Topics, n.(string))
		}
		if generation, ok := from["generation"].(json.Number); ok {
			n, err := strconv.ParseInt(generation.String(), 10, 32)
			if err != nil {
				return nil, err
			}
			m.Version, m.Generation = 2, int32(n)
		}
		return m.AppendTo(nil), nil
	}
	spec, ok := from["batch"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v is neither a batch nor topics", from)
	}
	b := batch{ProducerID: -1, Epoch: -1, Sequence: -1, Timestamp: s.variables["early"].Int()}
	if err := s.fillBatch(&b, spec); err != nil {
		return nil, err
	}
	return b.append(), nil
}

func (s *side) fillBatch(b *batch, spec map[string]any) error {
	v := reflect.ValueOf(b).Elem()
	for name, value := range spec {
		f := v.FieldByName(name)
		if !f.IsValid() {
			return fmt.Errorf("a batch has no %s", name)
		}
		if err := s.fill(f, value); err != nil {
			return err
		}
	}
	return nil
}

func (b batch) append() []byte {
	records := b.Records
	if b.Large > 0 {
		large := strings.Repeat("x", b.Large)
		records = append(records, [2]*string{nil, &large})
	}
	var body []byte
	for i, r := range records {
		record := []byte{0}
		record = kbin.AppendVarlong(record, int64(i))
		record = kbin.AppendVarint(record, int32(i))
		for _, part := range r {
			if part == nil {
				record = kbin.AppendVarint(record, -1)
			} else {
				record = append(kbin.AppendVarint(record, int32(len(*part))), *part...)
			}
		}
		record = kbin.AppendVarint(record, 0)
		body = append(kbin.AppendVarint(body, int32(len(record))), record...)
	}
	n := int32(len(records))
	rb := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: b.Attributes, LastOffsetDelta: n - 1,
		FirstTimestamp: b.Timestamp, MaxTimestamp: b.Timestamp + int64(n) - 1,
		ProducerID: b.ProducerID, ProducerEpoch: b.Epoch, FirstSequence: b.Sequence, NumRecords: n, Records: body,
	}
	if b.Transactional {
		rb.Attributes |= 0x10
	}
	if b.Control {
		rb.Attributes |= 0x20
	}
	if b.BadMagic {
		rb.Magic = 3
	}
	if b.BadCount {
		rb.NumRecords++
	}
	rb.Length = int32(49 + len(body))
	raw := rb.AppendTo(nil)
	rb.CRC = int32(crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	if b.BadSum {
		rb.CRC++
	}
	return rb.AppendTo(nil)
}
