package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// seen is what consumers have been shown so far.
type seen struct {
	next    [2][partitions]int64 // per isolation level: where to read on
	at      map[place]record     // uncommitted reads
	once    map[record]place     // records that must not be doubled
	last    map[[2]int32]uint64  // producer and partition → last sequence
	shown   map[txnKey]int       // committed reads of a transaction
	verdict map[txnKey]bool      // a transaction was shown in an earlier check
	ends    map[place]struct{}   // places shown to committed reads
}

func newSeen() seen {
	return seen{at: map[place]record{}, once: map[record]place{}, last: map[[2]int32]uint64{}, shown: map[txnKey]int{}, verdict: map[txnKey]bool{}, ends: map[place]struct{}{}}
}

// check reads everything that is new, and some of what is old, and holds it
// against what was promised. Nothing is being produced meanwhile.
func (l *load) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.checkLog(ctx, false); err != nil {
		return err
	}
	if err := l.checkLog(ctx, true); err != nil {
		return err
	}
	for at, want := range l.acked {
		got, ok := l.seen.at[at]
		if !ok {
			return fmt.Errorf("lost: %+v was acknowledged at %+v and is not there", want, at)
		}
		if got != want {
			return fmt.Errorf("lost: %+v was acknowledged at %+v, where %+v is", want, at, got)
		}
		if _, ok := l.seen.ends[at]; !ok {
			return fmt.Errorf("lost: %+v was acknowledged at %+v and committed reads do not show it", want, at)
		}
	}
	clear(l.acked)
	if err := l.checkTransactions(); err != nil {
		return err
	}
	if err := l.checkCompacted(ctx); err != nil {
		return err
	}
	return l.checkCommits(ctx)
}

// checkLog reads on from where the last check ended, or from a little before.
func (l *load) checkLog(ctx context.Context, committedOnly bool) error {
	level, isolation := 0, kgo.ReadUncommitted()
	if committedOnly {
		level, isolation = 1, kgo.ReadCommitted()
	}
	from := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		from[p] = kgo.NewOffset().At(max(l.seen.next[level][p]-500, 0))
	}
	return l.read(ctx, logTopic, from, isolation, committedOnly, func(r *kgo.Record) error {
		at := place{r.Partition, r.Offset}
		rec, err := parse(r.Value)
		if err != nil {
			return fmt.Errorf("%+v: %w", at, err)
		}
		if committedOnly {
			return l.sawCommitted(at, rec)
		}
		return l.sawAny(at, rec)
	}, func(p int32, end int64) { l.seen.next[level][p] = end })
}

func (l *load) sawAny(at place, rec record) error {
	if before, ok := l.seen.at[at]; ok {
		if before != rec {
			return fmt.Errorf("changed: %+v held %+v and holds %+v now", at, before, rec)
		}
		return nil
	}
	l.seen.at[at] = rec
	if rec.kind == leaderOnly {
		return nil
	}
	if other, ok := l.seen.once[rec]; ok {
		return fmt.Errorf("duplicate: %+v is at %+v and at %+v", rec, other, at)
	}
	l.seen.once[rec] = at
	lane := [2]int32{int32(rec.producer), at.partition}
	if last, ok := l.seen.last[lane]; ok && rec.seq <= last {
		return fmt.Errorf("reordered: producer %d wrote %d after %d into partition %d", rec.producer, rec.seq, last, at.partition)
	}
	l.seen.last[lane] = rec.seq
	return nil
}

func (l *load) sawCommitted(at place, rec record) error {
	if _, ok := l.seen.ends[at]; ok {
		return nil
	}
	l.seen.ends[at] = struct{}{}
	if rec.kind != transaction {
		return nil
	}
	key := txnKey{rec.producer, rec.txn}
	if l.outcomes[key] == aborted {
		return fmt.Errorf("aborted read: %+v of an aborted transaction is shown at %+v", rec, at)
	}
	l.seen.shown[key]++
	return nil
}

// checkTransactions wants each transaction shown whole or not at all.
func (l *load) checkTransactions() error {
	for key, told := range l.outcomes {
		shown, size := l.seen.shown[key], l.sizes[key]
		switch {
		case shown != 0 && shown != size:
			return fmt.Errorf("torn: %d of %d records of transaction %+v are shown", shown, size, key)
		case told == committed && shown == 0:
			return fmt.Errorf("lost: the committed transaction %+v is not shown", key)
		case l.seen.verdict[key] && shown == 0:
			return fmt.Errorf("changed: transaction %+v was shown before", key)
		}
		l.seen.verdict[key] = shown > 0
		if told != unknown {
			delete(l.outcomes, key)
			delete(l.sizes, key)
			delete(l.seen.shown, key)
			delete(l.seen.verdict, key)
		}
	}
	return nil
}

func (l *load) checkCompacted(ctx context.Context) error {
	values := map[string]uint64{}
	err := l.read(ctx, compactTopic, map[int32]kgo.Offset{0: kgo.NewOffset().AtStart()}, kgo.ReadUncommitted(), false, func(r *kgo.Record) error {
		if len(r.Value) < 8 {
			return fmt.Errorf("a compacted record of %d bytes", len(r.Value))
		}
		n := binary.BigEndian.Uint64(r.Value)
		if n < values[string(r.Key)] {
			return fmt.Errorf("reordered: key %s has %d after %d", r.Key, n, values[string(r.Key)])
		}
		values[string(r.Key)] = n
		return nil
	}, func(int32, int64) {})
	if err != nil {
		return err
	}
	for key, want := range l.newest {
		if values[key] < want {
			return fmt.Errorf("lost: key %s was acknowledged with %d, the topic has %d", key, want, values[key])
		}
	}
	return nil
}

func (l *load) checkCommits(ctx context.Context) error {
	got, err := l.admin.FetchOffsets(ctx, groupName)
	if err == nil {
		err = got.Error()
	}
	if err != nil {
		return err
	}
	for p, want := range l.offsets {
		o, _ := got.Lookup(logTopic, p)
		if o.At < want {
			return fmt.Errorf("commit lost: offset %d of partition %d was committed, %d is", want, p, o.At)
		}
	}
	return nil
}

// read calls each with the records of topic up to its ends as of now, and done
// with the ends.
func (l *load) read(ctx context.Context, topic string, from map[int32]kgo.Offset, isolation kgo.IsolationLevel, stable bool, each func(*kgo.Record) error, done func(int32, int64)) error {
	list := l.admin.ListEndOffsets
	if stable {
		list = l.admin.ListCommittedOffsets
	}
	var ends kadm.ListedOffsets
	ends, err := list(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	client, err := l.newClient(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	at := map[int32]int64{}
	open := func() (n int) {
		for p := range from {
			if end, _ := ends.Lookup(topic, p); at[p] < end.Offset {
				n++
			}
		}
		return n
	}
	for p, o := range from {
		end, _ := ends.Lookup(topic, p)
		if start := o.EpochOffset().Offset; start >= end.Offset {
			at[p] = end.Offset
		}
	}
	quiet := 0
	for open() > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read %s: %d partitions do not reach their ends: %w", topic, open(), err)
		}
		before := fetches.NumRecords()
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			at[r.Partition] = r.Offset + 1
			if r.Attrs.IsControl() {
				continue
			}
			if err := each(r); err != nil {
				return err
			}
		}
		if quiet++; before > 0 {
			quiet = 0
		}
		if quiet > 200 {
			return fmt.Errorf("read %s: stuck at %v before %v", topic, at, ends)
		}
	}
	for p := range from {
		end, _ := ends.Lookup(topic, p)
		done(p, end.Offset)
	}
	return nil
}
