package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// transactionCommand holds what the verbs of `dovetail transaction` share.
type transactionCommand struct {
	connection
	output
}

func newTransaction() *cobra.Command {
	t := &transactionCommand{}
	cmd := &cobra.Command{
		Use:   "transaction",
		Short: "Transactions of a broker: list them, abort one that hangs",
		Long: `A transaction that is open keeps consumers that read committed records from going
on. It ends by itself after the timeout that its producer has asked for; list shows
which are open and for how long, and abort ends one now.`,
		Example: `  dovetail transaction list --open
  dovetail transaction abort payments-1`,
	}
	t.connection.flags(cmd, false, true)
	t.output.flag(cmd)
	cmd.AddCommand(t.list(), t.abort())
	return cmd
}

// transactionView is a transactional ID and its transaction.
type transactionView struct {
	ID            string     `json:"transactionalId"`
	State         string     `json:"state"`
	ProducerID    int64      `json:"producerId"`
	ProducerEpoch int16      `json:"producerEpoch"`
	Timeout       string     `json:"timeout"`
	Began         *time.Time `json:"began,omitempty"` // if it is open
	Partitions    []string   `json:"partitions"`
}

func (v transactionView) open() bool { return v.Began != nil }

func (t *transactionCommand) list() *cobra.Command {
	var open bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List transactional IDs with their transactions",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
				all, err := transactions(ctx, a, open)
				if err != nil {
					return err
				}
				return t.print(cmd.OutOrStdout(), all, func(w io.Writer) {
					fmt.Fprintln(w, "TRANSACTIONAL ID\tSTATE\tPRODUCER\tEPOCH\tTIMEOUT\tOPEN FOR\tPARTITIONS")
					for _, v := range all {
						age := "-"
						if v.open() {
							age = ageText(time.Since(*v.Began).Seconds())
						}
						fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", v.ID, v.State, v.ProducerID, v.ProducerEpoch, v.Timeout, age, strings.Join(v.Partitions, " "))
					}
				})
			})
		},
	}
	cmd.Flags().BoolVar(&open, "open", false, "only those with an open transaction")
	return cmd
}

func transactions(ctx context.Context, a *kadm.Client, open bool) ([]transactionView, error) {
	listed, err := a.ListTransactions(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	all := []transactionView{}
	if len(listed) == 0 {
		return all, nil
	}
	described, err := a.DescribeTransactions(ctx, listed.TransactionalIDs()...)
	if err != nil {
		return nil, err
	}
	for _, d := range described.Sorted() {
		if d.Err != nil { // expired since
			continue
		}
		v := transactionView{ID: d.TxnID, State: d.State, ProducerID: d.ProducerID, ProducerEpoch: d.ProducerEpoch,
			Timeout: (time.Duration(d.TimeoutMillis) * time.Millisecond).String(), Partitions: []string{}}
		if d.State == "Ongoing" || strings.HasPrefix(d.State, "Prepare") {
			began := time.UnixMilli(d.StartTimestamp).UTC()
			v.Began = &began
		}
		d.Topics.Each(func(topic string, partition int32) {
			v.Partitions = append(v.Partitions, fmt.Sprintf("%s-%d", topic, partition))
		})
		slices.Sort(v.Partitions)
		if !open || v.open() {
			all = append(all, v)
		}
	}
	return all, nil
}

func (t *transactionCommand) abort() *cobra.Command {
	return &cobra.Command{
		Use:   "abort transactional-id…",
		Short: "Abort the open transaction of a transactional ID, and fence its producer",
		Long: `Abort ends the open transaction of a transactional ID as its timeout would. A
producer that has it open is fenced: what it writes from then on is refused, and it
has to begin anew. An ID that nobody uses is an error; one without an open
transaction is fenced, too.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.openKafka(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), t.timeout)
			defer cancel()
			described, err := kadm.NewClient(client).DescribeTransactions(ctx, args...)
			if err != nil {
				return kafkaError(err)
			}
			aborted := []string{}
			for _, id := range args {
				d, ok := described[id]
				if err := d.Err; !ok || err != nil {
					if err == nil {
						err = kerr.TransactionalIDNotFound
					}
					return fmt.Errorf("transactional ID %s: %w", id, err)
				}
				// Whoever asks for a producer ID ends what another has open.
				for {
					req := kmsg.NewPtrInitProducerIDRequest()
					req.TransactionalID, req.TransactionTimeoutMillis = &id, d.TimeoutMillis
					resp, err := req.RequestWith(ctx, client)
					if err == nil {
						err = kerr.ErrorForCode(resp.ErrorCode)
					}
					if err == nil {
						break
					}
					if err != kerr.ConcurrentTransactions || !pause(ctx, 20*time.Millisecond) {
						return fmt.Errorf("transactional ID %s: %w", id, err)
					}
				}
				aborted = append(aborted, id)
			}
			return t.done(cmd.OutOrStdout(), "aborted", aborted)
		},
	}
}

// pause waits; it is false if ctx has ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
