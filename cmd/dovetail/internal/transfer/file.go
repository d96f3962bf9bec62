package transfer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// MaxLineBytes bounds a line of a file.
const MaxLineBytes = 64 << 20

// AppendLine appends r as a line, with its end. Key and value must be UTF-8.
func AppendLine(dst []byte, r Record) ([]byte, error) {
	if !utf8.Valid(r.Key) || !utf8.Valid(r.Value) {
		return dst, errors.New("key or value is not text: not a record of a registry")
	}
	dst = append(dst, `{"key":`...)
	dst = appendJSON(dst, r.Key)
	dst = append(dst, `,"value":`...)
	if r.Value == nil {
		dst = append(dst, "null"...)
	} else {
		dst = appendJSON(dst, r.Value)
	}
	if r.Timestamp > 0 {
		dst = strconv.AppendInt(append(dst, `,"timestamp":`...), r.Timestamp, 10)
	}
	if r.Offset >= 0 {
		dst = strconv.AppendInt(append(dst, `,"offset":`...), r.Offset, 10)
	}
	return append(dst, '}', '\n'), nil
}

// appendJSON appends an object as it stands if it fits on a line, else a
// string of it, so that the same bytes come back.
func appendJSON(dst, b []byte) []byte {
	if len(b) > 0 && b[0] == '{' && b[len(b)-1] == '}' && !bytes.ContainsAny(b, "\r\n") && json.Valid(b) {
		return append(dst, b...)
	}
	return journal.AppendQuoted(dst, string(b))
}

// ParseLine reads a line.
func ParseLine(line []byte) (Record, error) {
	var l struct {
		Key       json.RawMessage `json:"key"`
		Value     json.RawMessage `json:"value"`
		Timestamp int64           `json:"timestamp"`
		Offset    *int64          `json:"offset"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return Record{}, err
	}
	if l.Key == nil || l.Value == nil {
		return Record{}, errors.New(`want {"key":…,"value":…}; the value of a tombstone is null`)
	}
	r := Record{Offset: -1, Timestamp: l.Timestamp}
	if l.Offset != nil {
		r.Offset = *l.Offset
	}
	var err error
	if r.Key, err = rawOrString(l.Key); err != nil || r.Key == nil {
		return Record{}, errors.Join(errors.New("key: want an object, or a string of one"), err)
	}
	if r.Value, err = rawOrString(l.Value); err != nil {
		return Record{}, fmt.Errorf("value: want an object, a string of one, or null: %w", err)
	}
	return r, nil
}

// rawOrString returns the bytes that a member stands for, nil for null.
func rawOrString(m json.RawMessage) ([]byte, error) {
	switch m[0] {
	case '{':
		return m, nil
	case '"':
		var s string
		err := json.Unmarshal(m, &s)
		return []byte(s), err
	case 'n':
		return nil, nil
	}
	return nil, fmt.Errorf("%.20s is neither", m)
}

// Lines is a file as a Source.
type Lines struct {
	name string
	in   *bufio.Reader
	size int64 // bytes, 0 if unknown
	read int64
	line int
	last int64 // offset of the record read last, -1 for none
}

// NewLines reads a file of size bytes; 0 if that is unknown.
func NewLines(name string, in io.Reader, size int64) *Lines {
	return &Lines{name: name, in: bufio.NewReaderSize(in, 1<<20), size: size, last: -1}
}

// Next implements Source. Empty lines are left out; a last line without an end
// counts if it is whole.
func (l *Lines) Next(ctx context.Context) (Record, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Record{}, err
		}
		line, err := l.readLine()
		if len(bytes.TrimSpace(line)) == 0 {
			if err != nil {
				return Record{}, err
			}
			continue
		}
		if err != nil && err != io.EOF {
			return Record{}, err
		}
		r, bad := ParseLine(line)
		if bad != nil {
			if err == io.EOF {
				return Record{}, fmt.Errorf("%s: the file ends within a line: %w", l.Place(), bad)
			}
			return Record{}, fmt.Errorf("%s: %w", l.Place(), bad)
		}
		l.last = max(l.last, r.Offset)
		return r, nil
	}
}

func (l *Lines) readLine() (line []byte, err error) {
	l.line++
	for {
		part, err := l.in.ReadSlice('\n')
		l.read += int64(len(part))
		line = append(line, part...)
		if len(line) > MaxLineBytes {
			return nil, fmt.Errorf("%s: more than %d bytes", l.Place(), MaxLineBytes)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// Done implements Source.
func (l *Lines) Done() float64 {
	if l.size <= 0 {
		return 0
	}
	return min(float64(l.read)/float64(l.size), 1)
}

// Place implements Source.
func (l *Lines) Place() string { return l.name + ":" + strconv.Itoa(l.line) }

// File is a file as a Sink.
type File struct{ out *bufio.Writer }

// NewFile writes lines to out.
func NewFile(out io.Writer) *File { return &File{bufio.NewWriterSize(out, 1<<16)} }

// Append implements Sink.
func (f *File) Append(_ context.Context, r Record) error {
	line, err := AppendLine(nil, r)
	if err != nil {
		return err
	}
	_, err = f.out.Write(line)
	return err
}

// Flush implements Sink. Syncing is the owner's.
func (f *File) Flush(context.Context) error { return f.out.Flush() }

// Resume reads a file that an export has begun: how many of its bytes are whole
// lines, how many records those are, and the offset to go on from.
func Resume(ctx context.Context, name string, in io.Reader) (wholeBytes int64, records int, from int64, err error) {
	l := NewLines(name, in, 0)
	for {
		line, err := l.readLine()
		if err == io.EOF {
			return wholeBytes, records, l.last + 1, ctx.Err() // what is left is no whole line
		}
		if err != nil {
			return 0, 0, 0, err
		}
		r, err := ParseLine(line)
		if err != nil || r.Offset < 0 || r.Offset <= l.last {
			return 0, 0, 0, errors.Join(fmt.Errorf("%s: not a line of an export: give another file", l.Place()), err)
		}
		l.last = r.Offset
		wholeBytes, records = l.read, records+1
	}
}
