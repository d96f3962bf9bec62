package avro

import (
	"encoding/binary"
	"errors"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// isBare reports whether records of s are framed without the length that Avro
// puts before bytes: those whose root is of type bytes, with a logical type or
// without. The registry's serializers of every language write them so. Bytes
// deeper down have their length, and so do files and single objects.
func isBare(s *Schema) bool { return s.Root().Kind == avro.Bytes }

// withLength returns payload with its length before it, and how long that is.
func withLength(payload []byte) (whole []byte, n int) {
	whole = binary.AppendVarint(make([]byte, 0, binary.MaxVarintLen64+len(payload)), int64(len(payload)))
	n = len(whole)
	return append(whole, payload...), n
}

// cutLength drops the length at start of b.
func cutLength(b []byte, start int) []byte {
	_, n := binary.Varint(b[start:])
	return append(b[:start], b[start+n:]...)
}

// withoutLength makes the positions of err count from the payload, before which
// stood a length of n bytes.
func withoutLength(err error, n int) error {
	var data *DataError
	if errors.As(err, &data) {
		data.Pos = max(data.Pos-n, 0)
	}
	return err
}

type bareEncoder[T any] struct{ *encoderOf[T] }

func (e *bareEncoder[T]) Append(dst []byte, v T) ([]byte, error) { return e.AppendPointer(dst, &v) }

func (e *bareEncoder[T]) AppendPointer(dst []byte, v *T) ([]byte, error) {
	out, err := e.encoderOf.AppendPointer(dst, v)
	if err != nil {
		return out, err
	}
	return cutLength(out, len(dst)), nil
}

type bareDecoder[T any] struct{ codec *Codec[T] }

func (d bareDecoder[T]) Decode(_, payload []byte, v *T) error {
	whole, n := withLength(payload)
	return withoutLength(d.codec.Decode(whole, v), n)
}

type bareTranscoder struct{ transcoder }

func (t bareTranscoder) AppendJSON(dst, _, payload []byte) ([]byte, error) {
	whole, n := withLength(payload)
	out, err := t.transcoder.AppendJSON(dst, nil, whole)
	return out, withoutLength(err, n)
}

func (t bareTranscoder) AppendPayload(dst, _, json []byte) ([]byte, error) {
	out, err := t.transcoder.AppendPayload(dst, nil, json)
	if err != nil {
		return out, err
	}
	return cutLength(out, len(dst)), nil
}
