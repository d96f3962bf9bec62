package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/avro/avrobench"
)

// benchValidation measures what checking every payload costs.
func (f *field) benchValidation(ctx context.Context, o options, r *report) error {
	client, err := srclient.New([]string{"http://" + f.ours.http})
	if err != nil {
		return err
	}
	n, level := f.nodes["ours"], "payload"
	without, with := "validation-off", "validation-on"
	if err := n.create(ctx, without, benchPartitions, nil); err != nil {
		return err
	}
	if err := n.create(ctx, with, benchPartitions, map[string]*string{"schema.validation.level": &level}); err != nil {
		return err
	}
	s, err := avro.NewSerializer[avrobench.Order](client, avrobench.OrderText, serde.WithAutoRegister())
	if err != nil {
		return err
	}
	values := map[string][]byte{}
	for _, topic := range []string{without, with} {
		if values[topic], err = s.Append(ctx, nil, topic, avrobench.NewOrder()); err != nil {
			return err
		}
	}
	cl, err := n.producer(with)
	if err != nil {
		return err
	}
	bad := values[with][:len(values[with])-3] // a record cut short must not get in
	err = produceAll(ctx, cl, 1, bad)
	cl.Close()
	if err == nil {
		return fmt.Errorf("topic %s took a truncated record: it validates nothing", with)
	}
	rounds, megabytes := o.turns()
	count := megabytes * 1_000_000 / len(values[with])
	rates := map[string][]float64{}
	for round := range rounds + 1 {
		for _, topic := range []string{without, with} {
			cl, err := n.producer(topic)
			if err != nil {
				return err
			}
			settle()
			began := time.Now()
			err = produceAll(ctx, cl, count, values[topic])
			took := time.Since(began).Seconds()
			cl.Close()
			if err != nil {
				return err
			}
			if round > 0 {
				rates[topic] = append(rates[topic], float64(count)/took)
			}
		}
	}
	r.add(row{Name: "produce with payload validation, Avro order", Unit: "records/s", Ours: ptr(median(rates[with])), Limit: ptr(median(rates[without])),
		Ratio: ptr(ratio(rates[with], rates[without])), Against: "the same without validation"}, atLeast(0.9))
	return nil
}
