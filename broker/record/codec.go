package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is a compression codec, numbered as in the batch attributes.
type Codec uint8

// The codecs.
const (
	None   Codec = 0
	Gzip   Codec = 1
	Snappy Codec = 2
	LZ4    Codec = 3
	Zstd   Codec = 4
)

var codecNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// String is the name that topic configuration uses.
func (c Codec) String() string {
	if int(c) < len(codecNames) {
		return codecNames[c]
	}
	return fmt.Sprintf("codec(%d)", uint8(c))
}

// ParseCodec is the inverse of String; "uncompressed" is another name of none.
func ParseCodec(name string) (Codec, bool) {
	for c, n := range codecNames {
		if n == name {
			return Codec(c), true
		}
	}
	return None, name == "uncompressed"
}

// DefaultMaxUncompressedBytes bounds what a batch may decompress to.
const DefaultMaxUncompressedBytes = 64 << 20

// pooledBufferBytes is the largest buffer that is kept for reuse.
const pooledBufferBytes = 4 << 20

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= pooledBufferBytes {
		buffers.Put(b)
	}
}

// Decompress appends the uncompressed form of src to dst. It never produces more
// than maxBytes (0: [DefaultMaxUncompressedBytes]) and never allocates much more
// than it produces; a larger result is ErrTooLarge.
func Decompress(dst []byte, codec Codec, src []byte, maxBytes int) ([]byte, error) {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxUncompressedBytes
	}
	var err error
	switch codec {
	case None:
		if len(src) > maxBytes {
			return dst, tooLarge(maxBytes)
		}
		return append(dst, src...), nil
	case Gzip:
		dst, err = gunzip(dst, src, maxBytes)
	case Snappy:
		dst, err = unsnappy(dst, src, maxBytes)
	case LZ4:
		dst, err = unlz4(dst, src, maxBytes)
	case Zstd:
		dst, err = unzstd(dst, src, maxBytes)
	default:
		return dst, fault(ErrCodec, "codec %d", uint8(codec))
	}
	var known *Error
	if err != nil && !errors.As(err, &known) {
		err = fault(ErrDecompress, "%s: %v", codec, err)
	}
	return dst, err
}

func tooLarge(maxBytes int) error { return fault(ErrTooLarge, "more than %d bytes", maxBytes) }

// readBounded appends r's bytes to dst, at most maxBytes.
func readBounded(dst []byte, r io.Reader, maxBytes int) ([]byte, error) {
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		room := dst[len(dst):cap(dst)]
		if limit := maxBytes + 1 - (len(dst) - start); len(room) > limit {
			room = room[:limit]
		}
		n, err := r.Read(room)
		dst = dst[:len(dst)+n]
		if len(dst)-start > maxBytes {
			return dst, tooLarge(maxBytes)
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

type gzipReader struct {
	z   gzip.Reader
	src bytes.Reader
}

var gzipReaders = sync.Pool{New: func() any { return new(gzipReader) }}

func gunzip(dst, src []byte, maxBytes int) ([]byte, error) {
	r := gzipReaders.Get().(*gzipReader)
	defer gzipReaders.Put(r)
	defer r.src.Reset(nil)
	r.src.Reset(src)
	if err := r.z.Reset(&r.src); err != nil {
		return dst, err
	}
	return readBounded(dst, &r.z, maxBytes)
}

type lz4Reader struct {
	z   *lz4.Reader
	src bytes.Reader
}

var lz4Readers = sync.Pool{New: func() any { return &lz4Reader{z: lz4.NewReader(nil)} }}

func unlz4(dst, src []byte, maxBytes int) ([]byte, error) {
	r := lz4Readers.Get().(*lz4Reader)
	defer lz4Readers.Put(r)
	defer r.src.Reset(nil)
	r.src.Reset(src)
	r.z.Reset(&r.src)
	return readBounded(dst, r.z, maxBytes)
}

var zstdReaders = sync.Pool{New: func() any {
	// With the cap limit, output and window live in the destination: nothing
	// that a frame header claims is allocated.
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic("record: zstd options: " + err.Error())
	}
	return z
}}

func unzstd(dst, src []byte, maxBytes int) ([]byte, error) {
	z := zstdReaders.Get().(*zstd.Decoder)
	defer zstdReaders.Put(z)
	start := len(dst)
	room := max(cap(dst)-start, 4*len(src), 4<<10)
	for {
		room = min(room, maxBytes)
		if cap(dst)-start < room {
			dst = append(make([]byte, 0, start+room), dst[:start]...)
		}
		out, err := z.DecodeAll(src, dst[:start:start+room])
		if err == nil {
			return out, nil
		}
		if !errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			return dst[:start], err
		}
		if room >= maxBytes {
			return dst[:start], tooLarge(maxBytes)
		}
		room *= 4
	}
}
