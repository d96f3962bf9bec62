package interop

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig(change func(*sarama.Config)) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Return.Errors = true
	config.Consumer.Group.Session.Timeout = time.Minute // a machine that stalls is no reason to leave
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	change(config)
	return config
}

// Sarama's asynchronous producer, and its transactions: what is aborted is not
// read, and the offsets of a group are committed with the records that came of
// them.
func TestSarama(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.createTopic(t, "numbers", 2)
	s.createTopic(t, "doubled", 2)
	s.saramaAsync(t, "numbers", 2000)
	s.saramaTransactions(t, "numbers", "doubled", 2000)
}

func (s *server) saramaAsync(t *testing.T, topic string, count int) {
	t.Helper()
	producer, err := sarama.NewAsyncProducer([]string{s.kafka}, saramaConfig(func(c *sarama.Config) {
		c.Producer.Compression = sarama.CompressionZSTD
		c.Producer.Flush.Messages = 50
		c.Producer.Flush.Frequency = 10 * time.Millisecond
	}))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range count {
			producer.Input() <- &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprint(i)), Value: sarama.StringEncoder(fmt.Sprint(i))}
		}
		producer.AsyncClose()
	}()
	var wg sync.WaitGroup
	wg.Go(func() {
		for err := range producer.Errors() {
			t.Errorf("message %v: %v", err.Msg.Key, err.Err)
		}
	})
	acknowledged := map[[2]int64]bool{}
	for m := range producer.Successes() {
		acknowledged[[2]int64{int64(m.Partition), m.Offset}] = true
	}
	wg.Wait()
	if len(acknowledged) != count {
		t.Fatalf("%d positions for %d messages", len(acknowledged), count)
	}
}

// saramaTransactions reads a topic and writes each number twice, in
// transactions of which every third is aborted and done again.
func (s *server) saramaTransactions(t *testing.T, from, to string, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	producer, err := sarama.NewAsyncProducer([]string{s.kafka}, saramaConfig(func(c *sarama.Config) {
		c.Producer.Idempotent = true
		c.Producer.Transaction.ID = "doubler"
		c.Net.MaxOpenRequests = 1
	}))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range producer.Successes() {
		}
	}()
	go func() {
		for err := range producer.Errors() {
			t.Errorf("message %v: %v", err.Msg.Key, err.Err)
		}
	}()
	group, err := sarama.NewConsumerGroup([]string{s.kafka}, "doublers", saramaConfig(func(c *sarama.Config) {
		c.Consumer.Offsets.AutoCommit.Enable = false
	}))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for err := range group.Errors() {
			t.Errorf("group: %v", err)
		}
	}()
	d := &doubler{t: t, producer: producer, to: to, left: count, enough: cancel}
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{from}, d); err != nil {
			t.Fatal(err)
		}
	}
	if d.left != 0 {
		t.Fatalf("%d of %d messages were not read", d.left, count)
	}
	if err := group.Close(); err != nil {
		t.Error(err)
	}
	if err := producer.Close(); err != nil {
		t.Error(err)
	}
	seen := map[string]int{}
	for _, r := range committed(t, s.kafka, to) {
		seen[string(r.Key)+"="+string(r.Value)]++
	}
	for i := range count {
		if k := fmt.Sprintf("%d=%d", i, 2*i); seen[k] != 1 {
			t.Errorf("%s is there %d times, want once", k, seen[k])
		}
	}
	if len(seen) != count {
		t.Errorf("%d different records, want %d", len(seen), count)
	}
	if d.aborted == 0 {
		t.Error("no transaction was aborted")
	}
	t.Logf("%d transactions committed, %d aborted", d.committed, d.aborted)
	offsets, err := sarama.NewOffsetManagerFromClient("doublers", s.saramaClient(t))
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for partition := range int32(2) {
		p, err := offsets.ManagePartition(from, partition)
		if err != nil {
			t.Fatal(err)
		}
		next, _ := p.NextOffset()
		total += next
	}
	if total != int64(count) {
		t.Errorf("the group's offsets sum up to %d, want %d", total, count)
	}
}

func (s *server) saramaClient(t *testing.T) sarama.Client {
	t.Helper()
	client, err := sarama.NewClient([]string{s.kafka}, saramaConfig(func(*sarama.Config) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// doubler is what a group's consumer does with its messages.
type doubler struct {
	t                        *testing.T
	producer                 sarama.AsyncProducer
	to                       string
	mu                       sync.Mutex // claims share the producer
	left, committed, aborted int
	enough                   func()
}

func (d *doubler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (d *doubler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (d *doubler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		var batch []*sarama.ConsumerMessage
		select {
		case m, ok := <-c.Messages():
			if !ok {
				return nil
			}
			batch = append(batch, m)
		case <-s.Context().Done():
			return nil
		}
		for len(batch) < 100 && len(c.Messages()) > 0 {
			batch = append(batch, <-c.Messages())
		}
		if err := d.transact(batch); err != nil {
			d.t.Error(err)
			d.enough()
			return err
		}
	}
}

func (d *doubler) transact(batch []*sarama.ConsumerMessage) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for abort := (d.committed+d.aborted)%3 == 1; ; abort = false {
		if err := d.producer.BeginTxn(); err != nil {
			return err
		}
		for _, m := range batch {
			var n int
			if _, err := fmt.Sscan(string(m.Value), &n); err != nil {
				return err
			}
			d.producer.Input() <- &sarama.ProducerMessage{Topic: d.to, Key: sarama.ByteEncoder(m.Key), Value: sarama.StringEncoder(fmt.Sprint(2 * n))}
			if err := d.producer.AddMessageToTxn(m, "doublers", nil); err != nil {
				return err
			}
		}
		if abort {
			if err := d.producer.AbortTxn(); err != nil {
				return fmt.Errorf("abort: %w", err)
			}
			d.aborted++
			continue
		}
		if err := d.producer.CommitTxn(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		d.committed++
		if d.left -= len(batch); d.left <= 0 {
			d.enough()
		}
		return nil
	}
}
