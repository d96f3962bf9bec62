package record

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compress appends the compressed form of src to dst, with each codec's default
// level.
func Compress(dst []byte, codec Codec, src []byte) ([]byte, error) {
	switch codec {
	case None:
		return append(dst, src...), nil
	case Gzip:
		return compressWith(&gzipWriters, dst, src)
	case Snappy:
		return snap(dst, src), nil
	case LZ4:
		return compressWith(&lz4Writers, dst, src)
	case Zstd:
		z := zstdWriters.Get().(*zstd.Encoder)
		defer zstdWriters.Put(z)
		return z.EncodeAll(src, dst), nil
	}
	return dst, fault(ErrCodec, "codec %d", uint8(codec))
}

type resetWriter interface {
	io.WriteCloser
	Reset(io.Writer)
}

var (
	gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	lz4Writers  = sync.Pool{New: func() any {
		z := lz4.NewWriter(nil)
		// 64 KiB independent blocks without a checksum each: what the Java
		// client writes and every client reads.
		if err := z.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
			panic("record: lz4 options: " + err.Error())
		}
		return z
	}}
	zstdWriters = sync.Pool{New: func() any {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic("record: zstd options: " + err.Error())
		}
		return z
	}}
)

func compressWith(pool *sync.Pool, dst, src []byte) ([]byte, error) {
	z := pool.Get().(resetWriter)
	defer pool.Put(z)
	out := bytes.NewBuffer(dst)
	z.Reset(out)
	if _, err := z.Write(src); err != nil {
		return dst, err
	}
	if err := z.Close(); err != nil {
		return dst, err
	}
	return out.Bytes(), nil
}
