package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

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

// Decompress appends the uncompressed form of src to dst. It never produces more
// than maxBytes (0: [DefaultMaxUncompressedBytes]) and never allocates much more
// than it produces; a larger result is ErrTooLarge.
func Decompress(dst []byte, codec Codec, src []byte, maxBytes int) ([]byte, error) {
	out := newOutput(dst, maxBytes, nil)
	err := decompress(&out, codec, src)
	return out.b, err
}

// decompressions counts blocks.
var decompressions atomic.Int64

// Decompressions is how many compressed blocks this process has opened so far: what
// is checked and looked at should be opened once.
func Decompressions() int64 { return decompressions.Load() }

func decompress(out *output, codec Codec, src []byte) error {
	if codec != None {
		decompressions.Add(1)
	}
	var err error
	switch codec {
	case None:
		err = out.append(src)
	case Gzip:
		err = gunzip(out, src)
	case Snappy:
		err = unsnappy(out, src)
	case LZ4:
		err = unlz4(out, src)
	case Zstd:
		err = unzstd(out, src)
	default:
		return fault(ErrCodec, "codec %d", uint8(codec))
	}
	var known *Error
	var room *roomError
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.As(err, &room):
		return room.cause
	}
	return fault(ErrDecompress, "%s: %v", codec, err)
}

func tooLarge(maxBytes int) error { return fault(ErrTooLarge, "more than %d bytes", maxBytes) }

type gzipReader struct {
	z   gzip.Reader
	src bytes.Reader
}

var gzipReaders = sync.Pool{New: func() any { return new(gzipReader) }}

func gunzip(out *output, src []byte) error {
	r := gzipReaders.Get().(*gzipReader)
	defer gzipReaders.Put(r)
	defer r.src.Reset(nil)
	r.src.Reset(src)
	if err := r.z.Reset(&r.src); err != nil {
		return err
	}
	return out.readFrom(&r.z, gzipSize(src))
}

// gzipSize is the size that the last member says it opens to, as far as so many
// bytes can: two bits make 258 bytes at best.
func gzipSize(src []byte) int {
	const ratio = 1032
	if len(src) < 4 {
		return 0
	}
	return int(min(int64(binary.LittleEndian.Uint32(src[len(src)-4:])), int64(len(src))*ratio))
}

type lz4Reader struct {
	z   *lz4.Reader
	src bytes.Reader
}

var lz4Readers = sync.Pool{New: func() any { return &lz4Reader{z: lz4.NewReader(nil)} }}

func unlz4(out *output, src []byte) error {
	r := lz4Readers.Get().(*lz4Reader)
	defer lz4Readers.Put(r)
	defer r.src.Reset(nil)
	r.src.Reset(src)
	r.z.Reset(&r.src)
	return out.readFrom(r.z, lz4AtMost(src))
}

// lz4AtMost is how many bytes a frame can open to: a block no more than the frame
// says, and a byte of it no more than 255.
//
//	magic(4) │ flags │ block size │ [content size(8)] │ [dictionary(4)] │ checksum
//	{ size(4), high bit: not compressed │ block │ [checksum(4)] }… │ 0(4) │ [checksum(4)]
func lz4AtMost(src []byte) int {
	const ratio, head = 255, 7
	if len(src) < head {
		return 0
	}
	flags, largest := src[4], 64<<10
	if code := src[5] >> 4 & 7; code >= 4 {
		largest = 1 << (8 + 2*int(code)) // 4: 64 KiB … 7: 4 MiB
	}
	at, behind := head, 0
	if flags&0x08 != 0 {
		at += 8
	}
	if flags&0x01 != 0 {
		at += 4
	}
	if flags&0x10 != 0 {
		behind = 4
	}
	total := 0
	for at+4 <= len(src) {
		size := int(binary.LittleEndian.Uint32(src[at:]))
		stored := size & 0x7fffffff
		at += 4 + stored + behind
		if size == 0 {
			break
		}
		if size == stored {
			stored *= ratio
		}
		total += min(stored, largest)
	}
	return total
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

func unzstd(out *output, src []byte) error {
	z := zstdReaders.Get().(*zstd.Decoder)
	defer zstdReaders.Put(z)
	room := zstdAtMost(src)
	for {
		room = min(room, out.max)
		if err := out.reserve(room); err != nil {
			return err
		}
		b, err := z.DecodeAll(src, out.b[:out.start:out.start+room])
		if err == nil {
			out.b = b
			return nil
		}
		if !errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			return err
		}
		if room >= out.max {
			return tooLarge(out.max)
		}
		room = 4 * max(room, 4<<10) // the blocks are not what the format allows
	}
}

// zstdAtMost is how many bytes the frames of src can open to: what they say, and no
// more than their blocks can hold. A block of any few bytes may hold 128 KiB, or the
// frame's window if that is smaller.
func zstdAtMost(src []byte) int {
	const maxBlock = 128 << 10
	var total uint64
	for len(src) > 0 {
		var h zstd.Header
		if h.Decode(src) != nil || h.HeaderSize > len(src) {
			break // nothing comes of what follows
		}
		src = src[h.HeaderSize:]
		if h.Skippable {
			src = src[min(uint64(len(src)), uint64(h.SkippableSize)):]
			continue
		}
		block := uint64(maxBlock)
		if !h.SingleSegment {
			block = min(block, max(h.WindowSize, 1<<10))
		}
		var blocks uint64
		for last := false; !last && len(src) >= 3; {
			head := uint32(src[0]) | uint32(src[1])<<8 | uint32(src[2])<<16
			kind, size := head>>1&3, uint64(head>>3)
			last = head&1 != 0
			stored := size
			switch kind {
			case 1: // one byte, so many times
				stored = 1
			case 2:
				size = block
			}
			blocks += size
			src = src[3:]
			src = src[min(uint64(len(src)), stored):]
		}
		if h.HasFCS {
			blocks = min(blocks, h.FrameContentSize)
		}
		total += blocks
		if h.HasCheckSum {
			src = src[min(len(src), 4):]
		}
	}
	return int(min(total, 1<<31-1))
}
