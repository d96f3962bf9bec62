package broker

import (
	"encoding/binary"
	"errors"
)

// A request's header, and an answer's:
//
//	request v1  api key (2) · api version (2) · correlation ID (4) · client ID (nullable string)
//	request v2  … · tagged fields          for flexible versions of an API
//	answer v0   correlation ID (4)
//	answer v1   … · tagged fields          for flexible versions, ApiVersions excepted

const minRequestHeader = 8

// requestHeader is a request's header. Nil and empty client IDs are the same.
type requestHeader struct {
	key         int16
	version     int16
	correlation int32
	clientID    string
}

var (
	errShortHeader   = errors.New("request ends within its header")
	errClientID      = errors.New("client ID is longer than the request")
	errTaggedHeader  = errors.New("tagged fields of the request header are longer than the request")
	errTooManyTagged = errors.New("request header with more than 64 tagged fields")
)

// readRequestHeader reads the part of a header that every version has, and
// returns what follows it.
func readRequestHeader(src []byte) (h requestHeader, rest []byte, err error) {
	if len(src) < minRequestHeader {
		return h, nil, errShortHeader
	}
	h.key = int16(binary.BigEndian.Uint16(src))
	h.version = int16(binary.BigEndian.Uint16(src[2:]))
	h.correlation = int32(binary.BigEndian.Uint32(src[4:]))
	return h, src[minRequestHeader:], nil
}

// readClientID reads the rest of a header: the client ID and, in a flexible
// one, tagged fields, none of which the protocol defines today.
func readClientID(src []byte, flexible bool) (clientID string, rest []byte, err error) {
	if len(src) < 2 {
		return "", nil, errShortHeader
	}
	n := int(int16(binary.BigEndian.Uint16(src)))
	src = src[2:]
	if n > len(src) {
		return "", nil, errClientID
	}
	if n > 0 {
		clientID, src = string(src[:n]), src[n:]
	}
	if flexible {
		if src, err = skipTagged(src); err != nil {
			return "", nil, err
		}
	}
	return clientID, src, nil
}

// skipTagged skips tagged fields: their number, then tag, length and bytes of
// each, the three numbers as unsigned varints.
func skipTagged(src []byte) ([]byte, error) {
	next := func() (uint64, bool) {
		v, n := binary.Uvarint(src)
		if n <= 0 || v > 1<<31 {
			return 0, false
		}
		src = src[n:]
		return v, true
	}
	count, ok := next()
	if !ok {
		return nil, errTaggedHeader
	}
	if count > 64 {
		return nil, errTooManyTagged
	}
	for range count {
		_, okTag := next()
		size, okSize := next()
		if !okTag || !okSize || size > uint64(len(src)) {
			return nil, errTaggedHeader
		}
		src = src[size:]
	}
	return src, nil
}

// appendResponseHeader appends a frame's length, to be set by finishFrame, and
// the answer's header.
func appendResponseHeader(dst []byte, correlation int32, tagged bool) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlation))
	if tagged {
		dst = append(dst, 0)
	}
	return dst
}

// finishFrame sets the length of a frame whose parts have total bytes, the
// length itself included.
func finishFrame(frame []byte, total int) {
	binary.BigEndian.PutUint32(frame, uint32(total-4))
}
