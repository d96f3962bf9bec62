package rest

import (
	"reflect"
	"testing"
)

var simpleBodies = []string{
	`{"schema":"\"int\""}`,
	` { "schema" : "{\"type\":\"enum\",\"symbols\":[\"\\u00e9\"]}" , "schemaType":"JSON" } `,
	`{"schemaType":"PROTOBUF","schema":"syntax = \"proto3\";\n\t/* é \/ \\ */\r\b\f"}`,
}

// FuzzSimpleBody: what is read the short way is what is read the long way.
func FuzzSimpleBody(f *testing.F) {
	for _, s := range append([]string{
		``, `{`, `{}`, `null`, `[]`, `{"schema":""}`, `{"schema":"a"`, `{"schema":"a"}}`, `{"schema":"a",}`, `{"schema":"a"} x`,
		`{"Schema":"a"}`, `{"schema":"a","schema":"b"}`, `{"schema":null}`, `{"schema":"\u0061"}`, `{"schema":"\x"}`, `{"schema":"a\`,
		"{\"schema\":\"\n\"}", "{\"schema\":\"\xff\"}", `{"schema":"a","version":1}`, `{"schema":"a","schemaType":7}`, `{"schema" "a"}`,
		`{"schema":"a" "schemaType":"AVRO"}`, `{,"schema":"a"}`, "\ufeff{\"schema\":\"a\"}",
	}, simpleBodies...) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := simpleBody(b)
		if !ok {
			return
		}
		var want registerBody
		if err := decodeBody(b, &want); err != nil {
			t.Fatalf("%q is read as %+v, and the long way: %v", b, got, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is read as %+v, the long way as %+v", b, got, want)
		}
	})
}

func TestWhatProducersSendIsSimple(t *testing.T) {
	for _, s := range simpleBodies {
		if _, ok := simpleBody([]byte(s)); !ok {
			t.Errorf("%s is read the long way", s)
		}
	}
}
