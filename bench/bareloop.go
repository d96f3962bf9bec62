package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The bare loop is the least that can be called a durable broker: it decodes a
// produce request, checks each batch's CRC, patches its base offset, appends it
// to the partition's file, and answers when a group-committed fsync is over. It
// has one topic of eight partitions, forgets what clients tell it, and reads
// nothing back. It is the limit for produce.
type bareLoop struct {
	addr       string
	partitions []*barePartition

	mu    sync.Mutex
	dirty map[*barePartition]bool
	group *bareGroup // of those who wait for the next sync
	wake  chan struct{}
}

type barePartition struct {
	mu       sync.Mutex
	f        *os.File
	at, next int64 // byte position, offset
}

// bareGroup is closed when everything appended before it was taken is on the disk.
type bareGroup struct{ done chan struct{} }

const (
	barePartitions = 8
	bareTopic      = "bench"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func serveBare(addr, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b := &bareLoop{addr: addr, dirty: map[*barePartition]bool{}, group: &bareGroup{make(chan struct{})}, wake: make(chan struct{}, 1)}
	for i := range barePartitions {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return err
		}
		b.partitions = append(b.partitions, &barePartition{f: f})
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	go b.commit()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go b.serve(c)
	}
}

// commit syncs what is dirty, all files at once, and lets its group go.
func (b *bareLoop) commit() {
	for range b.wake {
		b.mu.Lock()
		dirty, group := b.dirty, b.group
		b.dirty, b.group = map[*barePartition]bool{}, &bareGroup{make(chan struct{})}
		b.mu.Unlock()
		var wg sync.WaitGroup
		for p := range dirty {
			wg.Go(func() {
				if err := syncData(p.f); err != nil {
					panic(err) // the disk under a benchmark
				}
			})
		}
		wg.Wait()
		close(group.done)
	}
}

// answer is what the writer of a connection sends when wait is over.
type answer struct {
	wait *bareGroup
	b    []byte
}

// serve reads requests one after the other; a second goroutine answers in order.
func (b *bareLoop) serve(c net.Conn) {
	defer c.Close()
	answers := make(chan answer, 64)
	defer close(answers)
	go func() {
		for a := range answers {
			if a.wait != nil {
				<-a.wait.done
			}
			if _, err := c.Write(a.b); err != nil {
				c.Close()
			}
		}
	}()
	in := bufio.NewReaderSize(c, 64<<10)
	var frame []byte
	for {
		var size [4]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(size[:])
		if n < 10 || n > 100<<20 {
			return
		}
		if cap(frame) < int(n) {
			frame = make([]byte, n)
		}
		frame = frame[:n]
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		a, err := b.handle(frame)
		if err != nil {
			return
		}
		answers <- a
	}
}

var errRequest = errors.New("not a request that the bare loop knows")

func (b *bareLoop) handle(frame []byte) (answer, error) {
	key, version, correlation := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:])), frame[4:8]
	req := kmsg.RequestForKey(key)
	if req == nil {
		return answer{}, errRequest
	}
	req.SetVersion(version)
	rest := frame[8:]
	if n := int16(binary.BigEndian.Uint16(rest)); n >= 0 && int(n)+2 <= len(rest) {
		rest = rest[2+n:] // client ID
	} else {
		rest = rest[2:]
	}
	if req.IsFlexible() {
		if len(rest) == 0 || rest[0] != 0 {
			return answer{}, errRequest
		}
		rest = rest[1:]
	}
	if err := req.ReadFrom(rest); err != nil {
		return answer{}, err
	}
	resp := req.ResponseKind()
	resp.SetVersion(version)
	var wait *bareGroup
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		r := resp.(*kmsg.ApiVersionsResponse)
		for _, k := range []struct{ key, from, to int16 }{{0, 3, 9}, {3, 4, 9}, {18, 0, 3}, {22, 0, 4}} {
			a := kmsg.NewApiVersionsResponseApiKey()
			a.ApiKey, a.MinVersion, a.MaxVersion = k.key, k.from, k.to
			r.ApiKeys = append(r.ApiKeys, a)
		}
	case *kmsg.MetadataRequest:
		b.metadata(resp.(*kmsg.MetadataResponse))
	case *kmsg.InitProducerIDRequest:
		resp.(*kmsg.InitProducerIDResponse).ProducerID = 1
	case *kmsg.ProduceRequest:
		var err error
		if wait, err = b.produce(req, resp.(*kmsg.ProduceResponse)); err != nil {
			return answer{}, err
		}
	default:
		return answer{}, errRequest
	}
	out := append(make([]byte, 4, 256), correlation...)
	if resp.IsFlexible() && key != 18 {
		out = append(out, 0)
	}
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return answer{wait, out}, nil
}

func (b *bareLoop) metadata(r *kmsg.MetadataResponse) {
	host, port, _ := net.SplitHostPort(b.addr)
	br := kmsg.NewMetadataResponseBroker()
	br.NodeID, br.Host = 1, host
	fmt.Sscan(port, &br.Port)
	r.Brokers, r.ControllerID = append(r.Brokers, br), 1
	t := kmsg.NewMetadataResponseTopic()
	t.Topic = kmsg.StringPtr(bareTopic)
	for i := range b.partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.Replicas, p.ISR = int32(i), 1, []int32{1}, []int32{1}
		t.Partitions = append(t.Partitions, p)
	}
	r.Topics = append(r.Topics, t)
}

func (b *bareLoop) produce(req *kmsg.ProduceRequest, resp *kmsg.ProduceResponse) (*bareGroup, error) {
	var touched []*barePartition
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			if p.Partition < 0 || int(p.Partition) >= len(b.partitions) {
				return nil, errRequest
			}
			to := b.partitions[p.Partition]
			base, err := to.append(p.Records)
			if err != nil {
				return nil, err
			}
			touched = append(touched, to)
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.BaseOffset = p.Partition, base
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	b.mu.Lock()
	for _, p := range touched {
		b.dirty[p] = true
	}
	group := b.group
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return group, nil
}

// append checks one batch, gives it its offset and writes it.
func (p *barePartition) append(batch []byte) (base int64, err error) {
	if len(batch) < 61 || crcOf(batch[21:]) != binary.BigEndian.Uint32(batch[17:]) {
		return 0, errRequest
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	base = p.next
	binary.BigEndian.PutUint64(batch, uint64(base))
	if _, err := p.f.WriteAt(batch, p.at); err != nil {
		return 0, err
	}
	p.at += int64(len(batch))
	p.next += int64(binary.BigEndian.Uint32(batch[57:]))
	return base, nil
}
