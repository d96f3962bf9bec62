package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// AbortedTxn is a transaction that was aborted: consumers of isolation level
// read_committed skip the producer's batches from FirstOffset to the marker.
type AbortedTxn struct {
	ProducerID       int64
	FirstOffset      int64
	LastOffset       int64 // of the abort marker
	LastStableOffset int64 // when the marker was appended
}

type txnIndex struct{ *index }

func (x txnIndex) add(t AbortedTxn) error {
	p := make([]byte, 2, txnEntryBytes)
	p = binary.BigEndian.AppendUint64(p, uint64(t.ProducerID))
	p = binary.BigEndian.AppendUint64(p, uint64(t.FirstOffset))
	p = binary.BigEndian.AppendUint64(p, uint64(t.LastOffset))
	p = binary.BigEndian.AppendUint64(p, uint64(t.LastStableOffset))
	return x.append(p)
}

func parseAbortedTxn(p []byte) (AbortedTxn, error) {
	if version := binary.BigEndian.Uint16(p); version != 0 {
		return AbortedTxn{}, fmt.Errorf("an aborted transaction of version %d, only 0 is known", version)
	}
	return AbortedTxn{
		ProducerID:       int64(binary.BigEndian.Uint64(p[2:])),
		FirstOffset:      int64(binary.BigEndian.Uint64(p[10:])),
		LastOffset:       int64(binary.BigEndian.Uint64(p[18:])),
		LastStableOffset: int64(binary.BigEndian.Uint64(p[26:])),
	}, nil
}

// collect appends the aborted transactions that overlap from … to (exclusive). done
// means that later segments hold no more of them.
func (x txnIndex) collect(dst []AbortedTxn, from, to int64) (_ []AbortedTxn, done bool, err error) {
	errDone := errors.New("done")
	err = x.each(func(_ int, p []byte) error {
		t, err := parseAbortedTxn(p)
		if err != nil {
			return err
		}
		if t.LastOffset >= from && t.FirstOffset < to {
			dst = append(dst, t)
		}
		if t.LastStableOffset >= to {
			return errDone
		}
		return nil
	})
	if err == errDone {
		return dst, true, nil
	}
	return dst, false, err
}

// cut drops the transactions whose marker is at offset or above.
func (x txnIndex) cut(offset int64) error {
	keep := 0
	err := x.each(func(i int, p []byte) error {
		t, err := parseAbortedTxn(p)
		if err == nil && t.LastOffset < offset {
			keep = i + 1
		}
		return err
	})
	if err != nil {
		return err
	}
	return x.truncate(keep)
}

func (x txnIndex) check(base, end int64) error {
	last := int64(-1)
	return x.each(func(i int, p []byte) error {
		t, err := parseAbortedTxn(p)
		if err != nil {
			return err
		}
		if t.LastOffset <= last || t.FirstOffset > t.LastOffset || t.LastOffset < base || t.LastOffset >= end || t.FirstOffset < 0 || t.LastStableOffset < 0 || t.LastStableOffset > t.LastOffset+1 {
			return fmt.Errorf("entry %d is a transaction from offset %d to %d, after one to %d", i, t.FirstOffset, t.LastOffset, last)
		}
		last = t.LastOffset
		return nil
	})
}
