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
	return CompressLevel(dst, codec, 0, src)
}

// CompressLevel is Compress with a level in the codec's own numbers, as Kafka's
// compression.<codec>.level gives it; 0 is the codec's default, and so is a level of
// a codec that has none. What is out of a codec's range counts as the nearest one.
//
// The codecs here know fewer levels than the numbers: zstd's are the four classes of
// its encoder, and lz4's from 10 to 17 are its strongest. For lz4, 9 is the default
// and means the fast compressor, as it does in Kafka.
func CompressLevel(dst []byte, codec Codec, level int, src []byte) ([]byte, error) {
	switch codec {
	case None:
		return append(dst, src...), nil
	case Gzip:
		return compressWith(gzipWriters.of(gzipLevel(level)), dst, src)
	case Snappy:
		return snap(dst, src), nil
	case LZ4:
		return compressWith(lz4Writers.of(lz4Level(level)), dst, src)
	case Zstd:
		pool := zstdWriters.of(zstdLevel(level))
		z := pool.Get().(*zstd.Encoder)
		defer pool.Put(z)
		return z.EncodeAll(src, dst), nil
	}
	return dst, fault(ErrCodec, "codec %d", uint8(codec))
}

// gzipLevel is 0 for the default, else 1 to 9.
func gzipLevel(level int) int {
	if level <= 0 {
		return 0
	}
	return min(level, gzip.BestCompression)
}

const lz4DefaultLevel = 9

// lz4Level is 0 for the fast compressor, else 1 to 9.
func lz4Level(level int) int {
	if level <= 0 || level == lz4DefaultLevel {
		return 0
	}
	return min(level, 9)
}

// zstdLevel is 0 for the default, else one of the encoder's classes.
func zstdLevel(level int) int {
	if level == 0 {
		return 0
	}
	return int(zstd.EncoderLevelFromZstd(level))
}

type resetWriter interface {
	io.WriteCloser
	Reset(io.Writer)
}

// encoders are pools of one codec's encoders, one for each level.
type encoders struct {
	pools [10]sync.Pool // by level, 0 the default
}

func (e *encoders) of(level int) *sync.Pool { return &e.pools[level] }

func newEncoders(newEncoder func(level int) (any, error)) *encoders {
	e := &encoders{}
	for level := range e.pools {
		e.pools[level].New = func() any {
			z, err := newEncoder(level)
			if err != nil {
				panic("record: options of an encoder: " + err.Error())
			}
			return z
		}
	}
	return e
}

var (
	gzipWriters = newEncoders(func(level int) (any, error) {
		if level == 0 {
			level = gzip.DefaultCompression
		}
		return gzip.NewWriterLevel(nil, level)
	})
	lz4Writers = newEncoders(func(level int) (any, error) {
		z := lz4.NewWriter(nil)
		strength := lz4.Fast
		if level > 0 {
			strength = lz4.Level1 << (level - 1)
		}
		// 64 KiB independent blocks without a checksum each: what the Java
		// client writes and every client reads.
		return z, z.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.CompressionLevelOption(strength))
	})
	zstdWriters = newEncoders(func(level int) (any, error) {
		class := zstd.SpeedDefault
		if level > 0 {
			class = zstd.EncoderLevel(level)
		}
		return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithEncoderLevel(class))
	})
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
