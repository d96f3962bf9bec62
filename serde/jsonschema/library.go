package jsonschema

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	santhosh "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dovetail-dev/dovetail/compat/jsonschema"
)

// library validates with santhosh-tekuri/jsonschema.
type library struct{ schema *santhosh.Schema }

func newLibrary(s *jsonschema.Schema) (*library, error) {
	compiled, err := s.Compile()
	if err != nil {
		return nil, err
	}
	return &library{compiled}, nil
}

// validate checks a payload that is known to be JSON.
func (l *library) validate(payload []byte) error {
	if pos, far := farExponent(payload); far {
		return &Error{Path: pathOf(payload, pos), Pos: pos, Expected: "a number whose exponent is no more than 1000 either way", Found: snippet(payload, pos)}
	}
	v, err := santhosh.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return &Error{Expected: "not JSON: " + err.Error()}
	}
	err = l.schema.Validate(v)
	if err == nil {
		return nil
	}
	var invalid *santhosh.ValidationError
	if !errors.As(err, &invalid) {
		return &Error{Expected: err.Error()}
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	e := &Error{Expected: "not what the schema says: " + invalid.Error()}
	for _, step := range invalid.InstanceLocation {
		e.Path += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
	}
	e.Pos = positionOf(payload, invalid.InstanceLocation)
	return e
}

// positionOf follows a path into a payload.
func positionOf(data []byte, path []string) int {
	w := &walker{data: data, quiet: 1}
	i := w.space(0)
	for _, want := range path {
		next := w.memberAt(i, want)
		if next < 0 {
			break
		}
		i = next
	}
	return i
}

// memberAt returns the place of an element by its name or index, -1 for none.
func (w *walker) memberAt(i int, want string) int {
	if w.data[i] != '{' && w.data[i] != '[' {
		return -1
	}
	closing := w.data[i] + 2
	i, done := w.opened(i, closing)
	for n := 0; !done && i >= 0; n++ {
		value, name := i, strconv.Itoa(n)
		if closing == '}' {
			end, t, at := w.key(i)
			if end < 0 {
				return -1
			}
			value, name = at, string(appendUnescapedIf(t.escaped, w.data[i+1:end-1]))
		}
		if name == want {
			return value
		}
		end := w.skip(value)
		if end < 0 {
			return -1
		}
		i, done = w.next(end, closing)
	}
	return -1
}

// farExponent finds a number that the library would spend its life on.
func farExponent(payload []byte) (int, bool) {
	for i := 0; i < len(payload); {
		switch c := payload[i]; {
		case c == '"':
			w := &walker{data: payload, quiet: 1}
			i, _ = w.str(i)
		case c == '-' || '0' <= c && c <= '9':
			w := &walker{data: payload, quiet: 1}
			end := w.number(i)
			if k := bytes.IndexAny(payload[i:end], "eE"); k >= 0 {
				if e, ok := parseExponent(payload[i+k+1 : end]); !ok || e > maxLibraryExponent || e < -maxLibraryExponent {
					return i, true
				}
			}
			i = end
		default:
			i++
		}
	}
	return 0, false
}
