package jsonschema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	santhosh "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dovetail-dev/dovetail/compat"
	compatjs "github.com/dovetail-dev/dovetail/compat/jsonschema"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
)

// farNumber is one whose exponent the library cannot live with.
var farNumber = regexp.MustCompile(`[0-9][eE][-+]?0*[1-9][0-9]{3}`)

// judge returns the library's verdict, and false if it has none that counts: of
// what it reads more liberally than we do.
func judge(library *santhosh.Schema, payload []byte) (valid, counts bool) {
	if !utf8.Valid(payload) || farNumber.Match(payload) || duplicateMembers(payload) {
		return false, false
	}
	v, err := santhosh.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return false, true
	}
	return library.Validate(v) == nil, true
}

// duplicateMembers reports whether some object has a member twice, or nests so
// deeply that we refuse it.
func duplicateMembers(payload []byte) bool {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var stack []map[string]bool // nil for an array
	var names []bool            // whether a name comes next
	for {
		tok, err := d.Token()
		if err == io.EOF || err != nil {
			return len(stack) > jsonschema.MaxDepth
		}
		top := len(stack) - 1
		switch tok := tok.(type) {
		case json.Delim:
			switch tok {
			case '{', '[':
				if top >= 0 && stack[top] != nil {
					names[top] = true
				}
				var seen map[string]bool
				if tok == '{' {
					seen = map[string]bool{}
				}
				stack, names = append(stack, seen), append(names, tok == '{')
				if len(stack) > jsonschema.MaxDepth {
					return true
				}
			default:
				stack, names = stack[:top], names[:top]
			}
		default:
			if top < 0 || stack[top] == nil {
				continue
			}
			if names[top] {
				name := tok.(string)
				if stack[top][name] {
					return true
				}
				stack[top][name] = true
			}
			names[top] = !names[top]
		}
	}
}

// compare validates payload both ways.
func compare(t *testing.T, text string, v *jsonschema.Validator, library *santhosh.Schema, payload []byte) {
	t.Helper()
	before := bytes.Clone(payload)
	err := v.Validate(payload)
	if !bytes.Equal(before, payload) {
		t.Fatal("the payload was changed")
	}
	var place *jsonschema.Error
	if err != nil && (!errors.As(err, &place) || place.Pos < 0 || place.Pos > len(payload) || place.Expected == "") {
		t.Fatalf("error %#v", err)
	}
	if err != nil && strings.Contains(place.Expected, "given up") {
		return
	}
	if valid, counts := judge(library, payload); counts && valid != (err == nil) {
		t.Fatalf("schema %s\npayload %q\nlibrary says %v, we say %v", text, payload, valid, err)
	}
}

// FuzzValidate: the walk and the library give one verdict.
func FuzzValidate(f *testing.F) {
	f.Add(orderText, []byte(orderPayload))
	for _, draft := range []string{"draft4", "draft7", "draft2020-12"} {
		for _, line := range lines(f, "testdata/suite/"+draft+".jsonl") {
			var g suiteGroup
			if err := json.Unmarshal(line, &g); err != nil {
				f.Fatal(err)
			}
			for _, c := range g.Tests {
				f.Add(string(g.Schema), []byte(c.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string, payload []byte) {
		if len(text) > 1<<12 || len(payload) > 1<<12 {
			return
		}
		s, err := compatjs.Parse(compat.Source{Text: text, Strict: true})
		if err != nil {
			return
		}
		v, err := jsonschema.NewValidator(s)
		if err != nil {
			return
		}
		library, err := s.Compile()
		if err != nil {
			return
		}
		compare(t, text, v, library, payload)
	})
}
