package avro

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Object container files (specification, section "Object container files"):
//
//	"Obj" 01 | metadata map of bytes | sync, 16 bytes
//	repeated: record count | byte count | compressed records | sync
//
// avro.schema and avro.codec are in the metadata. A reader takes nothing on
// trust: headers, blocks and what they unpack to are bounded.

var ocfMagic = [4]byte{'O', 'b', 'j', 1}

const (
	ocfSchemaKey = "avro.schema"
	ocfCodecKey  = "avro.codec"
	syncBytes    = 16
)

// OCFReaderOptions bounds and directs an OCFReader; the zero value is usable.
type OCFReaderOptions struct {
	// Reader is the schema to read as; nil for the writer's own.
	Reader *Schema
	// MaxBlockBytes bounds a block, packed and unpacked; 0 is 64 MiB.
	MaxBlockBytes int
	// MaxHeaderBytes bounds the metadata; 0 is 16 MiB.
	MaxHeaderBytes int
}

// OCFReader reads the records of an object container file. Not for concurrent
// use.
//
//	for r.Next() {
//		if err := r.Decode(&order); err != nil { … }
//	}
//	if err := r.Err(); err != nil { … }
type OCFReader struct {
	in       *bufio.Reader
	writer   *Schema
	reader   *Schema
	meta     map[string][]byte
	sync     [syncBytes]byte
	codec    ocfCodec
	most     int
	walk     planned
	packed   []byte
	block    []byte
	pos      int
	end      int   // of the record that Next found
	left     int64 // records in the block behind that
	zeros    int
	blocks   int
	err      error
	finished bool
}

// NewOCFReader reads the header of a file. The schema in it is taken as
// leniently as stored schemas are.
func NewOCFReader(in io.Reader, opts OCFReaderOptions) (*OCFReader, error) {
	r := &OCFReader{in: bufio.NewReader(in), most: opts.MaxBlockBytes, meta: map[string][]byte{}}
	if r.most <= 0 {
		r.most = 64 << 20
	}
	mostHeader := opts.MaxHeaderBytes
	if mostHeader <= 0 {
		mostHeader = 16 << 20
	}
	if err := r.header(mostHeader); err != nil {
		return nil, fmt.Errorf("avro: container file header: %w", err)
	}
	var err error
	r.writer, err = avro.Parse(compat.Source{Type: schema.Avro, Text: string(r.meta[ocfSchemaKey])})
	if err != nil {
		return nil, fmt.Errorf("avro: schema of the container file: %w", err)
	}
	r.reader = opts.Reader
	if r.reader == nil {
		r.reader = r.writer
	}
	if r.codec, err = newOCFCodec(string(r.meta[ocfCodecKey]), 0, r.most); err != nil {
		return nil, err
	}
	n := r.writer.Root()
	if r.walk = standard.plan(n, n); r.walk.err != nil {
		return nil, r.walk.err
	}
	if err := Resolve(r.writer, r.reader); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *OCFReader) header(most int) error {
	var magic [4]byte
	if _, err := io.ReadFull(r.in, magic[:]); err != nil {
		return cut(err)
	}
	if magic != ocfMagic {
		return fmt.Errorf("expected the magic %x, found %x", ocfMagic, magic)
	}
	spent := 0
	for {
		count, err := r.long()
		if err != nil {
			return err
		}
		if count == 0 {
			break
		}
		if count < 0 {
			if _, err := r.long(); err != nil { // the size in bytes
				return err
			}
			count = -count
		}
		for ; count != 0; count-- {
			key, err := r.text(most, &spent)
			if err != nil {
				return err
			}
			value, err := r.text(most, &spent)
			if err != nil {
				return err
			}
			r.meta[string(key)] = value
		}
	}
	if r.meta[ocfSchemaKey] == nil {
		return errors.New("expected avro.schema in the metadata, found none")
	}
	_, err := io.ReadFull(r.in, r.sync[:])
	return cut(err)
}

// cut turns an end of the input that comes too early into an error that is not
// the good end.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *OCFReader) long() (int64, error) {
	var raw []byte
	for len(raw) < 11 {
		b, err := r.in.ReadByte()
		if err != nil {
			if len(raw) == 0 {
				return 0, err
			}
			return 0, cut(err)
		}
		raw = append(raw, b)
		if b < 0x80 {
			break
		}
	}
	v, end := readLong(raw, 0)
	if end < 0 {
		return 0, errors.New("expected a long, found a number with too many bits")
	}
	return v, nil
}

func (r *OCFReader) text(most int, spent *int) ([]byte, error) {
	n, err := r.long()
	if err != nil {
		return nil, cut(err)
	}
	*spent += 16
	if n < 0 || n > int64(most-*spent) {
		return nil, fmt.Errorf("expected metadata of at most %d bytes, found %d more", most, n)
	}
	*spent += int(n)
	return r.take(nil, int(n))
}

// take reads n bytes, growing as they arrive.
func (r *OCFReader) take(into []byte, n int) ([]byte, error) {
	into = into[:0]
	for len(into) < n {
		step := min(n-len(into), max(64<<10, len(into)))
		start := len(into)
		into = append(into, make([]byte, step)...)
		if _, err := io.ReadFull(r.in, into[start:]); err != nil {
			return nil, cut(err)
		}
	}
	return into, nil
}

// Schema returns the schema of the writer.
func (r *OCFReader) Schema() *Schema { return r.writer }

// Metadata returns the metadata of the header. It belongs to the reader.
func (r *OCFReader) Metadata() map[string][]byte { return r.meta }

// Next finds the next record. It returns false at the end and after an error.
func (r *OCFReader) Next() bool {
	if r.err != nil || r.finished {
		return false
	}
	r.pos = r.end
	for r.left == 0 {
		if r.pos != len(r.block) {
			return r.fail(fmt.Errorf("expected the end of the block at byte %d of %d, found more", r.pos, len(r.block)))
		}
		if !r.nextBlock() {
			return false
		}
	}
	w := walker{buf: r.block, progs: r.walk.walk.all, zeros: r.zeros}
	r.end = w.all(r.walk.walk, r.pos)
	if r.end < 0 {
		c := cursor{buf: r.block, zeros: r.zeros}
		c.check(r.walk.plan, r.pos, false)
		return r.fail(c.fault())
	}
	r.zeros = w.zeros
	r.left--
	return true
}

func (r *OCFReader) fail(err error) bool {
	r.err = fmt.Errorf("avro: container file, block %d: %w", r.blocks, err)
	return false
}

func (r *OCFReader) nextBlock() bool {
	count, err := r.long()
	if err == io.EOF {
		r.finished = true
		return false
	}
	r.blocks++
	if err != nil {
		return r.fail(err)
	}
	size, err := r.long()
	if err != nil {
		return r.fail(cut(err))
	}
	if count < 0 || size < 0 || size > int64(r.most) {
		return r.fail(fmt.Errorf("expected a count and at most %d bytes, found %d records in %d bytes", r.most, count, size))
	}
	if r.packed, err = r.take(r.packed, int(size)); err != nil {
		return r.fail(err)
	}
	var sync [syncBytes]byte
	if _, err := io.ReadFull(r.in, sync[:]); err != nil {
		return r.fail(cut(err))
	}
	if sync != r.sync {
		return r.fail(fmt.Errorf("expected the sync marker %x, found %x", r.sync, sync))
	}
	if r.block, err = r.codec.unpack(r.block[:0], r.packed); err != nil {
		return r.fail(err)
	}
	most := int64(maxZeroItems)
	if least := r.walk.plan.minBytes; least > 0 {
		most = int64(len(r.block) / least)
	}
	if count > most {
		return r.fail(fmt.Errorf("expected at most %d records in %d bytes, found a count of %d", most, len(r.block), count))
	}
	r.pos, r.end, r.left, r.zeros = 0, 0, count, 0
	return true
}

// Payload returns the bytes of the record that Next found, valid until the
// next call of Next.
func (r *OCFReader) Payload() []byte { return r.block[r.pos:r.end:r.end] }

// Decode decodes the record that Next found into what v points to.
func (r *OCFReader) Decode(v any) error {
	return UnmarshalResolved(r.writer, r.reader, r.Payload(), v)
}

// Err returns what ended the reading, nil for the end of the file.
func (r *OCFReader) Err() error { return r.err }

// OCFWriterOptions directs an OCFWriter; the zero value writes uncompressed.
type OCFWriterOptions struct {
	// Codec is null (or empty), deflate, snappy or zstandard.
	Codec string
	// Level is the level of deflate (1 to 9) or zstandard (1 to 22); 0 is the
	// default of either.
	Level int
	// BlockBytes is how much a block holds before it is written, unpacked; 0
	// is 64 KiB.
	BlockBytes int
	// Metadata is added to the header; keys that begin with "avro." are
	// reserved.
	Metadata map[string][]byte
	// Sync is the marker between the blocks. It should be random; give one to
	// make files reproducible. Zero takes the fingerprint of the schema.
	Sync [syncBytes]byte
}

// OCFWriter writes an object container file. Not for concurrent use.
type OCFWriter struct {
	out    io.Writer
	schema *Schema
	codec  ocfCodec
	sync   [syncBytes]byte
	most   int
	block  []byte
	packed []byte
	count  int64
	err    error
}

// NewOCFWriter writes the header of a file.
func NewOCFWriter(out io.Writer, s *Schema, opts OCFWriterOptions) (*OCFWriter, error) {
	w := &OCFWriter{out: out, schema: s, sync: opts.Sync, most: opts.BlockBytes}
	if w.most <= 0 {
		w.most = 64 << 10
	}
	var err error
	if w.codec, err = newOCFCodec(opts.Codec, opts.Level, 0); err != nil {
		return nil, err
	}
	if w.sync == ([syncBytes]byte{}) {
		fp := s.FingerprintMD5()
		copy(w.sync[:], fp[:])
	}
	text, err := s.Format("resolved")
	if err != nil {
		return nil, err
	}
	meta := map[string][]byte{ocfSchemaKey: []byte(text), ocfCodecKey: []byte(w.codec.name())}
	for k, v := range opts.Metadata {
		if len(k) >= 5 && k[:5] == "avro." {
			return nil, fmt.Errorf("avro: metadata key %q: keys that begin with avro. are reserved", k)
		}
		meta[k] = v
	}
	head := append([]byte(nil), ocfMagic[:]...)
	head = appendLong(head, int64(len(meta)))
	for k, v := range meta {
		head = appendBytes(appendString(head, k), v)
	}
	head = append(append(head, 0), w.sync[:]...)
	if _, err := out.Write(head); err != nil {
		return nil, err
	}
	return w, nil
}

// Write adds a record. What it returns after an error of the output is that
// error again; a value that does not fit the schema leaves the file as it was.
func (w *OCFWriter) Write(v any) error {
	if w.err != nil {
		return w.err
	}
	block, err := Append(w.block, w.schema, v)
	if err != nil {
		return err
	}
	return w.added(block)
}

// WritePayload adds a record that is encoded already; it is validated.
func (w *OCFWriter) WritePayload(data []byte) error {
	if w.err != nil {
		return w.err
	}
	if err := Validate(w.schema, data, ValidateOptions{}); err != nil {
		return err
	}
	return w.added(append(w.block, data...))
}

func (w *OCFWriter) added(block []byte) error {
	w.block = block
	w.count++
	if len(w.block) >= w.most || w.count >= maxZeroItems {
		return w.Flush()
	}
	return nil
}

// Flush writes what was added as a block.
func (w *OCFWriter) Flush() error {
	if w.err != nil || w.count == 0 {
		return w.err
	}
	if w.packed, w.err = w.codec.pack(w.packed[:0], w.block); w.err != nil {
		return w.err
	}
	head := appendLong(appendLong(nil, w.count), int64(len(w.packed)))
	for _, part := range [][]byte{head, w.packed, w.sync[:]} {
		if _, w.err = w.out.Write(part); w.err != nil {
			return w.err
		}
	}
	w.block, w.count = w.block[:0], 0
	return nil
}

// Close writes what is left. It does not close the output.
func (w *OCFWriter) Close() error { return w.Flush() }
