package jsonschema_test

import (
	"context"
	"fmt"

	"github.com/dovetail-dev/dovetail/serde/jsonschema"
)

func ExampleNewSerializer() {
	ctx := context.Background()
	registry := &shelf{} // in an application: a srclient.Client
	s, err := jsonschema.NewSerializer[person](registry, personText)
	if err != nil {
		panic(err)
	}
	b, err := s.Append(ctx, nil, "people", person{Name: "Ada", Age: 36})
	fmt.Printf("% x %s %v\n", b[:5], b[5:], err)

	// What the schema refuses is not written.
	_, err = s.Append(ctx, nil, "people", person{Name: "Ada", Age: -1})
	fmt.Println(err != nil)
	// Output:
	// 00 00 00 00 01 {"name":"Ada","age":36} <nil>
	// true
}

func ExampleNewDeserializer() {
	ctx := context.Background()
	registry := &shelf{}
	writer, err := jsonschema.NewSerializer[person](registry, personText)
	if err != nil {
		panic(err)
	}
	b, err := writer.Append(ctx, nil, "people", person{Name: "Ada", Age: 36})
	if err != nil {
		panic(err)
	}

	reader, err := jsonschema.NewDeserializer[map[string]any](registry, "")
	if err != nil {
		panic(err)
	}
	var who map[string]any
	err = reader.Decode(ctx, "people", b, &who)
	fmt.Println(who["name"], err)
	// Output: Ada <nil>
}
