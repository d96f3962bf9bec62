package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// attack is hostile clients that go on until they are stopped. What becomes of their
// connections does not matter.
type attack struct {
	from net.Dialer
	addr string
	stop chan struct{}
	all  sync.WaitGroup
}

func (a *attack) over() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}

// hold opens n connections, sends each something and leaves it at that.
func (a *attack) hold(n int, send ...[]byte) {
	for range n {
		a.each(1, func(c net.Conn) {
			for _, b := range send {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
			<-a.stop
		})
	}
}

// each has n clients that connect and do something, again and again.
func (a *attack) each(n int, do func(net.Conn)) {
	for range n {
		a.all.Go(func() {
			for !a.over() {
				c, err := a.from.Dial("tcp", a.addr)
				if err != nil {
					time.Sleep(time.Millisecond)
					continue
				}
				ended := make(chan struct{})
				go func() { // whatever it waits for
					select {
					case <-a.stop:
					case <-ended:
					}
					_ = c.Close()
				}()
				do(c)
				close(ended)
				time.Sleep(time.Millisecond) // the processor is for those who behave, too
			}
		})
	}
}

// send writes all, reads what comes until the connection ends or so many bytes came.
func send(c net.Conn, frame []byte, answer int) {
	if _, err := c.Write(frame); err != nil {
		return
	}
	buf := make([]byte, 512)
	for answer > 0 {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		answer -= n
	}
}

// wrongFrames are requests whose lengths and counts are not true.
func wrongFrames() map[string][]byte {
	bodyOf := func(key kmsg.Key, version int16, body ...byte) []byte {
		f := []byte{0, 0, 0, 0, byte(key >> 8), byte(key), byte(version >> 8), byte(version), 0, 0, 0, 1, 0, 0}
		f = append(f, body...)
		binary.BigEndian.PutUint32(f, uint32(len(f)-4))
		return f
	}
	many := make([]byte, 1<<20) // a million topics with empty names
	binary.BigEndian.PutUint32(many, 500_000)
	return map[string][]byte{
		"a negative length":          {0xff, 0xff, 0xff, 0xff},
		"a length of nothing":        {0, 0, 0, 0},
		"more than may be sent":      {0x7f, 0xff, 0xff, 0xff},
		"a header that is too short": {0, 0, 0, 9, 0, 3, 0, 1, 0, 0, 0, 1, 0},
		"a client ID beyond the end": {0, 0, 0, 10, 0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff},
		"two billion topics":         bodyOf(kmsg.Metadata, 1, 0x7f, 0xff, 0xff, 0xff),
		"half a million topics":      bodyOf(kmsg.Metadata, 1, many...),
		"four billion, flexible":     bodyOf(kmsg.Metadata, 9, 0, 0xff, 0xff, 0xff, 0xff, 0x0f),
		"arrays in arrays":           bodyOf(kmsg.Fetch, 4, append([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, many...)...),
		"a string beyond the end":    bodyOf(kmsg.FindCoordinator, 0, 0x7f, 0xff, 'g'),
		"records beyond the end":     bodyOf(kmsg.Produce, 3, 0xff, 0xff, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff),
		"an unknown API":             bodyOf(999, 0),
		"an unknown version":         bodyOf(kmsg.Fetch, 99),
		"HTTP":                       []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"TLS":                        {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3},
	}
}

func TestWrongLengthsEndTheConnection(t *testing.T) {
	b := startBroker(t)
	for name, frame := range wrongFrames() {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, b)
			c.write(frame)
			if name == "HTTP" {
				if line, err := c.in.ReadString('\n'); err != nil || line != "HTTP/1.0 400 Bad Request\r\n" {
					t.Errorf("%q, %v", line, err)
				}
				return
			}
			c.wantClosed()
		})
	}
}

// TestHostileClientsCostLittleAndHinderNobody makes all attacks at once, while a producer
// and a consumer that behave go on without an error, and the memory in use stays
// within what the limits allow for.
func TestHostileClientsCostLittleAndHinderNobody(t *testing.T) {
	const (
		memory       = 32 << 20
		requestBytes = 12 << 20
		connections  = 160 // of which those who attack may have
		attackers    = 120
		zeros        = 4 << 20
		dripping     = 3
		slow         = 10
		batchBytes   = 900_000 // of the answers that are not taken
		honestly     = 40      // records
	)
	b := startBroker(t, validating(nil), func(o *Options) {
		o.Logger = nil
		o.Limits.MemoryBytes, o.Limits.RequestBytes, o.Limits.Connections, o.Limits.InFlight = memory, requestBytes, connections, 8
		o.Limits.ConnectionsPerIP = attackers
	})
	createTopic(t, b, "t", 1, nil)
	createTopic(t, b, "checked", 1, map[string]string{"schema.validation.level": "payload"})
	createTopic(t, b, "stored", 1, map[string]string{"compression.type": "uncompressed"})
	patient := []kgo.Opt{kgo.RequestTimeoutOverhead(2 * time.Minute), kgo.RecordRetries(0), kgo.ProduceRequestTimeout(2 * time.Minute),
		kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	producer, consumer := newClient(t, b, patient[:4]...), newClient(t, b, patient...)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	produce := func(i int) {
		if err := producer.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
			t.Fatalf("a producer that behaves: record %d: %v", i, err)
		}
	}
	consume := func(i int) {
		for {
			fetches := consumer.PollRecords(ctx, 1)
			if err := fetches.Err(); err != nil {
				t.Fatalf("a consumer that behaves: record %d: %v", i, err)
			}
			for _, r := range fetches.Records() {
				if string(r.Value) != fmt.Sprint(i) {
					t.Fatalf("record %s, want %d", r.Value, i)
				}
				return
			}
		}
	}
	produce(0)
	consume(0)

	fetch := kmsg.NewPtrFetchRequest()
	fetch.SetVersion(11)
	fetch.SessionEpoch, fetch.MaxBytes = -1, 1<<30
	ft, fp := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	ft.Topic, fp.PartitionMaxBytes = "checked", 1<<30
	ft.Partitions = append(ft.Partitions, fp)
	fetch.Topics = append(fetch.Topics, ft)
	var bombs [][]byte
	for _, codec := range everyCodec {
		for _, topic := range []string{"checked", "stored"} {
			bombs = append(bombs, frameOf(produceRequest(topic, -1, bomb(t, codec, zeros)), 1))
		}
	}
	large := produced(dialRaw(t, b).ask(produceRequest("checked", -1, valuesBatch(t, record.None, string(make([]byte, batchBytes))))))
	if large.ErrorCode != 0 {
		t.Fatalf("%+v", large)
	}
	announced := binary.BigEndian.AppendUint32(nil, requestBytes)
	drip := make([]byte, 32<<10)

	before := liveBytes()
	a := &attack{addr: b.Addr("").String(), stop: make(chan struct{})}
	a.from.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)} // the limit of connections from one address is theirs
	if c, err := a.from.Dial("tcp", a.addr); err != nil {
		t.Skip("there is no second address to attack from: ", err)
	} else {
		_ = c.Close()
	}
	a.hold(10, []byte{0, 0})                  // half a length
	a.hold(10, announced)                     // an announcement and nothing
	a.hold(20, announced, make([]byte, 5000)) // and a little
	a.hold(10, frameOf(fetch, 1)[:20])        // half a header
	a.each(dripping, func(c net.Conn) {       // never done
		if _, err := c.Write(announced); err != nil {
			return
		}
		for i := range requestBytes/len(drip) - 1 {
			if _, err := c.Write(drip); err != nil || a.over() {
				return
			}
			time.Sleep(time.Duration(i%3) * time.Millisecond)
		}
		<-a.stop
	})
	a.each(10, func(c net.Conn) { // asks and asks, and takes no answer
		ask := frameOf(kmsg.NewPtrApiVersionsRequest(), 1)
		for {
			if _, err := c.Write(ask); err != nil {
				return
			}
		}
	})
	a.each(slow, func(c net.Conn) { // the same with answers of a megabyte
		ask := frameOf(fetch, 1)
		for {
			if _, err := c.Write(ask); err != nil {
				return
			}
		}
	})
	for _, frame := range bombs {
		a.each(1, func(c net.Conn) { send(c, frame, 40) })
	}
	for _, frame := range wrongFrames() {
		a.each(1, func(c net.Conn) { send(c, frame, 1<<10) })
	}
	a.each(4, func(net.Conn) {}) // connects and goes
	defer func() {
		close(a.stop)
		a.all.Wait()
	}()

	// What the two budgets allow for, the one request and the one batch beyond them, the
	// buffers that wait for the collector and the largest one once more while it is copied;
	// a whole batch for each answer, however little there is; for each connection both its ends, the first buffer of a frame, and answers in
	// flight; for those who got further the buffers in between.
	largest, answers := int64(bufferCap(requestBytes)), int64(slow*2*batchBytes)
	bound := int64(memory) + answers + 2*largest + int64(slackBytes(memory)) + zeros + 1<<20 +
		connections*(2*connectionBytes+32<<10+8*(8<<10)) + dripping*672<<10
	for i := 1; i <= honestly; i++ {
		produce(i)
		consume(i)
		if i%10 != 0 {
			continue
		}
		if grown := liveBytes() - before; grown > bound {
			t.Fatalf("after %d records %d MiB more are in use, %d are allowed for", i, grown>>20, bound>>20)
		}
		if used, most := b.memory.inUse(), requestMemory(memory)+answers+largest+largest/4; used > most {
			t.Fatalf("%d bytes of requests are paid for, at most %d may be", used, most)
		}
		if n := b.conns.count(); n > connections {
			t.Fatalf("%d connections", n)
		}
	}
}
