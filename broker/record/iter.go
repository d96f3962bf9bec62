package record

import (
	"encoding/binary"
)

// minRecordBytes is the smallest record: length, attributes, two deltas, two
// null lengths and a header count.
const minRecordBytes = 7

// Record is one record of a batch. Its slices are those of the batch, or of the
// iterator's buffer if the batch is compressed.
type Record struct {
	Attributes     int8
	OffsetDelta    int32  // from the batch's base offset
	TimestampDelta int64  // from the batch's base timestamp, in milliseconds
	Key            []byte // nil: null
	Value          []byte // nil: null, a tombstone
	HeaderCount    int
	HeaderData     []byte // the headers as stored, see Headers
	Raw            []byte // the record as stored, its length included
}

// Iter walks the records of a batch:
//
//	it, err := batch.Records(0)
//	if err != nil { … }
//	defer it.Close()
//	for it.Next() { use(it.Record()) }
//	err = it.Err()
//
// Walking an uncompressed batch allocates nothing. The walk ends with an error
// if the records are malformed, too few, or followed by other bytes.
type Iter struct {
	rest   []byte
	buffer *[]byte // pooled, of a compressed batch
	opened *Opened // whose records are seen for the first time, or nil
	walk   int     // which walk of them it is
	count  int
	index  int // of the next record
	record Record
	err    error
}

// Records starts a walk. It opens compression, refusing to produce more than
// maxBytes; 0 means [DefaultMaxUncompressedBytes]. The batch must have passed
// [Batch.CheckHeader].
func (b Batch) Records(maxBytes int) (Iter, error) {
	if b.Codec() == None {
		return Iter{rest: b.Payload(), count: int(b.Count())}, nil
	}
	buffer := getBuffer()
	plain, err := Decompress((*buffer)[:0], b.Codec(), b.Payload(), maxBytes)
	if err != nil {
		putBuffer(buffer)
		return Iter{}, err
	}
	*buffer = plain
	return Iter{rest: plain, buffer: buffer, count: int(b.Count())}, nil
}

// RecordsOf walks count records in bytes that are already uncompressed.
func RecordsOf(payload []byte, count int) Iter { return Iter{rest: payload, count: count} }

// Close gives a decompression buffer back. Slices of a compressed batch's
// records must not be used after it.
func (it *Iter) Close() {
	if it.buffer != nil {
		putBuffer(it.buffer)
		it.buffer = nil
	}
	it.rest, it.record, it.opened = nil, Record{}, nil
}

// Bytes is how many bytes of records are still to come.
func (it *Iter) Bytes() int { return len(it.rest) }

// Err is the reason for the end of the walk, nil after the last record.
func (it *Iter) Err() error { return it.err }

// Index is the index of the current record in its batch.
func (it *Iter) Index() int { return it.index - 1 }

// Record is the current record; valid until the next call of Next or Close.
func (it *Iter) Record() *Record { return &it.record }

// Next goes on to the next record and reports whether there is one.
func (it *Iter) Next() bool {
	if it.err != nil {
		return false
	}
	if it.index == it.count {
		if len(it.rest) != 0 {
			it.err = fault(ErrRecord, "%d bytes behind the last of %d records", len(it.rest), it.count)
		} else if it.opened != nil && it.opened.walks == it.walk {
			it.opened.checked, it.opened = true, nil
		}
		return false
	}
	length, n := varintAt(it.rest, 0)
	if n < 0 {
		it.err = recordFault(it.index, "no length in the %d bytes left, record %d of %d", len(it.rest), it.index+1, it.count)
		return false
	}
	if length < minRecordBytes-1 || length > int64(len(it.rest)-n) {
		it.err = recordFault(it.index, "a length of %d with %d bytes left", length, len(it.rest)-n)
		return false
	}
	end := n + int(length)
	raw := it.rest[:end:end]
	if detail := it.record.parse(raw, n); detail != "" {
		it.err = recordFault(it.index, "%s", detail)
		return false
	}
	if it.opened != nil && it.opened.walks == it.walk {
		it.opened.check.see(&it.record, it.index)
	}
	it.rest = it.rest[end:]
	it.index++
	return true
}

// parse reads a record whose length field has n bytes; it returns what is wrong. It
// is the hot path of every append: fields are read by position, and the common case
// of each is a single byte.
func (r *Record) parse(raw []byte, n int) string {
	const misfit = "the fields do not fit the record's length"
	at := n
	r.Raw, r.Attributes = raw, int8(raw[at]) // a record has at least six bytes
	at++
	var offsetDelta, size, headers int64
	if r.TimestampDelta, at = varintAt(raw, at); at < 0 {
		return misfit
	}
	if offsetDelta, at = varintAt(raw, at); at < 0 {
		return misfit
	}
	if offsetDelta < 0 || offsetDelta > 1<<31-1 {
		return "an offset delta outside 0 to 2³¹−1"
	}
	if size, at = varintAt(raw, at); at < 0 || size < -1 || size > int64(len(raw)-at) {
		return misfit
	}
	r.Key = nil
	if size >= 0 {
		r.Key = raw[at : at+int(size) : at+int(size)]
		at += int(size)
	}
	if size, at = varintAt(raw, at); at < 0 || size < -1 || size > int64(len(raw)-at) {
		return misfit
	}
	r.Value = nil
	if size >= 0 {
		r.Value = raw[at : at+int(size) : at+int(size)]
		at += int(size)
	}
	if headers, at = varintAt(raw, at); at < 0 {
		return misfit
	}
	r.OffsetDelta = int32(offsetDelta)
	r.HeaderCount, r.HeaderData = int(headers), nil
	if headers == 0 && at == len(raw) {
		return ""
	}
	return r.parseHeaders(headers, raw[at:])
}

func (r *Record) parseHeaders(headers int64, p []byte) string {
	if headers < 0 || headers > int64(len(p)/2) {
		return "more headers than bytes for them, or bytes behind the last header"
	}
	r.HeaderData = p
	c := cursor{p: p}
	for range headers {
		if c.length() < 0 { // a header's key cannot be null
			return "a header without a key"
		}
		c.nullable()
	}
	if c.bad {
		return "the headers do not fit the record's length"
	}
	if len(c.p) != 0 {
		return "bytes behind the last header"
	}
	return ""
}

// varintAt reads a zigzag varint at a position and returns the position behind it,
// negative if there is none. It is small enough to be inlined.
func varintAt(p []byte, at int) (int64, int) {
	if at < len(p) && p[at] < 0x80 {
		return int64(p[at]>>1) ^ -int64(p[at]&1), at + 1
	}
	return varintSlow(p, at)
}

func varintSlow(p []byte, at int) (int64, int) {
	if at+1 < len(p) && p[at+1] < 0x80 {
		u := uint64(p[at]&0x7f) | uint64(p[at+1])<<7
		return int64(u>>1) ^ -int64(u&1), at + 2
	}
	v, n := Varint(p[at:])
	if n <= 0 {
		return 0, -1
	}
	return v, at + n
}

// Header is one header of a record.
type Header struct {
	Key   []byte
	Value []byte // nil: null
}

// Headers appends the headers of the record to dst.
func (r *Record) Headers(dst []Header) []Header {
	c := cursor{p: r.HeaderData}
	for range r.HeaderCount {
		key := c.nullable()
		dst = append(dst, Header{Key: key, Value: c.nullable()})
	}
	return dst
}

// cursor reads with a sticky error.
type cursor struct {
	p   []byte
	bad bool
}

func (c *cursor) varint() int64 {
	if len(c.p) > 0 && c.p[0] < 0x80 { // most are one byte
		v := c.p[0]
		c.p = c.p[1:]
		return int64(v>>1) ^ -int64(v&1)
	}
	v, n := Varint(c.p)
	if n <= 0 {
		c.bad, c.p = true, nil
		return 0
	}
	c.p = c.p[n:]
	return v
}

// nullable reads a length and as many bytes; −1 is null.
func (c *cursor) nullable() []byte {
	n := c.varint()
	if n == -1 {
		return nil
	}
	if n < 0 || n > int64(len(c.p)) {
		c.bad, c.p = true, nil
		return nil
	}
	v := c.p[:n:n]
	c.p = c.p[n:]
	return v
}

// length reads a length and skips as many bytes; it returns the length.
func (c *cursor) length() int64 {
	n := c.varint()
	if n > int64(len(c.p)) {
		c.bad, c.p = true, nil
		return 0
	}
	if n > 0 {
		c.p = c.p[n:]
	}
	return n
}

// Varint reads a zigzag varint as records use it and returns the number of bytes
// read, or n ≤ 0 as encoding/binary does.
func Varint(p []byte) (int64, int) {
	v, n := binary.Uvarint(p)
	return int64(v>>1) ^ -int64(v&1), n
}

// AppendVarint appends a zigzag varint.
func AppendVarint(dst []byte, v int64) []byte {
	return binary.AppendUvarint(dst, uint64(v<<1)^uint64(v>>63))
}

// varintBytes is the encoded size of v.
func varintBytes(v int64) int {
	u, n := uint64(v<<1)^uint64(v>>63), 1
	for u >= 0x80 {
		u >>= 7
		n++
	}
	return n
}
