package broker

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/record"
)

var rewriteAnswers = flag.Bool("rewrite-answers", false, "write the answers that the broker gives to testdata/answers")

// TestAnswersAreByteForByteThoseOfTheFiles asks a broker over a connection, in the first
// and last version of an API, and compares whole answers with testdata/answers: the
// fields that the request set, those of the answer, and its bytes from the correlation
// ID on. A name in angle brackets stands for bytes that are new with every run.
func TestAnswersAreByteForByteThoseOfTheFiles(t *testing.T) {
	b := startBroker(t, func(o *Options) {
		o.ClusterID = "golden-cluster"
		o.Listeners = []Listener{{Addr: "127.0.0.1:0", Advertised: "broker.example:9092"}}
	})
	c := dialRaw(t, b)
	c.ask(at(4, &kmsg.CreateTopicsRequest{TimeoutMillis: 60_000, Topics: []kmsg.CreateTopicsRequestTopic{{Topic: "orders", NumPartitions: 1, ReplicationFactor: 1}}}))
	topic := b.topics.byName("orders")
	symbols := map[string]string{string(topic.ID[:]): "<topic ID>"}
	batch := func() []byte { return valuesBatch(t, record.None, "one", "two") }
	conversations := []struct {
		file string
		ask  []kmsg.Request
	}{
		{"api-versions", []kmsg.Request{
			at(0, kmsg.NewPtrApiVersionsRequest()),
			at(4, &kmsg.ApiVersionsRequest{ClientSoftwareName: "reader", ClientSoftwareVersion: "1.0"}),
		}},
		{"metadata", []kmsg.Request{
			at(0, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("orders")}}}),
			at(13, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("orders")}}}),
			at(13, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("missing")}}}),
		}},
		{"produce", []kmsg.Request{
			at(3, &kmsg.ProduceRequest{Acks: -1, TimeoutMillis: 60_000, Topics: []kmsg.ProduceRequestTopic{{Topic: "orders", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch()}}}}}),
			at(13, &kmsg.ProduceRequest{Acks: -1, TimeoutMillis: 60_000, Topics: []kmsg.ProduceRequestTopic{{TopicID: topic.ID, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch()}}}}}),
			at(13, &kmsg.ProduceRequest{Acks: -1, TimeoutMillis: 60_000, Topics: []kmsg.ProduceRequestTopic{{TopicID: topic.ID, Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 7, Records: batch()}}}}}),
		}},
		{"fetch", []kmsg.Request{
			at(4, &kmsg.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, Topics: []kmsg.FetchRequestTopic{{Topic: "orders", Partitions: []kmsg.FetchRequestTopicPartition{{FetchOffset: 0, PartitionMaxBytes: 1}}}}}),
			at(18, &kmsg.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, SessionEpoch: -1, Topics: []kmsg.FetchRequestTopic{{TopicID: topic.ID, Partitions: []kmsg.FetchRequestTopicPartition{{CurrentLeaderEpoch: -1, LastFetchedEpoch: -1, FetchOffset: 4, PartitionMaxBytes: 1 << 20}}}}}),
		}},
		{"find-coordinator", []kmsg.Request{
			at(0, &kmsg.FindCoordinatorRequest{CoordinatorKey: "readers"}),
			at(6, &kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{"readers", "others"}}),
		}},
		{"join-group", []kmsg.Request{
			at(0, &kmsg.JoinGroupRequest{Group: "readers", SessionTimeoutMillis: 30_000, RebalanceTimeoutMillis: -1, ProtocolType: "consumer", Protocols: []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0, 1, 2}}}}),
			at(9, &kmsg.JoinGroupRequest{Group: "others", SessionTimeoutMillis: 30_000, RebalanceTimeoutMillis: 30_000, ProtocolType: "consumer", Protocols: []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0, 1, 2}}}}),
		}},
		{"offset-commit", []kmsg.Request{
			at(1, &kmsg.OffsetCommitRequest{Group: "simple", Generation: -1, Topics: []kmsg.OffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 2, Timestamp: -1}}}}}),
			at(10, &kmsg.OffsetCommitRequest{Group: "simple", Generation: -1, RetentionTimeMillis: -1, Topics: []kmsg.OffsetCommitRequestTopic{{TopicID: topic.ID, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 4, LeaderEpoch: -1, Metadata: kmsg.StringPtr("done")}}}}}),
		}},
		{"init-producer-id", []kmsg.Request{
			at(0, &kmsg.InitProducerIDRequest{TransactionTimeoutMillis: 60_000, ProducerID: -1, ProducerEpoch: -1}),
			at(5, &kmsg.InitProducerIDRequest{TransactionalID: kmsg.StringPtr("payments"), TransactionTimeoutMillis: 60_000, ProducerID: -1, ProducerEpoch: -1}),
		}},
	}
	for _, conversation := range conversations {
		t.Run(conversation.file, func(t *testing.T) {
			var out strings.Builder
			for i, req := range conversation.ask {
				if i > 0 {
					out.WriteByte('\n')
				}
				c.t = t
				answer := answerOf(c, req)
				resp := decodeAnswer(t, req, answer)
				if joined, ok := resp.(*kmsg.JoinGroupResponse); ok && joined.MemberID != "" {
					symbols[joined.MemberID] = "<member ID>"
				}
				fmt.Fprintf(&out, "== %s version %d\n-- request\n", kmsg.NameForKey(req.Key()), req.GetVersion())
				writeFields(&out, reflect.ValueOf(req).Elem(), "  ", symbols)
				out.WriteString("-- answer\n")
				writeFields(&out, reflect.ValueOf(resp).Elem(), "  ", symbols)
				out.WriteString("-- bytes\n")
				writeBytes(&out, answer, symbols)
			}
			path := filepath.Join("testdata", "answers", conversation.file+".txt")
			if *rewriteAnswers {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := out.String(); got != string(want) {
				a, b := strings.Split(got, "\n"), strings.Split(string(want), "\n")
				for i := range min(len(a), len(b)) {
					if a[i] != b[i] {
						t.Fatalf("%s:%d:\ngot  %s\nwant %s", path, i+1, a[i], b[i])
					}
				}
				t.Fatalf("%s has %d lines, got %d", path, len(b), len(a))
			}
		})
	}
}

// at sets a request's version.
func at(version int16, req kmsg.Request) kmsg.Request {
	req.SetVersion(version)
	return req
}

// answerOf is the whole answer without its length. A coordinator that is still
// starting is asked again.
func answerOf(c *rawClient, req kmsg.Request) []byte {
	c.t.Helper()
	var answer []byte
	eventually(c.t, "the coordinator has started", func() bool {
		c.write(frameOf(req, 1))
		correlation, rest := c.read()
		answer = append(binary.BigEndian.AppendUint32(nil, uint32(correlation)), rest...)
		return !starting(reflect.ValueOf(decodeAnswer(c.t, req, answer)).Elem())
	})
	return answer
}

func decodeAnswer(t *testing.T, req kmsg.Request, answer []byte) kmsg.Response {
	t.Helper()
	resp := req.ResponseKind()
	body := answer[4:]
	if taggedResponse(resp) {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	return resp
}

// starting says whether any error code of an answer is that of a coordinator that does
// not know its groups yet.
func starting(v reflect.Value) bool {
	for i := range v.NumField() {
		field := v.Field(i)
		if v.Type().Field(i).Name == "ErrorCode" {
			code := int16(field.Int())
			return code == kerr.CoordinatorLoadInProgress.Code || code == kerr.CoordinatorNotAvailable.Code || code == kerr.NotCoordinator.Code
		}
		if field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct {
			for j := range field.Len() {
				if starting(field.Index(j)) {
					return true
				}
			}
		}
	}
	return false
}

// writeFields writes every field that is not zero, one a line, as kmsg names it.
func writeFields(out *strings.Builder, v reflect.Value, indent string, symbols map[string]string) {
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Name, v.Field(i)
		if name == "Version" || name == "UnknownTags" || field.IsZero() {
			continue
		}
		writeField(out, name, field, indent, symbols)
	}
}

func writeField(out *strings.Builder, name string, v reflect.Value, indent string, symbols map[string]string) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch {
	case v.Kind() == reflect.Struct:
		fmt.Fprintf(out, "%s%s\n", indent, name)
		writeFields(out, v, indent+"  ", symbols)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		fmt.Fprintf(out, "%s%s: %d bytes\n", indent, name, v.Len())
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			writeField(out, fmt.Sprintf("%s[%d]", name, i), v.Index(i), indent, symbols)
		}
	case v.Kind() == reflect.Array:
		raw := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(raw), v)
		fmt.Fprintf(out, "%s%s: %s\n", indent, name, named(string(raw), fmt.Sprintf("%x", raw), symbols))
	case v.Kind() == reflect.String:
		fmt.Fprintf(out, "%s%s: %s\n", indent, name, named(v.String(), fmt.Sprintf("%q", v.String()), symbols))
	default:
		fmt.Fprintf(out, "%s%s: %v\n", indent, name, v)
	}
}

func named(raw, text string, symbols map[string]string) string {
	if symbol, ok := symbols[raw]; ok {
		return symbol
	}
	return text
}

// writeBytes writes bytes 16 a line, with those that are text, and symbols on lines of
// their own.
func writeBytes(out *strings.Builder, p []byte, symbols map[string]string) {
	line := 0
	flush := func(at int) {
		for ; line < at; line += 16 {
			end := min(line+16, at)
			text := bytes.Clone(p[line:end])
			for i, c := range text {
				if c < ' ' || c > '~' {
					text[i] = '.'
				}
			}
			fmt.Fprintf(out, "  %-47s  %s\n", fmt.Sprintf("% x", p[line:end]), text)
		}
		line = at
	}
scan:
	for i := 0; i < len(p); {
		for raw, symbol := range symbols {
			if bytes.HasPrefix(p[i:], []byte(raw)) {
				flush(i)
				fmt.Fprintf(out, "  %s\n", symbol)
				i += len(raw)
				line = i
				continue scan
			}
		}
		i++
	}
	flush(len(p))
}
