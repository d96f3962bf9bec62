// Command sarama is IBM's sarama as a client of the interop scenarios; see
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

	"github.com/IBM/sarama"
)

const name = "sarama"

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	brokers := []string{os.Getenv("BOOTSTRAP")}
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.ClientID = "interop"
	config.Consumer.Group.Session.Timeout = time.Minute
	switch args[0] {
	case "version":
		info, _ := debug.ReadBuildInfo()
		for _, d := range info.Deps {
			if d.Path == "github.com/IBM/sarama" {
				fmt.Println(name, d.Version)
			}
		}
		return nil
	case "list":
		admin, err := sarama.NewClusterAdmin(brokers, config)
		if err != nil {
			return err
		}
		defer admin.Close()
		topics, err := admin.ListTopics()
		if err != nil {
			return err
		}
		names := make([]string, 0, len(topics))
		for n := range topics {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			fmt.Println(n)
		}
		return nil
	case "produce":
		count, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return produce(brokers, config, args[1], count, args[3])
	case "consume":
		count, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return consume(brokers, config, args[1], args[2], count)
	}
	return fmt.Errorf("unknown command %s", args[0])
}

// produce writes with the idempotent synchronous producer.
func produce(brokers []string, config *sarama.Config, topic string, count int, codec string) error {
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Compression = codecs[codec]
	config.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer(brokers, config)
	if err != nil {
		return err
	}
	messages := make([]*sarama.ProducerMessage, count)
	for i := range messages {
		messages[i] = &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprintf("k-%d", i)), Value: sarama.StringEncoder(fmt.Sprintf("%s-%d", name, i))}
	}
	if err := producer.SendMessages(messages); err != nil {
		return err
	}
	return producer.Close()
}

func consume(brokers []string, config *sarama.Config, topic, group string, count int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Return.Errors = true
	g, err := sarama.NewConsumerGroup(brokers, group, config)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() {
		for err := range g.Errors() {
			select {
			case failed <- err:
			default:
			}
		}
	}()
	h := &handler{left: count, taken: make(chan *sarama.ConsumerMessage), done: make(chan struct{})}
	go h.show(cancel)
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{topic}, h); err != nil {
			return err
		}
	}
	if err := g.Close(); err != nil {
		return err
	}
	select {
	case <-h.done:
		return nil
	default:
	}
	select {
	case err := <-failed:
		return err
	default:
		return fmt.Errorf("not %d records in time", count)
	}
}

// handler prints the first records that come and commits them.
type handler struct {
	left  int
	taken chan *sarama.ConsumerMessage
	done  chan struct{}
}

func (h *handler) show(enough func()) {
	out := json.NewEncoder(os.Stdout)
	for ; h.left > 0; h.left-- {
		m := <-h.taken
		_ = out.Encode(map[string]any{"partition": m.Partition, "offset": m.Offset, "key": string(m.Key), "value": string(m.Value)})
	}
	close(h.done)
	enough()
}

func (h *handler) Setup(sarama.ConsumerGroupSession) error     { return nil }
func (h *handler) Cleanup(s sarama.ConsumerGroupSession) error { s.Commit(); return nil }

func (h *handler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-c.Messages():
			if !ok {
				return nil
			}
			select {
			case h.taken <- m:
				s.MarkMessage(m, "")
			case <-h.done:
				return nil
			}
		case <-s.Context().Done():
			return nil
		}
	}
}
