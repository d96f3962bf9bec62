package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/clients/cluster"
)

func TestDirsTellWhatBrokersTell(t *testing.T) {
	dirs := []cluster.Dir{
		{Broker: 1, Dir: "/a", Bytes: 3072, TotalBytes: 1 << 30, FreeBytes: 1 << 28, Partitions: []cluster.DirPartition{
			{Topic: "t", Bytes: 1024}, {Topic: "t", Partition: 1, Bytes: 2048, OffsetLag: 7, Future: true}}},
		{Broker: 2, Dir: "/b", TotalBytes: -1, FreeBytes: -1, Fault: "KAFKA_STORAGE_ERROR"},
	}
	var text bytes.Buffer
	dirTable(&text, dirs)
	for _, want := range []string{
		"1\t/a\t1.0 GiB\t256.0 MiB (25%)\t2\t3.0 KiB\n", "2\t/b\t-\t-\t0\t0 B\n", "\nbroker 2 /b: KAFKA_STORAGE_ERROR\n",
		"\nt\t0\t1\t/a\t1.0 KiB\t-\n", "\nt\t1\t1\t/a\t2.0 KiB\t7 records, moving here\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
}
