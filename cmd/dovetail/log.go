package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/broker/commitlog"
)

// logCommand holds what the verbs of `dovetail log` share.
type logCommand struct {
	dataDir string
	output
	lock func(dir string) (io.Closer, error) // broker.LockDataDir
}

// logFinding is a finding in the log of a partition.
type logFinding struct {
	Log string `json:"log"` // as its folder is called, such as orders-3
	commitlog.Finding
}

// logRepair is what repair did, or would do, about a finding.
type logRepair struct {
	logFinding
	Repaired       bool   `json:"repaired"`
	LostBytes      int64  `json:"lostBytes,omitempty"`
	FirstLost      int64  `json:"firstLostOffset,omitempty"`
	EndLost        int64  `json:"endLostOffset,omitempty"`
	KeptBytesAfter int64  `json:"keptBytesAfter,omitempty"`
	Copy           string `json:"copy,omitempty"` // of the file as it was
}

func newLog() *cobra.Command {
	return newLogLocking(broker.LockDataDir)
}

func newLogLocking(lock func(dir string) (io.Closer, error)) *cobra.Command {
	l := &logCommand{lock: lock}
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Log files of a stopped broker: check and repair them",
		Example: `  dovetail log check --data-dir /var/lib/dovetail
  dovetail log repair --data-dir /var/lib/dovetail orders-3 --yes`,
	}
	cmd.PersistentFlags().StringVar(&l.dataDir, "data-dir", "./dovetail-data", "the data directory of the broker, which must not run")
	_ = cmd.MarkPersistentFlagDirname("data-dir")
	l.output.flag(cmd)
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := fillFromEnv(cmd, []string{"output"}, os.LookupEnv); err != nil {
			return exitStatus{2, err}
		}
		return nil
	}
	cmd.AddCommand(l.check(), l.repair())
	return cmd
}

func (l *logCommand) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check [topic-partition…]",
		Short: "Read every log file and say what is wrong where",
		Long: `Check reads the files of all partitions, or of those that are named, and says for
each fault which file, byte and offset it concerns and what is to be done. It
changes nothing.

The exit status is 0 if nothing is lost, 1 if something is damaged and 2 if the
files could not be checked.`,
		ValidArgsFunction: anyOf(completePartitions(&l.dataDir)),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, damaged := []logFinding{}, 0
			err := l.each(args, cmd.ErrOrStderr(), func(f logFinding) {
				all = append(all, f)
				if !f.Harmless {
					damaged++
				}
			}, func(name string, o commitlog.Options) error {
				found, err := commitlog.Inspect(o)
				for _, f := range found {
					all = append(all, logFinding{name, f})
					if !f.Harmless {
						damaged++
					}
				}
				return err
			})
			if written := l.print(cmd.OutOrStdout(), all, func(w io.Writer) {
				for _, f := range all {
					printFinding(w, f)
				}
				if err == nil && damaged == 0 {
					fmt.Fprintln(w, "nothing is damaged")
				}
			}); written != nil {
				return written
			}
			switch {
			case err != nil:
				return exitStatus{2, err}
			case damaged > 0:
				return exitStatus{1, fmt.Errorf("%s", count(damaged, "damaged file"))}
			}
			return nil
		},
	}
}

func printFinding(w io.Writer, f logFinding) {
	file := path.Join(f.Log, f.File)
	where := ""
	switch {
	case f.Pos >= 0 && f.Offset < 0:
		where = fmt.Sprintf(", byte %d", f.Pos)
	case f.Pos >= 0:
		where = fmt.Sprintf(", byte %d, offset %d", f.Pos, f.Offset)
	}
	fmt.Fprintf(w, "%s%s: %s\n  remedy: %s\n", file, where, f.Fault, f.Remedy)
}

func (l *logCommand) repair() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "repair [topic-partition…]",
		Short: "Take damaged parts out of logs, keeping what is whole",
		Long: `Repair takes the damaged part out of each log file that check finds damaged. The
batches before and behind it stay, with their offsets; the file as it was is kept
beside it with the suffix .damaged. Without --yes it only says what it would do.`,
		ValidArgsFunction: anyOf(completePartitions(&l.dataDir)),
		RunE: func(cmd *cobra.Command, args []string) error {
			all := []logRepair{}
			err := l.each(args, nil, func(logFinding) {}, func(name string, o commitlog.Options) error {
				// Each round mends the first fault of one file and leaves the file smaller.
				for {
					found, err := commitlog.Inspect(o)
					if err != nil {
						return err
					}
					at := slices.IndexFunc(found, func(f commitlog.Finding) bool { return f.Damage != nil })
					if at < 0 {
						return nil
					}
					f := found[at]
					if !yes {
						all = append(all, logRepair{logFinding: logFinding{name, f}})
						return nil
					}
					if o.RecoveryPoint, err = l.forget(name, f.Damage.Offset); err != nil {
						return err
					}
					r, err := commitlog.Repair(o, f.Damage)
					if err != nil {
						return err
					}
					all = append(all, logRepair{logFinding{name, f}, true, r.LostBytes, r.FirstLostOffset, r.EndLostOffset, r.KeptBytes, r.Copy})
				}
			})
			if written := l.print(cmd.OutOrStdout(), all, func(w io.Writer) {
				for _, r := range all {
					printRepair(w, r)
				}
				if err == nil && len(all) == 0 {
					fmt.Fprintln(w, "nothing to repair")
				}
			}); written != nil {
				return written
			}
			switch {
			case err != nil:
				return exitStatus{2, err}
			case len(all) > 0 && !yes:
				return exitStatus{1, errors.New("nothing was changed: --yes repairs what is listed")}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func printRepair(w io.Writer, r logRepair) {
	if !r.Repaired {
		printFinding(w, r.logFinding)
		return
	}
	lost := fmt.Sprintf("offsets %d to %d", r.FirstLost, r.EndLost-1)
	if r.EndLost <= r.FirstLost {
		lost = fmt.Sprintf("offsets from %d", r.FirstLost)
	}
	if r.Pos < 0 {
		fmt.Fprintf(w, "%s/%s: %s; given up are %s, and the log goes on at offset %d\n", r.Log, r.File, r.Fault, lost, r.EndLost)
		return
	}
	fmt.Fprintf(w, "%s/%s: dropped %d bytes at byte %d, %s; kept %d bytes before and %d behind; the file as it was is %s\n",
		r.Log, r.File, r.LostBytes, r.Pos, lost, r.Pos, r.KeptBytesAfter, r.Copy)
}

// forget takes back what the data directory promises about a log from an offset on,
// and returns the recovery point that is left.
func (l *logCommand) forget(name string, offset int64) (int64, error) {
	file := filepath.Join(l.dataDir, commitlog.RecoveryPointFile)
	points, err := commitlog.ReadCheckpoint(nil, file)
	var access *fs.PathError
	if errors.As(err, &access) {
		return 0, err
	}
	// One that is damaged promises nothing: the broker sets it aside.
	key, _ := parsePartitionDir(name)
	if points[key] > offset {
		points[key] = offset
		if err := commitlog.WriteCheckpoint(nil, file, points); err != nil {
			return 0, err
		}
	}
	_, err = commitlog.TakeCleanShutdown(nil, l.dataDir)
	return points[key], err
}

// each calls f for the logs that are named, or all, with the data directory locked,
// after it has told note what is wrong with the directory itself. A log whose folder
// is missing counts if there was something in it. Who only reads gives unlocked: a
// directory that cannot be written to is not locked, which is said there.
func (l *logCommand) each(names []string, unlocked io.Writer, note func(logFinding), f func(name string, o commitlog.Options) error) error {
	if _, err := readDataDir(l.dataDir); err != nil {
		return err
	}
	lock, err := l.lock(l.dataDir)
	switch {
	case err == nil:
		defer lock.Close()
	case unlocked != nil && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)):
		fmt.Fprintf(unlocked, "the directory is read without a lock, because it cannot be written to (%v): if a broker uses it, what it is writing may look damaged\n", err)
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		return err
	default:
		return fmt.Errorf("%w: stop it first", err)
	}
	// What was read before the lock was taken may have changed since.
	d, err := readDataDir(l.dataDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains(d.logs, name) && !slices.Contains(d.missing, name) {
			return fmt.Errorf("%s: no partition folder of this name in %s; names are like orders-0", name, l.dataDir)
		}
	}
	d.inspect(names, note)
	if len(names) == 0 {
		names = slices.Sorted(slices.Values(append(d.logs, d.missing...)))
	}
	for _, name := range names {
		key, _ := parsePartitionDir(name)
		config := commitlog.DefaultConfig()
		config.Compact = d.mayCompact(key.Topic)
		o := commitlog.Options{Dir: filepath.Join(l.dataDir, name), Topic: key.Topic, Partition: key.Partition, Config: config,
			RecoveryPoint: d.points[key], LogStartOffset: d.starts[key], Logger: slog.New(slog.DiscardHandler)}
		if t := d.topics[key.Topic]; t != nil {
			o.TopicID = t.ID
		}
		if err := f(name, o); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

var partitionDirName = regexp.MustCompile(`^([a-zA-Z0-9._-]{1,249})-([0-9]{1,10})$`)

func parsePartitionDir(name string) (commitlog.TopicPartition, bool) {
	m := partitionDirName.FindStringSubmatch(name)
	if m == nil {
		return commitlog.TopicPartition{}, false
	}
	index, err := strconv.ParseInt(m[2], 10, 32)
	return commitlog.TopicPartition{Topic: m[1], Partition: int32(index)}, err == nil
}
