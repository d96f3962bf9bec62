package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/dovetail-dev/dovetail/clients/cluster"
)

func (t *topicCommand) dirs() *cobra.Command {
	return &cobra.Command{
		Use:   "dirs [topic…]",
		Short: "Directories of the brokers, their disks, and the bytes of each partition",
		Long: `Dirs shows where brokers keep their logs: how large the disk is and how much of it is
free, and the bytes of each partition there, of all topics or of those that are named.
Sizes are those of the records' files.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: anyOf(t.completeTopics),
		RunE: t.view(func(ctx context.Context, v *cluster.View, w io.Writer, args []string) error {
			dirs, err := v.Dirs(ctx, args...)
			if err != nil {
				return err
			}
			return t.print(w, dirs, func(w io.Writer) { dirTable(w, dirs) })
		}),
	}
}

func dirTable(w io.Writer, dirs []cluster.Dir) {
	fmt.Fprintln(w, "BROKER\tDIRECTORY\tDISK\tFREE\tPARTITIONS\tBYTES")
	for _, d := range dirs {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%s\n", d.Broker, d.Dir, diskText(d.TotalBytes), freeText(d), len(d.Partitions), bytesText(d.Bytes))
	}
	for _, d := range dirs {
		if d.Fault != "" {
			fmt.Fprintf(w, "\nbroker %d %s: %s\n", d.Broker, d.Dir, d.Fault)
		}
	}
	head := false
	for _, d := range dirs {
		for _, p := range d.Partitions {
			if !head {
				fmt.Fprintln(w, "\nTOPIC\tPARTITION\tBROKER\tDIRECTORY\tBYTES\tBEHIND")
				head = true
			}
			behind := "-"
			if p.OffsetLag > 0 {
				behind = count(int(p.OffsetLag), "record")
			}
			if p.Future {
				behind += ", moving here"
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", p.Topic, p.Partition, d.Broker, d.Dir, bytesText(p.Bytes), behind)
		}
	}
}

// diskText is a size of a disk, "-" if the broker does not tell it.
func diskText(n int64) string {
	if n < 0 {
		return "-"
	}
	return bytesText(n)
}

// freeText is what is free of a disk, with its share.
func freeText(d cluster.Dir) string {
	if d.FreeBytes < 0 || d.TotalBytes <= 0 {
		return diskText(d.FreeBytes)
	}
	return fmt.Sprintf("%s (%.0f%%)", bytesText(d.FreeBytes), 100*float64(d.FreeBytes)/float64(d.TotalBytes))
}
