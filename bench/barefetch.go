package main

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// bareFetch is a fetch of the bare loop, version 4. It waits for min bytes until
// max wait is over and sends what lies in the files as it lies there.
type bareFetch struct {
	correlation uint32
	req         *kmsg.FetchRequest
}

// bareSections are a connection's own handles of the files it reads from: each
// has a position of its own.
type bareSections map[*bareLog]*os.File

func (s bareSections) close() {
	for _, f := range s {
		f.Close()
	}
}

// of returns a partition's file at a position.
func (s bareSections) of(p *bareLog, at int64) (*os.File, error) {
	f, ok := s[p]
	if !ok {
		var err error
		if f, err = os.Open(p.f.Name()); err != nil {
			return nil, err
		}
		s[p] = f
	}
	_, err := f.Seek(at, io.SeekStart)
	return f, err
}

// barePart is a partition's part of an answer: head, then n bytes of its file.
type barePart struct {
	head  []byte
	log   *bareLog
	at, n int64
}

func (f *bareFetch) answer(b *bareLoop, c *net.TCPConn, sections bareSections) error {
	deadline := time.Now().Add(time.Duration(f.req.MaxWaitMillis) * time.Millisecond)
	for {
		group := b.nextGroup(nil)
		parts, bytes, err := f.read(b)
		if err != nil {
			return err
		}
		wait := time.Until(deadline)
		if bytes >= int64(f.req.MinBytes) || wait <= 0 {
			return f.send(c, parts, bytes, sections)
		}
		timer := time.NewTimer(wait)
		select {
		case <-group.done:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// read finds what there is to send.
func (f *bareFetch) read(b *bareLoop) (parts []barePart, bytes int64, err error) {
	be := binary.BigEndian
	left := int64(f.req.MaxBytes)
	for i := range f.req.Topics {
		t := &f.req.Topics[i]
		for j := range t.Partitions {
			asked := &t.Partitions[j]
			p := barePart{}
			if j == 0 {
				if i == 0 {
					p.head = be.AppendUint32(make([]byte, 4, 64), f.correlation)
					p.head = be.AppendUint32(p.head, 0) // throttle time
					p.head = be.AppendUint32(p.head, uint32(len(f.req.Topics)))
				}
				p.head = be.AppendUint16(p.head, uint16(len(t.Topic)))
				p.head = append(p.head, t.Topic...)
				p.head = be.AppendUint32(p.head, uint32(len(t.Partitions)))
			}
			if p.log, err = b.partition(t.Topic, asked.Partition); err != nil {
				return nil, 0, err
			}
			var end int64
			if p.at, p.n, end = p.log.find(asked.FetchOffset, min(int64(asked.PartitionMaxBytes), left)); left <= 0 {
				p.n = 0
			}
			p.head = be.AppendUint32(p.head, uint32(asked.Partition))
			p.head = be.AppendUint16(p.head, 0)
			p.head = be.AppendUint64(p.head, uint64(end)) // high watermark
			p.head = be.AppendUint64(p.head, uint64(end)) // last stable offset
			p.head = be.AppendUint32(p.head, ^uint32(0))  // no aborted transactions
			p.head = be.AppendUint32(p.head, uint32(p.n))
			bytes, left = bytes+p.n, left-p.n
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return nil, 0, errRequest
	}
	return parts, bytes, nil
}

// send writes the parts; the records go from the file to the socket in the kernel.
func (f *bareFetch) send(c *net.TCPConn, parts []barePart, bytes int64, sections bareSections) error {
	size := bytes - 4
	for _, p := range parts {
		size += int64(len(p.head))
	}
	binary.BigEndian.PutUint32(parts[0].head, uint32(size))
	var head []byte
	for _, p := range parts {
		if head = append(head, p.head...); p.n == 0 {
			continue
		}
		if _, err := c.Write(head); err != nil {
			return err
		}
		head = head[:0]
		file, err := sections.of(p.log, p.at)
		if err != nil {
			return err
		}
		if n, err := c.ReadFrom(io.LimitReader(file, p.n)); err != nil || n < p.n {
			return io.ErrUnexpectedEOF
		}
	}
	_, err := c.Write(head)
	return err
}

// listOffsets answers version 1 with the start and the end of partitions.
func (b *bareLoop) listOffsets(req *kmsg.ListOffsetsRequest, resp *kmsg.ListOffsetsResponse) error {
	for _, t := range req.Topics {
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			log, err := b.partition(t.Topic, p.Partition)
			if err != nil {
				return err
			}
			rp := kmsg.NewListOffsetsResponseTopicPartition()
			rp.Partition, rp.Timestamp = p.Partition, -1
			if p.Timestamp == -1 {
				_, _, rp.Offset = log.find(0, 0)
			} else {
				rp.Offset = 0
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return nil
}
