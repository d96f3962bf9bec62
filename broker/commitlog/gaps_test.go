package commitlog

import (
	"slices"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

func TestMissingSegmentsAreNoticed(t *testing.T) {
	for name, d := range map[string]struct {
		removed []string
		compact bool
		want    []Gap
	}{
		"nothing":                               {},
		"the log of a middle segment":           {removed: []string{fileName(3, logSuffix)}, want: []Gap{{3, 6}}},
		"a middle segment with its indexes":     {removed: []string{fileName(3, logSuffix), fileName(3, indexSuffix), fileName(3, timeSuffix), fileName(3, txnSuffix)}, want: []Gap{{3, 6}}},
		"two segments":                          {removed: []string{fileName(3, logSuffix), fileName(6, logSuffix)}, want: []Gap{{3, 9}}},
		"the first segment":                     {removed: []string{fileName(0, logSuffix)}, want: []Gap{{0, 3}}},
		"the log of a segment, with compaction": {removed: []string{fileName(3, logSuffix)}, compact: true, want: []Gap{{3, 6}}},
	} {
		for _, clean := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				mem := vfs.NewMem()
				l := openTimed(t, mem, 10, func(*Config) {})
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				for _, file := range d.removed {
					if err := mem.Remove("data/topic-0/" + file); err != nil {
						t.Fatal(err)
					}
				}
				config := DefaultConfig()
				config.Compact = d.compact
				found, err := Inspect(Options{FS: mem, Dir: "data/topic-0", Config: config})
				if err != nil || len(found) != len(d.want) || len(found) > 0 && (found[0].Harmless || found[0].Offset != d.want[0].FirstOffset) {
					t.Errorf("inspection finds %+v, %v", found, err)
				}
				l = openMem(t, mem, func(o *Options) { o.Config, o.CleanShutdown = config, clean })
				defer l.Close()
				if got := l.Recovered().Gaps; !slices.Equal(got, d.want) {
					t.Errorf("%v are missing, not %v", got, d.want)
				}
				lost := 0
				for _, g := range d.want {
					lost += int(g.EndOffset - g.FirstOffset)
				}
				if values, _ := readAll(t, l, l.StartOffset(), UpToEnd); len(values) != 10-lost {
					t.Errorf("%d records are served, %d lost", len(values), lost)
				}
			})
		}
	}
}
