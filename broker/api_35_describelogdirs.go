package broker

import (
	"context"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeLogDirs (35), versions 1 to 4.
//
//	2  flexible
//	3  error code of the whole answer
//	4  size of the disk and what is free of it
//
// There is one directory. Sizes are those of segments, without indexes.
func (b *Broker) describeLogDirs(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeLogDirsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	if !b.allowedCluster(r, kmsg.ACLOperationDescribe) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return answer(resp)
	}
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = b.opts.DataDir
	if abs, err := filepath.Abs(dir.Dir); err == nil {
		dir.Dir = abs
	}
	dir.TotalBytes, dir.UsableBytes = diskSpace(b.opts.DataDir)
	for _, t := range b.topics.all() {
		wanted := wantedPartitions(req, t)
		if len(wanted) == 0 {
			continue
		}
		dt := kmsg.NewDescribeLogDirsResponseDirTopic()
		dt.Topic = t.Name
		for _, p := range wanted {
			dp := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
			dp.Partition = p.index
			if p.log != nil {
				dp.Size = p.log.SizeBytes()
			}
			dt.Partitions = append(dt.Partitions, dp)
		}
		dir.Topics = append(dir.Topics, dt)
	}
	resp.Dirs = append(resp.Dirs, dir)
	return answer(resp)
}

// wantedPartitions are those of t that a request is about; null means all.
func wantedPartitions(req *kmsg.DescribeLogDirsRequest, t *topic) []*Partition {
	if req.Topics == nil {
		return t.parts
	}
	var wanted []*Partition
	for i := range req.Topics {
		if req.Topics[i].Topic != t.Name {
			continue
		}
		for _, n := range req.Topics[i].Partitions {
			if p := t.partition(n); p != nil {
				wanted = append(wanted, p)
			}
		}
	}
	return wanted
}
