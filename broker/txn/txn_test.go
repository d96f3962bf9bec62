package txn

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var rewrite = flag.Bool("rewrite", false, "write what the coordinator answers into the scenario files")

var atStart = time.UnixMilli(1_700_000_000_000)

// TestScenarios plays the files of testdata: a line that begins with "#" tells
// the story, any other is a command, and the indented lines below a command are
// what the coordinator answers. "go test -run Scenarios -rewrite" writes the
// answers anew; read the difference before you believe it.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(want)
			if *rewrite {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
			for i := range min(len(w), len(g)) {
				if w[i] != g[i] {
					t.Fatalf("%s:%d\nwant %s\ngot  %s", file, i+1, w[i], g[i])
				}
			}
			if len(w) != len(g) {
				t.Fatalf("%s has %d lines, played %d", file, len(w), len(g))
			}
		})
	}
}

// stage is the coordinator of a scenario.
type stage struct {
	opts     Options
	c        *Coordinator
	now      time.Time
	log      []Record
	last     Waiter
	ids      int64
	producer Producer // of the last answer
	endings  []Ending // whose markers are not written yet
	out      []string
}

func newStage() *stage {
	s := &stage{now: atStart}
	s.opts = Options{ProducerIDs: func() (int64, error) { s.ids++; return s.ids, nil }}
	s.c = New(s.opts, nil)
	s.do(s.c.Loaded(s.now))
	return s
}

func play(script []byte) []byte {
	s := newStage()
	var out bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(script))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "    ") {
			continue
		}
		fmt.Fprintln(&out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s.out = nil
		s.command(strings.Fields(line))
		for _, l := range s.out {
			fmt.Fprintln(&out, "    "+l)
		}
	}
	return out.Bytes()
}

func (s *stage) say(format string, args ...any) { s.out = append(s.out, fmt.Sprintf(format, args...)) }

func (s *stage) do(e Effects) {
	s.log = append(s.log, e.Records...)
	for _, ending := range e.Endings {
		outcome := "abort"
		if ending.Commit {
			outcome = "commit"
		}
		s.say("markers: %s of %d/%d to %v", outcome, ending.Producer.ID, ending.Producer.Epoch, ending.Partitions)
	}
	s.endings = append(s.endings, e.Endings...)
	for _, a := range e.Answers {
		r := a.Response.(*kmsg.EndTxnResponse)
		if s.say("ended: %s, producer %d/%d", code(r.ErrorCode), r.ProducerID, r.ProducerEpoch); r.ErrorCode == 0 && r.ProducerID >= 0 {
			s.producer = Producer{r.ProducerID, r.ProducerEpoch}
		}
	}
}

func code(c int16) string {
	if c == 0 {
		return "ok"
	}
	return kerr.TypedErrorForCode(c).Message
}

func (s *stage) command(words []string) {
	a := map[string]string{}
	var plain []string
	for _, w := range words[1:] {
		if k, v, ok := strings.Cut(w, "="); ok {
			a[k] = v
		} else {
			plain = append(plain, w)
		}
	}
	number := func(key string, otherwise int) int {
		if v, ok := a[key]; ok {
			n, err := strconv.Atoi(v)
			if err != nil {
				panic(err)
			}
			return n
		}
		return otherwise
	}
	id := "x"
	if v, ok := a["id"]; ok {
		id = v
	}
	p := Producer{int64(number("producer", int(s.producer.ID))), int16(number("epoch", int(s.producer.Epoch)))}
	var at []TopicPartition
	for _, w := range plain {
		if topic, n, ok := strings.Cut(w, "/"); ok {
			partition, _ := strconv.Atoi(n)
			at = append(at, TopicPartition{topic, int32(partition)})
		}
	}
	switch words[0] {
	case "init":
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version, req.TransactionalID, req.TransactionTimeoutMillis = int16(number("v", 5)), &id, int32(number("timeout", 60_000))
		if len(plain) > 0 && plain[0] == "again" {
			req.ProducerID, req.ProducerEpoch = p.ID, p.Epoch
		}
		if id == "none" {
			req.TransactionalID = nil
		}
		resp, e := s.c.InitProducerID(s.now, req)
		s.say("%s, producer %d/%d", code(resp.ErrorCode), resp.ProducerID, resp.ProducerEpoch)
		if resp.ErrorCode == 0 {
			s.producer = Producer{resp.ProducerID, resp.ProducerEpoch}
		}
		s.do(e)
	case "add":
		c, e := s.c.Add(s.now, id, p, at, int16(number("v", 2)))
		s.say("%s", code(c))
		s.do(e)
	case "verify":
		s.say("%s", code(s.c.Verify(id, p, at[0])))
	case "commit", "abort":
		req := kmsg.NewPtrEndTxnRequest()
		req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = int16(number("v", 5)), id, p.ID, p.Epoch, words[0] == "commit"
		s.last++
		s.do(s.c.EndTxn(s.now, s.last, req))
	case "markers":
		for _, e := range s.endings {
			if len(plain) > 0 && plain[0] == "delayed" {
				s.do(s.c.Delayed(e))
			} else {
				s.do(s.c.Completed(s.now, e))
			}
		}
		if len(plain) == 0 {
			s.endings = nil
		}
	case "wait":
		d, err := time.ParseDuration(plain[0])
		if err != nil {
			panic(err)
		}
		end := s.now.Add(d)
		for step := max(d/100, time.Second); s.now.Before(end); {
			s.now = s.now.Add(step)
			s.do(s.c.Tick(s.now))
		}
	case "epoch": // as if so many incarnations had been
		t := s.c.transactions[id].clone()
		t.producer.Epoch = int16(number("is", 0))
		s.c.write(id, t)
		s.do(s.c.take())
		s.producer = t.producer
	case "restart":
		s.c, s.endings = New(s.opts, nil), nil
		for _, r := range s.log {
			if err := s.c.Replay(r); err != nil {
				s.say("%v", err)
			}
		}
		s.do(s.c.Loaded(s.now))
	case "describe":
		d := s.c.Describe(id)
		if d.ErrorCode != 0 {
			s.say("%s", code(d.ErrorCode))
			return
		}
		open := time.Duration(-1)
		if d.StartTimestamp >= 0 {
			open = s.now.Sub(time.UnixMilli(d.StartTimestamp))
		}
		var topics []string
		for _, t := range d.Topics {
			topics = append(topics, fmt.Sprintf("%s%v", t.Topic, t.Partitions))
		}
		s.say("%s, producer %d/%d, timeout %d ms, open for %v, partitions %v", d.State, d.ProducerID, d.ProducerEpoch, d.TimeoutMillis, open, topics)
	case "list":
		f := Filter{States: strings.Fields(strings.ReplaceAll(a["states"], ",", " ")), Duration: time.Duration(number("open", 0)) * time.Millisecond}
		for _, t := range s.c.List(s.now, f) {
			s.say("%s: %s, producer %d", t.TransactionalID, t.TransactionState, t.ProducerID)
		}
		if u := f.UnknownStates(); u != nil {
			s.say("unknown states %v", u)
		}
	default:
		panic("unknown command " + words[0])
	}
}

// TestRandomOperations drives a coordinator with random requests of many
// incarnations and checks that epochs of a producer ID never go back, that an
// outcome once decided stands, that nobody with an older epoch is let in, and
// that the records make the state that is.
func TestRandomOperations(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := newStage()
		highest := map[int64]int16{}
		outcome := map[Producer]bool{}
		var known []Producer
		for step := range 1500 {
			id := []string{"x", "y"}[r.IntN(2)]
			p := Producer{}
			if len(known) > 0 {
				p = known[len(known)-1-r.IntN(min(4, len(known)))]
			}
			s.out = nil
			before := s.producer
			words := [][]string{{"init", "id=" + id}, {"init", "again", "id=" + id}, {"add", "t/" + strconv.Itoa(r.IntN(3))}, {"add", "t/1", "v=1"},
				{"commit"}, {"abort"}, {"commit", "v=3"}, {"abort", "v=3"}, {"markers"}, {"markers", "delayed"}, {"restart"}, {"wait", "1s"}, {"wait", "70s"}, {"verify", "t/1"}}[r.IntN(14)]
			if words[0] != "init" || len(words) > 2 {
				words = append(words, "id="+id, fmt.Sprintf("producer=%d", p.ID), fmt.Sprintf("epoch=%d", p.Epoch))
			}
			if r.IntN(200) == 0 && s.c.transactions[id] != nil && !s.c.transactions[id].state.preparing() && s.c.transactions[id].producer.Epoch < lastEpoch {
				words = []string{"epoch", "id=" + id, fmt.Sprintf("is=%d", lastEpoch-1)}
			}
			s.command(words)
			if s.producer != before {
				known = append(known, s.producer)
			}
			for _, tx := range s.c.transactions {
				if tx.producer.Epoch < highest[tx.producer.ID] {
					t.Fatalf("seed %d, step %d (%v): producer %d went from epoch %d back to %d", seed, step, words, tx.producer.ID, highest[tx.producer.ID], tx.producer.Epoch)
				}
				highest[tx.producer.ID] = tx.producer.Epoch
				if tx.state.preparing() != contains(s.endings, tx) {
					t.Fatalf("seed %d, step %d (%v): %s is %s, endings %+v", seed, step, words, tx.id, tx.state, s.endings)
				}
			}
			if words[0] == "markers" && len(s.endings) == 0 {
				clear(outcome) // an older client's next transaction has the same epoch
			}
			for _, e := range s.endings {
				if was, ok := outcome[e.Producer]; ok && was != e.Commit {
					t.Fatalf("seed %d, step %d (%v): the outcome of %v changed", seed, step, words, e.Producer)
				}
				outcome[e.Producer] = e.Commit
			}
			if words[0] == "add" && len(s.out) > 0 && s.out[0] == "ok" && s.c.transactions[id].producer != p {
				t.Fatalf("seed %d, step %d (%v): an older incarnation was let in", seed, step, words)
			}
		}
		again := New(s.opts, nil)
		for _, rec := range s.log {
			if err := again.Replay(rec); err != nil {
				t.Fatal(err)
			}
		}
		if !maps.EqualFunc(s.c.transactions, again.transactions, func(a, b *transaction) bool { return reflect.DeepEqual(a, b) }) {
			t.Fatalf("seed %d: the state is not what its records make", seed)
		}
	}
}

func contains(endings []Ending, t *transaction) bool {
	for _, e := range endings {
		if e.TransactionalID == t.id && e.Producer == t.producer {
			return true
		}
	}
	return false
}

func FuzzRecord(f *testing.F) {
	full := &transaction{id: "x", producer: Producer{7, 3}, previous: Producer{7, 2}, next: Producer{8, 0}, timeout: time.Minute,
		state: PrepareCommit, partitions: map[TopicPartition]struct{}{{"t", 1}: {}, {"u", 0}: {}}, started: atStart, updated: atStart, version: V2}
	f.Add(keyOf("x"), full.value())
	f.Add(keyOf(""), []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		id, tx, err := decode(Record{Key: key, Value: value})
		if err != nil || tx == nil {
			return
		}
		id2, again, err := decode(Record{Key: keyOf(id), Value: tx.value()})
		if err != nil || id2 != id || !bytes.Equal(again.value(), tx.value()) {
			t.Fatalf("%+v becomes %+v, %v", tx, again, err)
		}
	})
}

// TestWhatIsOpenOrBeingEndedIsNotForgotten, however long its transactional ID was not
// used: markers may be late, and a transaction may take longer than IDs are kept.
func TestWhatIsOpenOrBeingEndedIsNotForgotten(t *testing.T) {
	s := newStage()
	s.opts.IDExpiration = time.Minute
	s.c = New(s.opts, nil)
	for _, step := range []struct{ do, want string }{
		{"init timeout=600000", "ok, producer 1/0"},
		{"add t/0", "ok"},
		{"wait 5m", ""},
		{"describe", "Ongoing, producer 1/0, timeout 600000 ms, open for 5m0s, partitions [t[0]]"},
		{"commit", "markers: commit of 1/1 to [{t 0}]"},
		{"wait 5m", ""},
		{"describe", "PrepareCommit, producer 1/1, timeout 600000 ms, open for 10m0s, partitions [t[0]]"},
		{"markers", "ended: ok, producer 1/1"},
		{"wait 5m", ""},
		{"describe", "TRANSACTIONAL_ID_NOT_FOUND"},
	} {
		s.out = nil
		s.command(strings.Fields(step.do))
		if got := strings.Join(s.out, "\n"); got != step.want {
			t.Errorf("%s: %q, want %q", step.do, got, step.want)
		}
	}
}
