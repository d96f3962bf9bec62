package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/clients/cluster"
)

// doctorCommand is `dovetail doctor`.
type doctorCommand struct {
	connection
	output
}

func newDoctor() *cobra.Command {
	d := &doctorCommand{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "What is wrong with a server, and what to do",
		Long: `Doctor lists what is wrong with a server now, the worst first: a full disk, damaged
logs, partitions that are offline, dead letters that cannot be kept, a registry
that is not ready; each with what the system said and what to do about it. The
console shows the same, and /metrics counts it (dovetail_broker_faults).

Of a Kafka that is no dovetail serve, or without its HTTP address, it tells what the
Kafka protocol does: who does not answer, and partitions that are offline.

Exit status: 0 nothing is wrong, 1 something is.`,
		Example: `  dovetail doctor
  dovetail doctor -o json --kafka kafka.example.org:9092 --registry https://registry.example.org`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	d.connection.flags(cmd, true, true)
	d.output.flag(cmd)
	return cmd
}

func (d *doctorCommand) run(ctx context.Context, w io.Writer) error {
	faults, note, err := d.examine(ctx)
	if err != nil {
		return err
	}
	err = d.print(w, faults, func(w io.Writer) {
		for i, f := range faults {
			if i > 0 {
				fmt.Fprintln(w)
			}
			faultText(w, f)
		}
		if len(faults) == 0 {
			fmt.Fprintf(w, "nothing is wrong with the broker at %s and the registry at %s\n", d.kafka, hideUser(d.registry))
		}
		if note != "" {
			fmt.Fprintf(w, "\nonly what the Kafka protocol tells: %s\n", note)
		}
	})
	if err == nil && len(faults) > 0 {
		err = exitStatus{1, nil}
	}
	return err
}

func faultText(w io.Writer, f faultView) {
	where := ""
	switch {
	case f.Partition != nil:
		where = fmt.Sprintf(" of %s partition %d", f.Topic, *f.Partition)
	case f.Topic != "":
		where = " of " + f.Topic
	}
	fmt.Fprintf(w, "%s%s: %s\n", f.Kind, where, f.What)
	if f.Since != nil {
		fmt.Fprintf(w, "  since: %s\n", f.Since.Format("2006-01-02 15:04:05Z07:00"))
	}
	fmt.Fprintf(w, "  do: %s\n", f.Remedy)
}

// examine looks at broker and registry. note says why only the Kafka protocol was asked,
// if so.
func (d *doctorCommand) examine(ctx context.Context) (faults []faultView, note string, err error) {
	faults = []faultView{}
	unreachable := func(what error, remedy string) {
		faults = append(faults, faultView{Kind: faultUnreachable, What: what.Error(), Remedy: remedy})
	}
	client, err := d.openKafka(ctx)
	var wrong exitStatus
	if errors.As(err, &wrong) { // a flag
		return nil, "", err
	}
	clusterID := ""
	if err != nil {
		unreachable(err, "see that it runs and listens there; its log says why not")
	} else {
		defer client.Close()
		inTime, cancel := context.WithTimeout(ctx, d.timeout)
		defer cancel()
		meta, err := kadm.NewClient(client).BrokerMetadata(inTime)
		if err != nil {
			unreachable(err, "see what the server's log says")
		}
		clusterID = meta.Cluster
		for _, b := range meta.Brokers { // where it tells clients to go
			if _, err := client.Broker(int(b.NodeID)).RetriableRequest(inTime, kmsg.NewPtrApiVersionsRequest()); err != nil {
				unreachable(fmt.Errorf("broker %d at %s: %w", b.NodeID, net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))), advertisedError(err)),
					"advertise an address that clients reach, and that its certificate is for")
			}
		}
	}
	registry, err := d.openRegistry()
	if err != nil {
		return nil, "", err
	}
	if _, err := registry.Config(ctx, "", true); err != nil {
		unreachable(d.registryError(err), "see that it runs and listens there; its log says why not")
	}
	var live faultsAnswer
	note = d.getLive(ctx, "/broker/faults", &live)
	if note == "" && clusterID != "" {
		note = d.otherCluster(live.Cluster, clusterID)
	}
	if note == "" {
		return append(faults, live.Faults...), "", nil
	}
	if client == nil {
		return faults, note, nil
	}
	return append(faults, offlinePartitions(ctx, d.connection, client)...), note, nil
}

// offlinePartitions are what the Kafka protocol tells of faults.
func offlinePartitions(ctx context.Context, c connection, client *kgo.Client) []faultView {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	topics, err := cluster.New(client).Topics(ctx, true)
	if err != nil {
		return []faultView{{Kind: faultUnreachable, What: kafkaError(err).Error(), Remedy: "see what the server's log says"}}
	}
	var out []faultView
	for _, t := range topics {
		for _, p := range t.Partitions {
			if p.Fault != "" {
				out = append(out, faultView{Kind: "partition-offline", Topic: t.Name, Partition: &p.Partition, What: p.Fault, Remedy: "see what the server's log says"})
			}
		}
	}
	return out
}
