package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// wireRequest is what a client of the registry scenarios is asked to do, as one
// line of JSON. Binary members are base64. Each request is to be served by
// a client that has learned nothing before.
type wireRequest struct {
	// Op is version (answer: Text), register (ID), lookup (ID, Version), compatible
	// (Compatible: with the latest version or all), get (Text of ID), serialize
	// (Payload, Headers) or deserialize (Value).
	Op string `json:"op"`
	// Format is AVRO, JSON or PROTOBUF.
	Format  string `json:"format,omitempty"`
	Topic   string `json:"topic,omitempty"`
	Subject string `json:"subject,omitempty"`
	// Schema is the text to register, look up or write with; to deserialize, the
	// reader's, or none to read as it was written.
	Schema     string          `json:"schema,omitempty"`
	References []wireReference `json:"references,omitempty"`
	// Descriptors is a FileDescriptorSet that holds Message, for clients whose
	// Protobuf types are compiled into them.
	Descriptors []byte `json:"descriptors,omitempty"`
	Message     string `json:"message,omitempty"`
	// Mode is auto (register the client's schema), lookup (find it) or latest (use
	// the subject's newest one; to deserialize, as the reader's).
	Mode      string            `json:"mode,omitempty"`
	Normalize bool              `json:"normalize,omitempty"`
	Header    bool              `json:"header,omitempty"` // the schema's GUID goes into a record header
	ID        int               `json:"id,omitempty"`
	Value     json.RawMessage   `json:"value,omitempty"`
	Payload   []byte            `json:"payload,omitempty"`
	Headers   map[string][]byte `json:"headers,omitempty"`
}

type wireReference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

type wireAnswer struct {
	Error      string            `json:"error"`
	ID         int               `json:"id"`
	Version    int               `json:"version"`
	Compatible bool              `json:"compatible"`
	Text       string            `json:"text"`
	Payload    []byte            `json:"payload"`
	Headers    map[string][]byte `json:"headers"`
	Value      json.RawMessage   `json:"value"`
}

// lineClient is a client that runs beside the test.
type lineClient struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	err   bytes.Buffer
	ended error
}

func startLineClient(t *testing.T, registry string, command []string) *lineClient {
	t.Helper()
	p := &lineClient{cmd: exec.Command(command[0], command[1:]...)}
	p.cmd.Env = append(os.Environ(), "REGISTRY=http://"+registry)
	p.cmd.Stderr = &p.err
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%v: run make deps", err)
	}
	p.out = bufio.NewReader(out)
	t.Cleanup(func() {
		_ = p.in.Close()
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// ask sends one request and returns its answer.
func (p *lineClient) ask(r wireRequest) (a wireAnswer, err error) {
	return a, p.exchange(r, &a)
}

// exchange sends one request and decodes its answer. A client that does not
// answer within five minutes is ended, and answers no more.
func (p *lineClient) exchange(r, a any) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return p.ended
	}
	defer func() {
		if err != nil {
			p.ended = err
		}
	}()
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	stalled := time.AfterFunc(5*time.Minute, func() { _ = p.cmd.Process.Kill() })
	defer stalled.Stop()
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.died(err)
	}
	line, err = p.out.ReadBytes('\n')
	if err != nil {
		return p.died(err)
	}
	if err := json.Unmarshal(line, a); err != nil {
		return fmt.Errorf("%w in %s", err, tail(line))
	}
	return nil
}

// died waits for the end of a client that answers no more, so that its standard
// error is complete.
func (p *lineClient) died(err error) error {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	return fmt.Errorf("the client died: %w\n%s", err, tail(p.err.Bytes()))
}

// asker is a client that is asked, in a process of its own or in this one.
type asker interface {
	ask(wireRequest) (wireAnswer, error)
}

// do asks and makes an error of an answer that is one.
func do(a asker, r wireRequest) (wireAnswer, error) {
	got, err := a.ask(r)
	if err == nil && got.Error != "" {
		err = errors.New(got.Error)
	}
	return got, err
}
