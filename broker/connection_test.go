package broker

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// TestAnAnswerThatWaitsHoldsBackThoseBehindIt has a fetch without records in front of
// requests that could be answered at once.
func TestAnAnswerThatWaitsHoldsBackThoseBehindIt(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	c := dialRaw(t, b)
	wait := fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.MaxWaitMillis = 300_000 })
	metadata := at(9, kmsg.NewPtrMetadataRequest())
	c.write(frameOf(wait, 1))
	c.write(frameOf(metadata, 2))
	c.write(frameOf(produceRequest("t", 1, batchOf(t, 1)), 3)) // which the fetch waits for
	if got := c.answerTo(wait, 1).(*kmsg.FetchResponse).Topics[0].Partitions[0]; got.HighWatermark != 1 {
		t.Errorf("%+v", got)
	}
	if got := c.answerTo(metadata, 2).(*kmsg.MetadataResponse); len(got.Brokers) != 1 {
		t.Errorf("%+v", got)
	}
	c.answerTo(produceRequest("t", 1, nil), 3)
}

// TestOnlySoManyRequestsAreReadAhead puts hundreds of requests behind one that waits.
func TestOnlySoManyRequestsAreReadAhead(t *testing.T) {
	const ahead, all = 4, 300
	b := startBroker(t, func(o *Options) { o.Limits.InFlight = ahead })
	createTopic(t, b, "t", 1, nil)
	eventually(t, "the client that made the topic is gone or silent", func() bool { return b.inFlight() == 0 })
	c, other := dialRaw(t, b), dialRaw(t, b)
	wait := fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.MaxWaitMillis = 300_000 })
	frames := frameOf(wait, 0)
	for i := range int32(all) {
		frames = append(frames, frameOf(kmsg.NewPtrApiVersionsRequest(), i+1)...)
	}
	go func() { _, _ = c.conn.Write(frames) }() // what fails here is missed below
	most := ahead + 2                           // the one that waits, and the one that the reader could not hand over
	eventually(t, "as many as may be are read", func() bool {
		n := b.inFlight()
		if n > most {
			t.Fatalf("%d requests are in flight, %d may be", n, most)
		}
		return n == most
	})
	other.ask(produceRequest("t", 1, batchOf(t, 1)))
	c.answerTo(wait, 0)
	for i := range int32(all) {
		c.answerTo(kmsg.NewPtrApiVersionsRequest(), i+1)
	}
}

// inFlight counts the requests that were read and are not answered.
func (b *Broker) inFlight() int {
	b.conns.mu.Lock()
	defer b.conns.mu.Unlock()
	n := 0
	for c := range b.conns.open {
		n += int(c.inFlight.Load())
	}
	return n
}

func TestNoClientIDIsAnEmptyOne(t *testing.T) {
	b := startBroker(t, newStillClock().options)
	alterQuotas(dialRaw(t, b), []string{"client-id", ""}, map[string]float64{quotaRequest: 1e-7})
	empty := ""
	for _, version := range []int16{1, 8, 9, 13} {
		for name, id := range map[string]*string{"null": nil, "empty": &empty} {
			c := dialRaw(t, b)
			req := at(version, kmsg.NewPtrMetadataRequest())
			c.write(frameFrom(id, req, 1))
			resp := c.answerTo(req, 1).(*kmsg.MetadataResponse)
			if version >= 3 && throttleOf(resp) == 0 {
				t.Errorf("version %d, %s: not a client of the default quota", version, name)
			}
		}
	}
}

// TestTheHeaderOfApiVersionsNeverHasTags reads the bytes: what follows the correlation
// ID is the error code, whatever the version, and a tag buffer with other APIs.
func TestTheHeaderOfApiVersionsNeverHasTags(t *testing.T) {
	c := dialRaw(t, startBroker(t))
	for version := int16(0); version <= 4; version++ {
		req := at(version, &kmsg.ApiVersionsRequest{ClientSoftwareName: "a", ClientSoftwareVersion: "1"})
		c.write(frameOf(req, int32(version)))
		correlation, rest := c.read()
		want := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(len(offer)))
		if version >= 3 {
			want = binary.AppendUvarint([]byte{0, 0}, uint64(len(offer)+1))
		}
		if correlation != int32(version) || !bytes.HasPrefix(rest, want) {
			t.Errorf("version %d: % x…, want % x", version, rest[:8], want)
		}
	}
	c.write(frameOf(at(2, kmsg.NewPtrDescribeClusterRequest()), 9))
	if _, rest := c.read(); !bytes.HasPrefix(rest, []byte{0, 0, 0, 0, 0, 0, 0}) { // tags, throttle time, error code
		t.Errorf("DescribeCluster: % x", rest)
	}
}

func TestNamesOfSoftware(t *testing.T) {
	c := dialRaw(t, startBroker(t))
	for name, ok := range map[string]bool{
		"a": true, "7": true, "a.b": true, "a..b": true, "a--b": true, "franz-go": true, "1.2.3-SNAPSHOT": true, strings.Repeat("x", 200): true,
		"": false, ".": false, "-": false, "a.": false, "a-": false, ".a": false, "-a": false, "a_b": false, "a/b": false, "a b": false, "a\n": false, "ä": false, "a\x00": false,
		strings.Repeat("x", 200) + ".": false,
	} {
		for version := int16(0); version <= 4; version++ {
			for _, req := range []*kmsg.ApiVersionsRequest{{ClientSoftwareName: name, ClientSoftwareVersion: "1"}, {ClientSoftwareName: "a", ClientSoftwareVersion: name}} {
				want := int16(0)
				if !ok && version >= 3 { // before, there is no such field
					want = kerr.InvalidRequest.Code
				}
				if resp := c.ask(at(version, req)).(*kmsg.ApiVersionsResponse); resp.ErrorCode != want || (want != 0) != (len(resp.ApiKeys) == 0) {
					t.Errorf("version %d, %q %q: error %d, want %d", version, req.ClientSoftwareName, req.ClientSoftwareVersion, resp.ErrorCode, want)
				}
			}
		}
	}
}

// TestOnlyTheFirstBatchIsAboveTheBounds fetches two partitions with bounds that are smaller
// than any batch.
func TestOnlyTheFirstBatchIsAboveTheBounds(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 2, nil)
	id := b.topics.byName("t").ID
	c := dialRaw(t, b)
	for range 2 {
		for partition := range int32(2) {
			req := produceRequest("t", -1, batchOf(t, 5))
			req.Topics[0].Partitions[0].Partition = partition
			if out := produced(c.ask(req)); out.ErrorCode != 0 {
				t.Fatalf("%+v", out)
			}
		}
	}
	for version := int16(4); version <= 18; version++ {
		for name, bounds := range map[string][2]int32{"of the request": {1, 1 << 20}, "of the partition": {1 << 20, 1}} {
			req := fetchRequest("t", 7, func(r *kmsg.FetchRequest) {
				r.SetVersion(version)
				r.MaxBytes, r.Topics[0].TopicID = bounds[0], id
				first := &r.Topics[0].Partitions[0]
				first.PartitionMaxBytes = bounds[1]
				second := *first
				second.Partition = 1
				r.Topics[0].Partitions = append(r.Topics[0].Partitions, second)
			})
			parts := c.ask(req).(*kmsg.FetchResponse).Topics[0].Partitions
			batch, rest, err := record.Next(parts[0].RecordBatches)
			if err != nil || len(rest) != 0 || batch.BaseOffset() != 5 || batch.Count() != 5 {
				t.Errorf("version %d, %s: the first partition: %v, %d bytes behind the first batch", version, name, err, len(rest))
			}
			if parts[1].ErrorCode != 0 || parts[1].RecordBatches == nil || len(parts[1].RecordBatches) != 0 || parts[1].HighWatermark != 10 {
				t.Errorf("version %d, %s: the second partition: %+v", version, name, parts[1])
			}
		}
	}
}

// TestWhoWaitsForAnAnswerIsNotIdle has the time for being idle run out while a fetch waits.
func TestWhoWaitsForAnAnswerIsNotIdle(t *testing.T) {
	b := startBroker(t)
	newTopic(t, b, "t")
	c := dialRaw(t, b)
	req := fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.MaxWaitMillis = 300_000 })
	c.write(frameOf(req, 1))
	eventually(t, "the fetch waits", func() bool { return b.inFlight() == 1 })
	for range 3 {
		b.conns.mu.Lock()
		for waiting := range b.conns.open {
			_ = waiting.net.SetReadDeadline(aLongTimeAgo)
		}
		b.conns.mu.Unlock()
		time.Sleep(time.Millisecond) // for the reader to see it, or not: it must be right both ways
	}
	if out := produced(dialRaw(t, b).ask(produceRequest("t", -1, batchOf(t, 1)))); out.ErrorCode != 0 {
		t.Errorf("%+v", out)
	}
	if got := c.answerTo(req, 1).(*kmsg.FetchResponse).Topics[0].Partitions[0]; got.HighWatermark != 1 {
		t.Errorf("%+v", got)
	}
	c.ask(kmsg.NewPtrApiVersionsRequest())
}

// newTopic makes a topic without a client.
func newTopic(t *testing.T, b *Broker, name string) *Partition {
	t.Helper()
	if _, err := b.autoCreate(name); err != nil {
		t.Fatal(err)
	}
	p, err := b.Partition(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFramesUpToTheirLimits sends frames of exactly as many bytes as may be, and of one more.
func TestFramesUpToTheirLimits(t *testing.T) {
	if l := (Limits{}).withDefaults(); l.RequestBytes != 100<<20 || l.UnauthenticatedRequestBytes != 512<<10 || l.Idle != 10*time.Minute {
		t.Errorf("defaults: %+v", l)
	}
	const limit, early = 100_000, 5000
	var lines logLines
	b := securedBroker(t, withLog(&lines), func(o *Options) {
		o.Limits.RequestBytes, o.Limits.UnauthenticatedRequestBytes = limit, early
	})
	token := func(bytes int) []byte {
		req := at(1, kmsg.NewPtrSASLAuthenticateRequest()).(*kmsg.SASLAuthenticateRequest)
		req.SASLAuthBytes = make([]byte, bytes-(len(frameOf(req, 1))-4))
		return frameOf(req, 1)
	}
	c := dialRaw(t, b)
	c.write(token(early))
	if resp := c.answerTo(at(1, kmsg.NewPtrSASLAuthenticateRequest()), 1).(*kmsg.SASLAuthenticateResponse); resp.ErrorCode != kerr.IllegalSaslState.Code {
		t.Errorf("error %d", resp.ErrorCode)
	}
	c.write(token(early + 1))
	c.wantClosed()
	eventually(t, "the limit is named", func() bool {
		return lines.count(fmt.Sprintf("request of %d bytes: the limit is %d", early+1, early)) == 1
	})

	c = dialRaw(t, b)
	c.login("alice", "wonder")
	c.write(token(limit))
	c.answerTo(at(1, kmsg.NewPtrSASLAuthenticateRequest()), 1)
	_, _ = c.conn.Write(token(limit + 1)[:4]) // its length is enough
	c.wantClosed()
}

// TestBytesBehindARequestAreIgnored as Kafka does: its clients have sent some.
func TestBytesBehindARequestAreIgnored(t *testing.T) {
	c := dialRaw(t, startBroker(t))
	for version := int16(0); version <= 13; version++ {
		req := at(version, kmsg.NewPtrMetadataRequest())
		frame := append(frameOf(req, 1), 1, 2, 3, 4, 5)
		binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
		c.write(frame)
		if resp := c.answerTo(req, 1).(*kmsg.MetadataResponse); len(resp.Brokers) != 1 {
			t.Errorf("version %d: %+v", version, resp)
		}
	}
}

// TestUnknownTagsAreIgnored puts tagged fields that nobody has defined into the header, the
// body, and an element of an array.
func TestUnknownTagsAreIgnored(t *testing.T) {
	b := startBroker(t)
	newTopic(t, b, "t")
	c := dialRaw(t, b)
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(12)
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr("t")
	topic.UnknownTags.Set(1000, []byte("of the topic"))
	req.Topics = append(req.Topics, topic)
	req.UnknownTags.Set(0, nil)
	req.UnknownTags.Set(1<<20, bytes.Repeat([]byte("x"), 1000))
	tagged := func(tags int) []byte {
		f := []byte{0, 0, 0, 0, 0, 3, 0, 12, 0, 0, 0, 1, 0, 0}
		f = binary.AppendUvarint(f, uint64(tags))
		for i := range tags {
			f = append(binary.AppendUvarint(f, uint64(i)), 2, 'a', 'b')
		}
		f = req.AppendTo(f)
		binary.BigEndian.PutUint32(f, uint32(len(f)-4))
		return f
	}
	for _, tags := range []int{0, 1, 64} {
		c.write(tagged(tags))
		if resp := c.answerTo(req, 1).(*kmsg.MetadataResponse); len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != 0 {
			t.Errorf("%d tags: %+v", tags, resp)
		}
	}
	c.write(tagged(65))
	c.wantClosed()
}

// TestAClientThatDripsIsCut sends a small request a byte at a time: the time for a part of a
// request does not begin anew with each byte.
func TestAClientThatDripsIsCut(t *testing.T) {
	var lines logLines
	b := startBroker(t, withLog(&lines), func(o *Options) { o.Limits.FrameTime = 50 * time.Millisecond })
	c := dialRaw(t, b)
	frame := append(frameOf(kmsg.NewPtrMetadataRequest(), 1), make([]byte, 20_000)...)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	gone := make(chan struct{})
	go func() {
		c.wantNothing()
		close(gone)
	}()
	sent := 0
drip:
	for ; sent < len(frame); sent++ {
		if _, err := c.conn.Write(frame[sent : sent+1]); err != nil {
			break
		}
		select {
		case <-gone:
			break drip
		case <-time.After(5 * time.Millisecond):
		}
	}
	<-gone
	if sent == len(frame) {
		t.Error("the whole request was taken")
	}
	eventually(t, "why is logged", func() bool { return lines.count("the client stopped in the middle of a request") == 1 })
}

// wantNothing reads until the connection ends, and complains of answers.
func (c *rawClient) wantNothing() {
	if n, err := c.in.Read(make([]byte, 1)); n != 0 {
		c.t.Errorf("there was an answer, %v", err)
	}
}

// TestAClientThatTakesNoAnswersIsCut asks for much, and never reads.
func TestAClientThatTakesNoAnswersIsCut(t *testing.T) {
	var lines logLines
	b := startBroker(t, withLog(&lines), func(o *Options) { o.Limits.FrameTime, o.Limits.InFlight = 100*time.Millisecond, 4 })
	newTopic(t, b, "t")
	writer := dialRaw(t, b)
	if out := produced(writer.ask(produceRequest("t", -1, valuesBatch(t, record.None, string(make([]byte, 900_000)))))); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	_ = writer.conn.Close()
	for _, ask := range []kmsg.Request{fetchRequest("t", 0, nil), at(4, kmsg.NewPtrDescribeConfigsRequest())} {
		if configs, ok := ask.(*kmsg.DescribeConfigsRequest); ok {
			configs.IncludeDocumentation = true
			for range 100 {
				configs.Resources = append(configs.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t"})
			}
		}
		c := dialRaw(t, b)
		_ = c.conn.(*net.TCPConn).SetReadBuffer(4096)
		frame := frameOf(ask, 1)
		for {
			if _, err := c.conn.Write(frame); err != nil {
				break
			}
		}
		eventually(t, "it is gone", func() bool { return b.conns.count() == 0 })
		eventually(t, "what it held is given back", func() bool { return b.memory.inUse() == 0 })
	}
	if lines.count("the client takes its answers too slowly") == 0 {
		t.Error("nobody was told why")
	}
}

// TestAClientThatDoesNotBeginTLSIsCut connects, and says nothing that TLS would.
func TestAClientThatDoesNotBeginTLSIsCut(t *testing.T) {
	cert, _ := certificate(t)
	var lines logLines
	b := startBroker(t, withLog(&lines), func(o *Options) {
		o.Limits.FrameTime = 50 * time.Millisecond
		o.Listeners = []Listener{{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}}
	})
	dialRaw(t, b).wantClosed()
	eventually(t, "why is logged", func() bool { return lines.count("TLS handshake: ") == 1 })
	eventually(t, "it is gone", func() bool { return b.conns.count() == 0 })
}
