package record

import (
	"errors"
	"fmt"
)

// Causes of an [Error]. Test for them with errors.Is.
var (
	// ErrTruncated: the bytes end before the batch does.
	ErrTruncated = errors.New("truncated batch")
	// ErrMagic: the batch has message format version 0 or 1, or an unknown one.
	ErrMagic = errors.New("unsupported message format version")
	// ErrLength: a length or count in the batch cannot be true.
	ErrLength = errors.New("impossible length")
	// ErrCRC: the checksum in the header is not that of the bytes.
	ErrCRC = errors.New("checksum mismatch")
	// ErrCodec: the attributes name a compression codec that does not exist.
	ErrCodec = errors.New("unknown compression codec")
	// ErrDecompress: the compressed records cannot be decompressed.
	ErrDecompress = errors.New("cannot decompress records")
	// ErrTooLarge: the records decompress to more than the caller allows.
	ErrTooLarge = errors.New("decompressed records are too large")
	// ErrRecord: a record is malformed or contradicts the batch header.
	ErrRecord = errors.New("malformed record")
)

// Error says what is wrong with a batch.
type Error struct {
	Cause  error  // one of the causes above
	Record int    // index of the record at fault in its batch, or -1
	Detail string // expected and found
}

func (e *Error) Error() string {
	if e.Record >= 0 {
		return fmt.Sprintf("record %d: %v: %s", e.Record, e.Cause, e.Detail)
	}
	return fmt.Sprintf("%v: %s", e.Cause, e.Detail)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func fault(cause error, format string, args ...any) error {
	return &Error{Cause: cause, Record: -1, Detail: fmt.Sprintf(format, args...)}
}

func recordFault(index int, format string, args ...any) error {
	return &Error{Cause: ErrRecord, Record: index, Detail: fmt.Sprintf(format, args...)}
}
