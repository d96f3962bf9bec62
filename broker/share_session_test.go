package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestShareSessionsRememberOnlySoMuch has one session that reads more than all may remember.
func TestShareSessionsRememberOnlySoMuch(t *testing.T) {
	b := startBroker(t)
	if want := 8 * b.opts.Limits.Partitions; b.shareSessions.maxParts != want {
		t.Errorf("the bound is %d, want %d", b.shareSessions.maxParts, want)
	}
	const most = 30
	b.shareSessions.maxParts = most // before the first of them
	createTopic(t, b, "t", most+10, nil)
	s := newSharer(t, b, "g", "a", "t")
	ask := func(epoch int32, partitions int, forget ...int32) int16 {
		req := s.want("t")
		req.MaxWaitMillis, req.ShareSessionEpoch = 0, epoch
		one := req.Topics[0].Partitions[0]
		req.Topics[0].Partitions = nil
		for i := range partitions {
			one.Partition = int32(i)
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, one)
		}
		if len(forget) > 0 {
			req.ForgottenTopicsData = []kmsg.ShareFetchRequestForgottenTopicsData{{TopicID: req.Topics[0].TopicID, Partitions: forget}}
		}
		return s.ask(req).(*kmsg.ShareFetchResponse).ErrorCode
	}
	remembered := func() int {
		b.shareSessions.mu.Lock()
		defer b.shareSessions.mu.Unlock()
		return b.shareSessions.total
	}
	limit := kerr.ShareSessionLimitReached.Code
	for _, step := range []struct {
		what       string
		epoch      int32
		partitions int
		forget     []int32
		code       int16
		remembered int
	}{
		{"too many at once", 0, most + 1, nil, limit, 0},
		{"a few", 0, 20, nil, 0, 20},
		{"too many more", 1, most - 20 + 1, nil, limit, 20},
		{"goes on", 1, 10, nil, 0, 20},
		{"forgets some", 2, 0, []int32{3, 4, 99}, 0, 18},
		{"begins anew", 0, 5, nil, 0, 5},
		{"ends", -1, 0, nil, 0, 0},
	} {
		if code := ask(step.epoch, step.partitions, step.forget...); code != step.code || remembered() != step.remembered {
			t.Errorf("%s: error %d, want %d; %d partitions are remembered, want %d", step.what, code, step.code, remembered(), step.remembered)
		}
	}
}
