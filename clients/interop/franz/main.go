// Command franz is franz-go as a client of the interop scenarios; see
// ../python/client.py for the commands.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const name = "franz"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	switch args[0] {
	case "version":
		info, _ := debug.ReadBuildInfo()
		for _, d := range info.Deps {
			if d.Path == "github.com/twmb/franz-go" {
				fmt.Println("franz-go", d.Version)
			}
		}
		return nil
	case "list":
		return list(ctx)
	case "produce":
		count, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return produce(ctx, args[1], count, args[3])
	case "consume":
		count, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return consume(ctx, args[1], args[2], count)
	}
	return fmt.Errorf("unknown command %s", args[0])
}

func client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(opts, kgo.SeedBrokers(os.Getenv("BOOTSTRAP")))...)
}

func list(ctx context.Context) error {
	cl, err := client()
	if err != nil {
		return err
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx)
	if err != nil {
		return err
	}
	names := topics.Names()
	slices.Sort(names)
	for _, n := range names {
		fmt.Println(n)
	}
	return nil
}

func produce(ctx context.Context, topic string, count int, codec string) error {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	cl, err := client(kgo.ProducerBatchCompression(codecs[codec]))
	if err != nil {
		return err
	}
	defer cl.Close()
	records := make([]*kgo.Record, count)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "k-%d", i), Value: fmt.Appendf(nil, "%s-%d", name, i)}
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

func consume(ctx context.Context, topic, group string, count int) error {
	cl, err := client(kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	out := json.NewEncoder(os.Stdout)
	for got := 0; got < count; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			got++
			_ = out.Encode(map[string]any{"partition": r.Partition, "offset": r.Offset, "key": string(r.Key), "value": string(r.Value)})
		})
	}
	return cl.CommitUncommittedOffsets(ctx)
}
