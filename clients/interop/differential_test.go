package interop

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The same requests are sent to Apache Kafka and to Dovetail, in the same order,
// in every version that both serve. Every field of the answers that differs must
// stand in differential/differences.txt with its reason, and what stands there must
// differ.
//
// differential/corpus.txt has the requests; see corpus for its form.
func TestDifferential(t *testing.T) {
	t.Parallel()
	kafka := startKafka(t,
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "allow.everyone.if.no.acl.found=true",
		"super.users=User:ANONYMOUS")
	dovetail := startServer(t)
	run := &differential{kafka: newSide(t, kafka), dovetail: newSide(t, dovetail.kafka), listed: readDifferences(t), patience: patience, apis: map[int16]bool{}}
	steps := readCorpus(t, run)
	for _, s := range steps {
		run.send(t, s)
	}
	if run.count < 200 {
		t.Errorf("only %d requests", run.count)
	}
	fields := 0
	for _, d := range run.listed {
		fields += len(d.seen)
		if len(d.seen) == 0 {
			t.Errorf("differential/differences.txt:%d: nothing differs like this any more", d.line)
		}
		for _, s := range d.seen {
			t.Logf("%s  # %s", s, d.reason)
		}
	}
	t.Logf("%d requests of %d APIs; %d fields differ from Apache Kafka for %d reasons, %d without one",
		run.count, len(run.apis), fields, len(run.listed), run.unlisted)
}

type differential struct {
	kafka, dovetail *side
	listed          []*difference
	patience        time.Duration
	count, unlisted int
	apis            map[int16]bool
}

// difference is a line of differential/differences.txt:
//
//	step | field | Kafka's value | ours | reason
//
// in which * stands for anything and ? for one character.
type difference struct {
	line                         int
	step, field, kafka, dovetail *regexp.Regexp
	reason                       string
	seen                         []string
}

func readDifferences(t *testing.T) (all []*difference) {
	t.Helper()
	text, err := os.ReadFile("differential/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		columns := strings.Split(line, " | ")
		if len(columns) != 5 {
			t.Fatalf("differential/differences.txt:%d: %d columns, want 5", i+1, len(columns))
		}
		var globs [4]*regexp.Regexp
		for j := range globs {
			glob := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(strings.TrimSpace(columns[j])))
			globs[j] = regexp.MustCompile(`^(?s:` + glob + `)$`)
		}
		all = append(all, &difference{line: i + 1, step: globs[0], field: globs[1], kafka: globs[2], dovetail: globs[3], reason: strings.TrimSpace(columns[4])})
	}
	return all
}

// repeatable are requests that change nothing: Apache Kafka may answer one
// before it knows of the last change everywhere, so it is asked again.
var repeatable = regexp.MustCompile(`^(ApiVersions|Metadata|ListOffsets|Fetch|FindCoordinator|OffsetFetch|OffsetForLeaderEpoch|Describe\w+|List\w+|ConsumerGroupDescribe)$`)

// busy says whether an answer means that the same request will be understood a
// little later.
func busy(fields []field) bool {
	return slices.ContainsFunc(fields, func(f field) bool {
		// Loading, not available, not coordinator; concurrent transactions.
		return strings.HasSuffix(f.path, "ErrorCode") && slices.Contains([]string{"14", "15", "16", "51"}, f.value)
	})
}

// settling is how long an answer may take to become the expected one, patience how
// long those may take together that do not.
const settling, patience = time.Minute, 3 * time.Minute

func (d *differential) send(t *testing.T, s *step) {
	t.Helper()
	d.count++
	d.apis[s.key] = true
	deadline := time.Now().Add(max(0, min(settling, d.patience)))
	began := time.Now()
	ask := func(side *side) (answer, []field) {
		for {
			a, fields := side.ask(t, s)
			if !busy(fields) || s.busy || time.Since(began) > time.Minute {
				return a, fields
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	name := kmsg.Key(s.key).Name()
	var unlisted []string
	var seen map[*difference][]string
	for {
		before := [2]canon{d.kafka.canon.clone(), d.dovetail.canon.clone()}
		theirs, kafka := ask(d.kafka)
		ours, dovetail := ask(d.dovetail)
		unlisted, seen = d.compare(s, kafka, dovetail)
		if len(unlisted) == 0 || !repeatable.MatchString(name) || time.Now().After(deadline) {
			d.kafka.remember(t, s, theirs)
			d.dovetail.remember(t, s, ours)
			break
		}
		d.kafka.canon, d.dovetail.canon = before[0], before[1]
		time.Sleep(50 * time.Millisecond)
	}
	if len(unlisted) > 0 {
		d.patience -= time.Since(began)
	}
	for _, u := range unlisted {
		t.Error(u)
	}
	d.unlisted += len(unlisted)
	for listed, lines := range seen {
		listed.seen = append(listed.seen, lines...)
	}
}

// compare returns the differences of two answers: those that are not listed, and
// those that are.
func (d *differential) compare(s *step, kafka, dovetail []field) (unlisted []string, seen map[*difference][]string) {
	seen = map[*difference][]string{}
	pairs := map[string]*[2]string{}
	var order []string
	for i, fields := range [][]field{kafka, dovetail} {
		for _, f := range fields {
			p := pairs[f.path]
			if p == nil {
				p = &[2]string{"absent", "absent"}
				pairs[f.path] = p
				order = append(order, f.path)
			}
			p[i] = f.value
		}
	}
	slices.Sort(order)
	// The parts of what one side lacks altogether say nothing more.
	lacking := ""
	for _, path := range order {
		p := pairs[path]
		if p[0] == p[1] || lacking != "" && strings.HasPrefix(path, lacking+".") {
			continue
		}
		if p[0] == "absent" || p[1] == "absent" {
			lacking = path
		}
		line := fmt.Sprintf("%s | %s | %s | %s", s.name, path, p[0], p[1])
		i := slices.IndexFunc(d.listed, func(l *difference) bool {
			return l.step.MatchString(s.name) && l.field.MatchString(path) && l.kafka.MatchString(p[0]) && l.dovetail.MatchString(p[1])
		})
		if i < 0 {
			unlisted = append(unlisted, line)
		} else {
			seen[d.listed[i]] = append(seen[d.listed[i]], line)
		}
	}
	return unlisted, seen
}

// field is one value of an answer, and where it stands.
type field struct{ path, value string }

// canon gives names to values that every broker chooses for itself: the first
// topic ID that is seen is id#1 on both sides.
type canon map[string]string

func (c canon) clone() canon {
	n := make(canon, len(c))
	for k, v := range c {
		n[k] = v
	}
	return n
}

func (c canon) name(kind, value string) string {
	key := kind + value
	if c[key] == "" {
		n := 1
		for k := range c {
			if strings.HasPrefix(k, kind) {
				n++
			}
		}
		c[key] = fmt.Sprintf("%s#%d", kind, n)
	}
	return c[key]
}

// keyFields are what elements of a list are known by, in this order; the order of
// the elements means nothing then.
var keyFields = []string{"Type", "Key", "Topic", "TopicID", "ProducerID", "Name", "ConfigName", "Partition", "GroupID", "Group", "ApiKey", "NodeID", "User", "TransactionalID", "ResourceName", "MemberID", "CoordinatorID", "Mechanism"}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// flatten appends the fields of an answer.
func (c canon) flatten(out []field, path string, v reflect.Value) []field {
	add := func(value string) []field { return append(out, field{path, value}) }
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return add("null")
		}
		return c.flatten(out, path, v.Elem())
	case reflect.Struct:
		c.learn(v)
		if path != "" {
			out = add("present")
		}
		for i := range v.NumField() {
			switch name := v.Type().Field(i).Name; name {
			case "Version", "UnknownTags":
			default:
				out = c.flatten(out, strings.TrimPrefix(path+"."+name, "."), v.Field(i))
			}
		}
		return out
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.IsNil() {
				return add("null")
			}
			if strings.HasSuffix(path, "RecordBatches") {
				return c.batches(out, path, v.Bytes())
			}
			return add(fmt.Sprintf("%x", v.Bytes()))
		}
		if v.IsNil() {
			return add("null")
		}
		out = add(fmt.Sprintf("%d elements", v.Len()))
		used := map[string]int{}
		v = c.sorted(v)
		for i := range v.Len() {
			key := c.elementKey(v.Index(i), i)
			if used[key]++; used[key] > 1 {
				key = fmt.Sprintf("%s/%d", key, used[key])
			}
			out = c.flatten(out, path+"["+key+"]", v.Index(i))
		}
		return out
	case reflect.Array:
		if v.IsZero() {
			return add("0")
		}
		return add(c.name("id", fmt.Sprintf("%x", v.Interface())))
	case reflect.String:
		if strings.HasSuffix(path, "ClusterID") {
			return add(c.name("cluster", v.String()))
		}
		return add(fmt.Sprintf("%q", c.text(v.String())))
	case reflect.Int32:
		if n := v.Int(); strings.HasSuffix(path, "SessionID") && n > 0 {
			return add(c.name("session", fmt.Sprint(n)))
		}
		if n := v.Int(); strings.HasSuffix(path, "Port") && c[fmt.Sprintf("port %d", n)] != "" {
			return add("<port>")
		}
	case reflect.Int64:
		n := v.Int()
		if n > 0 && (strings.HasSuffix(path, "UsableBytes") || strings.HasSuffix(path, "TotalBytes")) {
			return add("of the disk")
		}
		switch age := time.Since(time.UnixMilli(n)); {
		case strings.HasSuffix(path, "ProducerID") && n >= 0:
			return add(c.name("producer", fmt.Sprint(n)))
		case age > -time.Hour && age < time.Hour:
			return add("now")
		}
		return add(fmt.Sprint(n))
	}
	return add(fmt.Sprint(v.Interface()))
}

// batches appends the record batches of a Fetch, and whether one of them is cut
// off.
func (c canon) batches(out []field, path string, b []byte) []field {
	out = append(out, field{path, "records"})
	for len(b) > 0 {
		if len(b) < 12 || len(b) < 12+int(binary.BigEndian.Uint32(b[8:])) {
			return append(out, field{path + "[cut]", "present"})
		}
		size := 12 + int(binary.BigEndian.Uint32(b[8:]))
		var batch kmsg.RecordBatch
		at := fmt.Sprintf("%s[%d]", path, binary.BigEndian.Uint64(b))
		if err := batch.ReadFrom(b[:size]); err != nil {
			return append(out, field{at, err.Error()})
		}
		out = append(out, field{at + ".sum", fmt.Sprint(uint32(batch.CRC) == crc32.Checksum(b[21:size], crc32.MakeTable(crc32.Castagnoli)))})
		batch.CRC = 0 // over the producer ID, and the time of markers
		out = c.flatten(out, at, reflect.ValueOf(batch))
		b = b[size:]
	}
	return out
}

// learn names the ID of a topic after the topic, where both stand together.
func (c canon) learn(v reflect.Value) {
	id := v.FieldByName("TopicID")
	if !id.IsValid() || id.Kind() != reflect.Array || id.IsZero() {
		return
	}
	for _, name := range []string{"Topic", "Name"} {
		topic := v.FieldByName(name)
		if topic.IsValid() && topic.Kind() == reflect.Pointer {
			topic = topic.Elem()
		}
		if topic.IsValid() && topic.Kind() == reflect.String && topic.Len() > 0 {
			c["id"+fmt.Sprintf("%x", id.Interface())] = "id(" + topic.String() + ")"
		}
	}
}

// sorted orders the entries of quotas, which are known by nothing but their
// contents.
func (c canon) sorted(v reflect.Value) reflect.Value {
	entries, ok := v.Interface().([]kmsg.DescribeClientQuotasResponseEntry)
	if !ok {
		return v
	}
	for _, e := range entries {
		slices.SortFunc(e.Entity, func(a, b kmsg.DescribeClientQuotasResponseEntryEntity) int { return strings.Compare(a.Type, b.Type) })
	}
	text := func(e kmsg.DescribeClientQuotasResponseEntry) string {
		return fmt.Sprint(c.flatten(nil, "", reflect.ValueOf(e.Entity)))
	}
	slices.SortFunc(entries, func(a, b kmsg.DescribeClientQuotasResponseEntry) int { return strings.Compare(text(a), text(b)) })
	return v
}

func (c canon) text(s string) string {
	return uuid.ReplaceAllStringFunc(s, func(u string) string { return c.name("uuid", u) })
}

func (c canon) elementKey(v reflect.Value, i int) string {
	if v.Kind() != reflect.Struct {
		if v.Kind() == reflect.Int32 {
			return fmt.Sprint(i)
		}
		return fmt.Sprint(v.Interface())
	}
	var key []string
	for _, name := range keyFields {
		f := v.FieldByName(name)
		if f.IsValid() && f.Kind() == reflect.Pointer && !f.IsNil() {
			f = f.Elem()
		}
		switch {
		case !f.IsValid() || f.IsZero() && f.Kind() != reflect.Int32 && f.Kind() != reflect.Int16 || f.Kind() == reflect.Pointer:
		case f.Kind() == reflect.String:
			key = append(key, c.text(f.String()))
		case f.Kind() == reflect.Array && len(key) == 0:
			key = append(key, c.name("id", fmt.Sprintf("%x", f.Interface())))
		case name == "ProducerID":
			key = append(key, c.name("producer", fmt.Sprint(f.Int())))
		case f.Kind() == reflect.Int32, f.Kind() == reflect.Int16, name == "Mechanism":
			key = append(key, fmt.Sprint(f.Int()))
		}
		if len(key) == 0 && name == "Group" && f.IsValid() {
			key = append(key, `""`)
		}
		if len(key) > 0 {
			break
		}
	}
	if len(key) == 0 {
		return fmt.Sprint(i)
	}
	return strings.Join(key, " ")
}
