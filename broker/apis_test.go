package broker

import (
	"crypto/tls"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// offer is the table of what the broker promises to clients: first and last version by
// API key. It is written down here a second time, so that no row changes by accident.
var offer = map[int16][2]int16{
	0: {0, 13}, 1: {4, 18}, 2: {0, 11}, 3: {0, 13}, // Produce, Fetch, ListOffsets, Metadata
	8: {1, 10}, 9: {0, 10}, 10: {0, 6}, // OffsetCommit, OffsetFetch, FindCoordinator
	11: {0, 9}, 12: {0, 4}, 13: {0, 5}, 14: {0, 5}, 15: {0, 6}, 16: {0, 5}, // classic groups
	17: {0, 1}, 18: {0, 4}, 36: {0, 2}, // SaslHandshake, ApiVersions, SaslAuthenticate
	19: {0, 7}, 20: {0, 6}, 21: {0, 2}, 37: {0, 3}, // topics, records, partitions
	22: {0, 5}, 23: {2, 4}, // InitProducerId, OffsetForLeaderEpoch
	24: {0, 3}, 25: {0, 4}, 26: {0, 5}, 27: {1, 2}, 28: {0, 5}, // transactions
	29: {1, 3}, 30: {1, 3}, 31: {1, 3}, // ACLs
	32: {0, 4}, 33: {0, 2}, 44: {0, 1}, 74: {0, 1}, // configurations
	35: {1, 4}, 42: {0, 2}, 43: {0, 2}, 45: {0, 1}, 46: {0, 0}, 47: {0, 0}, // log dirs, groups, leaders, reassignments, offsets
	48: {0, 1}, 49: {0, 1}, 50: {0, 0}, 51: {0, 0}, // quotas, SCRAM users
	55: {0, 2}, 57: {0, 2}, 60: {0, 2}, 75: {0, 0}, // quorum, features, cluster, topic partitions
	61: {0, 0}, 65: {0, 0}, 66: {0, 2}, // producers and transactions
	68: {0, 1}, 69: {0, 1}, // KIP-848 groups
	76: {1, 1}, 77: {1, 1}, 78: {1, 2}, 79: {1, 2}, 90: {0, 1}, 91: {0, 0}, 92: {0, 0}, // share groups
}

// versionsOf asks for what is offered.
func (c *rawClient) versionsOf(version int16) *kmsg.ApiVersionsResponse {
	c.t.Helper()
	return c.ask(at(version, &kmsg.ApiVersionsRequest{ClientSoftwareName: "tester", ClientSoftwareVersion: "1.0"})).(*kmsg.ApiVersionsResponse)
}

// TestEveryListenerOffersTheWholeTable asks on every kind of listener, before a client
// has authenticated and after, in every version.
func TestEveryListenerOffersTheWholeTable(t *testing.T) {
	cert, pool := certificate(t)
	secret := SASL{Mechanisms: mechanisms, Users: map[string]string{"alice": "wonder"}}
	secure := &tls.Config{Certificates: []tls.Certificate{cert}}
	b := startBroker(t, func(o *Options) {
		o.Authorize = true // whoever asks is allowed nothing
		o.Listeners = []Listener{{Addr: "127.0.0.1:0"}, {Addr: "127.0.0.1:0", SASL: secret}, {Addr: "127.0.0.1:0", TLS: secure}, {Addr: "127.0.0.1:0", TLS: secure, SASL: secret}}
	})
	for _, l := range b.opts.Listeners {
		dial := func(t *testing.T) *rawClient {
			conn, err := net.Dial("tcp", b.Addr(l.Name).String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
			if l.TLS != nil {
				conn = tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
			}
			return rawOver(t, conn)
		}
		t.Run(l.Name, func(t *testing.T) {
			c := dial(t)
			checkOffer(t, c)
			if len(l.SASL.Mechanisms) == 0 {
				return
			}
			if resp := c.login("alice", "wonder"); resp.ErrorCode != 0 {
				t.Fatalf("login: error %d", resp.ErrorCode)
			}
			checkOffer(t, c)
		})
	}
}

func checkOffer(t *testing.T, c *rawClient) {
	t.Helper()
	for version := int16(0); version <= 4; version++ {
		resp := c.versionsOf(version)
		got := map[int16][2]int16{}
		for _, k := range resp.ApiKeys {
			got[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
		}
		if resp.ErrorCode != 0 || !reflect.DeepEqual(got, offer) || len(resp.ApiKeys) != len(offer) {
			t.Errorf("version %d: error %d\ngot  %v\nwant %v", version, resp.ErrorCode, got, offer)
		}
		for key, versions := range oldClientGates {
			for _, v := range versions {
				if o, ok := got[key.Int16()]; !ok || v < o[0] || v > o[1] {
					t.Errorf("version %d: %s %d, which old clients look for, is not offered", version, key.Name(), v)
				}
			}
		}
		checkFeatures(t, resp)
	}
}

// checkFeatures checks what clients look for by name: since version 3 the answer says
// that it is used, and since 4 also that it need not be.
func checkFeatures(t *testing.T, resp *kmsg.ApiVersionsResponse) {
	t.Helper()
	var finalized, supported []string
	for _, f := range resp.FinalizedFeatures {
		finalized = append(finalized, fmt.Sprint(f.Name, " ", f.MinVersionLevel, " ", f.MaxVersionLevel))
	}
	for _, f := range resp.SupportedFeatures {
		supported = append(supported, fmt.Sprint(f.Name, " ", f.MinVersion, " ", f.MaxVersion))
	}
	var wantFinalized, wantSupported []string
	epoch := int64(-1)
	if resp.Version >= 3 {
		wantFinalized, epoch = []string{"group.version 1 1", "share.version 1 1", "transaction.version 2 2"}, 0
	}
	if resp.Version >= 4 {
		wantSupported = []string{"group.version 0 1", "share.version 0 1", "transaction.version 0 2"}
	}
	if !slices.Equal(finalized, wantFinalized) || !slices.Equal(supported, wantSupported) || resp.FinalizedFeaturesEpoch != epoch {
		t.Errorf("version %d: finalized %q, supported %q, epoch %d", resp.Version, finalized, supported, resp.FinalizedFeaturesEpoch)
	}
}

// firstServed is the lowest version of an API that is answered.
func firstServed(key int16) int16 {
	if key == kmsg.Produce.Int16() {
		return 3
	}
	return offer[key][0]
}

// TestEveryVersionOfEveryAPIIsAnswered asks in all of them for things that exist, as far
// as the API is about things, and takes the answers apart: they must be of that version
// and nothing else, and have no field that says 0 where the codec's default is to
// say that there is nothing.
func TestEveryVersionOfEveryAPIIsAnswered(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 2, nil)
	c := dialRaw(t, b)
	if out := produced(c.ask(produceRequest("t", -1, batchOf(t, 3)))); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	c.ask(at(2, &kmsg.DeleteRecordsRequest{TimeoutMillis: 60_000, Topics: []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 1}}}}}))
	commit := &kmsg.OffsetCommitRequest{Group: "g", Generation: -1, RetentionTimeMillis: -1,
		Topics: []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1, LeaderEpoch: -1}}}}}
	answerOf(c, at(6, commit))
	alterQuotas(c, []string{"client-id", "nobody"}, map[string]float64{quotaProduce: 1})
	for key, versions := range offer {
		for version := firstServed(key); version <= versions[1]; version++ {
			t.Run(fmt.Sprintf("%s/%d", kmsg.NameForKey(key), version), func(t *testing.T) {
				req := kmsg.RequestForKey(key)
				req.SetVersion(version)
				about(t, b, req)
				c := dialRaw(t, b)
				answerOf(c, req) // of a coordinator that has started
				resp := c.ask(req)
				checkAnswer(t, reflect.ValueOf(resp).Elem(), kmsg.NameForKey(key))
			})
		}
	}
}

// about fills in what a request is about: the topic t, the group g, and things that do not
// exist where asking has effects that others would see.
func about(t *testing.T, b *Broker, req kmsg.Request) {
	id := b.topics.byName("t").ID
	name := kmsg.StringPtr("t")
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		req.Acks, req.TimeoutMillis = -1, 60_000
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: "t", TopicID: id, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: valuesBatch(t, record.None, "v")}, {Partition: 9}}}}
	case *kmsg.FetchRequest:
		rt, rp := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
		rp.FetchOffset = 1
		rt.Topic, rt.TopicID = "t", id
		rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = 1<<20, -1
		none := rp
		none.Partition = 9
		rt.Partitions = []kmsg.FetchRequestTopicPartition{rp, none}
		req.ReplicaID, req.MaxBytes, req.SessionEpoch, req.Topics = -1, 1<<20, -1, []kmsg.FetchRequestTopic{rt}
	case *kmsg.ListOffsetsRequest:
		rt, rp := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
		rp.Timestamp, rp.MaxNumOffsets = -1, 1
		none := rp
		none.Partition = 9
		rt.Topic, rt.Partitions = "t", []kmsg.ListOffsetsRequestTopicPartition{rp, none}
		req.ReplicaID, req.Topics = -1, []kmsg.ListOffsetsRequestTopic{rt}
	case *kmsg.OffsetCommitRequest:
		rt, rp := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
		rt.Topic, rt.TopicID, rt.Partitions = "t", id, []kmsg.OffsetCommitRequestTopicPartition{rp}
		req.Group, req.Generation, req.Topics = "g", -1, []kmsg.OffsetCommitRequestTopic{rt}
	case *kmsg.OffsetFetchRequest:
		req.Group, req.Topics = "g", []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0, 1}}}
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group, g.Topics = "g", []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", TopicID: id, Partitions: []int32{0, 1}}}
		req.Groups = []kmsg.OffsetFetchRequestGroup{g}
	case *kmsg.FindCoordinatorRequest:
		req.CoordinatorKey, req.CoordinatorKeys = "g", []string{"g"}
	case *kmsg.DescribeGroupsRequest:
		req.Groups = []string{"g", "nobody's"}
	case *kmsg.ConsumerGroupDescribeRequest:
		req.Groups = []string{"g", "nobody's"}
	case *kmsg.ShareGroupDescribeRequest:
		req.GroupIDs = []string{"nobody's"}
	case *kmsg.SASLHandshakeRequest:
		req.Mechanism = "PLAIN"
	case *kmsg.ApiVersionsRequest:
		req.ClientSoftwareName, req.ClientSoftwareVersion = "tester", "1"
	case *kmsg.CreateTopicsRequest:
		req.ValidateOnly = true
		req.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "new", NumPartitions: 1, ReplicationFactor: 1}, {Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}
		if req.Version < 1 {
			req.Topics = req.Topics[1:]
		}
	case *kmsg.DeleteTopicsRequest:
		req.TopicNames = []string{"missing"}
		req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: kmsg.StringPtr("missing")}}
	case *kmsg.DeleteRecordsRequest:
		req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 0}, {Partition: 9}}}}
	case *kmsg.CreatePartitionsRequest:
		req.ValidateOnly, req.Topics = true, []kmsg.CreatePartitionsRequestTopic{{Topic: "t", Count: 3}, {Topic: "missing", Count: 3}}
	case *kmsg.InitProducerIDRequest:
		req.TransactionTimeoutMillis = 60_000
	case *kmsg.OffsetForLeaderEpochRequest:
		rt, rp := kmsg.NewOffsetForLeaderEpochRequestTopic(), kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		none := rp
		none.Partition = 9
		rt.Topic, rt.Partitions = "t", []kmsg.OffsetForLeaderEpochRequestTopicPartition{rp, none}
		req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{rt}
	case *kmsg.AddPartitionsToTxnRequest:
		req.TransactionalID, req.ProducerID, req.Topics = "x", 1, []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	case *kmsg.WriteTxnMarkersRequest:
		req.Markers = []kmsg.WriteTxnMarkersRequestMarker{{ProducerID: 1, Topics: []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: "missing", Partitions: []int32{0}}}}}
	case *kmsg.TxnOffsetCommitRequest:
		rt, rp := kmsg.NewTxnOffsetCommitRequestTopic(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
		rt.Topic, rt.Partitions = "t", []kmsg.TxnOffsetCommitRequestTopicPartition{rp}
		req.TransactionalID, req.Group, req.Topics = "x", "g", []kmsg.TxnOffsetCommitRequestTopic{rt}
	case *kmsg.DescribeConfigsRequest:
		req.IncludeSynonyms, req.IncludeDocumentation = true, true
		req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t"}, {ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: b.node()}, {ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "missing"}}
	case *kmsg.AlterConfigsRequest:
		req.ValidateOnly, req.Resources = true, []kmsg.AlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t"}}
	case *kmsg.IncrementalAlterConfigsRequest:
		req.ValidateOnly, req.Resources = true, []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t"}}
	case *kmsg.CreateACLsRequest:
		req.Creations = []kmsg.CreateACLsRequestCreation{{}}
	case *kmsg.DescribeACLsRequest:
		req.ResourceType, req.ResourcePatternType, req.Operation, req.PermissionType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny, kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	case *kmsg.DeleteACLsRequest:
		req.Filters = []kmsg.DeleteACLsRequestFilter{{}}
	case *kmsg.DeleteGroupsRequest:
		req.Groups = []string{"nobody's"}
	case *kmsg.ElectLeadersRequest:
		req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0, 9}}}
	case *kmsg.AlterPartitionAssignmentsRequest:
		req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: "t", Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Partition: 9}}}}
	case *kmsg.OffsetDeleteRequest:
		req.Group = "nobody's"
	case *kmsg.AlterUserSCRAMCredentialsRequest:
		req.Deletions = []kmsg.AlterUserSCRAMCredentialsRequestDeletion{{Name: "nobody", Mechanism: 1}}
	case *kmsg.DescribeUserSCRAMCredentialsRequest:
		req.Users = []kmsg.DescribeUserSCRAMCredentialsRequestUser{{Name: "nobody"}}
	case *kmsg.AlterClientQuotasRequest:
		req.ValidateOnly, req.Entries = true, []kmsg.AlterClientQuotasRequestEntry{{Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user", Name: name}}}}
	case *kmsg.DescribeQuorumRequest:
		req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	case *kmsg.UpdateFeaturesRequest:
		req.ValidateOnly, req.FeatureUpdates = true, []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: "transaction.version", MaxVersionLevel: 2, UpgradeType: 1}}
	case *kmsg.DescribeProducersRequest:
		req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: []int32{0, 9}}}
	case *kmsg.DescribeTransactionsRequest:
		req.TransactionalIDs = []string{"missing"}
	case *kmsg.DescribeTopicPartitionsRequest:
		req.Topics, req.ResponsePartitionLimit = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "t"}}, 1
	case *kmsg.JoinGroupRequest:
		req.Group = "" // refused, and nobody waits
	}
}

// zeroIsMeant are fields whose default says that there is nothing, and of which 0 is
// what things have that exist.
var zeroIsMeant = map[string]bool{
	"Metadata.Topics.Partitions.LeaderEpoch":                true,
	"ListOffsets.Topics.Partitions.LeaderEpoch":             true,
	"OffsetForLeaderEpoch.Topics.Partitions.LeaderEpoch":    true,
	"DescribeTopicPartitions.Topics.Partitions.LeaderEpoch": true,
	"ApiVersions.FinalizedFeaturesEpoch":                    true,
}

// checkAnswer looks for what Go's zero values would say by mistake.
func checkAnswer(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	defaults := reflect.New(v.Type())
	if d, ok := defaults.Interface().(interface{ Default() }); ok {
		d.Default()
	}
	code := v.FieldByName("ErrorCode")
	failed := code.IsValid() && code.Int() != 0
	for i := range v.NumField() {
		name, field, normal := v.Type().Field(i).Name, v.Field(i), defaults.Elem().Field(i)
		at := path + "." + name
		switch field.Kind() {
		case reflect.Struct:
			checkAnswer(t, field, at)
		case reflect.Slice:
			if field.Type().Elem().Kind() == reflect.Struct {
				for j := range field.Len() {
					checkAnswer(t, field.Index(j), at)
				}
			}
			if strings.HasPrefix(name, "Record") && field.Type().Elem().Kind() == reflect.Uint8 && field.IsNil() {
				t.Errorf("%s is null", at)
			}
		case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			switch {
			case name == "ErrorCode" && field.Int() == -1:
				t.Errorf("%s: an unknown server error", at)
			case name == "ThrottleMillis" && field.Int() != 0:
				t.Errorf("%s: throttled by %d ms", at, field.Int())
			case name != "Version" && field.Int() == 0 && normal.Int() != 0 && !(zeroIsMeant[at] && !failed):
				t.Errorf("%s is 0; the default is %d", at, normal.Int())
			}
		}
	}
}

// TestVersionsThatAreNotOfferedEndTheConnection asks for every API in the versions below
// and one above what is served, and in impossible ones. Produce 0 to 2 are below: they
// are offered and refused, which is what Kafka does.
func TestVersionsThatAreNotOfferedEndTheConnection(t *testing.T) {
	b := startBroker(t)
	for key, versions := range offer {
		if key == kmsg.ApiVersions.Int16() {
			continue
		}
		outside := []int16{-1 << 15, versions[1] + 1, 1<<15 - 1}
		for version := int16(-1); version < firstServed(key); version++ {
			outside = append(outside, version)
		}
		for _, version := range outside {
			req := kmsg.RequestForKey(key)
			req.SetVersion(versions[1])
			frame := frameOf(req, 1)
			frame[6], frame[7] = byte(uint16(version)>>8), byte(version)
			c := dialRaw(t, b)
			c.write(frame)
			if n, err := c.in.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("%s version %d was answered", kmsg.NameForKey(key), version)
			}
		}
	}
	for key := int16(-1); key < 100; key++ {
		if _, ok := offer[key]; ok {
			continue
		}
		c := dialRaw(t, b)
		c.write([]byte{0, 0, 0, 10, byte(uint16(key) >> 8), byte(key), 0, 0, 0, 0, 0, 1, 0xff, 0xff})
		if n, err := c.in.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("API %d was answered", key)
		}
	}
}
