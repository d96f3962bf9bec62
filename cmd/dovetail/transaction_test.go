package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestAnOpenTransactionIsListedAndAborted(t *testing.T) {
	c := startChecked(t)
	c.topic("t", nil)
	addr := c.broker.Addr("").String()
	producer, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.TransactionalID("payments"), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := producer.ProduceSync(t.Context(), kgo.StringRecord("v")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		root := newRoot()
		var out strings.Builder
		root.SetOut(&out)
		root.SetArgs(append(args, "--kafka", addr, "--timeout", "60s"))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := run("transaction", "list", "--open"); !strings.Contains(got, "payments") || !strings.Contains(got, "Ongoing") || !strings.Contains(got, "t-0") {
		t.Errorf("%s", got)
	}
	if got := run("transaction", "abort", "payments"); got != "aborted payments\n" {
		t.Errorf("%s", got)
	}
	if got := run("transaction", "list", "--open", "-o", "json"); got != "[]\n" {
		t.Errorf("%s", got)
	}
	ends, err := kadm.NewClient(c.client).ListCommittedOffsets(t.Context(), "t")
	if at, _ := ends.Lookup("t", 0); err != nil || at.Offset != 2 { // the record, and the marker
		t.Errorf("committed up to %d, %v", at.Offset, err)
	}
	err = producer.ProduceSync(t.Context(), kgo.StringRecord("late")).FirstErr()
	if !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.ProducerFenced) {
		t.Errorf("the producer that hung: %v", err)
	}
}
