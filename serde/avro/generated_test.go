package avro_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

const countedText = `{"type":"record","name":"Counted","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}`

var countedSchema = avro.NewGenerated(countedText, nil)

// Counted has methods as they are generated, which count.
type Counted struct {
	At time.Time `avro:"at"`
}

var countedEncodes, countedDecodes int

func (*Counted) AvroType() *avro.GeneratedType { return countedSchema.T(0) }

func (v *Counted) AvroEncode(e *avro.Encoding, dst []byte) []byte {
	countedEncodes++
	return e.Time(dst, v.At, countedSchema.T(1))
}

func (v *Counted) AvroDecode(d *avro.Decoding, pos int) int {
	countedDecodes++
	return d.Time(pos, &v.At, countedSchema.T(1))
}

// TestMethodsAreCalledForTheirSchemaOnly: other schemas, conversions and codecs
// without the option have programs.
func TestMethodsAreCalledForTheirSchemaOnly(t *testing.T) {
	seconds := avro.Conversion{
		Type:   reflect.TypeFor[time.Time](),
		Encode: func(v any) (any, error) { return v.(time.Time).Unix(), nil },
		Decode: func(v any) (any, error) { return time.Unix(v.(int64), 0), nil },
	}
	for _, c := range []struct {
		name, writer, reader string
		opts                 []avro.Option
		encodes, decodes     int
	}{
		{"their schema", countedText, countedText, []avro.Option{avro.WithMethods()}, 1, 1},
		{"another text of it", `{"name":"Counted","doc":"d","type":"record","fields":[{"name":"at","default":0,"type":{"logicalType":"timestamp-millis","type":"long"}}]}`, countedText, []avro.Option{avro.WithMethods()}, 1, 1},
		{"not asked for", countedText, countedText, nil, 0, 0},
		{"another unit", `{"type":"record","name":"Counted","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}}]}`, countedText, []avro.Option{avro.WithMethods()}, 1, 0},
		{"a field more", `{"type":"record","name":"Counted","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"b","type":"int"}]}`, countedText, []avro.Option{avro.WithMethods()}, 1, 0},
		{"a conversion", countedText, countedText, []avro.Option{avro.WithMethods(), avro.WithConversion("timestamp-millis", seconds)}, 0, 0},
	} {
		countedEncodes, countedDecodes = 0, 0
		codec, err := avro.NewResolvingCodec[Counted](avro.MustParse(c.writer), avro.MustParse(c.reader), c.opts...)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if _, err := codec.Append(nil, &Counted{At: time.UnixMilli(1)}); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		payload := []byte{2}
		if c.name == "a field more" {
			payload = []byte{2, 0}
		}
		var v Counted
		if err := codec.Decode(payload, &v); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if countedEncodes != c.encodes || countedDecodes != c.decodes {
			t.Errorf("%s: %d encoded and %d decoded by methods, want %d and %d", c.name, countedEncodes, countedDecodes, c.encodes, c.decodes)
		}
		if c.name == "another unit" && !v.At.Equal(time.UnixMicro(1)) {
			t.Errorf("%s: %v", c.name, v.At)
		}
		if err := codec.Decode(append(payload, 7), &v); err == nil {
			t.Errorf("%s: a byte too many was taken", c.name)
		}
	}
}
