package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	logTopic     = "crash"
	compactTopic = "crash-compact"
	partitions   = 3
	groupName    = "crash-group"
)

// kind is how a record was produced, and so what is promised about it.
type kind byte

const (
	idempotent kind = iota + 1 // acks=all, once, in order
	leaderOnly                 // acks=1 and no idempotence: not lost by a kill of the process, perhaps doubled
	transaction
)

// record is the value of a record: who wrote it, as which in its order, and in
// which of his transactions.
type record struct {
	kind     kind
	producer uint16
	txn      uint32
	seq      uint64
}

const recordBytes = 15

func (r record) bytes() []byte {
	b := make([]byte, 0, recordBytes)
	b = append(b, byte(r.kind))
	b = binary.BigEndian.AppendUint16(b, r.producer)
	b = binary.BigEndian.AppendUint32(b, r.txn)
	return binary.BigEndian.AppendUint64(b, r.seq)
}

func parse(b []byte) (record, error) {
	if len(b) != recordBytes {
		return record{}, fmt.Errorf("a record of %d bytes that nobody wrote", len(b))
	}
	return record{kind(b[0]), binary.BigEndian.Uint16(b[1:]), binary.BigEndian.Uint32(b[3:]), binary.BigEndian.Uint64(b[7:])}, nil
}

type place struct {
	partition int32
	offset    int64
}

// outcome is what a producer was told of a transaction.
type outcome int

const (
	unknown outcome = iota
	committed
	aborted
)

type txnKey struct {
	producer uint16
	txn      uint32
}

// load is the clients and what they were told.
type load struct {
	broker  string
	running atomic.Bool
	idle    sync.WaitGroup // done when every producer is between two records
	workers sync.WaitGroup
	stop    context.CancelFunc
	ctx     context.Context
	admin   *kadm.Client
	client  *kgo.Client

	mu       sync.Mutex
	acked    map[place]record
	outcomes map[txnKey]outcome
	sizes    map[txnKey]int // records of a transaction
	newest   map[string]uint64
	offsets  map[int32]int64 // acknowledged group commits
	failed   error
	counts   map[string]int

	seen seen
}

func newLoad(ctx context.Context, broker string, seed uint64) (*load, error) {
	l := &load{broker: broker, acked: map[place]record{}, outcomes: map[txnKey]outcome{}, sizes: map[txnKey]int{},
		newest: map[string]uint64{}, offsets: map[int32]int64{}, counts: map[string]int{}, seen: newSeen()}
	l.ctx, l.stop = context.WithCancel(ctx)
	var err error
	if l.client, err = l.newClient(); err != nil {
		return nil, err
	}
	l.admin = kadm.NewClient(l.client)
	small, compact, dirty := "1048576", "compact", "0.01"
	if _, err := l.admin.CreateTopic(ctx, partitions, 1, map[string]*string{"segment.bytes": &small}, logTopic); err != nil {
		return nil, err
	}
	if _, err := l.admin.CreateTopic(ctx, 1, 1, map[string]*string{"segment.bytes": &small, "cleanup.policy": &compact, "min.cleanable.dirty.ratio": &dirty}, compactTopic); err != nil {
		return nil, err
	}
	for i := range uint16(2) {
		l.work(func(r *rand.Rand) error { return l.produce(r, idempotent, i, kgo.RequiredAcks(kgo.AllISRAcks())) }, seed, uint64(i))
		l.work(func(r *rand.Rand) error {
			return l.produce(r, leaderOnly, 10+i, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
		}, seed, 10+uint64(i))
		l.work(func(r *rand.Rand) error { return l.transact(r, 20+i) }, seed, 20+uint64(i))
	}
	l.work(l.produceCompacted, seed, 30)
	l.work(l.commitOffsets, seed, 40)
	return l, nil
}

func (l *load) newClient(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(l.broker),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }),
		kgo.RequestTimeoutOverhead(5 * time.Second), kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.RecordRetries(1 << 20), kgo.RequestRetries(10000), kgo.RetryTimeout(time.Minute)}, opts...)...)
}

// work runs one client until the end, and keeps its failure.
func (l *load) work(f func(*rand.Rand) error, seed, stream uint64) {
	l.workers.Go(func() {
		if err := f(rand.New(rand.NewPCG(seed, 1000+stream))); err != nil && l.ctx.Err() == nil {
			l.mu.Lock()
			l.failed = errors.Join(l.failed, err)
			l.mu.Unlock()
		}
	})
}

func (l *load) resume() { l.running.Store(true) }

// turn waits until the load runs; false means the end. The caller says done
// when it has nothing on its way any more.
func (l *load) turn() bool {
	for l.ctx.Err() == nil {
		if l.running.Load() {
			l.idle.Add(1)
			if l.running.Load() {
				return true
			}
			l.idle.Done()
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// pause stops the producers and waits until nothing is on its way.
func (l *load) pause(ctx context.Context) error {
	l.running.Store(false)
	done := make(chan struct{})
	go func() { l.idle.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(90 * time.Second):
		return errors.New("a client is stuck: it got no answer within 90 s of the restart")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func (l *load) count(what string, n int) {
	l.counts[what] += n
}

// produce sends small bursts and notes what was acknowledged where.
func (l *load) produce(r *rand.Rand, k kind, producer uint16, opts ...kgo.Opt) error {
	client, err := l.newClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(time.Duration(r.IntN(3))*time.Millisecond))...)
	if err != nil {
		return err
	}
	defer client.Close()
	for seq := uint64(0); l.turn(); {
		burst := 1 + r.IntN(200)
		records := make([]*kgo.Record, burst)
		for i := range records {
			records[i] = &kgo.Record{Topic: logTopic, Partition: r.Int32N(partitions), Value: record{k, producer, 0, seq}.bytes()}
			seq++
		}
		results := client.ProduceSync(l.ctx, records...)
		l.mu.Lock()
		for _, res := range results {
			if res.Err != nil {
				if k == idempotent && l.ctx.Err() == nil {
					l.failed = errors.Join(l.failed, fmt.Errorf("idempotent producer %d: %w", producer, res.Err))
				}
				continue
			}
			rec, _ := parse(res.Record.Value)
			l.acked[place{res.Record.Partition, res.Record.Offset}] = rec
		}
		l.count("records", burst)
		l.mu.Unlock()
		l.idle.Done()
	}
	return nil
}

// transact writes transactions, of which every third is aborted on purpose.
func (l *load) transact(r *rand.Rand, producer uint16) error {
	fresh := func() (*kgo.Client, error) {
		return l.newClient(kgo.TransactionalID(fmt.Sprintf("crash-%d", producer)), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionTimeout(30*time.Second))
	}
	client, err := fresh()
	if err != nil {
		return err
	}
	defer func() { client.Close() }()
	seq := uint64(0)
	for txn := uint32(1); l.turn(); txn++ {
		key := txnKey{producer, txn}
		n := 1 + r.IntN(30)
		told, err := l.oneTransaction(client, r, key, n, &seq)
		l.mu.Lock()
		l.outcomes[key], l.sizes[key] = told, n
		l.count("transactions", 1)
		l.mu.Unlock()
		if err != nil && l.ctx.Err() == nil {
			// A transaction whose end is not known is ended by a successor.
			client.Close()
			if client, err = fresh(); err != nil {
				l.idle.Done()
				return err
			}
		}
		l.idle.Done()
	}
	return nil
}

func (l *load) oneTransaction(client *kgo.Client, r *rand.Rand, key txnKey, n int, seq *uint64) (outcome, error) {
	if err := client.BeginTransaction(); err != nil {
		return unknown, err
	}
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: logTopic, Partition: r.Int32N(partitions), Value: record{transaction, key.producer, key.txn, *seq}.bytes()}
		*seq++
	}
	results := client.ProduceSync(l.ctx, records...)
	if err := results.FirstErr(); err != nil {
		return unknown, errors.Join(err, client.EndTransaction(l.ctx, kgo.TryAbort))
	}
	if r.IntN(3) == 0 {
		err := client.EndTransaction(l.ctx, kgo.TryAbort)
		if err != nil {
			return unknown, err
		}
		return aborted, nil
	}
	if err := client.EndTransaction(l.ctx, kgo.TryCommit); err != nil {
		return unknown, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, res := range results {
		rec, _ := parse(res.Record.Value)
		l.acked[place{res.Record.Partition, res.Record.Offset}] = rec
	}
	return committed, nil
}

// produceCompacted overwrites a few keys and notes the newest acknowledged
// value of each.
func (l *load) produceCompacted(r *rand.Rand) error {
	client, err := l.newClient()
	if err != nil {
		return err
	}
	defer client.Close()
	filler := make([]byte, 2000)
	for n := uint64(1); l.turn(); n++ {
		key := fmt.Sprintf("k%d", r.IntN(20))
		value := append(binary.BigEndian.AppendUint64(nil, n), filler...)
		err := client.ProduceSync(l.ctx, &kgo.Record{Topic: compactTopic, Key: []byte(key), Value: value}).FirstErr()
		if err == nil {
			l.mu.Lock()
			l.newest[key] = n
			l.count("compacted", 1)
			l.mu.Unlock()
		}
		l.idle.Done()
	}
	return nil
}

// commitOffsets commits growing offsets of a group, now and then by hand.
func (l *load) commitOffsets(r *rand.Rand) error {
	next := map[int32]int64{}
	for l.turn() {
		p := r.Int32N(partitions)
		next[p] += 1 + r.Int64N(5)
		var offsets kadm.Offsets
		offsets.AddOffset(logTopic, p, next[p], -1)
		ctx, cancel := context.WithTimeout(l.ctx, 20*time.Second)
		resp, err := l.admin.CommitOffsets(ctx, groupName, offsets)
		cancel()
		if err == nil {
			err = resp.Error()
		}
		if err == nil {
			l.mu.Lock()
			l.offsets[p] = next[p]
			l.count("commits", 1)
			l.mu.Unlock()
		} else if l.ctx.Err() == nil && !fromTheKill(err) {
			l.idle.Done()
			return fmt.Errorf("commit: %w", err)
		}
		l.idle.Done()
		time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
	}
	return nil
}

// fromTheKill says that an error only means that the broker was away. The client
// says UNKNOWN_TOPIC_OR_PARTITION by itself where it could not ask for the
// topic's ID.
func fromTheKill(err error) bool {
	for _, e := range []error{kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.UnknownTopicOrPartition} {
		if errors.Is(err, e) {
			return true
		}
	}
	var known *kerr.Error
	return !errors.As(err, &known)
}

func (l *load) summary() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d records, %d transactions, %d commits, %d compacted writes; %d acknowledged places held", l.counts["records"], l.counts["transactions"], l.counts["commits"], l.counts["compacted"], len(l.seen.at))
}

func (l *load) close() {
	l.stop()
	l.running.Store(true)
	l.workers.Wait()
	l.client.Close()
}
