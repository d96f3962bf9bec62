package cluster

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Dir is a directory in which a broker keeps logs.
type Dir struct {
	Broker     int32          `json:"broker"`
	Dir        string         `json:"dir"`
	Bytes      int64          `json:"bytes"`           // of the partitions here
	TotalBytes int64          `json:"totalBytes"`      // of the disk; -1 if the broker does not tell, as Kafka before 3.3
	FreeBytes  int64          `json:"freeBytes"`       // of the disk, for the broker; -1 if it does not tell
	Fault      string         `json:"fault,omitempty"` // why it, or the broker, cannot be read
	Partitions []DirPartition `json:"partitions"`
}

// DirPartition is a replica of a partition in a directory.
type DirPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Bytes     int64  `json:"bytes"`
	OffsetLag int64  `json:"offsetLag"`        // records that it is behind, if it is a follower or future
	Future    bool   `json:"future,omitempty"` // it is on its way from another directory
}

// Dirs describes the directories of all brokers, with the partitions of the named topics,
// else of all, in the order of brokers, directories, topics. A named topic that is not
// there is a *TopicError; a broker that does not answer has a Fault and hides no other. Directories without one of these partitions are told, too.
func (v *View) Dirs(ctx context.Context, names ...string) ([]Dir, error) {
	var topics kadm.TopicsSet // nil for all
	if len(names) > 0 {
		details, err := v.admin.ListTopicsWithInternal(ctx, names...)
		if err != nil {
			return nil, err
		}
		for _, d := range details.Sorted() {
			if d.Err != nil {
				return nil, &TopicError{Topic: d.Topic, Err: d.Err}
			}
		}
		topics = details.TopicsSet()
	}
	brokers, err := v.admin.DescribeAllLogDirs(ctx, topics)
	var silent *kadm.ShardErrors
	if err != nil && (!errors.As(err, &silent) || silent.AllFailed || ctx.Err() != nil) {
		return nil, err
	}
	dirs := []Dir{}
	if silent != nil { // one that does not answer hides no other
		for _, s := range silent.Errs {
			dirs = append(dirs, Dir{Broker: s.Broker.NodeID, TotalBytes: -1, FreeBytes: -1, Fault: s.Err.Error(), Partitions: []DirPartition{}})
		}
	}
	for _, d := range brokers.Sorted() {
		one := Dir{Broker: d.Broker, Dir: d.Dir, TotalBytes: d.TotalBytes, FreeBytes: d.UsableBytes, Partitions: []DirPartition{}}
		if d.Err != nil {
			one.Fault = d.Err.Error()
		}
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			one.Bytes += p.Size
			one.Partitions = append(one.Partitions, DirPartition{p.Topic, p.Partition, p.Size, p.OffsetLag, p.IsFuture})
		})
		slices.SortFunc(one.Partitions, func(a, b DirPartition) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		})
		dirs = append(dirs, one)
	}
	slices.SortStableFunc(dirs, func(a, b Dir) int { return cmp.Compare(a.Broker, b.Broker) })
	return dirs, nil
}
