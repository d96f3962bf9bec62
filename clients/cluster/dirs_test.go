package cluster_test

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/clients/cluster"
)

func TestDirsHaveTheirPartitions(t *testing.T) {
	_, v := newCluster(t)
	dirs, err := v.Dirs(t.Context())
	if err != nil || len(dirs) != 1 {
		t.Fatalf("%+v, %v", dirs, err)
	}
	d := dirs[0]
	if d.Dir == "" || d.Fault != "" || len(d.Partitions) != 3 || d.Bytes != d.Partitions[0].Bytes+d.Partitions[1].Bytes+d.Partitions[2].Bytes || d.Bytes == 0 {
		t.Errorf("%+v", d)
	}
	if p := d.Partitions; p[0].Topic != "orders" || p[0].Partition != 0 || p[0].Bytes <= p[1].Bytes || p[2].Bytes != 0 {
		t.Errorf("%+v", p)
	}
	_, err = v.Dirs(t.Context(), "nothing")
	var fault *cluster.TopicError
	if !errors.As(err, &fault) || fault.Topic != "nothing" || !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("a topic that is not there: %v", err)
	}
	if dirs, err := v.Dirs(t.Context(), "orders"); err != nil || len(dirs) != 1 || len(dirs[0].Partitions) != 3 {
		t.Errorf("%+v, %v", dirs, err)
	}
}
