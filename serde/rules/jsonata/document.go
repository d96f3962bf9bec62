package jsonata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"

	"github.com/dop251/goja"
)

// maxSafe is the largest integer up to which a JavaScript number holds each.
const maxSafe = 1<<53 - 1

var errNesting = fmt.Errorf("it is nested more than %d levels deep", maxNesting)

// parse turns a JSON document into values of the runtime.
func (m *machine) parse(document []byte) (goja.Value, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	v, err := m.parseValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one value")
	}
	return v, nil
}

func (m *machine) parseValue(d *json.Decoder, depth int) (goja.Value, error) {
	if depth > maxNesting {
		return nil, errNesting
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return m.parseArray(d, depth)
		}
		return m.parseObject(d, depth)
	case json.Number:
		return m.number(string(t))
	case nil:
		return goja.Null(), nil
	default:
		return m.vm.ToValue(t), nil
	}
}

func (m *machine) parseArray(d *json.Decoder, depth int) (goja.Value, error) {
	var items []any
	for d.More() {
		v, err := m.parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	_, err := d.Token()
	return m.vm.NewArray(items...), err
}

func (m *machine) parseObject(d *json.Decoder, depth int) (goja.Value, error) {
	o := m.vm.NewObject()
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("a member is called %v, not a string", t)
		}
		v, err := m.parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		if name == "__proto__" { // only so is it an ordinary member
			err = o.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
		} else {
			err = o.Set(name, v)
		}
		if err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return o, err
}

// number reads a number: an integer that a JavaScript number could not hold
// becomes a BigInt.
func (m *machine) number(s string) (goja.Value, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= -maxSafe && n <= maxSafe {
		if n == 0 && s[0] == '-' {
			return m.vm.ToValue(math.Copysign(0, -1)), nil
		}
		return m.vm.ToValue(n), nil
	}
	if len(s) <= 1000 {
		if n, ok := new(big.Int).SetString(s, 10); ok {
			return m.vm.ToValue(n), nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, fmt.Errorf("the number %s is out of range", short(s))
	}
	return m.vm.ToValue(f), nil
}

// function reports whether a value is a function, of the interpreter or of an
// expression.
func function(o *goja.Object) bool {
	if _, ok := goja.AssertFunction(o); ok {
		return true
	}
	return o.Get("_jsonata_lambda") != nil || o.Get("_jsonata_function") != nil
}

// print appends the JSON form of a value. Functions have none.
func (m *machine) print(dst []byte, v goja.Value, depth int) ([]byte, error) {
	if depth > maxNesting {
		return nil, errNesting
	}
	if m.left -= 8; m.left < 0 {
		return nil, ErrMemory
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case goja.String:
		s := v.String()
		if m.left -= int64(len(s)); m.left < 0 {
			return nil, ErrMemory
		}
		return appendText(dst, s)
	case *goja.Object:
		if function(v) {
			return nil, errors.New("it holds a function")
		}
		if v.ClassName() == "Array" {
			return m.printArray(dst, v, depth)
		}
		return m.printObject(dst, v, depth)
	}
	switch x := v.Export().(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, x), nil
	case int64:
		return strconv.AppendInt(dst, x, 10), nil
	case float64:
		return appendFloat(dst, x)
	case *big.Int:
		return x.Append(dst, 10), nil
	default:
		return nil, fmt.Errorf("it holds a %T", x)
	}
}

func (m *machine) printArray(dst []byte, o *goja.Object, depth int) ([]byte, error) {
	dst = append(dst, '[')
	for i, n := int64(0), length(o); i < n; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = m.print(dst, o.Get(strconv.FormatInt(i, 10)), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func (m *machine) printObject(dst []byte, o *goja.Object, depth int) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for _, name := range o.Keys() {
		v := o.Get(name)
		if v == nil || goja.IsUndefined(v) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if m.left -= int64(len(name)); m.left < 0 {
			return nil, ErrMemory
		}
		var err error
		if dst, err = appendText(dst, name); err != nil {
			return nil, err
		}
		if dst, err = m.print(append(dst, ':'), v, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendText(dst []byte, s string) ([]byte, error) {
	b, err := json.Marshal(s)
	return append(dst, b...), err
}

func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("it holds %v, which JSON has no number for", f)
	}
	if f == 0 {
		return append(dst, '0'), nil
	}
	b, err := json.Marshal(f)
	return append(dst, b...), err
}

// weigh spends what the text of a value would take.
func (m *machine) weigh(v goja.Value, depth int) {
	if depth > maxNesting {
		m.refuse(errNesting)
	}
	m.spend(8)
	switch v := v.(type) {
	case goja.String:
		m.spend(2 * int64(v.Length()))
	case *goja.Object:
		if function(v) {
			return
		}
		if v.ClassName() == "Array" {
			for i, n := int64(0), length(v); i < n; i++ {
				m.weigh(v.Get(strconv.FormatInt(i, 10)), depth+1)
			}
			return
		}
		for _, name := range v.Keys() {
			m.spend(2 * int64(len(name)))
			m.weigh(v.Get(name), depth+1)
		}
	}
}
