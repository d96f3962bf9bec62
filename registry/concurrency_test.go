package registry

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// TestOneOfTwoClashingVersionsIsAccepted: each adds a field with a type of its
// own, so that neither can follow the other.
func TestOneOfTwoClashingVersionsIsAccepted(t *testing.T) {
	m := &journal.Memory{}
	instances := []*Registry{open(t, Options{Journal: m}), open(t, Options{Journal: m})}
	ctx := context.Background()
	tries := 10_000
	if !sweeping {
		tries = 1000
	}
	for i := range tries {
		subject := schema.Subject(fmt.Sprint("s", i))
		mustRegister(t, instances[0], subject, avro(record(fieldA)))
		var accepted atomic.Int32
		var wg sync.WaitGroup
		for k, typ := range []string{`"int"`, `"string"`} {
			wg.Go(func() {
				req := avro(record(fieldA + `,{"name":"b","type":["null",` + typ + `],"default":null}`))
				_, err := instances[k].Register(ctx, subject, req)
				switch CodeOf(err) {
				case 0:
					accepted.Add(1)
				case CodeIncompatible:
				default:
					t.Errorf("try %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if accepted.Load() != 1 {
			t.Fatalf("try %d: %d of two clashing versions were accepted", i, accepted.Load())
		}
	}
}

// TestIDsAreUniqueAcrossInstances: many writers on instances that share one
// journal never get one ID for two definitions.
func TestIDsAreUniqueAcrossInstances(t *testing.T) {
	m := &journal.Memory{}
	ctx := context.Background()
	var meaning sync.Map
	var wg sync.WaitGroup
	for range 3 {
		r := open(t, Options{Journal: m})
		for range 4 {
			wg.Go(func() {
				for i := range 40 {
					text := fmt.Sprintf(`{"type":"fixed","name":"F","size":%d}`, i)
					s, err := r.Register(ctx, schema.Subject(fmt.Sprint("s", i)), avro(text))
					if err != nil {
						t.Error(err)
						return
					}
					if old, loaded := meaning.LoadOrStore(s.ID, text); loaded && old != text {
						t.Errorf("id %d is %s and %s", s.ID, old, text)
					}
				}
			})
		}
	}
	wg.Wait()
}

// subjectCall is an operation on one subject: register text, delete, or read.
type subjectCall struct {
	op   string
	text string
}

type subjectAnswer struct {
	code     Code
	version  schema.Version
	versions string
}

// linearModel is one subject under NONE. Its state is the number of versions
// ever given out and the live ones: "3 1:text 3:text".
var linearModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		var last int
		var live []string
		st := state.(string)
		if st != "" {
			fmt.Sscanf(st, "%d", &last)
			live = liveVersions(st)
		}
		in, out := input.(subjectCall), output.(subjectAnswer)
		switch in.op {
		case "register":
			if out.code != 0 {
				return false, state
			}
			for _, v := range live {
				if v == fmt.Sprintf("%d:%s", out.version, in.text) {
					return true, state
				}
			}
			for _, v := range live {
				var n int
				var text string
				fmt.Sscanf(v, "%d:%s", &n, &text)
				if text == in.text {
					return false, state
				}
			}
			if int(out.version) != last+1 {
				return false, state
			}
			return true, join(last+1, append(live, fmt.Sprintf("%d:%s", out.version, in.text)))
		case "delete":
			switch {
			case len(live) == 0 && last == 0:
				return out.code == CodeSubjectNotFound, state
			case len(live) == 0:
				return out.code == CodeSubjectSoftDeleted, state
			}
			return out.code == 0 && out.versions == numbers(live), join(last, nil)
		default:
			if len(live) == 0 {
				return out.code == CodeSubjectNotFound, state
			}
			return out.code == 0 && out.versions == numbers(live), state
		}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
}

func liveVersions(st string) []string {
	var live []string
	for i, f := range strings.Fields(st) {
		if i > 0 {
			live = append(live, f)
		}
	}
	return live
}

func join(last int, live []string) string {
	s := fmt.Sprint(last)
	for _, v := range live {
		s += " " + v
	}
	return s
}

func numbers(live []string) string {
	s := ""
	for _, v := range live {
		var n int
		fmt.Sscanf(v, "%d", &n)
		s += fmt.Sprint(n, ",")
	}
	return s
}

func versionsText(list []schema.Version) string {
	s := ""
	for _, v := range list {
		s += fmt.Sprint(v, ",")
	}
	return s
}

// TestHistoriesAreLinearizable records what concurrent clients of one instance
// saw and has it checked against the model. What a second instance reads may
// lag behind, so it is not part of this.
func TestHistoriesAreLinearizable(t *testing.T) {
	ctx := context.Background()
	texts := []string{`"int"`, `"long"`, `"string"`, `"boolean"`}
	for round := range 20 {
		m := &journal.Memory{}
		r := open(t, Options{Journal: m})
		if _, err := r.SetConfig(ctx, "", ConfigPatch{Level: Patch[string]{true, "NONE"}}); err != nil {
			t.Fatal(err)
		}
		var clock atomic.Int64
		var mu sync.Mutex
		var history []porcupine.Operation
		var wg sync.WaitGroup
		for client := range 4 {
			wg.Go(func() {
				for i := range 12 {
					in := subjectCall{op: "register", text: texts[(client*5+i*7+round)%len(texts)]}
					if k := (client + i + round) % 5; k == 0 && i > 2 {
						in = subjectCall{op: "delete"}
					} else if k == 1 {
						in = subjectCall{op: "read"}
					}
					start := clock.Add(1)
					var out subjectAnswer
					switch in.op {
					case "register":
						s, err := r.Register(ctx, "s", avro(in.text))
						out = subjectAnswer{code: CodeOf(err), version: s.Version}
					case "delete":
						list, err := r.DeleteSubject(ctx, "s", false)
						out = subjectAnswer{code: CodeOf(err), versions: versionsText(list)}
					default:
						list, err := r.Versions("s", VersionsQuery{})
						out = subjectAnswer{code: CodeOf(err), versions: versionsText(list)}
					}
					end := clock.Add(1)
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: start, Return: end})
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if !porcupine.CheckOperations(linearModel, history) {
			for _, op := range history {
				t.Logf("client %d [%d,%d] %+v → %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
			}
			t.Fatalf("round %d: not linearizable", round)
		}
	}
}
