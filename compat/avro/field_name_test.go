package avro

import "testing"

func TestPathsNameFields(t *testing.T) {
	s, err := ParseText(`{"type":"record","name":"Order","fields":[
		{"name":"id","type":"long"},
		{"name":"to","type":["null",{"type":"record","name":"Address","fields":[{"name":"street","type":"string"}]}]},
		{"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[{"name":"price","type":"double"}]}}},
		{"name":"tags","type":{"type":"map","values":"int"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/":                                  "",
		"/name":                              "",
		"/fields/0":                          "id",
		"/fields/0/type":                     "id",
		"/fields/1/type/1/fields/0/type":     "to.street",
		"/fields/2/type/items/fields/0/type": "items.price",
		"/fields/3/type/values":              "tags",
		"/fields/9":                          "",
		"/fields/1/type/7/fields/0":          "to",
		"nonsense":                           "",
	} {
		if got := s.FieldName(path); got != want {
			t.Errorf("%s is in field %q, want %q", path, got, want)
		}
	}
}
