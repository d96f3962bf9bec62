package protobuf

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

func ExampleNewSerializer() {
	ctx := context.Background()
	registry := newMemory() // in an application: a srclient.Client
	// The schema is that of the Go type, here one that everybody has.
	s, err := NewSerializer[*durationpb.Duration](registry)
	if err != nil {
		panic(err)
	}
	b, err := s.Append(ctx, nil, "delays", durationpb.New(3*time.Second))
	fmt.Printf("% x %v", b, err)
	// Output: 00 00 00 00 01 00 08 03 <nil>
}

func ExampleNewDeserializer() {
	ctx := context.Background()
	registry := newMemory()
	writer, err := NewSerializer[*durationpb.Duration](registry)
	if err != nil {
		panic(err)
	}
	b, err := writer.Append(ctx, nil, "delays", durationpb.New(3*time.Second))
	if err != nil {
		panic(err)
	}

	reader, err := NewDeserializer[*durationpb.Duration](registry)
	if err != nil {
		panic(err)
	}
	var delay *durationpb.Duration
	err = reader.Decode(ctx, "delays", b, &delay)
	fmt.Println(delay.AsDuration(), err)
	// Output: 3s <nil>
}
