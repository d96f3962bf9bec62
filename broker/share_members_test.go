package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A member that is connected and says nothing is out, and somebody else gets what it had
// long before its locks run out.
func TestASilentMemberGivesBackWhatItHad(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest", "share.record.lock.duration.ms", "3600000",
		"share.session.timeout.ms", "1000", "share.heartbeat.interval.ms", "100")
	fill(t, b, "t", 1, 1)
	a := newSharer(t, b, "g", "a", "t")
	wantStrings(t, "first", a.fetch("t"), "0 0-0 ×1")
	c := newSharer(t, b, "g", "c", "t")
	var got []string
	eventually(t, "the other member has the record", func() bool {
		c.beat(0, "t") // it may have been too slow itself
		c.epoch = 0
		req := c.want("t")
		req.MaxWaitMillis = 100
		got = c.got(c.ask(req).(*kmsg.ShareFetchResponse))
		return len(got) > 0
	})
	wantStrings(t, "second", got, "0 0-0 ×2")
	if code := a.ack("t", 0, 1); code != kerr.ShareSessionNotFound.Code {
		t.Errorf("who is out acknowledges: %d", code)
	}
}

func TestThereAreOnlySoManyShareSessions(t *testing.T) {
	b := startBroker(t, func(o *Options) { o.Limits.ShareSessions = 1 })
	createTopic(t, b, "t", 1, nil)
	a, c := newSharer(t, b, "g", "a", "t"), newSharer(t, b, "g", "c", "t")
	open := func(s *sharer) int16 {
		s.epoch = 0
		req := s.want("t")
		req.MaxWaitMillis = 0
		return s.ask(req).(*kmsg.ShareFetchResponse).ErrorCode
	}
	for i, step := range []struct {
		s    *sharer
		want int16
	}{{a, 0}, {c, kerr.ShareSessionLimitReached.Code}, {a, 0}} { // the same again is no other
		if code := open(step.s); code != step.want {
			t.Errorf("session %d: %d, want %d", i, code, step.want)
		}
	}
	if code := a.ackAt(-1, "t", 0); code != 0 {
		t.Fatal(code)
	}
	if code := open(c); code != 0 {
		t.Errorf("after one was closed: %d", code)
	}
}

func TestAPartitionThatIsAddedIsShared(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest")
	s := newSharer(t, b, "g", "a", "t")
	if res, err := kadm.NewClient(newClient(t, b)).UpdatePartitions(t.Context(), 2, "t"); err != nil || res["t"].Err != nil {
		t.Fatal(err, res)
	}
	fill(t, b, "t", 2, 1)
	eventually(t, "the member is told of both partitions", func() bool {
		resp := s.beat(1)
		return resp.Assignment != nil && len(resp.Assignment.TopicPartitions) == 1 && len(resp.Assignment.TopicPartitions[0].Partitions) == 2
	})
	req := s.want("t")
	req.Topics[0].Partitions[0].Partition = 1
	wantStrings(t, "of the second", s.got(s.ask(req).(*kmsg.ShareFetchResponse)), "0 1-0 ×1")
}

// Offsets whose records were compacted away come with their batch and are acknowledged as
// gaps; a batch of which nothing is left is passed over.
func TestAShareGroupReadsACompactedTopic(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "c", 1, map[string]string{"cleanup.policy": "compact"})
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest", "share.record.lock.duration.ms", "600000")
	p, err := b.Partition("c", 0)
	if err != nil {
		t.Fatal(err)
	}
	config := p.log.Config()
	config.SegmentBytes = 100 // a batch each
	p.log.SetConfig(config)
	for _, keys := range []string{"abc", "x", "bx", "z"} {
		var records []Record
		for _, k := range keys {
			records = append(records, Record{Key: []byte{byte(k)}, Value: []byte{byte(k)}})
		}
		if _, err := p.AppendRecords(t.Context(), AnyEnd, records...); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := p.log.Compact(time.Now()); err != nil || done.Dropped != 2 {
		t.Fatalf("compaction: %+v, %v", done, err)
	}
	s := newSharer(t, b, "g", "a", "c")
	var got []string
	for len(got) < 5 { // a fetch reads no further than a segment
		more := s.fetch("c")
		if len(more) == 0 {
			break
		}
		got = append(got, more...)
	}
	wantStrings(t, "what is left", got, "0 a ×1", "2 c ×1", "4 b ×1", "5 x ×1", "6 z ×1")
	if code := s.ack("c", 0, 1, 0, 1); code != 0 {
		t.Errorf("accept, gap, accept: %d", code)
	}
	if code := s.ack("c", 4, 1, 1, 1); code != 0 {
		t.Errorf("behind the batch that is empty: %d", code)
	}
	if start, lag := shareOffset(t, b, "g", "c", 0); start != 7 || lag != 0 {
		t.Errorf("start offset %d, lag %d", start, lag)
	}
}
