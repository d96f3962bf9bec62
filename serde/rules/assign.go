package rules

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"time"
)

// structFields maps the names in a struct's tags to field indexes, as the
// format packages read them: without a tag the Go name counts, "-" hides a
// field, and fields of embedded structs count as the outer struct's.
func structFields(t reflect.Type, tag string) map[string][]int {
	out := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get(tag), ",")
		if name == "-" || !f.IsExported() || f.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if known, ok := out[name]; !ok || len(f.Index) < len(known) {
			out[name] = f.Index
		}
	}
	return out
}

// fieldIn returns a field, or false if an embedded pointer on the way is nil.
func fieldIn(v reflect.Value, index []int) (reflect.Value, bool) {
	f, err := v.FieldByIndexErr(index)
	return f, err == nil
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	ratType      = reflect.TypeFor[big.Rat]()
	bytesType    = reflect.TypeFor[[]byte]()
)

// opaque reports whether a Go type holds one value, whatever its kind.
func opaque(t reflect.Type) bool {
	return t == timeType || t == ratType || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 ||
		t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Uint8
}

// copyStruct returns an addressable copy, whose embedded pointers are copies
// too.
func copyStruct(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous && f.IsExported() && f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct && !v.Field(i).IsNil() {
			inner := reflect.New(f.Type.Elem())
			inner.Elem().Set(copyStruct(v.Field(i).Elem()))
			out.Field(i).Set(inner)
		}
	}
	return out
}

// plainOf returns a leaf as a value that CEL can hold.
func plainOf(v reflect.Value) any {
	switch {
	case v.Type() == timeType:
		return v.Interface()
	case v.Type() == durationType:
		return v.Interface()
	case v.Type() == ratType:
		r := v.Interface().(big.Rat)
		return plainRat(&r, 0)
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return v.Uint()
	case reflect.Float32, reflect.Float64:
		return v.Float()
	case reflect.String:
		return v.String()
	case reflect.Slice:
		return v.Bytes()
	case reflect.Array:
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		return b
	}
	return v.Interface()
}

// plainRat returns a number as a Decimal of a scale, as a text if it has no end.
func plainRat(r *big.Rat, scale int) any {
	if d, ok := decimalOfRat(r, scale); ok {
		return d
	}
	return r.RatString()
}

// settle turns the decimals in a plain value into what the format of tag has for
// them in an interface. It changes maps and lists in place.
func settle(v any, tag string, depth int) any {
	switch v := v.(type) {
	case Decimal:
		switch tag {
		case jsonTag:
			return json.Number(v.String())
		case avroTag:
			return v.Rat()
		}
	case map[string]any:
		for k, item := range v {
			if depth < maxDepth {
				v[k] = settle(item, tag, depth+1)
			}
		}
	case []any:
		for i, item := range v {
			if depth < maxDepth {
				v[i] = settle(item, tag, depth+1)
			}
		}
	}
	return v
}

// assign puts a plain value into dst, whose type decides what may go there.
// tag names the struct tag of the format.
func assign(dst reflect.Value, v any, tag string, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	if v == nil {
		switch dst.Kind() {
		case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
			dst.SetZero()
			return nil
		}
		return mismatch(dst, v)
	}
	if dst.Type() == ratType {
		r, ok := new(big.Rat), false
		switch v := v.(type) {
		case Decimal:
			r, ok = v.Rat(), true
		case *big.Rat:
			r, ok = v, true
		case string:
			if d, err := ParseDecimal(v); err == nil {
				r, ok = d.Rat(), true
			} else if strings.Contains(v, "/") && len(v) <= 3*maxDecimalDigits {
				r, ok = r.SetString(v)
			}
		case int64:
			r, ok = r.SetInt64(v), true
		case float64:
			ok = !math.IsNaN(v) && !math.IsInf(v, 0)
			if ok {
				r.SetFloat64(v)
			}
		}
		if !ok {
			return mismatch(dst, v)
		}
		dst.Set(reflect.ValueOf(r).Elem())
		return nil
	}
	if rv := reflect.ValueOf(v); rv.Type() == dst.Type() {
		dst.Set(reflect.ValueOf(settle(v, tag, depth)))
		return nil
	}
	switch dst.Kind() {
	case reflect.Interface:
		rv := reflect.ValueOf(settle(v, tag, depth))
		if !rv.Type().AssignableTo(dst.Type()) {
			return mismatch(dst, v)
		}
		dst.Set(rv)
		return nil
	case reflect.Pointer:
		to := reflect.New(dst.Type().Elem())
		if err := assign(to.Elem(), v, tag, depth+1); err != nil {
			return err
		}
		dst.Set(to)
		return nil
	case reflect.Struct:
		if m, ok := v.(map[string]any); ok {
			return assignStruct(dst, m, tag, depth)
		}
	case reflect.Map:
		if m, ok := v.(map[string]any); ok && dst.Type().Key().Kind() == reflect.String {
			out := reflect.MakeMapWithSize(dst.Type(), len(m))
			for k, item := range m {
				to := reflect.New(dst.Type().Elem()).Elem()
				if err := assign(to, item, tag, depth+1); err != nil {
					return fmt.Errorf("%q: %w", k, err)
				}
				out.SetMapIndex(reflect.ValueOf(k).Convert(dst.Type().Key()), to)
			}
			dst.Set(out)
			return nil
		}
	case reflect.Slice, reflect.Array:
		return assignList(dst, v, tag, depth)
	case reflect.String:
		if s, ok := v.(string); ok {
			dst.SetString(s)
			return nil
		}
	case reflect.Bool:
		if b, ok := v.(bool); ok {
			dst.SetBool(b)
			return nil
		}
	}
	if assignNumber(dst, v) {
		return nil
	}
	if s, ok := v.(string); ok && dst.CanAddr() {
		if u, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
			return u.UnmarshalText([]byte(s))
		}
	}
	return mismatch(dst, v)
}

func assignStruct(dst reflect.Value, m map[string]any, tag string, depth int) error {
	fields := structFields(dst.Type(), tag)
	for name, item := range m {
		index, ok := fields[name]
		if !ok {
			return fmt.Errorf("%s has no field %q", dst.Type(), name)
		}
		to, ok := fieldIn(dst, index)
		if !ok {
			return fmt.Errorf("field %q of %s is behind a nil pointer", name, dst.Type())
		}
		if err := assign(to, item, tag, depth+1); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func assignList(dst reflect.Value, v any, tag string, depth int) error {
	if b, ok := v.([]byte); ok && dst.Type().Elem().Kind() == reflect.Uint8 {
		if dst.Kind() == reflect.Slice {
			dst.SetBytes(b)
			return nil
		}
		if len(b) != dst.Len() {
			return fmt.Errorf("%d bytes do not fit into %s", len(b), dst.Type())
		}
		reflect.Copy(dst, reflect.ValueOf(b))
		return nil
	}
	list, ok := v.([]any)
	if !ok || dst.Kind() == reflect.Array && len(list) != dst.Len() {
		return mismatch(dst, v)
	}
	out := dst
	if dst.Kind() == reflect.Slice {
		out = reflect.MakeSlice(dst.Type(), len(list), len(list))
	}
	for i, item := range list {
		if err := assign(out.Index(i), item, tag, depth+1); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	if dst.Kind() == reflect.Slice {
		dst.Set(out)
	}
	return nil
}

// assignNumber puts a number where it fits without loss, except that floats are
// rounded to float32.
func assignNumber(dst reflect.Value, v any) bool {
	if d, ok := v.(time.Duration); ok {
		v = int64(d)
	}
	switch dst.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, ok := v.(int64)
		if u, unsigned := v.(uint64); unsigned && u <= math.MaxInt64 {
			n, ok = int64(u), true
		}
		if !ok || dst.OverflowInt(n) {
			return false
		}
		dst.SetInt(n)
		return true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, ok := v.(uint64)
		if i, signed := v.(int64); signed && i >= 0 {
			n, ok = uint64(i), true
		}
		if !ok || dst.OverflowUint(n) {
			return false
		}
		dst.SetUint(n)
		return true
	case reflect.Float32, reflect.Float64:
		switch n := v.(type) {
		case float64:
			dst.SetFloat(n)
		case int64:
			dst.SetFloat(float64(n))
		case uint64:
			dst.SetFloat(float64(n))
		default:
			return false
		}
		return true
	}
	return false
}

func mismatch(dst reflect.Value, v any) error {
	return fmt.Errorf("a %T does not fit into a %s", v, dst.Type())
}
