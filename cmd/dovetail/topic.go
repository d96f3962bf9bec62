package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/clients/cluster"
)

// topicCommand holds what the verbs of `dovetail topic` share.
type topicCommand struct {
	connection
	output
}

func newTopic() *cobra.Command {
	t := &topicCommand{}
	cmd := &cobra.Command{
		Use:   "topic",
		Short: "Topics of a broker: list, create, describe, alter, delete, their records and disks",
		Example: `  dovetail topic list
  dovetail topic create orders --partitions 6 --config schema.validation.level=payload
  dovetail topic describe orders
  dovetail topic dirs
  dovetail topic alter orders --set retention.ms=86400000 --partitions 12`,
	}
	t.connection.flags(cmd, true, true)
	t.output.flag(cmd)
	cmd.AddCommand(t.list(), t.create(), t.describe(), t.dirs(), t.config(), t.alter(), t.deleteRecords(), t.delete())
	return cmd
}

// run makes a verb of a function that talks to the broker.
func (t *topicCommand) run(f func(ctx context.Context, a *kadm.Client, w io.Writer, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return t.admin(cmd.Context(), func(ctx context.Context, a *kadm.Client) error {
			return f(ctx, a, cmd.OutOrStdout(), args)
		})
	}
}

// view makes a verb of a function that looks and changes nothing.
func (t *topicCommand) view(f func(ctx context.Context, v *cluster.View, w io.Writer, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return t.look(cmd.Context(), func(ctx context.Context, v *cluster.View) error {
			return f(ctx, v, cmd.OutOrStdout(), args)
		})
	}
}

func (t *topicCommand) list() *cobra.Command {
	var internal bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List topics with their partitions, records and bytes",
		Args:  cobra.NoArgs,
		RunE: t.view(func(ctx context.Context, v *cluster.View, w io.Writer, _ []string) error {
			topics, err := v.Topics(ctx, internal)
			if err != nil {
				return err
			}
			return t.print(w, topics, func(w io.Writer) {
				fmt.Fprintln(w, "TOPIC\tPARTITIONS\tRECORDS\tBYTES\tSKEW")
				for _, d := range topics {
					fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", d.Name, len(d.Partitions), recordsText(d.Compacted, d.Records), bytesText(d.Bytes), skewText(d.Skew))
				}
				offlineTable(w, topics)
			})
		}),
	}
	cmd.Flags().BoolVar(&internal, "internal", false, "list internal topics, too")
	return cmd
}

func (t *topicCommand) create() *cobra.Command {
	var partitions int32
	var replicas int16
	var configs map[string]string
	var ifNotExists bool
	cmd := &cobra.Command{
		Use:               "create topic…",
		Short:             "Create topics",
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              cobra.MinimumNArgs(1),
		RunE: t.run(func(ctx context.Context, a *kadm.Client, w io.Writer, args []string) error {
			values := map[string]*string{}
			for k, v := range configs {
				values[k] = &v
			}
			answers, err := a.CreateTopics(ctx, partitions, replicas, values, args...)
			if err != nil {
				return err
			}
			created := []string{}
			var faults []error
			for _, r := range answers.Sorted() {
				switch {
				case r.Err == nil:
					created = append(created, r.Topic)
				case ifNotExists && errors.Is(r.Err, kerr.TopicAlreadyExists):
				case errors.Is(r.Err, kerr.TopicAlreadyExists):
					faults = append(faults, fmt.Errorf("topic %s is there already: --if-not-exists lets that pass", r.Topic))
				default:
					faults = append(faults, &cluster.TopicError{Topic: r.Topic, Message: r.ErrMessage, Err: r.Err})
				}
			}
			return errors.Join(append(faults, t.done(w, "created", created))...)
		}),
	}
	f := cmd.Flags()
	f.Int32VarP(&partitions, "partitions", "p", -1, "number of partitions; -1 is the broker's default")
	f.Int16Var(&replicas, "replicas", -1, "copies of each partition; -1 is the broker's default; a dovetail server, one broker, keeps one whatever is asked for")
	f.StringToStringVar(&configs, "config", nil, "name=value of a setting; repeat it for several")
	f.BoolVar(&ifNotExists, "if-not-exists", false, "a topic that is there already is no error")
	complete(cmd, "config", t.completeSettings("="))
	return cmd
}

// topicDescription is a topic as the Kafka protocol tells it, and what happens in
// it, if that is known.
type topicDescription struct {
	cluster.Topic
	Traffic *topicTraffic `json:"traffic,omitempty"`
}

func (t *topicCommand) describe() *cobra.Command {
	return &cobra.Command{
		Use:   "describe topic…",
		Short: "Partitions with offsets, sizes, rates and shares: is the load even?",
		Long: `Describe lists the partitions of topics: first and end offset, records and bytes
that are kept, and the share that each has of the topic. Skew is how many times
the mean the fullest partition holds: 1.00 is even; much more means that few keys
have most of the records. RECORDS is END less START; of a compacted topic that is at
most (≤) what there is, and markers of transactions count, too. A partition that
is offline is listed with the reason.

If --registry is the address of the same dovetail serve, there is also what is
written and read per second, and which keys have most of the records of the last
minutes (an estimate).`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: anyOf(t.completeTopics),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.lookLive(cmd.Context(), t.liveTopics, func(ctx context.Context, v *cluster.View, l *live) error {
				topics, err := v.Topics(ctx, true, args...)
				if err != nil {
					return err
				}
				all := []topicDescription{}
				for _, d := range topics {
					all = append(all, topicDescription{d, l.topics[d.Name]})
				}
				return t.print(cmd.OutOrStdout(), all, func(w io.Writer) {
					for i, d := range all {
						if i > 0 {
							fmt.Fprintln(w)
						}
						topicTable(w, d)
					}
					if l.why != "" {
						fmt.Fprintf(w, "\nno rates and hot keys: %s\n", l.why)
					}
				})
			})
		},
	}
}

func topicTable(w io.Writer, d topicDescription) {
	atMost := ""
	if d.Compacted {
		atMost = "compacted, at most "
	}
	fmt.Fprintf(w, "%s: %s, %s%s, %s, skew %s\n", d.Name, count(len(d.Partitions), "partition"),
		atMost, count(int(d.Records), "record"), bytesText(d.Bytes), skewText(d.Skew))
	if d.Traffic != nil {
		fmt.Fprintf(w, "now: %s records in, %s in, %s out, skew %s\n", rateText(d.Traffic.RecordsIn), byteRateText(d.Traffic.BytesIn),
			byteRateText(d.Traffic.BytesOut), skewText(d.Traffic.Skew))
	}
	fmt.Fprint(w, "\nPARTITION\tLEADER\tSTART\tEND\tRECORDS\tSHARE\t\tBYTES\tSHARE")
	if d.Traffic != nil {
		fmt.Fprint(w, "\tRECORDS IN\tBYTES IN\tBYTES OUT")
	}
	fmt.Fprintln(w)
	for _, p := range d.Partitions {
		if p.Fault != "" {
			fmt.Fprintf(w, "%d\t-\t-\t-\toffline\t-\t\t-\t-\n", p.Partition)
			continue
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%s\t%.1f%%\t%s\t%s\t%.1f%%", p.Partition, p.Leader, p.StartOffset, p.EndOffset, recordsText(d.Compacted, p.Records),
			100*p.RecordShare, bar(p.RecordShare, d.Partitions), bytesText(p.Bytes), 100*p.ByteShare)
		if d.Traffic != nil {
			now := d.Traffic.of(p.Partition)
			fmt.Fprintf(w, "\t%s\t%s\t%s", rateText(now.RecordsIn), byteRateText(now.BytesIn), byteRateText(now.BytesOut))
		}
		fmt.Fprintln(w)
	}
	for _, p := range d.Partitions {
		if p.Fault != "" {
			fmt.Fprintf(w, "\npartition %d: %s\n", p.Partition, offlineText(p, d.Traffic))
		}
	}
	if d.Traffic == nil || len(d.Traffic.HotKeys) == 0 {
		return
	}
	fmt.Fprintln(w, "\nFREQUENT KEY\tPARTITION\tSHARE OF RECORDS")
	for _, k := range d.Traffic.HotKeys {
		fmt.Fprintf(w, "%s\t%d\t%.1f%%\n", k, k.Partition, 100*k.AtLeast)
	}
	if d.Traffic.NoKeyShare > 0 {
		fmt.Fprintf(w, "(no key)\t\t%.1f%%\n", 100*d.Traffic.NoKeyShare)
	}
}

// offlineText says why a partition is offline, as far as that is known.
func offlineText(p cluster.Partition, now *topicTraffic) string {
	if why := now.of(p.Partition).Offline; why != "" {
		return "offline: " + why
	}
	return p.Fault + "; `dovetail doctor` says why, if --registry is the address of the same dovetail serve"
}

// offlineTable names the partitions of a list that are offline.
func offlineTable(w io.Writer, topics []cluster.Topic) {
	for _, d := range topics {
		for _, p := range d.Partitions {
			if p.Fault != "" {
				fmt.Fprintf(w, "\n%s partition %d: %s\n", d.Name, p.Partition, offlineText(p, nil))
			}
		}
	}
}

// recordsText is a number of records, which is an upper bound if compaction may have
// taken some.
func recordsText(compacted bool, n int64) string {
	if compacted && n > 0 {
		return "≤ " + strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n, 10)
}

// bar draws a share beside those of the other partitions, the largest in full.
func bar(share float64, all []cluster.Partition) string {
	largest := 0.0
	for _, p := range all {
		largest = max(largest, p.RecordShare)
	}
	if largest == 0 {
		return ""
	}
	return strings.Repeat("█", int(10*share/largest+0.5))
}

func skewText(skew float64) string {
	if skew == 0 {
		return "-"
	}
	return strconv.FormatFloat(skew, 'f', 2, 64)
}

// settingView is a setting of a topic.
type settingView struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

func (t *topicCommand) config() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:               "config topic",
		Short:             "Settings of a topic and where each comes from",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: positions(t.completeTopics),
		RunE: t.run(func(ctx context.Context, a *kadm.Client, w io.Writer, args []string) error {
			got, err := a.DescribeTopicConfigs(ctx, args[0])
			if err != nil {
				return err
			}
			settings := []settingView{}
			for _, r := range got {
				if r.Err != nil {
					return &cluster.TopicError{Topic: r.Name, Message: r.ErrMessage, Err: r.Err}
				}
				for _, c := range r.Configs {
					if all || c.Source == kmsg.ConfigSourceDynamicTopicConfig {
						settings = append(settings, settingView{c.Key, c.MaybeValue(), c.Source.String()})
					}
				}
			}
			slices.SortFunc(settings, func(a, b settingView) int { return strings.Compare(a.Name, b.Name) })
			return t.print(w, settings, func(w io.Writer) {
				if len(settings) == 0 {
					fmt.Fprintln(w, "nothing is set for this topic; --all shows the defaults")
					return
				}
				fmt.Fprintln(w, "SETTING\tVALUE\tSOURCE")
				for _, s := range settings {
					fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, s.Value, s.Source)
				}
			})
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "defaults, too")
	return cmd
}

func (t *topicCommand) alter() *cobra.Command {
	var set map[string]string
	var unset []string
	var partitions int
	cmd := &cobra.Command{
		Use:   "alter topic",
		Short: "Change settings, or add partitions",
		Long: `Alter changes settings of a topic and the number of its partitions, which can only
grow: records stay where they are, so keys may be in two partitions afterwards.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: positions(t.completeTopics),
		RunE: t.run(func(ctx context.Context, a *kadm.Client, w io.Writer, args []string) error {
			var changes []kadm.AlterConfig
			for _, k := range sortedKeys(set) {
				v := set[k]
				changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
			}
			for _, k := range unset {
				changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: k})
			}
			if len(changes) == 0 && partitions == 0 {
				return exitStatus{2, errors.New("change what? Give --set, --unset or --partitions")}
			}
			if len(changes) > 0 {
				got, err := a.AlterTopicConfigs(ctx, changes, args[0])
				if err != nil {
					return err
				}
				for _, r := range got {
					if r.Err != nil {
						return &cluster.TopicError{Topic: r.Name, Message: r.ErrMessage, Err: r.Err}
					}
				}
			}
			if partitions > 0 {
				got, err := a.UpdatePartitions(ctx, partitions, args[0])
				if err != nil {
					return err
				}
				for _, r := range got {
					if r.Err != nil {
						return &cluster.TopicError{Topic: r.Topic, Message: r.ErrMessage, Err: r.Err}
					}
				}
			}
			return t.done(w, "altered", args)
		}),
	}
	f := cmd.Flags()
	f.StringToStringVar(&set, "set", nil, "name=value of a setting; repeat it for several")
	f.StringSliceVar(&unset, "unset", nil, "name of a setting that goes back to its default")
	f.IntVarP(&partitions, "partitions", "p", 0, "number of partitions to grow to")
	complete(cmd, "set", t.completeSettings("="))
	complete(cmd, "unset", t.completeSettings(""))
	return cmd
}

func (t *topicCommand) delete() *cobra.Command {
	return &cobra.Command{
		Use:               "delete topic…",
		Short:             "Delete topics with all their records",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: anyOf(t.completeTopics),
		RunE: t.run(func(ctx context.Context, a *kadm.Client, w io.Writer, args []string) error {
			answers, err := a.DeleteTopics(ctx, args...)
			if err != nil {
				return err
			}
			deleted := []string{}
			var faults []error
			for _, r := range answers.Sorted() {
				if r.Err != nil {
					faults = append(faults, &cluster.TopicError{Topic: r.Topic, Message: r.ErrMessage, Err: r.Err})
					continue
				}
				deleted = append(deleted, r.Topic)
			}
			return errors.Join(append(faults, t.done(w, "deleted", deleted))...)
		}),
	}
}
