package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// api is a row of the table of what is served.
type api struct {
	key kmsg.Key
	// min and max are the versions that ApiVersions offers.
	min, max int16
	// served is the lowest version that is answered, if that is above min: some
	// clients take a low floor as a sign of other features.
	served int16
	// handle does what a request asks. See handler.
	handle handler
	// open requests are answered before a client has authenticated.
	open bool
	// view requests are decoded without copying; their bytes, and strings, are
	// gone once the handler returns, whatever it has left for later.
	view bool
	// needs is how much memory the answer takes, at most; nil means no more than the
	// request has paid for by its elements.
	needs func(b *Broker, req kmsg.Request) int64
	// alone requests are handled when everything before them is answered, since nobody
	// knows before how large their answers are.
	alone bool
}

// handler runs on the connection's reader: the next request waits for it. It
// must not wait for anything but a local file; what it has to wait for it
// leaves to the function of a later reply. Effects that other requests must
// see in order belong into the handler, not into that function.
//
// ctx ends when the connection does or the broker stops.
type handler func(b *Broker, ctx context.Context, r *request) reply

// apis is everything that is served. What a row promises is in the file of its
// API.
var apis = []api{
	{key: kmsg.Produce, min: 0, max: 13, served: 3, handle: (*Broker).produce, view: true},
	{key: kmsg.Fetch, min: 4, max: 18, handle: (*Broker).fetch},
	{key: kmsg.ListOffsets, min: 0, max: 11, handle: (*Broker).listOffsets},
	{key: kmsg.Metadata, min: 0, max: 13, handle: (*Broker).metadata, needs: (*Broker).metadataNeeds},
	{key: kmsg.OffsetCommit, min: 1, max: 10, handle: (*Broker).offsetCommit},
	{key: kmsg.OffsetFetch, min: 0, max: 10, handle: (*Broker).offsetFetch, alone: true},
	{key: kmsg.FindCoordinator, min: 0, max: 6, handle: (*Broker).findCoordinator},
	{key: kmsg.JoinGroup, min: 0, max: 9, handle: (*Broker).joinGroup},
	{key: kmsg.Heartbeat, min: 0, max: 4, handle: (*Broker).heartbeat},
	{key: kmsg.LeaveGroup, min: 0, max: 5, handle: (*Broker).leaveGroup},
	{key: kmsg.SyncGroup, min: 0, max: 5, handle: (*Broker).syncGroup},
	{key: kmsg.DescribeGroups, min: 0, max: 6, handle: (*Broker).describeGroups, alone: true},
	{key: kmsg.ListGroups, min: 0, max: 5, handle: (*Broker).listGroups, alone: true},
	{key: kmsg.SASLHandshake, min: 0, max: 1, handle: (*Broker).saslHandshake, open: true},
	{key: kmsg.ApiVersions, min: 0, max: 4, handle: (*Broker).apiVersions, open: true},
	{key: kmsg.CreateTopics, min: 0, max: 7, handle: (*Broker).createTopics},
	{key: kmsg.DeleteTopics, min: 0, max: 6, handle: (*Broker).deleteTopics},
	{key: kmsg.DeleteRecords, min: 0, max: 2, handle: (*Broker).deleteRecords},
	{key: kmsg.InitProducerID, min: 0, max: 5, handle: (*Broker).initProducerID},
	{key: kmsg.OffsetForLeaderEpoch, min: 2, max: 4, handle: (*Broker).offsetForLeaderEpoch},
	{key: kmsg.AddPartitionsToTxn, min: 0, max: 3, handle: (*Broker).addPartitionsToTxn},
	{key: kmsg.AddOffsetsToTxn, min: 0, max: 4, handle: (*Broker).addOffsetsToTxn},
	{key: kmsg.EndTxn, min: 0, max: 5, handle: (*Broker).endTxn},
	{key: kmsg.WriteTxnMarkers, min: 1, max: 2, handle: (*Broker).writeTxnMarkers},
	{key: kmsg.TxnOffsetCommit, min: 0, max: 5, handle: (*Broker).txnOffsetCommit},
	{key: kmsg.DescribeACLs, min: 1, max: 3, handle: (*Broker).describeACLs, needs: (*Broker).describeACLsNeeds},
	{key: kmsg.CreateACLs, min: 1, max: 3, handle: (*Broker).createACLs},
	{key: kmsg.DeleteACLs, min: 1, max: 3, handle: (*Broker).deleteACLs},
	{key: kmsg.DescribeConfigs, min: 0, max: 4, handle: (*Broker).describeConfigs, needs: (*Broker).describeConfigsNeeds},
	{key: kmsg.AlterConfigs, min: 0, max: 2, handle: (*Broker).alterConfigs},
	{key: kmsg.DescribeLogDirs, min: 1, max: 4, handle: (*Broker).describeLogDirs, needs: (*Broker).describeLogDirsNeeds},
	{key: kmsg.SASLAuthenticate, min: 0, max: 2, handle: (*Broker).saslAuthenticate, open: true},
	{key: kmsg.CreatePartitions, min: 0, max: 3, handle: (*Broker).createPartitions},
	{key: kmsg.DeleteGroups, min: 0, max: 2, handle: (*Broker).deleteGroups},
	{key: kmsg.ElectLeaders, min: 0, max: 2, handle: (*Broker).electLeaders},
	{key: kmsg.IncrementalAlterConfigs, min: 0, max: 1, handle: (*Broker).incrementalAlterConfigs},
	{key: kmsg.AlterPartitionAssignments, min: 0, max: 1, handle: (*Broker).alterPartitionReassignments},
	{key: kmsg.ListPartitionReassignments, min: 0, max: 0, handle: (*Broker).listPartitionReassignments},
	{key: kmsg.OffsetDelete, min: 0, max: 0, handle: (*Broker).offsetDelete},
	{key: kmsg.DescribeClientQuotas, min: 0, max: 1, handle: (*Broker).describeClientQuotas, needs: (*Broker).describeClientQuotasNeeds},
	{key: kmsg.AlterClientQuotas, min: 0, max: 1, handle: (*Broker).alterClientQuotas},
	{key: kmsg.DescribeUserSCRAMCredentials, min: 0, max: 0, handle: (*Broker).describeUserScramCredentials, alone: true},
	{key: kmsg.AlterUserSCRAMCredentials, min: 0, max: 0, handle: (*Broker).alterUserScramCredentials},
	{key: kmsg.DescribeQuorum, min: 0, max: 2, handle: (*Broker).describeQuorum},
	{key: kmsg.UpdateFeatures, min: 0, max: 2, handle: (*Broker).updateFeatures},
	{key: kmsg.DescribeCluster, min: 0, max: 2, handle: (*Broker).describeCluster},
	{key: kmsg.DescribeProducers, min: 0, max: 0, handle: (*Broker).describeProducers, alone: true},
	{key: kmsg.DescribeTransactions, min: 0, max: 0, handle: (*Broker).describeTransactions, alone: true},
	{key: kmsg.ListTransactions, min: 0, max: 2, handle: (*Broker).listTransactions, alone: true},
	{key: kmsg.ConsumerGroupHeartbeat, min: 0, max: 1, handle: (*Broker).consumerGroupHeartbeat},
	{key: kmsg.ConsumerGroupDescribe, min: 0, max: 1, handle: (*Broker).consumerGroupDescribe, alone: true},
	{key: kmsg.ListConfigResources, min: 0, max: 1, handle: (*Broker).listConfigResources, needs: (*Broker).listConfigResourcesNeeds},
	{key: kmsg.DescribeTopicPartitions, min: 0, max: 0, handle: (*Broker).describeTopicPartitions, needs: (*Broker).describeTopicPartitionsNeeds},
	{key: kmsg.ShareGroupHeartbeat, min: 1, max: 1, handle: (*Broker).shareGroupHeartbeat},
	{key: kmsg.ShareGroupDescribe, min: 1, max: 1, handle: (*Broker).shareGroupDescribe, alone: true},
	{key: kmsg.ShareFetch, min: 1, max: 2, handle: (*Broker).shareFetch},
	{key: kmsg.ShareAcknowledge, min: 1, max: 2, handle: (*Broker).shareAcknowledge},
	{key: kmsg.DescribeShareGroupOffsets, min: 0, max: 1, handle: (*Broker).describeShareGroupOffsets, alone: true},
	{key: kmsg.AlterShareGroupOffsets, min: 0, max: 0, handle: (*Broker).alterShareGroupOffsets},
	{key: kmsg.DeleteShareGroupOffsets, min: 0, max: 0, handle: (*Broker).deleteShareGroupOffsets},
}

// byKey finds a row. It is made once, before the first connection.
var byKey = func() map[int16]*api {
	m := make(map[int16]*api, len(apis))
	for i := range apis {
		m[apis[i].key.Int16()] = &apis[i]
	}
	return m
}

// request is one request of a client, decoded.
type request struct {
	requestHeader
	conn     *conn
	as       string // the principal that sent it
	api      *api
	body     kmsg.Request
	frame    frame // of a view request, until its handler returns
	lease    lease // what it pays for, until it is answered
	received time.Time
	bytes    int // of the frame
	// unsupported asks for an ApiVersions answer that says that the version is
	// not known, which clients read to find one that is.
	unsupported bool
}

// reply is what a handler has to say. Build it with answer, later or noAnswer.
type reply struct {
	resp  kmsg.Response
	later func(ctx context.Context) reply
	body  *body
	none  bool
	close string // why the connection ends after this, if it does
	// mute is how long the client's next request stays unread. The answer tells it.
	mute time.Duration
}

// tellThrottle puts the time that the client is muted for into the answer.
func (rep *reply) tellThrottle() {
	millis := int32(rep.mute.Milliseconds())
	switch {
	case rep.body != nil && rep.body.throttleAt > 0:
		at := rep.body.parts[0].data[rep.body.throttleAt:]
		binary.BigEndian.PutUint32(at, uint32(max(millis, int32(binary.BigEndian.Uint32(at)))))
	case rep.resp != nil:
		if told, ok := rep.resp.(interface {
			kmsg.ThrottleResponse
			kmsg.SetThrottleResponse
		}); ok {
			before, _ := told.Throttle()
			told.SetThrottle(max(millis, before))
		}
	}
}

// answer is a reply that is ready.
func answer(resp kmsg.Response) reply { return reply{resp: resp} }

// later is a reply that fn gives. It runs on the connection's writer once all
// answers before it are sent, and must return soon after ctx ends.
func later(fn func(ctx context.Context) reply) reply { return reply{later: fn} }

// noAnswer is the reply to a request that wants none.
func noAnswer() reply { return reply{none: true} }

// refused is a reply that ends the connection without an answer.
func refused(why string) reply { return reply{none: true, close: why} }

// body is an answer that a handler has encoded itself: head, which starts with
// the frame's length and header, and parts that alternate with whatever else.
// The parts are written as they are, in one go.
type body struct {
	parts []bodyPart
	// throttleAt is where the throttle time is in the first part; 0 if there is none.
	throttleAt int
	release    func()
}

// throttleFirst is the place of the throttle time in an answer whose first field it is.
func throttleFirst(flexible bool) int {
	if flexible {
		return 4 + 4 + 1 // length, correlation ID, tagged fields
	}
	return 4 + 4
}

// bodyPart is bytes of an answer: data, or a section of a file that nobody changes
// until the body is released.
type bodyPart struct {
	data           []byte
	file           *os.File
	pos, fileBytes int64
}

func (p *bodyPart) size() int { return len(p.data) + int(p.fileBytes) }

// errRequest is a request that cannot be answered: the connection ends.
type errRequest struct {
	header requestHeader
	cause  string
}

func (e *errRequest) Error() string {
	name := kmsg.NameForKey(e.header.key)
	return fmt.Sprintf("%s (API key %d) version %d: %s", name, e.header.key, e.header.version, e.cause)
}

// decode makes a request of a frame, which is empty once it no longer holds
// anything. On an error the caller releases it.
//
// What the request becomes is paid for before it is made: a copy and its strings,
// unless it is a view, and the elements of its arrays and of the answer's.
//
// barred is why the client may only authenticate, if that is so.
func (b *Broker) decode(ctx context.Context, f *frame, barred string) (*request, error) {
	h, rest, err := readRequestHeader(f.data)
	if err != nil {
		return nil, err
	}
	r := &request{requestHeader: h, bytes: len(f.data)}
	r.api = b.apis[h.key]
	if r.api == nil {
		return nil, &errRequest{h, "not an API of this broker"}
	}
	if barred != "" && !r.api.open {
		return nil, &errRequest{h, barred}
	}
	r.body = r.api.key.Request()
	if h.version < max(r.api.min, r.api.served) || h.version > r.api.max {
		if r.api.key != kmsg.ApiVersions {
			return nil, &errRequest{h, fmt.Sprintf("not a version of this broker, which has %d to %d", max(r.api.min, r.api.served), r.api.max)}
		}
		r.unsupported = true
		r.body.SetVersion(0)
		f.release()
		return r, nil
	}
	r.body.SetVersion(h.version)
	if r.clientID, rest, err = readClientID(rest, r.body.IsFlexible()); err != nil {
		return nil, &errRequest{h, err.Error()}
	}
	elements, err := checkShape(r.body, rest)
	if err != nil {
		return nil, &errRequest{h, err.Error()}
	}
	pay := 0
	if elements > freeElements {
		pay = elements * elementBytes
	}
	if !r.api.view && len(f.data) > freeFrameBytes {
		pay += 2 * len(rest)
	}
	if pay > 0 {
		f.lease.from = b.memory // which small frames do without
		if err := f.lease.grow(ctx, int64(pay)); err != nil {
			return nil, err
		}
	}
	if r.api.view {
		err = r.body.(unsafeReader).UnsafeReadFrom(rest)
	} else {
		// What a handler keeps of the request must not be the frame's.
		err = r.body.ReadFrom(append([]byte(nil), rest...))
	}
	if err != nil {
		return nil, &errRequest{h, "body is not what the version says: " + err.Error()}
	}
	if again := repeats(r.body); again != "" {
		return nil, &errRequest{h, fmt.Sprintf("names %q again, in a list of more than %d", again, maxRepeating)}
	}
	if r.api.needs != nil {
		if err := b.payAnswer(ctx, r, &f.lease, elements); err != nil {
			return nil, err
		}
	}
	r.lease, f.lease = f.lease, lease{}
	r.frame, *f = *f, frame{}
	if !r.api.view {
		r.letGo()
	}
	return r, nil
}

// letGo gives back the request's bytes as they came. What was made of them is paid
// for until it is answered.
func (r *request) letGo() {
	if paid := r.frame.paid(); paid > 0 {
		r.lease.shrink(paid)
	}
	r.frame.release()
}

type unsafeReader interface{ UnsafeReadFrom([]byte) error }

// taggedResponse says whether the answer's header has tagged fields.
func taggedResponse(resp kmsg.Response) bool {
	return resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions)
}
