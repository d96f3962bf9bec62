package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/schema"
	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/avro/avrobench"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// BenchmarkProduceChecked sends batches of about 64 KiB of Avro orders over one
// connection, several at a time, to topics of each level of validation: what the
// broker itself needs for them, since the client sends the same bytes again and
// again and acks=1 waits for no disk.
func BenchmarkProduceChecked(b *testing.B) {
	c := startChecked(b)
	for _, codec := range []record.Codec{record.None, record.Snappy, record.Zstd} {
		for _, level := range []string{"none", "id", "payload"} {
			b.Run(fmt.Sprintf("codec=%s/level=%s", codec, level), func(b *testing.B) {
				topic := fmt.Sprintf("orders-%s-%s", codec, level)
				if b.N == 1 {
					c.topic(topic, map[string]string{"schema.validation.level": level, "retention.bytes": "1000000", "segment.bytes": "100000000"})
				}
				s := c.register(schema.Subject(topic+"-value"), schema.Avro, avrobench.OrderText)
				const records = 300
				request := ordersRequest(b, topic, codec, s.ID, records)
				conn, err := net.Dial("tcp", c.broker.Addr("").String())
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
				b.ReportAllocs()
				b.ResetTimer()
				go func() {
					for range b.N { // what fails here is missed below
						_, _ = conn.Write(request)
					}
				}()
				var answer [4096]byte
				for range b.N {
					if _, err := io.ReadFull(conn, answer[:4]); err != nil {
						b.Fatal(err)
					}
					n := binary.BigEndian.Uint32(answer[:])
					if _, err := io.ReadFull(conn, answer[:n]); err != nil {
						b.Fatal(err)
					}
					// correlation, topics, name, partitions, partition
					if code := binary.BigEndian.Uint16(answer[4+4+2+len(topic)+4+4:]); code != 0 {
						b.Fatalf("error %d", code)
					}
				}
				b.ReportMetric(float64(b.N)*records/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

// ordersRequest is a frame that sends one batch of orders with acks=1.
func ordersRequest(b *testing.B, topic string, codec record.Codec, id schema.ID, records int) []byte {
	b.Helper()
	parsed, err := avro.ParseText(avrobench.OrderText)
	if err != nil {
		b.Fatal(err)
	}
	value, err := serdeavro.Append(frame.AppendID(nil, id), parsed, avrobench.NewOrder())
	if err != nil {
		b.Fatal(err)
	}
	builder := record.NewBuilder(record.BatchOptions{Codec: codec})
	for range records {
		builder.Add(time.Now().UnixMilli(), nil, value)
	}
	batch, err := builder.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(7)
	req.Acks = 1
	rt, rp := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	rt.Topic, rp.Records = topic, batch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	out := []byte{0, 0, 0, 0, 0, byte(kmsg.Produce), 0, 7, 0, 0, 0, 1, 0, 0}
	out = req.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}
