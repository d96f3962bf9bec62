package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// process is a server that is killed and started again on the same data.
type process struct {
	binary, data string
	url, kafka   string
	cmd          *exec.Cmd
	drained      chan struct{}
}

func newProcess(t *testing.T) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := &process{binary: filepath.Join(dir, "dovetail"), data: filepath.Join(dir, "data")}
	if err := os.Symlink(self, p.binary); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// start returns once the server says that it is ready, and where.
func (p *process) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command(p.binary, "serve", "--data-dir", p.data, "--http-addr", "127.0.0.1:0", "--kafka-addr", "127.0.0.1:0",
		"--compatibility-level", "NONE", "--log-format", "json")
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	type addresses struct{ Msg, Registry, Broker string }
	ready := make(chan addresses, 1)
	p.drained = make(chan struct{})
	go func() {
		defer close(p.drained)
		var log strings.Builder
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line addresses
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
				ready <- line
			}
			log.WriteString(lines.Text() + "\n")
		}
		select {
		case ready <- addresses{Msg: log.String()}:
		default:
		}
	}()
	at := <-ready
	if p.url, p.kafka = at.Registry, at.Broker; !strings.HasPrefix(p.url, "http") {
		t.Fatalf("the server does not start, it ended: %s", at.Msg)
	}
}

// kill sends SIGKILL and waits until the process is gone.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.drained
	_ = p.cmd.Wait()
	p.cmd = nil
}

// subjectCall is an operation on one subject; text is what to register.
type subjectCall struct{ op, subject, text string }

// subjectAnswer is what came back. Of a call that was cut off nothing is known:
// it may have taken effect until the process was gone, or not.
type subjectAnswer struct {
	unknown  bool
	code     int
	id       int
	version  int
	versions string
}

// subjectModel is one subject under NONE: the number of versions ever given out
// and the live ones, "3 1:int 3:long".
var subjectModel = porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		of := map[string][]porcupine.Operation{}
		for _, op := range history {
			s := op.Input.(subjectCall).subject
			of[s] = append(of[s], op)
		}
		var all [][]porcupine.Operation
		for _, ops := range of {
			all = append(all, ops)
		}
		return all
	},
	Init: func() []any { return []any{"0"} },
	Step: func(state, input, output any) []any {
		before := state.(string)
		after, want := subjectStep(before, input.(subjectCall))
		out := output.(subjectAnswer)
		if out.unknown {
			return []any{before, after}
		}
		out.id = 0
		if out != want {
			return nil
		}
		return []any{after}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
}

// subjectStep is what one call does and answers.
func subjectStep(state string, call subjectCall) (after string, want subjectAnswer) {
	fields := strings.Fields(state)
	live := fields[1:]
	var last int
	fmt.Sscan(fields[0], &last)
	numbers := []string{}
	for _, v := range live {
		number, text, _ := strings.Cut(v, ":")
		numbers = append(numbers, number)
		if call.op == "register" && text == call.text {
			fmt.Sscan(number, &want.version)
			return state, want
		}
	}
	switch {
	case call.op == "register":
		after = strings.Join(append([]string{fmt.Sprint(last + 1)}, live...), " ")
		return fmt.Sprintf("%s %d:%s", after, last+1, call.text), subjectAnswer{version: last + 1}
	case len(live) == 0 && (last == 0 || call.op == "read"):
		return state, subjectAnswer{code: 40401}
	case len(live) == 0:
		return state, subjectAnswer{code: 40404}
	case call.op == "delete":
		after = fmt.Sprint(last)
	default:
		after = state
	}
	return after, subjectAnswer{versions: "[" + strings.Join(numbers, ",") + "]"}
}

// ask makes one call over HTTP.
func ask(client *http.Client, url string, call subjectCall) subjectAnswer {
	method, path, body := http.MethodGet, "/subjects/"+call.subject+"/versions", ""
	switch call.op {
	case "register":
		method, body = http.MethodPost, fmt.Sprintf(`{"schema":"{\"type\":\"fixed\",\"name\":\"F\",\"size\":%s}"}`, call.text)
	case "delete":
		method, path = http.MethodDelete, "/subjects/"+call.subject
	}
	request, err := http.NewRequest(method, url+path, strings.NewReader(body))
	if err != nil {
		return subjectAnswer{unknown: true}
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return subjectAnswer{unknown: true}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 500 {
		return subjectAnswer{unknown: true}
	}
	if strings.HasPrefix(string(text), "[") {
		return subjectAnswer{versions: string(text)}
	}
	var answer struct {
		ID, Version int
		Code        int `json:"error_code"`
	}
	if json.Unmarshal(text, &answer) != nil {
		return subjectAnswer{unknown: true}
	}
	return subjectAnswer{code: answer.Code, id: answer.ID, version: answer.Version}
}

// meanings holds what every ID was seen to stand for, which must never change.
type meanings struct {
	mu     sync.Mutex
	texts  map[int]string
	ids    map[string]int
	clashs []string
}

func (m *meanings) note(id int, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.texts[id]; ok && old != text {
		m.clashs = append(m.clashs, fmt.Sprintf("ID %d stands for %s and %s", id, old, text))
	}
	if old, ok := m.ids[text]; ok && old != id {
		m.clashs = append(m.clashs, fmt.Sprintf("%s has the IDs %d and %d", text, old, id))
	}
	m.texts[id], m.ids[text] = text, id
}

// TestKilledRegistryIsLinearizable kills the whole process under load, again and
// again, and holds everything that clients ever saw against one order of
// events. Nothing acknowledged may be gone, and no ID may change its meaning.
func TestKilledRegistryIsLinearizable(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	p := newProcess(t)
	m := &meanings{texts: map[int]string{}, ids: map[string]int{}}
	var clock atomic.Int64
	var history []porcupine.Operation
	for round := range rounds {
		p.start(t)
		client := &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{}}
		for id, text := range m.texts {
			response, err := client.Get(fmt.Sprintf("%s/schemas/ids/%d/schema", p.url, id))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(response.Body)
			if want := fmt.Sprintf(`{"type":"fixed","name":"F","size":%s}`, text); err != nil || string(got) != want {
				t.Errorf("round %d: ID %d is %s, want %s, %v", round, id, got, want, err)
			}
			_ = response.Body.Close()
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		var answered atomic.Int64
		enough := make(chan struct{})
		killAfter := int64(40 + rand.New(rand.NewPCG(seed, uint64(round))).IntN(120))
		first := len(history)
		for c := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(1000+10*round+c)))
				for {
					call := subjectCall{op: "register", subject: fmt.Sprint("s", r.IntN(3)), text: fmt.Sprint(1 + r.IntN(12*(round+1)))}
					switch r.IntN(8) {
					case 0:
						call.op, call.text = "delete", ""
					case 1, 2:
						call.op, call.text = "read", ""
					}
					begin := clock.Add(1)
					out := ask(client, p.url, call)
					end := clock.Add(1)
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: 4*round + c, Input: call, Output: out, Call: begin, Return: end})
					mu.Unlock()
					if out.unknown {
						return
					}
					if out.id != 0 {
						m.note(out.id, call.text)
					}
					if answered.Add(1) == killAfter {
						close(enough)
					}
				}
			})
		}
		gone := make(chan struct{})
		go func() { wg.Wait(); close(gone) }()
		select {
		case <-enough:
		case <-gone:
			t.Errorf("round %d: the clients were cut off before the server was killed", round)
		}
		p.kill()
		<-gone
		client.CloseIdleConnections()
		// What was cut off may have taken effect as long as the process lived.
		dead := clock.Add(1)
		for i := first; i < len(history); i++ {
			if history[i].Output.(subjectAnswer).unknown {
				history[i].Return = dead
			}
		}
	}
	for _, clash := range m.clashs {
		t.Error(clash)
	}
	if !porcupine.CheckOperations(subjectModel.ToModel(), history) {
		for _, op := range history {
			t.Logf("client %d [%d,%d] %+v → %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
		}
		t.Fatal("not linearizable")
	}
	t.Logf("%d calls in %d rounds, %d IDs", len(history), rounds, len(m.texts))
}

// TestSubjectModelCanSayNo: a check that accepts everything proves nothing.
func TestSubjectModelCanSayNo(t *testing.T) {
	register := func(text string, version int) porcupine.Operation {
		return porcupine.Operation{Input: subjectCall{"register", "s", text}, Output: subjectAnswer{version: version}}
	}
	read := func(versions string) porcupine.Operation {
		return porcupine.Operation{Input: subjectCall{"read", "s", ""}, Output: subjectAnswer{versions: versions}}
	}
	cut := func(text string) porcupine.Operation {
		return porcupine.Operation{Input: subjectCall{"register", "s", text}, Output: subjectAnswer{unknown: true}}
	}
	for name, c := range map[string]struct {
		ok      bool
		history []porcupine.Operation
	}{
		"one after the other":       {true, []porcupine.Operation{register("1", 1), register("2", 2), register("1", 1), read("[1,2]")}},
		"acknowledged and gone":     {false, []porcupine.Operation{register("1", 1), read("[]")}},
		"one version twice":         {false, []porcupine.Operation{register("1", 1), register("2", 1)}},
		"a number left out":         {false, []porcupine.Operation{register("1", 1), register("2", 3)}},
		"cut off, took effect":      {true, []porcupine.Operation{cut("1"), read("[1]")}},
		"cut off, took none":        {true, []porcupine.Operation{cut("1"), register("2", 1)}},
		"cut off, effect came back": {false, []porcupine.Operation{cut("1"), read("[1]"), register("2", 1)}},
	} {
		for i := range c.history {
			c.history[i].Call, c.history[i].Return = int64(2*i), int64(2*i+1)
		}
		if got := porcupine.CheckOperations(subjectModel.ToModel(), c.history); got != c.ok {
			t.Errorf("%s: %t, want %t", name, got, c.ok)
		}
	}
}
