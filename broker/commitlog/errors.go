package commitlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Code is an error code of the Kafka protocol.
type Code int16

// The codes that a log answers with.
const (
	CodeUnknown               Code = -1
	CodeOffsetOutOfRange      Code = 1
	CodeCorruptMessage        Code = 2
	CodeRequestTimedOut       Code = 7
	CodeMessageTooLarge       Code = 10
	CodeRecordListTooLarge    Code = 18
	CodeInvalidTimestamp      Code = 32
	CodeUnsupportedForFormat  Code = 43
	CodeOutOfOrderSequence    Code = 45
	CodeInvalidProducerEpoch  Code = 47
	CodeInvalidTxnState       Code = 48
	CodeCoordinatorFenced     Code = 52
	CodeStorage               Code = 56
	CodeFencedLeaderEpoch     Code = 74
	CodeUnknownLeaderEpoch    Code = 75
	CodeUnsupportedCodec      Code = 76
	CodeInvalidRecord         Code = 87
	CodeTransactionAbortable  Code = 120
	codeNone                  Code = 0
	recordErrorsPerBatchBound      = 100
)

// Error is a refusal: nothing was changed. Code is what the Kafka protocol calls
// it, Message is for people.
type Error struct {
	Code    Code
	Message string
	Records []RecordError // which records of the batch, if the fault is theirs
	Cause   error         // may be nil
}

// RecordError is the fault of one record of a batch.
type RecordError struct {
	Index   int // in the batch, from 0
	Message string
}

func (e *Error) Error() string {
	if len(e.Records) > 0 {
		return fmt.Sprintf("%s: record %d: %s", e.Message, e.Records[0].Index, e.Records[0].Message)
	}
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// ErrMoved is the cause of the error of [Log.AppendAt] when the log end is not the
// expected one.
var ErrMoved = errors.New("the log end is not where the append expected it")

// ErrClosed is the cause of the errors of a closed log.
var ErrClosed = errors.New("the log is closed")

// KafkaCode returns the protocol's code for any error of this package: 0 for nil.
func KafkaCode(err error) Code {
	var e *Error
	var damage *DamageError
	switch {
	case err == nil:
		return codeNone
	case errors.As(err, &e):
		return e.Code
	case errors.As(err, &damage):
		return CodeStorage
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return CodeRequestTimedOut
	}
	return CodeUnknown
}

// storage wraps a failed file operation.
func storage(op string, err error) *Error {
	return &Error{Code: CodeStorage, Message: op, Cause: err}
}

// refuseBatch maps what package record found wrong with a batch.
func refuseBatch(err error) *Error {
	code := CodeInvalidRecord
	switch {
	case errors.Is(err, record.ErrTruncated), errors.Is(err, record.ErrCRC), errors.Is(err, record.ErrLength), errors.Is(err, record.ErrDecompress):
		code = CodeCorruptMessage
	case errors.Is(err, record.ErrMagic):
		code = CodeUnsupportedForFormat
	case errors.Is(err, record.ErrCodec):
		code = CodeUnsupportedCodec
	case errors.Is(err, record.ErrTooLarge):
		code = CodeMessageTooLarge
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return storage("open a batch", err) // there was no room before the broker stopped
	}
	e := &Error{Code: code, Message: "batch refused", Cause: err}
	var fault *record.Error
	if errors.As(err, &fault) && fault.Record >= 0 {
		e.Records = []RecordError{{Index: fault.Record, Message: fault.Detail}}
	}
	return e
}

// DamageError reports bytes below the durable offset that are not what was written:
// a failing disk, a changed file. Nothing was cut away. [Repair] takes it.
type DamageError struct {
	Dir           string
	File          string // name in Dir
	SegmentOffset int64  // base offset of the segment
	Pos           int64  // where the damage starts, in bytes
	Offset        int64  // the first offset that may be lost
	DurableOffset int64  // what had been promised to be kept
	Misplaced     bool   // the batch at Pos is whole but for its offsets
	Cause         error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s/%s is damaged at byte %d, offset %d, below the durable offset %d: %v",
		e.Dir, e.File, e.Pos, e.Offset, e.DurableOffset, e.Cause)
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Cause }
