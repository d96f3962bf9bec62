package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// childCommand runs one of the servers below in a process of its own, so that
// all servers of the comparison have the same shape.
const childCommand = "run-child"

// startChild starts this program as one of its servers.
func startChild(work, kind string) (*process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	p, err := start("", nil, self, childCommand, kind, addr, filepath.Join(work, kind))
	return p, addr, err
}

func runChild(args []string) {
	if len(args) != 3 {
		fmt.Fprintln(os.Stderr, "bench:", childCommand, "is for the program itself")
		os.Exit(2)
	}
	kind, addr, dir := args[0], args[1], args[2]
	var err error
	switch kind {
	case "bare":
		err = serveBare(addr, dir)
	case "kfake":
		err = serveKfake(addr, dir)
	default:
		err = fmt.Errorf("no child %q", kind)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// serveKfake runs franz-go's in-memory broker with a data directory that it
// syncs after every write.
func serveKfake(addr, dir string) error {
	var port int
	if _, err := fmt.Sscan(addr[strings.LastIndex(addr, ":")+1:], &port); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DefaultNumPartitions(benchPartitions), kfake.AllowAutoTopicCreation(), kfake.DataDir(dir), kfake.SyncWrites())
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		time.Sleep(time.Hour)
	}
}
