package record

import (
	"bytes"
	"encoding/binary"

	"github.com/klauspost/compress/s2"
)

// Snappy comes in two forms: one raw block (Go and C clients of some versions)
// or the framing of xerial's snappy-java:
//
//	0x82 "SNAPPY" 0x00 │ version(4) │ compatible(4) │ { length(4) │ raw block }…
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeaderBytes = 16

// xerialBlockBytes is the size of the blocks that we write, that of snappy-java.
const xerialBlockBytes = 32 << 10

func unsnappy(out *output, src []byte) error {
	if !bytes.HasPrefix(src, xerialMagic) {
		return unsnappyBlock(out, src)
	}
	if len(src) < xerialHeaderBytes {
		return fault(ErrDecompress, "snappy: %d bytes of a %d-byte frame header", len(src), xerialHeaderBytes)
	}
	if err := out.reserve(min(xerialSize(src[xerialHeaderBytes:]), out.max)); err != nil {
		return err
	}
	rest := src[xerialHeaderBytes:]
	for len(rest) > 0 {
		if len(rest) < 4 {
			return fault(ErrDecompress, "snappy: %d bytes of a block length", len(rest))
		}
		size := int64(binary.BigEndian.Uint32(rest))
		if size > int64(len(rest)-4) {
			return fault(ErrDecompress, "snappy: a block of %d bytes with %d left", size, len(rest)-4)
		}
		if err := unsnappyBlock(out, rest[4:4+size]); err != nil {
			return err
		}
		rest = rest[4+size:]
	}
	return nil
}

// xerialSize is how many bytes blocks open to, as far as they say and can.
func xerialSize(rest []byte) (total int) {
	for len(rest) > 4 {
		size := int64(binary.BigEndian.Uint32(rest))
		if size > int64(len(rest)-4) {
			break
		}
		block := rest[4 : 4+size]
		if n, err := s2.DecodedLen(block); err == nil {
			total += min(n, 64*len(block))
		}
		rest = rest[4+size:]
	}
	return total
}

func unsnappyBlock(out *output, block []byte) error {
	size, err := s2.DecodedLen(block)
	if err != nil {
		return err
	}
	have := len(out.b) - out.start
	if size > out.max-have {
		return tooLarge(out.max)
	}
	// A snappy copy of three bytes makes at most 64: what claims more is lying,
	// and is refused before anything is allocated.
	if size > 64*len(block) {
		return fault(ErrDecompress, "snappy: %d bytes cannot hold %d", len(block), size)
	}
	if cap(out.b)-len(out.b) < size {
		if err := out.reserve(have + size); err != nil {
			return err
		}
	}
	at := len(out.b)
	plain, err := s2.Decode(out.b[at:at+size:at+size], block)
	if err != nil {
		return err
	}
	out.b = out.b[:at+len(plain)]
	return nil
}

func snap(dst, src []byte) []byte {
	dst = append(dst, xerialMagic...)
	dst = binary.BigEndian.AppendUint32(dst, 1)
	dst = binary.BigEndian.AppendUint32(dst, 1)
	for len(src) > 0 {
		block := src[:min(len(src), xerialBlockBytes)]
		src = src[len(block):]
		at := len(dst)
		if most := at + 4 + s2.MaxEncodedLen(len(block)); cap(dst) < most {
			dst = append(make([]byte, 0, max(most, 2*cap(dst))), dst...)
		}
		out := s2.EncodeSnappy(dst[at+4:cap(dst)], block)
		binary.BigEndian.PutUint32(dst[at:at+4], uint32(len(out)))
		dst = dst[:at+4+len(out)]
	}
	return dst
}
