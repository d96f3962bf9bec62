package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/cmd/dovetail/internal/transfer"
)

const defaultCluster = "kafka://127.0.0.1:9092"

// fillCluster sets a flag that was not given to the brokers of DOVETAIL_KAFKA.
func fillCluster(cmd *cobra.Command, flag string, url *string) {
	if brokers, ok := os.LookupEnv(envName("kafka")); ok && brokers != "" && !cmd.Flags().Changed(flag) {
		*url = "kafka://" + brokers
	}
}

func newSchemaImport(who *credentials, answer *output) *cobra.Command {
	var (
		from, to, dataDir     string
		skipUnknown, encoders bool
	)
	cmd := &cobra.Command{
		Use:   "import [file|-]",
		Short: "Take over the _schemas records of another registry as they stand",
		Long: `Import reads the records of a _schemas topic, of Confluent's registry or of this
one, and appends them to the records of a registry: IDs, versions, soft deletes,
levels and modes stay what they are.

The records come from a file, a JSON object on a line for each, as "schema export"
writes it:

  {"key":{"keytype":"SCHEMA",...},"value":{...},"timestamp":1700000000000}

or straight from a Kafka cluster with --from kafka://host:port/_schemas, or from the
Redis of servers with --journal redis://host:port by the same URL.

They go to a running server, any Kafka cluster, or the Redis of servers, by --to, or to
the data of a stopped server by --data-dir. The target must be empty. If an import was
interrupted, run it again: it goes on where it ended. Nobody may register in the
target meanwhile.

Sensitive metadata that a server keeps encrypted (--metadata-encoder-secret of serve)
stays encrypted. Its keys are records of their own, _schema_encoders: carry them over
first, with --encoders, and give the target the same secret.`,
		Example: `  dovetail schema import schemas.ndjson
  dovetail schema import --from kafka://old-kafka:9092/_schemas --to kafka://127.0.0.1:9092
  dovetail schema import schemas.ndjson --data-dir /var/lib/dovetail
  dovetail schema import schemas.ndjson --to redis://127.0.0.1:6379`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			fillCluster(cmd, "to", &to)
			if (from != "") == (len(args) == 1) {
				return exitStatus{2, errors.New("name a file (- for standard input) or a cluster with --from, one of them")}
			}
			if dataDir != "" && cmd.Flags().Changed("to") {
				return exitStatus{2, errors.New("--to and --data-dir exclude each other")}
			}
			source, closeSource, err := openTransferSource(cmd, who, from, encoders, args)
			if err != nil {
				return err
			}
			defer closeSource()
			target, closeTarget, err := openTransferPlace(ctx, who, place{cluster: to, dataDir: dataDir, encoders: encoders, create: true})
			if err != nil {
				return err
			}
			bar, draw := newBar(cmd)
			c, err := transfer.Import(ctx, source, target, target, transfer.Options{SkipUnknown: skipUnknown, Progress: draw})
			bar.End(source.Done(), c)
			if err := errors.Join(err, closeTarget()); err != nil {
				return err
			}
			v := struct {
				Imported int `json:"imported"`
				Present  int `json:"present"`
				LeftOut  int `json:"leftOut"`
				Schemas  int `json:"schemas"`
			}{c.Written, c.Present, c.Unknown, c.Schemas}
			return answer.print(cmd.OutOrStdout(), v, func(w io.Writer) {
				fmt.Fprintf(w, "%d records imported, %d were there already, %d could not be read and were left out; %d registrations of schemas\n",
					v.Imported, v.Present, v.LeftOut, v.Schemas)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "where to read from: kafka://host:port[,host:port][/topic] or redis://host:port[/db]")
	f.StringVar(&to, "to", defaultCluster, "where to import to: the Kafka address of a running server, a Kafka cluster, or redis://host:port[/db] ($DOVETAIL_KAFKA, without kafka://)")
	f.StringVar(&dataDir, "data-dir", "", "import into the data of a stopped server instead")
	f.BoolVar(&encoders, "encoders", false, "the keys of sensitive metadata (_schema_encoders) instead of the schemas")
	f.BoolVar(&skipUnknown, "skip-unknown", false, "leave out records that cannot be read instead of stopping")
	_ = cmd.MarkFlagDirname("data-dir")
	return cmd
}

func newSchemaExport(who *credentials, answer *output) *cobra.Command {
	var from place
	cmd := &cobra.Command{
		Use:   "export [file|-]",
		Short: "Write the _schemas records of a registry to a file",
		Long: `Export writes every record of a registry as it stands, a JSON object on a line for
each: a backup, and what "schema import" reads. The registry is a running server, or
any Kafka cluster with a _schemas topic, or the Redis of servers, by --from, or a
stopped server by --data-dir.

If the file has been begun by an export, it goes on behind its last whole line.`,
		Example: `  dovetail schema export schemas.ndjson
  dovetail schema export --from kafka://old-kafka:9092/_schemas | gzip > schemas.ndjson.gz`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			fillCluster(cmd, "from", &from.cluster)
			if from.dataDir != "" && cmd.Flags().Changed("from") {
				return exitStatus{2, errors.New("--from and --data-dir exclude each other")}
			}
			name := "-"
			if len(args) == 1 {
				name = args[0]
			}
			return exportSchemas(cmd, who, answer, from, name)
		},
	}
	f := cmd.Flags()
	f.StringVar(&from.cluster, "from", defaultCluster, "registry to export: the Kafka address of a running server, a Kafka cluster: kafka://host:port[,host:port][/topic], or redis://host:port[/db] ($DOVETAIL_KAFKA, without kafka://)")
	f.BoolVar(&from.encoders, "encoders", false, "the keys of sensitive metadata (_schema_encoders) instead of the schemas")
	f.StringVar(&from.dataDir, "data-dir", "", "export the data of a stopped server instead")
	_ = cmd.MarkFlagDirname("data-dir")
	return cmd
}

// exportSchemas writes to a file, behind what it has, or to standard output.
func exportSchemas(cmd *cobra.Command, who *credentials, answer *output, from place, name string) error {
	if name == "-" {
		_, err := exportTo(cmd, cmd.OutOrStdout(), who, from)
		return err
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	whole, before, offset, err := transfer.Resume(cmd.Context(), name, file)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err == nil {
		_, err = file.Seek(whole, io.SeekStart)
	}
	written := 0
	if err == nil {
		from.offset = offset
		written, err = exportTo(cmd, file, who, from)
	}
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	v := struct {
		File     string `json:"file"`
		Exported int    `json:"exported"`
		Present  int    `json:"present"`
	}{name, written, before}
	return answer.print(cmd.OutOrStdout(), v, func(w io.Writer) {
		fmt.Fprintf(w, "%d records exported to %s, which had %d already\n", v.Exported, v.File, v.Present)
	})
}

// exportTo writes the records from an offset on, and returns how many.
func exportTo(cmd *cobra.Command, out io.Writer, who *credentials, from place) (int, error) {
	source, closeSource, err := openTransferPlace(cmd.Context(), who, from)
	if err != nil {
		return 0, err
	}
	bar, draw := newBar(cmd)
	c, err := transfer.Export(cmd.Context(), source, transfer.NewFile(out), draw)
	bar.End(source.Done(), c)
	return c.Written, errors.Join(err, closeSource())
}

// newBar returns a progress bar, which shows nothing unless standard error is a
// terminal.
func newBar(cmd *cobra.Command) (*transfer.Bar, func(float64, transfer.Counts)) {
	bar := &transfer.Bar{Out: cmd.ErrOrStderr(), Now: time.Now}
	if info, err := os.Stderr.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return bar, nil
	}
	return bar, bar.Draw
}

// openTransferSource opens a cluster, or the file that args name.
func openTransferSource(cmd *cobra.Command, who *credentials, from string, encoders bool, args []string) (transfer.Source, func() error, error) {
	if from != "" {
		return openTransferPlace(cmd.Context(), who, place{cluster: from, encoders: encoders})
	}
	if args[0] == "-" {
		return transfer.NewLines("standard input", cmd.InOrStdin(), 0), func() error { return nil }, nil
	}
	file, err := os.Open(args[0])
	if err != nil {
		return nil, nil, err
	}
	size := int64(0)
	if info, err := file.Stat(); err == nil {
		size = info.Size()
	}
	return transfer.NewLines(args[0], file, size), file.Close, nil
}

// place says where records are.
type place struct {
	cluster  string // URL
	dataDir  string // of a stopped server, instead
	encoders bool   // the keys of sensitive metadata instead of the schemas
	offset   int64  // to read from
	create   bool   // what is not there
}

// records is a place that is read and written.
type records interface {
	transfer.Source
	transfer.Sink
}

// openTransferPlace opens the stream of a Redis, or the topic of a cluster, or of a data directory, which
// it serves to itself meanwhile.
func openTransferPlace(ctx context.Context, who *credentials, at place) (records, func() error, error) {
	stop := func() error { return nil }
	scheme, rest, _ := strings.Cut(at.cluster, "://")
	addrs, topic, _ := strings.Cut(rest, "/")
	if at.dataDir == "" && (scheme == "redis" || scheme == "rediss") {
		s, err := transfer.OpenStream(ctx, transfer.StreamOptions{URL: at.cluster, Key: redisKey(topicBeside("", at.encoders)), From: at.offset, Create: at.create})
		if err != nil {
			return nil, nil, err
		}
		return s, func() error { s.Close(); return nil }, nil
	}
	if at.dataDir != "" {
		if _, err := os.Stat(at.dataDir); err != nil && !at.create {
			return nil, nil, err
		}
		b, err := broker.New(broker.Options{DataDir: at.dataDir, Listeners: []broker.Listener{{Addr: "127.0.0.1:0"}}, NoAutoCreateTopics: true})
		if err != nil {
			return nil, nil, err
		}
		stop = func() error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			return b.Close(ctx)
		}
		if err := b.Start(ctx); err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		topic = topicBeside("", at.encoders)
		if _, err := openBrokerJournal(b, topic); err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		addrs = b.Addr("").String()
	} else if scheme != "kafka" || addrs == "" {
		return nil, nil, exitStatus{2, fmt.Errorf("%q: want kafka://host:port[,host:port][/topic] or redis://host:port[/db]", at.cluster)}
	}
	if topic == "" {
		topic = topicBeside("", at.encoders)
	}
	var own []kgo.Opt
	if at.dataDir == "" {
		var err error
		if own, err = who.kafka(); err != nil {
			return nil, nil, err
		}
	}
	t, err := transfer.OpenTopic(ctx, transfer.TopicOptions{Brokers: strings.Split(addrs, ","), Topic: topic, From: at.offset, Create: at.create, Client: own})
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return t, func() error { t.Close(); return stop() }, nil
}
