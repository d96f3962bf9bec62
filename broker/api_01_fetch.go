package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
)

// Fetch (1), versions 4 to 18.
//
//	4   isolation level, last stable offset, aborted transactions
//	5   log start offset
//	7   fetch sessions (KIP-227)
//	9   current leader epoch
//	11  rack, preferred read replica
//	12  flexible; last fetched epoch and diverging epoch (KIP-595)
//	13  topics by ID
//	15  replica state in place of the replica ID
//	16  addresses of new leaders (KIP-951)
//	17  directory IDs
//	18  high watermark of the replica that asks
//
// The answer waits until there are min bytes or max wait has passed. It holds
// whole batches as stored, from the one that contains the asked offset on, and
// at least one, however large. Records are never null. Aborted transactions are
// told to readers of committed records only.
//
// Left out: followers, which do not exist; preferred replicas and racks, since
// there is one node.
func (b *Broker) fetch(ctx context.Context, r *request) reply {
	req := r.body.(*kmsg.FetchRequest)
	f := &fetching{b: b, r: r, req: req}
	set, forget := fetchRequested(req)
	session, asked, refused := b.fetchSession(r, req, set, forget)
	if refused != nil {
		return f.answer(refused.Code, 0, nil, 0)
	}
	// The request has paid for what it names, not for what its session adds.
	if more := len(asked) - len(set); more > freeElements {
		r.lease.from = b.memory
		if r.lease.grow(ctx, int64(more)*sessionElementBytes) != nil {
			return noAnswer() // the connection is over
		}
	}
	f.session = session
	f.incremental = session != nil && req.SessionEpoch > 0
	f.parts = make([]fetchPart, len(asked))
	for i := range asked {
		f.parts[i] = fetchPart{fetchAsked: asked[i]}
		f.resolve(&f.parts[i])
	}
	return later(f.run)
}

// sessionElementBytes is what a partition that a session adds needs in a request.
const sessionElementBytes = 256

// fetchRequested flattens a request.
func fetchRequested(req *kmsg.FetchRequest) (set []fetchAsked, forget []fetchKey) {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			set = append(set, fetchAsked{fetchKey{t.Topic, t.TopicID, p.Partition}, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.PartitionMaxBytes})
		}
	}
	for i := range req.ForgottenTopics {
		t := &req.ForgottenTopics[i]
		for _, p := range t.Partitions {
			forget = append(forget, fetchKey{t.Topic, t.TopicID, p})
		}
	}
	return set, forget
}

// fetchSession finds or makes the session of a request and returns all
// partitions that are to be read.
func (b *Broker) fetchSession(r *request, req *kmsg.FetchRequest, set []fetchAsked, forget []fetchKey) (*fetchSession, []fetchAsked, *kerr.Error) {
	if req.Version < 7 {
		return nil, set, nil
	}
	principal, now := r.principal(), r.received
	switch req.SessionEpoch {
	case finalEpoch, initialEpoch:
		if req.SessionID != noSession {
			b.sessions.close(req.SessionID, principal)
		}
		if req.SessionEpoch == finalEpoch || len(set) == 0 {
			return nil, set, nil
		}
		return b.sessions.open(principal, req.Version >= 13, set, now), set, nil
	}
	session, refused := b.sessions.resume(req, principal, now)
	if refused != nil {
		return nil, nil, refused
	}
	all, refused := b.sessions.change(session, set, forget)
	return session, all, refused
}

// fetching is the state of one request.
type fetching struct {
	b           *Broker
	r           *request
	req         *kmsg.FetchRequest
	session     *fetchSession
	incremental bool // only news are answered
	parts       []fetchPart

	lease   lease
	results []commitlog.ReadResult
	located []commitlog.FileRef
}

// fetchPart is one partition of a request.
type fetchPart struct {
	fetchAsked
	name      string // of the topic, if it is known
	partition *Partition
	errorCode int16
}

func (f *fetching) resolve(p *fetchPart) {
	var t *topic
	unknown := kerr.UnknownTopicOrPartition.Code
	if f.req.Version >= 13 {
		unknown = kerr.UnknownTopicID.Code
		if t = f.b.topics.byID(p.id); t != nil {
			p.name = t.Name
		}
	} else {
		t, p.name = f.b.topics.byName(p.topic), p.topic
	}
	switch {
	case f.req.Version >= 13 && t == nil:
		p.errorCode = unknown
	case !f.b.allowedTopic(f.r, kmsg.ACLOperationRead, p.name):
		p.errorCode = kerr.TopicAuthorizationFailed.Code
	case t == nil:
		p.errorCode = unknown
	default:
		if p.partition = t.partition(p.fetchKey.partition); p.partition == nil {
			p.errorCode = kerr.UnknownTopicOrPartition.Code
		} else {
			p.errorCode = p.partition.checkEpoch(p.currentEpoch)
		}
	}
}

// run waits until there is enough to answer with, and answers.
func (f *fetching) run(ctx context.Context) reply {
	wait := time.Duration(max(0, f.req.MaxWaitMillis)) * time.Millisecond
	deadline := f.r.received.Add(min(wait, maxFetchWait))
	signal := make(chan struct{}, 1)
	for i := range f.parts {
		if p := f.parts[i].partition; p != nil {
			p.watch.add(signal)
			defer p.watch.remove(signal)
		}
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		last := len(f.parts) == 0 || !time.Now().Before(deadline) || ctx.Err() != nil
		if last || f.hasFaults() || f.hasRecords() {
			topics, bytes, done := f.read(ctx)
			if last || done || bytes >= int(f.req.MinBytes) {
				return f.answerWith(topics, bytes)
			}
			f.release()
			// Much is wanted and little there: look again when more has come, but
			// not for every batch of it.
			pause(ctx, min(fetchRetry, time.Until(deadline)))
		}
		select {
		case <-signal:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

const (
	// maxFetchWait bounds what a client may ask for.
	maxFetchWait = 5 * time.Minute
	// fetchRetry is the pause before looking again for min bytes.
	fetchRetry = 2 * time.Millisecond
)

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// hasFaults says whether a partition has an error to tell, which is not held
// back.
func (f *fetching) hasFaults() bool {
	for i := range f.parts {
		if p := &f.parts[i]; p.errorCode != 0 || p.partition.gone() {
			return true
		}
	}
	return false
}

// hasRecords says whether a partition may have something to read, or an answer
// that is not about records.
func (f *fetching) hasRecords() bool {
	for i := range f.parts {
		p := &f.parts[i]
		o := p.partition.offsets()
		if p.offset < f.limit(o) || p.offset > o.End || p.offset < o.Start || f.diverges(p) != nil {
			return true
		}
	}
	return false
}

func (f *fetching) committedOnly() bool { return f.req.IsolationLevel == 1 }

func (f *fetching) limit(o commitlog.Offsets) int64 {
	if f.committedOnly() {
		return o.LastStable
	}
	return o.HighWatermark
}

// read reads all partitions. done says that the answer must not wait for more.
func (f *fetching) read(ctx context.Context) (topics []fetchedTopic, bytes int, done bool) {
	left := int(min(f.req.MaxBytes, f.b.opts.Limits.FetchBytes))
	f.lease.from = f.b.memory
	for i := range f.parts {
		p := &f.parts[i]
		got, err := f.readOne(ctx, p, left, bytes == 0)
		if err != nil {
			got, done = failedFetch(p.fetchKey.partition, int16(commitlog.KafkaCode(err))), true
		}
		done = done || got.errorCode != 0 || got.diverging != nil
		bytes += got.size()
		left -= got.size()
		if n := len(topics); n == 0 || topics[n-1].name != p.topic || topics[n-1].id != p.id {
			topics = append(topics, fetchedTopic{name: p.topic, id: p.id})
		}
		t := &topics[len(topics)-1]
		t.partitions = append(t.partitions, got)
	}
	return topics, bytes, done
}

// readOne reads one partition: at most left bytes, or, if first is set, at least
// one batch.
func (f *fetching) readOne(ctx context.Context, p *fetchPart, left int, first bool) (fetchedPartition, error) {
	part := p.fetchKey.partition
	if p.errorCode != 0 {
		return failedFetch(part, p.errorCode), nil
	}
	if p.partition.gone() {
		return failedFetch(part, kerr.UnknownTopicOrPartition.Code), nil
	}
	if p.partition.log == nil {
		return failedFetch(part, kerr.KafkaStorageError.Code), nil
	}
	out := fetchedPartition{partition: part, committed: f.committedOnly(), records: []byte{}}
	out.diverging = f.diverges(p)
	want := min(left, int(p.maxBytes))
	if out.diverging == nil && f.locate(p, &out, want, first) {
		return out, nil
	}
	if out.diverging != nil || want <= 0 && !first {
		want = 0
	} else {
		want = f.reserve(ctx, max(want, 1), first)
	}
	if want == 0 {
		o := p.partition.offsets()
		if out.diverging == nil && (p.offset < o.Start || p.offset > o.End) {
			return failedFetch(part, kerr.OffsetOutOfRange.Code), nil
		}
		out.highWatermark, out.lastStable, out.logStart = o.HighWatermark, o.LastStable, o.Start
		return out, nil
	}
	res, err := p.partition.log.Read(f.readOptions(p, want, first))
	if err != nil {
		f.b.readFault(p.partition, err)
		f.lease.shrink(int64(want))
		return out, err
	}
	if rest := want - len(res.Records); rest > 0 {
		f.lease.shrink(int64(rest))
	} else if rest < 0 {
		f.lease.force(int64(-rest))
	}
	f.results = append(f.results, res)
	p.partition.fetched(len(res.Records))
	out.records, out.aborted = res.Records, res.Aborted
	out.highWatermark, out.lastStable, out.logStart = res.HighWatermark, res.LastStable, res.Start
	return out, nil
}

func (f *fetching) readOptions(p *fetchPart, want int, first bool) commitlog.ReadOptions {
	upTo := commitlog.UpToHighWatermark
	if f.committedOnly() {
		upTo = commitlog.UpToLastStable
	}
	return commitlog.ReadOptions{Offset: p.offset, MaxBytes: want, MinOneBatch: first, UpTo: upTo}
}

// locate finds what to send straight from a file, which takes no memory, and says
// whether that is what the answer will be made of.
func (f *fetching) locate(p *fetchPart, out *fetchedPartition, want int, first bool) bool {
	if !sendsFiles(f.r.conn.net) {
		return false
	}
	ref, ok := p.partition.log.Locate(f.readOptions(p, want, first))
	if !ok {
		return false
	}
	if out.committed {
		var err error
		if out.aborted, err = p.partition.log.AbortedTransactions(p.offset, ref.NextOffset); err != nil {
			ref.Release()
			return false // reading meets it again, and tells
		}
	}
	f.located = append(f.located, ref)
	p.partition.fetched(int(ref.Bytes))
	out.located = ref
	out.highWatermark, out.lastStable, out.logStart = ref.HighWatermark, ref.LastStable, ref.Start
	return true
}

// diverges says where the client's log and the partition's part, if they do.
func (f *fetching) diverges(p *fetchPart) *divergence {
	if f.req.Version < 12 || p.lastEpoch < 0 {
		return nil
	}
	return p.partition.diverges(p.lastEpoch, p.offset)
}

// leastRead is what is read at least when memory is short.
const leastRead = 64 << 10

// reserve sets memory aside for up to want bytes and returns for how many: fewer
// if memory is short. The first partition of an answer waits for some.
func (f *fetching) reserve(ctx context.Context, want int, first bool) int {
	for n := want; ; n /= 4 {
		if f.lease.tryGrow(int64(n)) {
			return n
		}
		if n <= leastRead {
			break
		}
	}
	if !first {
		return 0
	}
	n := min(want, leastRead)
	if f.lease.growReserved(ctx, int64(n)) != nil {
		return 0
	}
	return n
}

// release gives back what read has taken.
func (f *fetching) release() {
	for i := range f.results {
		f.results[i].Release()
	}
	f.results = f.results[:0]
	for i := range f.located {
		f.located[i].Release()
	}
	f.located = f.located[:0]
	f.lease.release()
}

// answerWith answers with what was read, or what of it is news.
func (f *fetching) answerWith(topics []fetchedTopic, bytes int) reply {
	var session int32
	if f.session != nil {
		session = f.session.id
		topics = f.news(topics)
	}
	throttle := f.b.quotas.fetched(f.r, bytes)
	rep := f.answer(0, session, topics, throttle)
	rep.mute = throttle
	return rep
}

// news notes what the session's client is told and, in an incremental session,
// leaves out what it knows.
func (f *fetching) news(topics []fetchedTopic) []fetchedTopic {
	answered := map[fetchKey]bool{}
	kept := topics[:0]
	for _, t := range topics {
		parts := t.partitions[:0]
		for _, p := range t.partitions {
			key := fetchKey{t.name, t.id, p.partition}
			if f.session.news(key, &p) || !f.incremental {
				parts = append(parts, p)
			}
			if p.size() > 0 {
				answered[key] = true
			}
		}
		if t.partitions = parts; len(parts) > 0 {
			kept = append(kept, t)
		}
	}
	f.session.rotate(answered)
	return kept
}

func (f *fetching) answer(code int16, session int32, topics []fetchedTopic, throttle time.Duration) reply {
	parts := encodeFetch(f.req.Version, f.r.correlation, int32(throttle.Milliseconds()), code, session, topics)
	return reply{body: &body{parts: parts, throttleAt: throttleFirst(f.req.IsFlexible()), release: f.release}}
}
