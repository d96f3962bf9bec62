package rules

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// variant is a value of the Variant encoding of Parquet: JSON with dates, bytes
// and exact numbers. It comes from bytes (a confluent.type.Variant) or from JSON.
//
//	metadata   version 1 and flags │ count │ offsets │ names of members
//	value      type in the low 2 bits: primitive, short string, object, array
//
// See the Variant Binary Encoding of apache/parquet-format.
type variant struct {
	kind  string // what variants.type returns
	value any    // bool, int64, float64, Decimal, string, []byte, time.Time; days of a date, microseconds of a time
	keys  []string
	items []*variant // of an object, by its keys, or of an array

	metadata, raw []byte // nil if it came from JSON
}

// Kinds of variants.
const (
	kindObject, kindArray, kindNull, kindBoolean = "object", "array", "null", "boolean"
	kindInt, kindDouble, kindDecimal             = "int", "double", "decimal"
	kindString, kindBytes, kindUUID              = "string", "bytes", "uuid"
	kindDate, kindTime, kindTimestamp            = "date", "time", "timestamp"
)

var errVariantCut = errors.New("the variant ends too early")

// variantReader reads the value of one variant.
type variantReader struct {
	metadata []byte
	names    []string
	budget   int // values that may still be read: offsets could lead to the same bytes over and over
}

func decodeVariant(metadata, value []byte) (*variant, error) {
	names, err := variantNames(metadata)
	if err != nil {
		return nil, err
	}
	r := &variantReader{metadata, names, len(value)}
	v, err := r.read(value, 0)
	if err == nil && len(v.raw) != len(value) {
		err = fmt.Errorf("%d bytes stand behind the variant", len(value)-len(v.raw))
	}
	return v, err
}

// number reads a little-endian number of size bytes at position i.
func number(b []byte, i, size int) int {
	n := 0
	for k := size - 1; k >= 0; k-- {
		n = n<<8 | int(b[i+k])
	}
	return n
}

func variantNames(b []byte) ([]string, error) {
	if len(b) == 0 {
		return nil, errors.New("the variant has no metadata")
	}
	if b[0]&0x0f != 1 {
		return nil, fmt.Errorf("a variant of version %d: want 1", b[0]&0x0f)
	}
	size := int(b[0]>>6) + 1
	if len(b) < 1+size {
		return nil, errVariantCut
	}
	count := number(b, 1, size)
	text := 1 + size + (count+1)*size
	if count > len(b) || text > len(b) {
		return nil, errVariantCut
	}
	names := make([]string, count)
	for i := range names {
		from, to := number(b, 1+size+i*size, size), number(b, 1+size+(i+1)*size, size)
		if from > to || to > len(b)-text {
			return nil, errVariantCut
		}
		names[i] = string(b[text+from : text+to])
		if !utf8.ValidString(names[i]) {
			return nil, errors.New("a name in the variant is not UTF-8")
		}
	}
	return names, nil
}

// read reads the value that b begins with.
func (r *variantReader) read(b []byte, depth int) (*variant, error) {
	if r.budget--; r.budget < 0 || depth > maxDepth {
		return nil, errors.New("the variant has more values than bytes, or is nested too deeply")
	}
	if len(b) == 0 {
		return nil, errVariantCut
	}
	v := &variant{metadata: r.metadata}
	var n int
	var err error
	switch header := int(b[0] >> 2); b[0] & 3 {
	case 0:
		n, err = v.primitive(header, b)
	case 1:
		v.kind = kindString
		n, err = v.text(b, 1, header)
	case 2:
		n, err = r.object(v, header, b, depth)
	default:
		n, err = r.array(v, header, b, depth)
	}
	if err != nil {
		return nil, err
	}
	v.raw = b[:n]
	return v, nil
}

func (v *variant) text(b []byte, at, length int) (int, error) {
	if length < 0 || length > len(b)-at {
		return 0, errVariantCut
	}
	s := b[at : at+length]
	if !utf8.Valid(s) {
		return 0, errors.New("a text in the variant is not UTF-8")
	}
	v.value = string(s)
	return at + length, nil
}

// Lengths of the primitives that have one.
var primitiveBytes = map[int]int{
	0: 0, 1: 0, 2: 0, 3: 1, 4: 2, 5: 4, 6: 8, 7: 8, 8: 5, 9: 9, 10: 17, 11: 4, 12: 8, 13: 8, 14: 4, 17: 8, 18: 8, 19: 8, 20: 16,
}

func (v *variant) primitive(id int, b []byte) (int, error) {
	if id == 15 || id == 16 {
		if len(b) < 5 {
			return 0, errVariantCut
		}
		length := number(b, 1, 4)
		if id == 16 {
			v.kind = kindString
			return v.text(b, 5, length)
		}
		if length > len(b)-5 {
			return 0, errVariantCut
		}
		v.kind, v.value = kindBytes, b[5:5+length]
		return 5 + length, nil
	}
	size, known := primitiveBytes[id]
	if !known {
		return 0, fmt.Errorf("the variant has a value of type %d, which is not known", id)
	}
	if len(b) < 1+size {
		return 0, errVariantCut
	}
	data := b[1 : 1+size]
	var long int64
	if size > 0 && size <= 8 {
		long = int64(number(data, 0, size)) << (64 - 8*size) >> (64 - 8*size) // sign and all
	}
	switch id {
	case 0:
		v.kind = kindNull
	case 1, 2:
		v.kind, v.value = kindBoolean, id == 1
	case 3, 4, 5, 6:
		v.kind, v.value = kindInt, long
	case 7:
		v.kind, v.value = kindDouble, math.Float64frombits(binary.LittleEndian.Uint64(data))
	case 14:
		v.kind, v.value = kindDouble, float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
	case 8, 9, 10:
		unscaled := slices.Clone(data[1:])
		slices.Reverse(unscaled)
		d, err := decimalOfBytes(unscaled, int64(data[0]))
		if err != nil {
			return 0, err
		}
		v.kind, v.value = kindDecimal, d
	case 11:
		v.kind, v.value = kindDate, long
	case 12, 13:
		v.kind, v.value = kindTimestamp, time.UnixMicro(long).UTC()
	case 18, 19:
		v.kind, v.value = kindTimestamp, time.Unix(0, long).UTC()
	case 17:
		v.kind, v.value = kindTime, long
	case 20:
		s := hex.EncodeToString(data)
		v.kind, v.value = kindUUID, s[:8]+"-"+s[8:12]+"-"+s[12:16]+"-"+s[16:20]+"-"+s[20:]
	}
	return 1 + size, nil
}

// parts reads the head of an object or array: its count, and where each of its
// values begins. data is where the values stand.
func parts(b []byte, large bool, idBytes, offsetBytes int) (ids []int, offsets []int, data, end int, err error) {
	countBytes := 1
	if large {
		countBytes = 4
	}
	if len(b) < 1+countBytes {
		return nil, nil, 0, 0, errVariantCut
	}
	count := number(b, 1, countBytes)
	at := 1 + countBytes
	data = at + count*idBytes + (count+1)*offsetBytes
	if count > len(b) || data > len(b) {
		return nil, nil, 0, 0, errVariantCut
	}
	for i := range count * min(idBytes, 1) {
		ids = append(ids, number(b, at+i*idBytes, idBytes))
	}
	at += count * idBytes
	for i := range count {
		offsets = append(offsets, number(b, at+i*offsetBytes, offsetBytes))
	}
	size := number(b, at+count*offsetBytes, offsetBytes)
	if size > len(b)-data {
		return nil, nil, 0, 0, errVariantCut
	}
	for _, o := range offsets {
		if o > size {
			return nil, nil, 0, 0, errVariantCut
		}
	}
	return ids, offsets, data, data + size, nil
}

func (r *variantReader) object(v *variant, header int, b []byte, depth int) (int, error) {
	ids, offsets, data, end, err := parts(b, header>>4&1 == 1, header>>2&3+1, header&3+1)
	if err != nil {
		return 0, err
	}
	v.kind = kindObject
	members := make(map[string]*variant, len(ids))
	for i, id := range ids {
		if id >= len(r.names) {
			return 0, fmt.Errorf("the variant has no name %d", id)
		}
		item, err := r.read(b[data+offsets[i]:end], depth+1)
		if err != nil {
			return 0, err
		}
		if members[r.names[id]] != nil {
			return 0, fmt.Errorf("an object in the variant has two members %q", r.names[id])
		}
		members[r.names[id]] = item
	}
	v.setMembers(members)
	return end, nil
}

func (v *variant) setMembers(members map[string]*variant) {
	v.keys = slices.Sorted(maps.Keys(members))
	for _, k := range v.keys {
		v.items = append(v.items, members[k])
	}
}

func (r *variantReader) array(v *variant, header int, b []byte, depth int) (int, error) {
	_, offsets, data, end, err := parts(b, header>>2&1 == 1, 0, header&3+1)
	if err != nil {
		return 0, err
	}
	v.kind = kindArray
	for _, o := range offsets {
		item, err := r.read(b[data+o:end], depth+1)
		if err != nil {
			return 0, err
		}
		v.items = append(v.items, item)
	}
	return end, nil
}

// field returns a member of an object, nil if there is none.
func (v *variant) field(name string) *variant {
	if i, ok := slices.BinarySearch(v.keys, name); ok {
		return v.items[i]
	}
	return nil
}

// elem returns an element of an array, nil if there is none.
func (v *variant) elem(i int64) *variant {
	if v.kind != kindArray || i < 0 || i >= int64(len(v.items)) {
		return nil
	}
	return v.items[i]
}

// parseVariant makes a variant of JSON. Whole numbers are int, or decimal if they
// are too long for that, all others double.
func parseVariant(text string) (*variant, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("the text is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the text is not JSON: something stands behind the value")
	}
	return variantOf(v, 0)
}

func variantOf(v any, depth int) (*variant, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch v := v.(type) {
	case nil:
		return &variant{kind: kindNull}, nil
	case bool:
		return &variant{kind: kindBoolean, value: v}, nil
	case string:
		return &variant{kind: kindString, value: v}, nil
	case json.Number:
		return variantNumber(string(v))
	case []any:
		out := &variant{kind: kindArray}
		for _, item := range v {
			made, err := variantOf(item, depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, made)
		}
		return out, nil
	case map[string]any:
		members := make(map[string]*variant, len(v))
		for k, item := range v {
			made, err := variantOf(item, depth+1)
			if err != nil {
				return nil, err
			}
			members[k] = made
		}
		out := &variant{kind: kindObject}
		out.setMembers(members)
		return out, nil
	}
	return nil, fmt.Errorf("a %T is no JSON", v)
}

func variantNumber(s string) (*variant, error) {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return &variant{kind: kindInt, value: n}, nil
		}
		if d, err := ParseDecimal(s); err == nil && digits(d.int()) <= quotientDigits {
			return &variant{kind: kindDecimal, value: d}, nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, fmt.Errorf("the number %.30s is too large", s)
	}
	return &variant{kind: kindDouble, value: f}, nil
}

// appendJSON appends the JSON form; what JSON has no word for is text.
func (v *variant) appendJSON(dst []byte) []byte {
	switch v.kind {
	case kindObject:
		dst = append(dst, '{')
		for i, k := range v.keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.items[i].appendJSON(append(appendText(dst, k), ':'))
		}
		return append(dst, '}')
	case kindArray:
		dst = append(dst, '[')
		for i, item := range v.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.appendJSON(dst)
		}
		return append(dst, ']')
	}
	switch x := v.value.(type) {
	case bool:
		return strconv.AppendBool(dst, x)
	case int64:
		switch v.kind {
		case kindDate:
			return appendText(dst, time.Unix(0, 0).UTC().AddDate(0, 0, int(x)).Format(time.DateOnly))
		case kindTime:
			return appendText(dst, time.UnixMicro(x).UTC().Format("15:04:05.999999"))
		}
		return strconv.AppendInt(dst, x, 10)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return appendText(dst, strconv.FormatFloat(x, 'g', -1, 64))
		}
		if x == math.Trunc(x) && math.Abs(x) < 1e7 {
			return strconv.AppendFloat(dst, x, 'f', 1, 64)
		}
		return strconv.AppendFloat(dst, x, 'g', -1, 64)
	case Decimal:
		return append(dst, x.String()...)
	case string:
		return appendText(dst, x)
	case []byte:
		return appendText(dst, base64.StdEncoding.EncodeToString(x))
	case time.Time:
		return appendText(dst, x.Format(time.RFC3339Nano))
	}
	return append(dst, "null"...)
}

func appendText(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil { // a string always can be
		return append(dst, '"', '"')
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// equal compares values, not how they are encoded.
func (v *variant) equal(o *variant) bool {
	if v.kind != o.kind || len(v.items) != len(o.items) || !slices.Equal(v.keys, o.keys) {
		return false
	}
	for i := range v.items {
		if !v.items[i].equal(o.items[i]) {
			return false
		}
	}
	switch x := v.value.(type) {
	case []byte:
		return bytes.Equal(x, o.value.([]byte))
	case Decimal:
		return x.cmp(o.value.(Decimal)) == 0
	case time.Time:
		return x.Equal(o.value.(time.Time))
	}
	return v.value == o.value
}
