package broker

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// securedBroker authenticates alice and the super user admin.
func securedBroker(t *testing.T, change ...func(*Options)) *Broker {
	return startBroker(t, append([]func(*Options){func(o *Options) {
		o.Listeners = []Listener{{Addr: "127.0.0.1:0", SASL: SASL{
			Mechanisms: []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"},
			Users:      map[string]string{"alice": "wonder", "admin": "secret"},
		}}}
		o.Authorize, o.SuperUsers = true, []string{"User:admin"}
	}}, change...)...)
}

func as(user, password, mechanism string) kgo.Opt {
	var m sasl.Mechanism
	switch mechanism {
	case "PLAIN":
		m = plain.Auth{User: user, Pass: password}.AsMechanism()
	case "SCRAM-SHA-256":
		m = scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	default:
		m = scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	}
	return kgo.SASL(m)
}

func TestClientsAuthenticateByEveryMechanism(t *testing.T) {
	b := securedBroker(t)
	for _, mechanism := range mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			if err := newClient(t, b, as("alice", "wonder", mechanism)).Ping(t.Context()); err != nil {
				t.Error(err)
			}
			for _, wrong := range [][2]string{{"alice", "wrong"}, {"nobody", "wonder"}} {
				err := newClient(t, b, as(wrong[0], wrong[1], mechanism), kgo.RetryTimeout(time.Second), kgo.RequestRetries(0)).Ping(t.Context())
				if !errors.Is(err, kerr.SaslAuthenticationFailed) {
					t.Errorf("%s/%s: got %v", wrong[0], wrong[1], err)
				}
			}
		})
	}
}

func TestNothingIsAnsweredBeforeAuthentication(t *testing.T) {
	b := securedBroker(t)
	c := dialRaw(t, b)
	if resp := c.ask(kmsg.NewPtrApiVersionsRequest()).(*kmsg.ApiVersionsResponse); resp.ErrorCode != 0 {
		t.Errorf("ApiVersions: %d", resp.ErrorCode)
	}
	c.write(frameOf(kmsg.NewPtrMetadataRequest(), 9))
	c.wantClosed()

	// Frames are shorter before authentication than after it.
	c = dialRaw(t, b)
	c.write([]byte{0, 8, 0, 1})
	c.wantClosed()
}

func TestTokensInBareFrames(t *testing.T) {
	b := securedBroker(t)
	c := dialRaw(t, b)
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.Mechanism = "PLAIN"
	if resp := c.ask(req).(*kmsg.SASLHandshakeResponse); resp.ErrorCode != 0 {
		t.Fatalf("handshake: %d", resp.ErrorCode)
	}
	token := "\x00alice\x00wonder"
	c.write(append([]byte{0, 0, 0, byte(len(token))}, token...))
	var size [4]byte
	if _, err := c.in.Read(size[:]); err != nil || size != [4]byte{} {
		t.Fatalf("answer of %v bytes, %v", size, err)
	}
	md := kmsg.NewPtrMetadataRequest()
	c.ask(md)
}

func TestUsersOfTheAdminAPILogInUntilTheyAreDeleted(t *testing.T) {
	b := securedBroker(t)
	adm := kadm.NewClient(newClient(t, b, as("admin", "secret", "PLAIN")))
	res, err := adm.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: "bob", Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "builder"}})
	if err != nil || res.Error() != nil {
		t.Fatal(err, res.Error())
	}
	if err := newClient(t, b, as("bob", "builder", "SCRAM-SHA-256")).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	described, err := adm.DescribeUserSCRAMs(t.Context())
	if err != nil || len(described["bob"].CredInfos) != 1 || described["bob"].CredInfos[0].Iterations != 4096 {
		t.Fatalf("%+v, %v", described, err)
	}
	if res, err := adm.AlterUserSCRAMs(t.Context(), []kadm.DeleteSCRAM{{User: "bob", Mechanism: kadm.ScramSha256}}, nil); err != nil || res.Error() != nil {
		t.Fatal(err, res.Error())
	}
	if err := newClient(t, b, as("bob", "builder", "SCRAM-SHA-256"), kgo.RequestRetries(0)).Ping(t.Context()); !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("got %v", err)
	}
}

func TestWhatNoRuleAllowsIsRefused(t *testing.T) {
	b := securedBroker(t)
	adm := kadm.NewClient(newClient(t, b, as("admin", "secret", "PLAIN")))
	if _, err := adm.CreateTopic(t.Context(), 1, 1, nil, "orders.eu"); err != nil {
		t.Fatal(err)
	}
	produce := func() error {
		client := newClient(t, b, as("alice", "wonder", "PLAIN"), kgo.RecordRetries(0), kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()))
		return client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders.eu", Value: []byte("v")}).FirstErr()
	}
	if err := produce(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Fatalf("without a rule: %v", err)
	}
	allow := kadm.NewACLs().Allow("User:alice").AllowHosts().Topics("orders").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpWrite)
	if res, err := adm.CreateACLs(t.Context(), allow); err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	if err := produce(); err != nil {
		t.Fatalf("allowed by prefix: %v", err)
	}
	deny := kadm.NewACLs().Deny("User:alice").DenyHosts().Topics("orders.eu").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpAll)
	if res, err := adm.CreateACLs(t.Context(), deny); err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	if err := produce(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Fatalf("denied: %v", err)
	}
	found, err := adm.DescribeACLs(t.Context(), kadm.NewACLs().Topics("orders.eu").ResourcePatternType(kadm.ACLPatternMatch).Operations().Allow().Deny().AllowHosts().DenyHosts())
	if err != nil || len(found) == 0 {
		t.Fatal(err, found)
	}
	n := 0
	for _, f := range found {
		n += len(f.Described)
	}
	if n != 2 {
		t.Errorf("%d rules match, want 2", n)
	}
	if res, err := adm.DeleteACLs(t.Context(), deny); err != nil || len(res[0].Deleted) != 1 {
		t.Fatal(err, res)
	}
	if err := produce(); err != nil {
		t.Fatalf("after the deletion: %v", err)
	}
}

func TestTheClustersRulesUsersAndQuotasAreNotForEverybody(t *testing.T) {
	b := securedBroker(t)
	client := newClient(t, b, as("alice", "wonder", "PLAIN"))
	codes := func() map[string]int16 {
		t.Helper()
		out := map[string]int16{}
		describe := kmsg.NewPtrDescribeACLsRequest()
		describe.ResourceType, describe.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
		describe.Operation, describe.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
		remove := kmsg.NewPtrDeleteACLsRequest()
		filter := kmsg.NewDeleteACLsRequestFilter()
		filter.ResourceType, filter.ResourcePatternType = kmsg.ACLResourceTypeTopic, kmsg.ACLResourcePatternTypeAny
		filter.Operation, filter.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
		remove.Filters = append(remove.Filters, filter)
		create := kmsg.NewPtrCreateACLsRequest()
		rule := kmsg.NewCreateACLsRequestCreation()
		rule.ResourceType, rule.ResourceName, rule.ResourcePatternType = kmsg.ACLResourceTypeTopic, "t", kmsg.ACLResourcePatternTypeLiteral
		rule.Principal, rule.Host, rule.Operation, rule.PermissionType = "User:alice", "*", kmsg.ACLOperationAll, kmsg.ACLPermissionTypeAllow
		create.Creations = append(create.Creations, rule)
		for _, req := range []kmsg.Request{describe, create, remove, kmsg.NewPtrDescribeUserSCRAMCredentialsRequest(), kmsg.NewPtrDescribeClientQuotasRequest()} {
			resp, err := client.Request(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			name := kmsg.NameForKey(req.Key())
			switch resp := resp.(type) {
			case *kmsg.DescribeACLsResponse:
				out[name] = resp.ErrorCode
			case *kmsg.CreateACLsResponse:
				out[name] = resp.Results[0].ErrorCode
			case *kmsg.DeleteACLsResponse:
				out[name] = resp.Results[0].ErrorCode
			case *kmsg.DescribeUserSCRAMCredentialsResponse:
				out[name] = resp.ErrorCode
			case *kmsg.DescribeClientQuotasResponse:
				out[name] = resp.ErrorCode
			}
		}
		return out
	}
	refused := codes()
	for name, code := range refused {
		if code != kerr.ClusterAuthorizationFailed.Code {
			t.Errorf("%s without a rule: %d", name, code)
		}
	}
	if len(refused) != 5 {
		t.Errorf("%v", refused)
	}
	adm := kadm.NewClient(newClient(t, b, as("admin", "secret", "PLAIN")))
	allow := kadm.NewACLs().Allow("User:alice").AllowHosts().Clusters().Operations(kadm.OpAll).ResourcePatternType(kadm.ACLPatternLiteral)
	if res, err := adm.CreateACLs(t.Context(), allow); err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	for name, code := range codes() {
		if code != 0 {
			t.Errorf("%s with a rule: %d", name, code)
		}
	}
}

func TestRulesOfAccess(t *testing.T) {
	rule := func(op kmsg.ACLOperation, permission kmsg.ACLPermissionType, name, host string) acl {
		return acl{kmsg.ACLResourceTypeTopic, name, kmsg.ACLResourcePatternTypeLiteral, "User:a", host, op, permission}
	}
	allow, deny := kmsg.ACLPermissionTypeAllow, kmsg.ACLPermissionTypeDeny
	for name, c := range map[string]struct {
		rules []acl
		op    kmsg.ACLOperation
		want  bool
	}{
		"no rule":                        {nil, kmsg.ACLOperationRead, false},
		"its own operation":              {[]acl{rule(kmsg.ACLOperationRead, allow, "t", "*")}, kmsg.ACLOperationRead, true},
		"another operation":              {[]acl{rule(kmsg.ACLOperationRead, allow, "t", "*")}, kmsg.ACLOperationWrite, false},
		"read implies describe":          {[]acl{rule(kmsg.ACLOperationRead, allow, "t", "*")}, kmsg.ACLOperationDescribe, true},
		"describe implies no read":       {[]acl{rule(kmsg.ACLOperationDescribe, allow, "t", "*")}, kmsg.ACLOperationRead, false},
		"alter implies describe configs": {[]acl{rule(kmsg.ACLOperationAlterConfigs, allow, "t", "*")}, kmsg.ACLOperationDescribeConfigs, true},
		"all":                            {[]acl{rule(kmsg.ACLOperationAll, allow, "*", "*")}, kmsg.ACLOperationDelete, true},
		"deny beats allow":               {[]acl{rule(kmsg.ACLOperationAll, allow, "*", "*"), rule(kmsg.ACLOperationRead, deny, "t", "*")}, kmsg.ACLOperationRead, false},
		"deny implies nothing":           {[]acl{rule(kmsg.ACLOperationAll, allow, "*", "*"), rule(kmsg.ACLOperationRead, deny, "t", "*")}, kmsg.ACLOperationDescribe, true},
		"another host":                   {[]acl{rule(kmsg.ACLOperationRead, allow, "t", "10.0.0.1")}, kmsg.ACLOperationRead, false},
	} {
		a := &authorizer{enabled: true}
		a.rules.Store(&c.rules)
		if got := a.allows("User:a", "10.0.0.2", c.op, kmsg.ACLResourceTypeTopic, "t"); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestQuotasThrottleWhoeverExceedsThem(t *testing.T) {
	b := startBroker(t)
	adm := kadm.NewClient(newClient(t, b))
	client := "greedy"
	res, err := adm.AlterClientQuotas(t.Context(), []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: &client}},
		Ops:    []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1000}},
	}})
	if err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	described, err := adm.DescribeClientQuotas(t.Context(), false, nil)
	if err != nil || len(described) != 1 || described[0].Values[0].Value != 1000 {
		t.Fatalf("%+v, %v", described, err)
	}
	greedy := &request{requestHeader: requestHeader{clientID: "greedy"}}
	modest := &request{requestHeader: requestHeader{clientID: "modest"}}
	if d := b.quotas.produced(modest, 1_000_000); d != 0 {
		t.Errorf("a client without a quota waits %s", d)
	}
	if d := b.quotas.produced(greedy, 3000); d < 1900*time.Millisecond || d > 2*time.Second {
		t.Errorf("2000 bytes too much at 1000 per second: %s", d)
	}
	if d := b.quotas.fetched(greedy, 3000); d != 0 {
		t.Errorf("the quota of producing throttles fetching by %s", d)
	}
}

func TestWrongQuotasAreRefused(t *testing.T) {
	for want, e := range map[string]struct {
		entity []kmsg.AlterClientQuotasRequestEntryEntity
		key    string
		value  float64
	}{
		"empty":        {nil, quotaProduce, 1},
		"unknown enti": {[]kmsg.AlterClientQuotasRequestEntryEntity{{Type: "planet"}}, quotaProduce, 1},
		"unknown quot": {[]kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user"}}, "beer", 1},
		"above 0":      {[]kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user"}}, quotaProduce, -1},
		"twice":        {[]kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user"}, {Type: "user"}}, quotaProduce, 1},
	} {
		entity, why := readQuotaEntity(e.entity)
		if why == "" {
			why = checkQuotas(entity, []kmsg.AlterClientQuotasRequestEntryOp{{Key: e.key, Value: e.value}})
		}
		if !strings.Contains(why, want) {
			t.Errorf("got %q, want something with %q", why, want)
		}
	}
}

// TestGuessesCannotBeQueued sends a wrong password and, without waiting for the answer, the
// right one and a change: the connection ends with the first answer, and nothing is done.
func TestGuessesCannotBeQueued(t *testing.T) {
	clock := newStillClock()
	b := securedBroker(t, clock.options)
	c := dialRaw(t, b)
	hello := at(1, &kmsg.SASLHandshakeRequest{Mechanism: "PLAIN"})
	guess := func(password string) kmsg.Request {
		return at(2, &kmsg.SASLAuthenticateRequest{SASLAuthBytes: []byte("\x00admin\x00" + password)})
	}
	create := at(7, &kmsg.CreateTopicsRequest{TimeoutMillis: 60_000, Topics: []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}})
	var all []byte
	for i, req := range []kmsg.Request{hello, guess("wrong"), hello, guess("secret"), create} {
		all = append(all, frameOf(req, int32(i))...)
	}
	c.write(all)
	c.answerTo(hello, 0)
	resp := c.answerTo(guess(""), 1).(*kmsg.SASLAuthenticateResponse)
	if resp.ErrorCode != kerr.SaslAuthenticationFailed.Code || *resp.ErrorMessage != errCredentials.Error() {
		t.Errorf("%+v", resp)
	}
	c.wantClosed()
	eventually(t, "the connection is gone", func() bool { return b.conns.count() == 0 })
	if b.topics.byName("t") != nil {
		t.Error("what came behind a wrong password was done")
	}
	if waits := clock.waited(t); waits != failedAuthenticationDelay || len(clock.waits) != 0 {
		t.Errorf("a wrong password costs %s, and %d waits more", waits, len(clock.waits))
	}
}

func TestMechanismsThatAreNotOfferedAreAnsweredWithThoseThatAre(t *testing.T) {
	b := securedBroker(t)
	for version := int16(0); version <= 1; version++ {
		c := dialRaw(t, b)
		resp := c.ask(at(version, &kmsg.SASLHandshakeRequest{Mechanism: "GSSAPI"})).(*kmsg.SASLHandshakeResponse)
		if resp.ErrorCode != kerr.UnsupportedSaslMechanism.Code || !slices.Equal(resp.SupportedMechanisms, mechanisms) {
			t.Errorf("%+v", resp)
		}
		if resp := c.login("alice", "wonder"); resp.ErrorCode != 0 { // a second try
			t.Errorf("%+v", resp)
		}
	}
}

// TestSessionsEnd has clients that authenticate again in time, too late, as somebody else,
// and not at all.
func TestSessionsEnd(t *testing.T) {
	clock := newStillClock()
	var lines logLines
	b := securedBroker(t, clock.options, withLog(&lines), func(o *Options) { o.Listeners[0].SASL.SessionLifetime = time.Hour })
	login := func(c *rawClient, user, password string) *kmsg.SASLAuthenticateResponse {
		t.Helper()
		resp := c.login(user, password)
		if resp.ErrorCode == 0 && resp.SessionLifetimeMillis != time.Hour.Milliseconds() {
			t.Errorf("a session of %d ms", resp.SessionLifetimeMillis)
		}
		return resp
	}
	again, late, other, silent, old := dialRaw(t, b), dialRaw(t, b), dialRaw(t, b), dialRaw(t, b), dialRaw(t, b)
	for _, c := range []*rawClient{again, late, other, silent} {
		if resp := login(c, "alice", "wonder"); resp.ErrorCode != 0 {
			t.Fatalf("%+v", resp)
		}
	}
	old.ask(at(0, &kmsg.SASLHandshakeRequest{Mechanism: "PLAIN"})) // and a token in a bare frame
	old.write([]byte("\x00\x00\x00\x0d\x00alice\x00wonder"))
	if n, err := io.ReadFull(old.in, make([]byte, 4)); err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	old.ask(kmsg.NewPtrMetadataRequest())

	clock.move(59 * time.Minute)
	again.ask(kmsg.NewPtrMetadataRequest())
	if resp := login(again, "alice", "wonder"); resp.ErrorCode != 0 {
		t.Errorf("in time: %+v", resp)
	}
	if resp := login(other, "admin", "secret"); resp.ErrorCode != kerr.SaslAuthenticationFailed.Code || *resp.ErrorMessage != errOtherUser.Error() {
		t.Errorf("as somebody else: %+v", resp)
	}
	other.wantClosed()

	clock.move(2 * time.Minute)
	again.ask(kmsg.NewPtrMetadataRequest())
	if resp := late.versionsOf(3); resp.ErrorCode != 0 {
		t.Errorf("%+v", resp)
	}
	if resp := login(late, "alice", "wonder"); resp.ErrorCode != 0 {
		t.Errorf("late, but before anything else: %+v", resp)
	}
	late.ask(kmsg.NewPtrMetadataRequest())
	clock.move(time.Second) // a line a second is logged
	for _, c := range []*rawClient{silent, old} {
		c.write(frameOf(kmsg.NewPtrMetadataRequest(), 99))
		c.wantClosed()
	}
	eventually(t, "why is logged", func() bool { return lines.count("sent after the session's lifetime") == 1 })
}

// TestSuperUsersNeedNoRules: not even one that denies them everything counts.
func TestSuperUsersNeedNoRules(t *testing.T) {
	b := securedBroker(t)
	admin := dialRaw(t, b)
	admin.login("admin", "secret")
	deny := at(3, &kmsg.CreateACLsRequest{Creations: []kmsg.CreateACLsRequestCreation{{ResourceType: kmsg.ACLResourceTypeCluster, ResourceName: clusterName,
		ResourcePatternType: kmsg.ACLResourcePatternTypeLiteral, Principal: "User:*", Host: "*", Operation: kmsg.ACLOperationAll, PermissionType: kmsg.ACLPermissionTypeDeny}}})
	if resp := admin.ask(deny).(*kmsg.CreateACLsResponse); resp.Results[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	ask := at(1, kmsg.NewPtrDescribeClientQuotasRequest())
	if resp := admin.ask(ask).(*kmsg.DescribeClientQuotasResponse); resp.ErrorCode != 0 {
		t.Errorf("the super user: %+v", resp)
	}
	alice := dialRaw(t, b)
	alice.login("alice", "wonder")
	if resp := alice.ask(ask).(*kmsg.DescribeClientQuotasResponse); resp.ErrorCode != kerr.ClusterAuthorizationFailed.Code {
		t.Errorf("somebody else: %+v", resp)
	}
}
