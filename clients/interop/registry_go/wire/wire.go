// Package wire is what the Go clients of the registry scenarios have in common:
// one request is one line of JSON on standard input, its answer one line on
// standard output. ../../registry_wire_test.go says what is in them.
package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Reference is a schema reference.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Request is what a client is asked to do.
type Request struct {
	Op, Format, Topic, Subject, Schema, Message, Mode string

	References        []Reference
	Descriptors       []byte
	Normalize, Header bool
	ID                int
	Value             json.RawMessage
	Payload           []byte
	Headers           map[string][]byte
}

// Answer is what came of a request.
type Answer struct {
	Error      string            `json:"error,omitempty"`
	ID         int               `json:"id,omitempty"`
	Version    int               `json:"version,omitempty"`
	Compatible bool              `json:"compatible,omitempty"`
	Text       string            `json:"text,omitempty"`
	Payload    []byte            `json:"payload,omitempty"`
	Headers    map[string][]byte `json:"headers,omitempty"`
	Value      any               `json:"value,omitempty"`
}

// Serve answers requests until there are no more.
func Serve(answer func(Request) (Answer, error)) {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var r Request
		var a Answer
		if err = json.Unmarshal(line, &r); err == nil {
			a, err = safely(answer, r)
		}
		if err != nil {
			a = Answer{Error: err.Error()}
		}
		b, err := json.Marshal(a)
		if err != nil {
			b, _ = json.Marshal(Answer{Error: err.Error()})
		}
		fmt.Printf("%s\n", b)
	}
}

// safely makes an error of a client's panic.
func safely(answer func(Request) (Answer, error), r Request) (a Answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return answer(r)
}

// Fields returns the value as Go's Avro libraries take it: whole numbers are
// int64.
func (r Request) Fields() (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(r.Value))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	for k, x := range v {
		n, ok := x.(json.Number)
		if !ok {
			continue
		}
		var err error
		if strings.Contains(n.String(), ".") {
			v[k], err = n.Float64()
		} else {
			v[k], err = n.Int64()
		}
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

// NewMessage returns an empty message of the request's descriptors.
func (r Request) NewMessage() (*dynamicpb.Message, error) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(r.Descriptors, &set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, err
	}
	d, err := files.FindDescriptorByName(protoreflect.FullName(r.Message))
	if err != nil {
		return nil, err
	}
	m, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no message", r.Message)
	}
	return dynamicpb.NewMessage(m), nil
}

// FilledMessage returns the value as a message.
func (r Request) FilledMessage() (*dynamicpb.Message, error) {
	m, err := r.NewMessage()
	if err != nil {
		return nil, err
	}
	return m, protojson.Unmarshal(r.Value, m)
}

// Plain returns a message as its JSON.
func Plain(m proto.Message) (json.RawMessage, error) { return protojson.Marshal(m) }
