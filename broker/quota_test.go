package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// stillClock is a clock that moves only while the broker keeps a client waiting, by as
// much as it means to.
type stillClock struct {
	mu    sync.Mutex
	now   time.Time
	waits chan time.Duration // every wait as it begins
	hold  chan struct{}      // if not nil, each wait needs one of these to end
}

func newStillClock() *stillClock {
	return &stillClock{now: time.Now(), waits: make(chan time.Duration, 1000)}
}

func (c *stillClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stillClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *stillClock) wait(ctx context.Context, d time.Duration) {
	c.waits <- d
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
		}
	}
	c.move(d)
}

func (c *stillClock) options(o *Options) { o.Now, o.wait = c.Now, c.wait }

// waited returns how long the next wait is.
func (c *stillClock) waited(t *testing.T) time.Duration {
	t.Helper()
	select {
	case d := <-c.waits:
		return d
	case <-time.After(2 * time.Minute):
		t.Fatal("nobody is kept waiting")
		return 0
	}
}

// alterQuotas changes one entity's quotas; a value of 0 removes. Parts are pairs of type
// and name, which is "" for the default.
func alterQuotas(c *rawClient, parts []string, quotas map[string]float64) {
	c.t.Helper()
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	for i := 0; i < len(parts); i += 2 {
		e := kmsg.NewAlterClientQuotasRequestEntryEntity()
		if e.Type = parts[i]; parts[i+1] != "" {
			e.Name = &parts[i+1]
		}
		entry.Entity = append(entry.Entity, e)
	}
	for key, value := range quotas {
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key, op.Value, op.Remove = key, value, value == 0
		entry.Ops = append(entry.Ops, op)
	}
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.SetVersion(1)
	req.Entries = append(req.Entries, entry)
	if got := c.ask(req).(*kmsg.AlterClientQuotasResponse).Entries[0]; got.ErrorCode != 0 {
		c.t.Fatalf("quotas of %q: error %d: %s", parts, got.ErrorCode, *got.ErrorMessage)
	}
}

// askAs is ask with a client ID.
func (c *rawClient) askAs(clientID string, req kmsg.Request) kmsg.Response {
	c.t.Helper()
	c.next++
	c.write(frameFrom(&clientID, req, c.next))
	return c.answerTo(req, c.next)
}

// frameFrom is frameOf with a client ID, or none.
func frameFrom(clientID *string, req kmsg.Request, correlation int32) []byte {
	f := binary.BigEndian.AppendUint16([]byte{0, 0, 0, 0}, uint16(req.Key()))
	f = binary.BigEndian.AppendUint16(f, uint16(req.GetVersion()))
	f = binary.BigEndian.AppendUint32(f, uint32(correlation))
	if clientID == nil {
		f = append(f, 0xff, 0xff)
	} else {
		f = append(binary.BigEndian.AppendUint16(f, uint16(len(*clientID))), *clientID...)
	}
	if req.IsFlexible() {
		f = append(f, 0)
	}
	f = req.AppendTo(f)
	binary.BigEndian.PutUint32(f, uint32(len(f)-4))
	return f
}

// login authenticates by PLAIN.
func (c *rawClient) login(user, password string) *kmsg.SASLAuthenticateResponse {
	c.t.Helper()
	hello := kmsg.NewPtrSASLHandshakeRequest()
	hello.SetVersion(1)
	hello.Mechanism = "PLAIN"
	if resp := c.ask(hello).(*kmsg.SASLHandshakeResponse); resp.ErrorCode != 0 {
		c.t.Fatalf("handshake: error %d", resp.ErrorCode)
	}
	token := kmsg.NewPtrSASLAuthenticateRequest()
	token.SetVersion(2)
	token.SASLAuthBytes = []byte("\x00" + user + "\x00" + password)
	return c.ask(token).(*kmsg.SASLAuthenticateResponse)
}

// over is how long a client has to wait that used so much of a budget of rate a second.
func over(used, rate float64) time.Duration {
	return time.Duration((used - rate) / rate * float64(time.Second))
}

func throttleOf(resp kmsg.Response) time.Duration {
	millis, _ := resp.(kmsg.ThrottleResponse).Throttle()
	return time.Duration(millis) * time.Millisecond
}

// TestQuotasOfBytesTellTheWaitAndMuteTheConnection has a client that is over its quota
// and does not care: what it sends next is not read before the time that it was told.
func TestQuotasOfBytesTellTheWaitAndMuteTheConnection(t *testing.T) {
	const rate = 1000
	for name, quota := range map[string]string{"produce": quotaProduce, "fetch": quotaFetch, "fetch that waited": quotaFetch} {
		t.Run(name, func(t *testing.T) {
			clock := newStillClock()
			clock.hold = make(chan struct{})
			b := startBroker(t, clock.options)
			createTopic(t, b, "t", 1, nil)
			p, err := b.Partition("t", 0)
			if err != nil {
				t.Fatal(err)
			}
			batch := valuesBatch(t, record.None, string(make([]byte, 5000)))
			admin, c := dialRaw(t, b), dialRaw(t, b)
			alterQuotas(admin, []string{"client-id", "greedy"}, map[string]float64{quota: rate})
			greedy := "greedy"
			var resp kmsg.Response
			switch name {
			case "produce":
				resp = c.askAs(greedy, produceRequest("t", -1, batch))
			case "fetch":
				admin.ask(produceRequest("t", -1, batch))
				resp = c.askAs(greedy, fetchRequest("t", 0, nil))
			case "fetch that waited":
				req := fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.MaxWaitMillis = 300_000 })
				c.write(frameFrom(&greedy, req, 1))
				admin.ask(produceRequest("t", -1, batch))
				resp = c.answerTo(req, 1)
			}
			want := over(float64(len(batch)), rate).Truncate(time.Millisecond)
			if told := throttleOf(resp); told != want {
				t.Errorf("told to wait %s, want %s", told, want)
			}
			// It goes on at once.
			before := p.EndOffset()
			next := produceRequest("t", -1, batchOf(t, 1))
			c.write(frameFrom(&greedy, next, 7))
			if waits := clock.waited(t).Truncate(time.Millisecond); waits != want {
				t.Errorf("kept waiting %s, want %s", waits, want)
			}
			if p.EndOffset() != before {
				t.Error("a request was carried out while the connection was muted")
			}
			// Everybody else is served meanwhile.
			if out := produced(admin.ask(produceRequest("t", -1, batchOf(t, 1)))); out.ErrorCode != 0 {
				t.Errorf("another client: error %d", out.ErrorCode)
			}
			close(clock.hold)
			if out := produced(c.answerTo(next, 7)); out.ErrorCode != 0 || out.BaseOffset != before+1 {
				t.Errorf("after the wait: %+v", out)
			}
		})
	}
}

// TestTheQuotaOfTimeIsToldByEveryAnswer exceeds request_percentage with APIs whose
// answers are encoded in different ways, and on whose answers the client waits.
func TestTheQuotaOfTimeIsToldByEveryAnswer(t *testing.T) {
	clock := newStillClock()
	b := startBroker(t, clock.options)
	createTopic(t, b, "t", 1, nil)
	alterQuotas(dialRaw(t, b), []string{"client-id", "test"}, map[string]float64{quotaRequest: 1e-7})
	metadata := at(9, kmsg.NewPtrMetadataRequest())
	list := at(4, kmsg.NewPtrListGroupsRequest())
	for name, req := range map[string]kmsg.Request{
		"ready": metadata, "flexible fetch": at(12, fetchRequest("t", 0, nil)), "fetch": fetchRequest("t", 0, nil),
		"later": list, "produce": produceRequest("t", -1, batchOf(t, 1)), "versions": at(1, kmsg.NewPtrApiVersionsRequest()),
	} {
		c := dialRaw(t, b)
		c.ask(req) // whoever was the first has used everything
		if told := throttleOf(c.ask(req)); told != maxThrottle {
			t.Errorf("%s: told to wait %s, want %s", name, told, maxThrottle)
		}
		if waits := clock.waited(t); waits != maxThrottle {
			t.Errorf("%s: kept waiting %s", name, waits)
		}
	}
}

// TestQuotasAreChosenInTheOrderOfKafka gives a client eight quotas that apply to it, and
// takes away the most exact one again and again.
func TestQuotasAreChosenInTheOrderOfKafka(t *testing.T) {
	clock := newStillClock()
	b := securedBroker(t, clock.options)
	admin := dialRaw(t, b)
	admin.login("admin", "secret")
	create := at(7, &kmsg.CreateTopicsRequest{TimeoutMillis: 60_000, Topics: []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}})
	if resp := admin.ask(create).(*kmsg.CreateTopicsResponse); resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	order := [][]string{
		{"user", "alice", "client-id", "app"}, {"user", "alice", "client-id", ""}, {"user", "alice"},
		{"user", "", "client-id", "app"}, {"user", "", "client-id", ""}, {"user", ""},
		{"client-id", "app"}, {"client-id", ""},
	}
	for _, other := range [][]string{{"user", "bob", "client-id", "app"}, {"user", "bob"}, {"client-id", "other"}, {"user", "alice", "client-id", "other"}} {
		alterQuotas(admin, other, map[string]float64{quotaProduce: 1})
	}
	for i, entity := range order {
		alterQuotas(admin, entity, map[string]float64{quotaProduce: float64(1000 + i)})
	}
	batch := valuesBatch(t, record.None, string(make([]byte, 5000)))
	allow := at(3, &kmsg.CreateACLsRequest{Creations: []kmsg.CreateACLsRequestCreation{{ResourceType: kmsg.ACLResourceTypeTopic, ResourceName: "t",
		ResourcePatternType: kmsg.ACLResourcePatternTypeLiteral, Principal: "User:alice", Host: "*", Operation: kmsg.ACLOperationWrite, PermissionType: kmsg.ACLPermissionTypeAllow}}})
	if resp := admin.ask(allow).(*kmsg.CreateACLsResponse); resp.Results[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	for i, entity := range order {
		c := dialRaw(t, b)
		c.login("alice", "wonder")
		resp := c.askAs("app", produceRequest("t", -1, batch))
		if out := produced(resp); out.ErrorCode != 0 {
			t.Fatalf("error %d", out.ErrorCode)
		}
		if told, want := throttleOf(resp), over(float64(len(batch)), float64(1000+i)).Truncate(time.Millisecond); told != want {
			t.Errorf("%q does not come next: told to wait %s, want %s", entity, told, want)
		}
		alterQuotas(admin, entity, map[string]float64{quotaProduce: 0})
	}
	c := dialRaw(t, b)
	c.login("alice", "wonder")
	if told := throttleOf(c.askAs("app", produceRequest("t", -1, batch))); told != 0 {
		t.Errorf("without a quota: told to wait %s", told)
	}
}

// TestWhoSharesAQuota: whom an entity does not tell apart uses one budget, and a default
// gives everybody an own one.
func TestWhoSharesAQuota(t *testing.T) {
	b := startBroker(t, newStillClock().options)
	createTopic(t, b, "t", 1, nil)
	admin := dialRaw(t, b)
	batch := valuesBatch(t, record.None, string(make([]byte, 1500)))
	told := func(clientID string) time.Duration {
		return throttleOf(dialRaw(t, b).askAs(clientID, produceRequest("t", -1, batch)))
	}
	alterQuotas(admin, []string{"user", "ANONYMOUS"}, map[string]float64{quotaProduce: 1000})
	if first, second := told("a"), told("b"); second <= first || first == 0 {
		t.Errorf("two clients of a user wait %s and %s: they do not share its quota", first, second)
	}
	alterQuotas(admin, []string{"user", "ANONYMOUS"}, map[string]float64{quotaProduce: 0})
	alterQuotas(admin, []string{"client-id", ""}, map[string]float64{quotaProduce: 1000})
	if first, second := told("a"), told("b"); second != first || first == 0 {
		t.Errorf("two clients wait %s and %s: they have quotas of their own", first, second)
	}
	if nobody := told(""); nobody == 0 {
		t.Error("a client without an ID has no quota, though there is a default")
	}
}

// TestTheQuotaOfChangesRefusesNewClientsAndSlowsOldOnes creates and deletes partitions
// beyond controller_mutation_rate.
func TestTheQuotaOfChangesRefusesNewClientsAndSlowsOldOnes(t *testing.T) {
	clock := newStillClock()
	b := startBroker(t, clock.options)
	c := dialRaw(t, b)
	alterQuotas(c, []string{"client-id", "test"}, map[string]float64{quotaMutations: 1})
	create := func(version int16, name string, partitions int32) (code int16, told time.Duration) {
		resp := dialRaw(t, b).ask(at(version, &kmsg.CreateTopicsRequest{TimeoutMillis: 60_000, Topics: []kmsg.CreateTopicsRequestTopic{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}}}))
		return resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode, throttleOf(resp)
	}
	// Eleven seconds' worth are there; the last change may overdraw.
	if code, told := create(7, "a", mutationBurst+2); code != 0 || told != 0 {
		t.Fatalf("the first change: error %d, told to wait %s", code, told)
	}
	const throttled = 89 // THROTTLING_QUOTA_EXCEEDED
	if code, told := create(7, "b", 1); code != throttled || told != 2*time.Second {
		t.Errorf("over the quota: error %d, told to wait %s", code, told)
	}
	if b.topics.byName("b") != nil {
		t.Error("a refused topic was created")
	}
	if waits := clock.waited(t); waits != 2*time.Second {
		t.Errorf("kept waiting %s", waits)
	}
	grow := at(3, &kmsg.CreatePartitionsRequest{TimeoutMillis: 60_000, Topics: []kmsg.CreatePartitionsRequestTopic{{Topic: "a", Count: mutationBurst + 5}}})
	if resp := c.ask(grow).(*kmsg.CreatePartitionsResponse); resp.Topics[0].ErrorCode != 0 { // the wait is over: nothing is overdrawn
		t.Errorf("after the wait: %+v", resp)
	}
	remove := at(6, &kmsg.DeleteTopicsRequest{TimeoutMillis: 60_000, Topics: []kmsg.DeleteTopicsRequestTopic{{Topic: kmsg.StringPtr("a")}}})
	resp := c.ask(remove).(*kmsg.DeleteTopicsResponse)
	if resp.Topics[0].ErrorCode != throttled || throttleOf(resp) != 3*time.Second || b.topics.byName("a") == nil {
		t.Errorf("a deletion over the quota: %+v", resp)
	}
	clock.waited(t)
	// A client that does not know the error has everything done, and waits.
	if code, told := create(5, "c", 4); code != 0 || told != 4*time.Second {
		t.Errorf("an old client: error %d, told to wait %s", code, told)
	}
	if told := clock.waited(t); told != 4*time.Second {
		t.Errorf("an old client is kept waiting %s", told)
	}
	ask := at(4, &kmsg.MetadataRequest{AllowAutoTopicCreation: true, Topics: []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("by-mention")}}})
	if told := throttleOf(dialRaw(t, b).ask(ask)); told != time.Second {
		t.Errorf("a topic created by being mentioned: told to wait %s", told)
	}
	if kerr.ThrottlingQuotaExceeded.Code != throttled {
		t.Error("the codec calls the error by another number")
	}
}

func dialFrom(t *testing.T, b *Broker, ip string) *rawClient {
	t.Helper()
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := from.Dial("tcp", b.Addr("").String())
	if err != nil {
		t.Skip("there is no second address to connect from: ", err)
	}
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	t.Cleanup(func() { _ = conn.Close() })
	return rawOver(t, conn)
}

func TestTheQuotaOfConnectionsOfAnAddress(t *testing.T) {
	clock := newStillClock()
	b := startBroker(t, clock.options)
	admin := dialRaw(t, b)
	alterQuotas(admin, []string{"ip", "127.0.0.2"}, map[string]float64{quotaConnections: 2})
	for range 2 {
		dialFrom(t, b, "127.0.0.2").ask(kmsg.NewPtrApiVersionsRequest())
	}
	refused := dialFrom(t, b, "127.0.0.2")
	if waits := clock.waited(t); waits != 500*time.Millisecond { // and the clock moves by it
		t.Errorf("a refused connection is held for %s", waits)
	}
	if n, err := io.Copy(io.Discard, refused.in); n != 0 {
		t.Errorf("a refused connection was answered with %d bytes, %v", n, err)
	}
	dialFrom(t, b, "127.0.0.2").ask(kmsg.NewPtrApiVersionsRequest()) // half a second is one connection
	dialRaw(t, b).ask(kmsg.NewPtrApiVersionsRequest())               // another address
	eventually(t, "only the refused connection is gone", func() bool { return b.conns.count() == 5 })

	alterQuotas(admin, []string{"ip", ""}, map[string]float64{quotaConnections: 1})
	dialFrom(t, b, "127.0.0.3").ask(kmsg.NewPtrApiVersionsRequest())
	_, _ = io.Copy(io.Discard, dialFrom(t, b, "127.0.0.3").in)
	if waits := clock.waited(t); waits != time.Second {
		t.Errorf("an address under the default: held for %s", waits)
	}
}

// TestManyRefusedConnectionsAreNotHeld goes on connecting: only so many are held.
func TestManyRefusedConnectionsAreNotHeld(t *testing.T) {
	clock := newStillClock()
	clock.hold = make(chan struct{})
	b := startBroker(t, clock.options)
	alterQuotas(dialRaw(t, b), []string{"ip", "127.0.0.2"}, map[string]float64{quotaConnections: 1})
	dialFrom(t, b, "127.0.0.2").ask(kmsg.NewPtrApiVersionsRequest())
	for range heldRefusals {
		dialFrom(t, b, "127.0.0.2")
		clock.waited(t)
	}
	for range 20 {
		if n, _ := io.Copy(io.Discard, dialFrom(t, b, "127.0.0.2").in); n != 0 {
			t.Errorf("%d bytes", n)
		}
	}
	if len(clock.waits) != 0 {
		t.Error("more are held than may be")
	}
	close(clock.hold)
	eventually(t, "those held are gone", func() bool { return b.conns.count() == 2 })
}

func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	b := startBroker(t, func(o *Options) {
		o.Limits.ConnectionsPerIP = 2
		o.Limits.ConnectionsOfIP = map[string]int{"127.0.0.2": 1, "::ffff:127.0.0.3": 0, "127.0.0.4": 3}
	})
	for ip, most := range map[string]int{"127.0.0.1": 2, "127.0.0.2": 1, "127.0.0.3": 0, "127.0.0.4": 3} {
		for i := range most {
			if resp := dialFrom(t, b, ip).ask(kmsg.NewPtrApiVersionsRequest()).(*kmsg.ApiVersionsResponse); resp.ErrorCode != 0 {
				t.Errorf("%s: connection %d: error %d", ip, i, resp.ErrorCode)
			}
		}
		dialFrom(t, b, ip).wantClosed()
	}
	for host, n := range map[string]int{"somewhere": 1, "127.0.0.1": -1} {
		if _, err := New(Options{DataDir: t.TempDir(), Limits: Limits{ConnectionsOfIP: map[string]int{host: n}}}); err == nil {
			t.Errorf("a limit of %d for %s was taken", n, host)
		}
	}
}

func TestQuotasAreWholeNumbersOfRealAddresses(t *testing.T) {
	b := startBroker(t)
	c := dialRaw(t, b)
	for i, x := range []struct {
		kind, name, quota string
		value             float64
		ok                bool
	}{
		{"client-id", "a", quotaProduce, 1024, true}, {"client-id", "a", quotaProduce, 1.5, false}, {"client-id", "a", quotaFetch, 0.5, false},
		{"client-id", "a", quotaRequest, 12.5, true}, {"client-id", "a", quotaMutations, 0.1, true}, {"client-id", "a", quotaConnections, 1, false},
		{"ip", "127.0.0.1", quotaConnections, 100, true}, {"ip", "127.0.0.1", quotaConnections, 0.5, false}, {"ip", "nowhere.example", quotaConnections, 1, false},
		{"ip", "::1", quotaConnections, 7, true}, {"ip", "127.0.0.1", quotaProduce, 1, false},
	} {
		resp := c.ask(at(1, &kmsg.AlterClientQuotasRequest{ValidateOnly: true, Entries: []kmsg.AlterClientQuotasRequestEntry{{
			Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: x.kind, Name: &x.name}},
			Ops:    []kmsg.AlterClientQuotasRequestEntryOp{{Key: x.quota, Value: x.value}},
		}}})).(*kmsg.AlterClientQuotasResponse)
		if got := resp.Entries[0]; (got.ErrorCode == 0) != x.ok || got.ErrorCode != 0 && got.ErrorMessage == nil {
			t.Errorf("%d %s: %s", i, fmt.Sprint(x), fmt.Sprint(got.ErrorCode))
		}
	}
}

// TestAProducerWithoutAnswersIsMutedToo has no answer to be told by: it is slowed down by what
// it sends not being read.
func TestAProducerWithoutAnswersIsMutedToo(t *testing.T) {
	clock := newStillClock()
	clock.hold = make(chan struct{})
	b := startBroker(t, clock.options)
	p := newTopic(t, b, "t")
	alterQuotas(dialRaw(t, b), []string{"client-id", "test"}, map[string]float64{quotaProduce: 1000})
	batch := valuesBatch(t, record.None, string(make([]byte, 5000)))
	c := dialRaw(t, b)
	for i := range int32(3) {
		c.write(frameOf(produceRequest("t", 0, batch), i))
	}
	for i := range int64(3) {
		if waits, want := clock.waited(t).Truncate(time.Millisecond), over(float64(len(batch)), 1000).Truncate(time.Millisecond); i == 0 && waits != want {
			t.Errorf("kept waiting %s, want %s", waits, want)
		}
		if n := p.log.EndOffset(); n != i+1 {
			t.Errorf("%d records are written while the %d. is waited for", n, i+1)
		}
		clock.hold <- struct{}{}
	}
}

// TestABrokerThatClosesWaitsForNobodysQuota closes while a client is muted.
func TestABrokerThatClosesWaitsForNobodysQuota(t *testing.T) {
	clock := newStillClock()
	clock.hold = make(chan struct{}) // and nobody ends the wait
	b := startBroker(t, clock.options)
	newTopic(t, b, "t")
	alterQuotas(dialRaw(t, b), []string{"client-id", "test"}, map[string]float64{quotaProduce: 1})
	c := dialRaw(t, b)
	if told := throttleOf(c.ask(produceRequest("t", -1, valuesBatch(t, record.None, string(make([]byte, 5000)))))); told != maxThrottle {
		t.Errorf("told to wait %s", told)
	}
	clock.waited(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Error(err)
	}
}
