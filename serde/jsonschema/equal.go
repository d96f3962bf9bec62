package jsonschema

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/maphash"
	"slices"

	"github.com/dovetail-dev/dovetail/compat/jsonschema"
)

// hashed is an item of an array that must not have equal ones.
type hashed struct {
	hash       uint64
	start, end int
}

var seed = maphash.MakeSeed()

func mix(a, b uint64) uint64 {
	var buf [16]byte
	binary.LittleEndian.PutUint64(buf[:], a)
	binary.LittleEndian.PutUint64(buf[8:], b)
	return maphash.Bytes(seed, buf[:])
}

// hash returns a number that equal values share, and the position behind the
// value at i, which has been walked over already.
func (w *walker) hash(i int) (uint64, int) {
	w.steps++
	switch c := w.data[i]; c {
	case '{':
		sum := uint64(1)
		i, done := w.opened(i, '}')
		for !done {
			end, t, value := w.key(i)
			key := w.hashString(i, end, t)
			h, next := w.hash(value)
			sum += mix(key, h) // in any order
			i, done = w.next(next, '}')
		}
		return mix(sum, '{'), i
	case '[':
		sum := uint64(2)
		i, done := w.opened(i, ']')
		for !done {
			h, next := w.hash(i)
			sum = mix(sum, h)
			i, done = w.next(next, ']')
		}
		return mix(sum, '['), i
	case '"':
		end, t := w.str(i)
		return w.hashString(i, end, t), end
	case 't', 'n':
		return mix(uint64(c), 0), i + 4
	case 'f':
		return mix(uint64(c), 0), i + 5
	default:
		end := w.number(i)
		n := parseNumber(w.data[i:end])
		if !n.short {
			return maphash.String(seed, n.decimal().String()), end
		}
		n.trim()
		if n.digits > maxShortDigits { // never: short numbers have no more
			n.digits = maxShortDigits
		}
		var buf [32]byte
		text := appendNumber(buf[:0], &n)
		return maphash.Bytes(seed, text), end
	}
}

// appendNumber appends a short, trimmed number as Decimal.String spells it.
func appendNumber(dst []byte, n *number) []byte {
	if n.digits == 0 {
		return append(dst, '0')
	}
	if n.negative {
		dst = append(dst, '-')
	}
	dst = appendUint(dst, n.mantissa)
	dst = append(dst, 'e')
	if n.exp < 0 {
		return appendUint(append(dst, '-'), uint64(-n.exp))
	}
	return appendUint(dst, uint64(n.exp))
}

func appendUint(dst []byte, u uint64) []byte {
	start := len(dst)
	for {
		dst = append(dst, byte('0'+u%10))
		if u /= 10; u == 0 {
			break
		}
	}
	slices.Reverse(dst[start:])
	return dst
}

func (w *walker) hashString(i, end int, t text) uint64 {
	s := w.data[i+1 : end-1]
	if !t.escaped {
		return maphash.Bytes(seed, s)
	}
	base := len(w.text)
	w.text = appendUnescaped(w.text, s)
	h := maphash.Bytes(seed, w.text[base:])
	w.text = w.text[:base]
	return h
}

// twin returns the position of an item that equals an earlier one, -1 if there
// is none. It reorders items.
func (w *walker) twin(items []hashed) int {
	slices.SortFunc(items, func(a, b hashed) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return a.start - b.start
	})
	for k := 1; k < len(items); k++ {
		// Equal hashes are equal values but for one chance in 2^64, which this
		// rules out.
		if a, b := items[k-1], items[k]; a.hash == b.hash && sameJSON(w.data[a.start:a.end], w.data[b.start:b.end]) {
			return b.start
		}
	}
	return -1
}

// sameJSON compares two JSON texts by what they stand for.
func sameJSON(a, b []byte) bool {
	return bytes.Equal(a, b) || sameValue(decode(a), decode(b))
}

func decode(text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

func sameValue(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && jsonschema.ParseDecimal(string(a)).Cmp(jsonschema.ParseDecimal(string(b))) == 0
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameValue)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			other, ok := b[k]
			if !ok || !sameValue(v, other) {
				return false
			}
		}
		return true
	}
	return a == b
}

// oneOf reports whether the array or object at i equals one of values.
func (w *walker) oneOf(i int, values []*jsonschema.Value) bool {
	for _, v := range values {
		if w.equal(i, v) >= 0 {
			return true
		}
		if w.steps += 4; w.steps > w.limit {
			w.giveUp(i)
			return false
		}
	}
	return false
}

// equal returns the position behind the value at i, which has been walked over
// already, if it equals v, otherwise -1.
func (w *walker) equal(i int, v *jsonschema.Value) int {
	w.steps++
	switch c := w.data[i]; c {
	case '{':
		if v.Kind != jsonschema.Object {
			return -1
		}
		count := 0
		i, done := w.opened(i, '}')
		for !done {
			end, t, value := w.key(i)
			m := v.Get(string(appendUnescapedIf(t.escaped, w.data[i+1:end-1])))
			if m == nil {
				return -1
			}
			next := w.equal(value, m)
			if next < 0 {
				return -1
			}
			count++
			i, done = w.next(next, '}')
		}
		if count != len(v.Members) {
			return -1
		}
		return i
	case '[':
		if v.Kind != jsonschema.Array {
			return -1
		}
		count := 0
		i, done := w.opened(i, ']')
		for !done {
			if count >= len(v.Items) {
				return -1
			}
			next := w.equal(i, v.Items[count])
			if next < 0 {
				return -1
			}
			count++
			i, done = w.next(next, ']')
		}
		if count != len(v.Items) {
			return -1
		}
		return i
	}
	return w.equalScalar(i, v)
}

func (w *walker) equalScalar(i int, v *jsonschema.Value) int {
	switch w.data[i] {
	case '"':
		end, t := w.str(i)
		if v.Kind != jsonschema.String || string(appendUnescapedIf(t.escaped, w.data[i+1:end-1])) != v.Text {
			return -1
		}
		return end
	case 't':
		if v.Kind == jsonschema.True {
			return i + 4
		}
	case 'f':
		if v.Kind == jsonschema.False {
			return i + 5
		}
	case 'n':
		if v.Kind == jsonschema.Null {
			return i + 4
		}
	default:
		end := w.number(i)
		if v.Kind == jsonschema.Number {
			n, m := parseNumber(w.data[i:end]), parseNumber([]byte(v.Text))
			if n.cmp(&m) == 0 {
				return end
			}
		}
	}
	return -1
}

func appendUnescapedIf(escaped bool, raw []byte) []byte {
	if !escaped {
		return raw
	}
	return appendUnescaped(nil, raw)
}
