package avro

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// ocfCodec packs and unpacks blocks. unpack never returns more bytes than the
// bound that it was made with.
type ocfCodec interface {
	name() string
	pack(dst, src []byte) ([]byte, error)
	unpack(dst, src []byte) ([]byte, error)
}

func newOCFCodec(name string, level, most int) (ocfCodec, error) {
	switch name {
	case "", "null":
		return nullCodec{}, nil
	case "deflate":
		if level == 0 {
			level = flate.DefaultCompression
		}
		if level < flate.HuffmanOnly || level > flate.BestCompression {
			return nil, fmt.Errorf("avro: deflate has no level %d", level)
		}
		return &deflateCodec{level: level, most: most}, nil
	case "snappy":
		return snappyCodec{most: most}, nil
	case "zstandard":
		return newZstdCodec(level, most)
	}
	return nil, fmt.Errorf("avro: container files packed with %q are not supported, only null, deflate, snappy and zstandard", clip(name))
}

func tooLarge(most int) error { return fmt.Errorf("a block that unpacks to more than %d bytes", most) }

type nullCodec struct{}

func (nullCodec) name() string                           { return "null" }
func (nullCodec) pack(dst, src []byte) ([]byte, error)   { return append(dst, src...), nil }
func (nullCodec) unpack(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

type deflateCodec struct {
	level int
	most  int
	out   *flate.Writer
}

func (c *deflateCodec) name() string { return "deflate" }

func (c *deflateCodec) pack(dst, src []byte) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	if c.out == nil {
		var err error
		if c.out, err = flate.NewWriter(buf, c.level); err != nil {
			return nil, err
		}
	} else {
		c.out.Reset(buf)
	}
	if _, err := c.out.Write(src); err != nil {
		return nil, err
	}
	if err := c.out.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func (c *deflateCodec) unpack(dst, src []byte) ([]byte, error) {
	in := flate.NewReader(bytes.NewReader(src))
	buf := bytes.NewBuffer(dst)
	n, err := io.Copy(buf, io.LimitReader(in, int64(c.most)+1))
	if err != nil {
		return nil, fmt.Errorf("deflate: %w", err)
	}
	if n > int64(c.most) {
		return nil, tooLarge(c.most)
	}
	return buf.Bytes(), nil
}

// snappyCodec is a snappy block with the CRC-32 of the unpacked bytes behind
// it, in big endian.
type snappyCodec struct{ most int }

func (snappyCodec) name() string { return "snappy" }

func (snappyCodec) pack(dst, src []byte) ([]byte, error) {
	dst = append(dst, snappy.Encode(nil, src)...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(src)), nil
}

func (c snappyCodec) unpack(dst, src []byte) ([]byte, error) {
	if len(src) < 4 {
		return nil, errors.New("snappy: no checksum")
	}
	packed, sum := src[:len(src)-4], binary.BigEndian.Uint32(src[len(src)-4:])
	n, err := snappy.DecodedLen(packed)
	if err != nil {
		return nil, fmt.Errorf("snappy: %w", err)
	}
	// A snappy element of three bytes unpacks to at most 64.
	if n > c.most || n > 64*len(packed) {
		return nil, tooLarge(min(c.most, 64*len(packed)))
	}
	out, err := snappy.Decode(dst[:cap(dst)], packed)
	if err != nil {
		return nil, fmt.Errorf("snappy: %w", err)
	}
	if found := crc32.ChecksumIEEE(out); found != sum {
		return nil, fmt.Errorf("snappy: expected the checksum %08x, found %08x", sum, found)
	}
	return out, nil
}

type zstdCodec struct {
	in   *zstd.Decoder
	out  *zstd.Encoder
	most int
}

func newZstdCodec(level, most int) (*zstdCodec, error) {
	c := &zstdCodec{most: most}
	var err error
	if most > 0 {
		c.in, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(uint64(most)))
		return c, err
	}
	if level == 0 {
		level = 3
	}
	if level < 1 || level > 22 {
		return nil, fmt.Errorf("avro: zstandard has no level %d", level)
	}
	c.out, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)))
	return c, err
}

func (*zstdCodec) name() string { return "zstandard" }

func (c *zstdCodec) pack(dst, src []byte) ([]byte, error) { return c.out.EncodeAll(src, dst), nil }

func (c *zstdCodec) unpack(dst, src []byte) ([]byte, error) {
	out, err := c.in.DecodeAll(src, dst)
	if err != nil {
		return nil, fmt.Errorf("zstandard: %w", err)
	}
	if len(out) > c.most {
		return nil, tooLarge(c.most)
	}
	return out, nil
}
