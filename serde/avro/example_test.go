package avro_test

import (
	"bytes"
	"fmt"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

type exampleUser struct {
	Name  string  `avro:"name"`
	Age   int32   `avro:"age"`
	Email *string `avro:"email"`
}

var exampleSchema = avro.MustParse(`{"type":"record","name":"User","fields":[
	{"name":"name","type":"string"},
	{"name":"age","type":"int"},
	{"name":"email","type":["null","string"],"default":null}]}`)

func ExampleMarshal() {
	data, err := avro.Marshal(exampleSchema, exampleUser{Name: "Ada", Age: 36})
	if err != nil {
		fmt.Println(err)
		return
	}
	var back exampleUser
	err = avro.Unmarshal(exampleSchema, data, &back)
	fmt.Printf("% x\n%s is %d, %v\n", data, back.Name, back.Age, err)
	// Output:
	// 06 41 64 61 48 00
	// Ada is 36, <nil>
}

func ExampleNewCodec() {
	users, err := avro.NewCodec[exampleUser](exampleSchema, avro.WithArena())
	if err != nil {
		fmt.Println(err)
		return
	}
	buf := make([]byte, 0, 256) // kept and used again: nothing is allocated
	buf, err = users.Append(buf[:0], &exampleUser{Name: "Grace", Age: 85})
	var back exampleUser
	fmt.Println(len(buf), err, users.Decode(buf, &back), back.Name)
	// Output: 9 <nil> <nil> Grace
}

// Visit and its methods are what "dovetail gen go visit.avsc" writes.
func ExampleWithMethods() {
	visits, err := avro.NewCodec[Visit](avro.MustParse(VisitSchema), avro.WithMethods())
	if err != nil {
		fmt.Println(err)
		return
	}
	v := Visit{Page: "/prices", Seconds: 20}
	byCodec, _ := visits.Append(nil, &v)
	byHand, err := v.AppendAvro(nil) // needs no codec
	fmt.Println(bytes.Equal(byCodec, byHand), err)
	var back Visit
	fmt.Println(visits.Decode(byHand, &back), back)
	_, err = back.DecodeAvro(byHand[:5])
	fmt.Println(err)
	// Output:
	// true <nil>
	// <nil> {/prices 20}
	// avro: byte 0, page: expected string of 7 bytes, found 4 bytes
}

// A consumer of today reads what a producer of last year wrote.
func ExampleNewResolvingCodec() {
	lastYear := avro.MustParse(`{"type":"record","name":"User","fields":[
		{"name":"fullName","type":"string"},
		{"name":"age","type":"int"},
		{"name":"fax","type":"string"}]}`)
	today := avro.MustParse(`{"type":"record","name":"User","fields":[
		{"name":"name","type":"string","aliases":["fullName"]},
		{"name":"age","type":"long"},
		{"name":"plan","type":"string","default":"free"}]}`)
	type user struct {
		Name string `avro:"name"`
		Age  int64  `avro:"age"`
		Plan string `avro:"plan"`
	}
	old, _ := avro.Marshal(lastYear, map[string]any{"fullName": "Ada", "age": 36, "fax": "555"})
	users, err := avro.NewResolvingCodec[user](lastYear, today)
	if err != nil {
		fmt.Println(err)
		return
	}
	var u user
	fmt.Println(users.Decode(old, &u), u)
	// Output: <nil> {Ada 36 free}
}

func ExampleValidate() {
	data, _ := avro.Marshal(exampleSchema, exampleUser{Name: "Ada", Age: 36})
	fmt.Println(avro.Validate(exampleSchema, data, avro.ValidateOptions{}))
	fmt.Println(avro.Validate(exampleSchema, data[:4], avro.ValidateOptions{}))
	// Output:
	// <nil>
	// avro: byte 4, age: expected int, found the end of the data
}

func ExampleAppendJSON() {
	email := "ada@example.com"
	data, _ := avro.Marshal(exampleSchema, exampleUser{Name: "Ada", Age: 36, Email: &email})
	text, _ := avro.AppendJSON(nil, exampleSchema, data)
	fmt.Println(string(text))
	text, _ = avro.AppendJSON(nil, exampleSchema, data, avro.WithBareUnions())
	fmt.Println(string(text))
	// Output:
	// {"name":"Ada","age":36,"email":{"string":"ada@example.com"}}
	// {"name":"Ada","age":36,"email":"ada@example.com"}
}

func ExampleFromJSON() {
	_, err := avro.FromJSON(nil, exampleSchema, []byte(`{"name": "Ada", "age": "old"}`))
	fmt.Println(err)
	// Output: avro: byte 23, age: expected int, found "old"
}

func ExampleUnmarshal_generic() {
	email := "ada@example.com"
	data, _ := avro.Marshal(exampleSchema, exampleUser{Name: "Ada", Age: 36, Email: &email})
	var v any
	err := avro.Unmarshal(exampleSchema, data, &v)
	fmt.Println(v, err)
	// Output: map[age:36 email:map[string:ada@example.com] name:Ada] <nil>
}

func ExampleSchemaOf() {
	s, err := avro.SchemaOf[exampleUser]("com.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Canonical())
	// Output: {"type":"record","name":"ExampleUser","namespace":"com.example","fields":[{"name":"name","type":"string"},{"name":"age","type":"int"},{"name":"email","type":["null","string"],"default":null}]}
}
