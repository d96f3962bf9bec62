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
// answers a fetch with what is on the disk, straight from the file. It makes
// every topic that it is asked about, with eight partitions, and forgets what
// clients tell it. It is the limit for produce and for consume.
type bareLoop struct {
	addr, dir string

	mu     sync.Mutex
	topics map[string][]*bareLog
	dirty  map[*bareLog]bool
	group  *bareGroup // of those who wait for the next sync
	wake   chan struct{}
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
	b := &bareLoop{addr: addr, dir: dir, topics: map[string][]*bareLog{}, dirty: map[*bareLog]bool{}, group: &bareGroup{make(chan struct{})}, wake: make(chan struct{}, 1)}
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

// topic returns the partitions of a topic, which are made when it is first named.
func (b *bareLoop) topic(name string) ([]*bareLog, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if logs, ok := b.topics[name]; ok {
		return logs, nil
	}
	var logs []*bareLog
	for i := range barePartitions {
		f, err := os.Create(filepath.Join(b.dir, fmt.Sprintf("%s-%d", filepath.Base(name), i)))
		if err != nil {
			return nil, err
		}
		logs = append(logs, &bareLog{f: f})
	}
	b.topics[name] = logs
	return logs, nil
}

// partition returns one partition of a topic.
func (b *bareLoop) partition(topic string, partition int32) (*bareLog, error) {
	logs, err := b.topic(topic)
	if err != nil {
		return nil, err
	}
	if partition < 0 || int(partition) >= len(logs) {
		return nil, errRequest
	}
	return logs[partition], nil
}

// commit syncs what is dirty, all files at once, and lets its group go.
func (b *bareLoop) commit() {
	for range b.wake {
		b.mu.Lock()
		dirty, group := b.dirty, b.group
		b.dirty, b.group = map[*bareLog]bool{}, &bareGroup{make(chan struct{})}
		b.mu.Unlock()
		var wg sync.WaitGroup
		for p := range dirty {
			wg.Go(func() {
				batches := p.batches()
				if err := syncData(p.f); err != nil {
					panic(err) // the disk under a benchmark
				}
				p.synced(batches)
			})
		}
		wg.Wait()
		close(group.done)
	}
}

// answer is what the writer of a connection sends: b when wait is over, or what
// fetch finds.
type answer struct {
	wait  *bareGroup
	b     []byte
	fetch *bareFetch
}

// serve reads requests one after the other; a second goroutine answers in order.
func (b *bareLoop) serve(c net.Conn) {
	defer c.Close()
	answers := make(chan answer, 64)
	defer close(answers)
	go func() {
		sections := bareSections{}
		defer sections.close()
		for a := range answers {
			if a.wait != nil {
				<-a.wait.done
			}
			var err error
			if a.fetch != nil {
				err = a.fetch.answer(b, c.(*net.TCPConn), sections)
			} else {
				_, err = c.Write(a.b)
			}
			if err != nil {
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
		for _, k := range []struct{ key, from, to int16 }{{0, 3, 9}, {1, 4, 4}, {2, 1, 1}, {3, 4, 9}, {18, 0, 3}, {22, 0, 4}} {
			a := kmsg.NewApiVersionsResponseApiKey()
			a.ApiKey, a.MinVersion, a.MaxVersion = k.key, k.from, k.to
			r.ApiKeys = append(r.ApiKeys, a)
		}
	case *kmsg.MetadataRequest:
		if err := b.metadata(req, resp.(*kmsg.MetadataResponse)); err != nil {
			return answer{}, err
		}
	case *kmsg.InitProducerIDRequest:
		resp.(*kmsg.InitProducerIDResponse).ProducerID = 1
	case *kmsg.ProduceRequest:
		var err error
		if wait, err = b.produce(req, resp.(*kmsg.ProduceResponse)); err != nil {
			return answer{}, err
		}
	case *kmsg.ListOffsetsRequest:
		if err := b.listOffsets(req, resp.(*kmsg.ListOffsetsResponse)); err != nil {
			return answer{}, err
		}
	case *kmsg.FetchRequest:
		return answer{fetch: &bareFetch{binary.BigEndian.Uint32(correlation), req}}, nil
	default:
		return answer{}, errRequest
	}
	out := append(make([]byte, 4, 256), correlation...)
	if resp.IsFlexible() && key != 18 {
		out = append(out, 0)
	}
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return answer{wait: wait, b: out}, nil
}

func (b *bareLoop) metadata(req *kmsg.MetadataRequest, r *kmsg.MetadataResponse) error {
	host, port, _ := net.SplitHostPort(b.addr)
	br := kmsg.NewMetadataResponseBroker()
	br.NodeID, br.Host = 1, host
	fmt.Sscan(port, &br.Port)
	r.Brokers, r.ControllerID = append(r.Brokers, br), 1
	for _, asked := range req.Topics {
		if asked.Topic == nil {
			return errRequest
		}
		logs, err := b.topic(*asked.Topic)
		if err != nil {
			return err
		}
		t := kmsg.NewMetadataResponseTopic()
		t.Topic = asked.Topic
		for i := range logs {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.Replicas, p.ISR = int32(i), 1, []int32{1}, []int32{1}
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	return nil
}

func (b *bareLoop) produce(req *kmsg.ProduceRequest, resp *kmsg.ProduceResponse) (*bareGroup, error) {
	var touched []*bareLog
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			to, err := b.partition(t.Topic, p.Partition)
			if err != nil {
				return nil, err
			}
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
	group := b.nextGroup(touched)
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return group, nil
}

// nextGroup marks what is to be synced and returns who waits for the next sync.
func (b *bareLoop) nextGroup(touched []*bareLog) *bareGroup {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range touched {
		b.dirty[p] = true
	}
	return b.group
}
