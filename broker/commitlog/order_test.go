package commitlog

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// flipOffset changes bits of the base offset of batch n of a segment, from 0 on, and
// returns where it stands. Negative n count from the end.
func flipOffset(t *testing.T, mem *vfs.Mem, name string, n int, bits int64) (pos int64) {
	t.Helper()
	p, err := vfs.ReadFile(mem, "data/topic-0/"+name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var at []int
	for i := 0; i < len(p); {
		size, err := record.SizeBytes(p[i:])
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, i)
		i += size
	}
	if n < 0 {
		n += len(at)
	}
	was := int64(binary.BigEndian.Uint64(p[at[n]:]))
	overwrite(t, mem, name, int64(at[n]), binary.BigEndian.AppendUint64(nil, uint64(was^bits)))
	return int64(at[n])
}

// TestAWrongBaseOffsetInTheActiveSegmentIsDamage: the checksum does not cover it.
// Opening refuses it after a clean stop and after a crash, inspection finds it, and
// repair gives up that batch and no other.
func TestAWrongBaseOffsetInTheActiveSegmentIsDamage(t *testing.T) {
	for name, bits := range map[string]int64{"the smallest bit": 1, "a small bit": 4, "a large bit": 1 << 42, "the sign": -1 << 63} {
		for _, batch := range []int{-1, -2, 0, 7} {
			for _, clean := range []bool{false, true} {
				for _, compact := range []bool{false, true} {
					t.Run(name, func(t *testing.T) {
						mem := vfs.NewMem()
						config := DefaultConfig()
						config.Compact = compact
						options := func(o *Options) { o.Config = config }
						l := openMem(t, mem, options)
						for i := range int32(20) {
							mustAppend(t, l, idem(t, 1, 0, i, 1, false), AppendOptions{})
						}
						if err := l.Close(); err != nil {
							t.Fatal(err)
						}
						if !clean { // as if the last checkpoint had been long ago
							for _, snapshot := range filesOf(t, mem, snapshotSuffix) {
								if err := mem.Remove("data/topic-0/" + snapshot); err != nil {
									t.Fatal(err)
								}
							}
						}
						file := fileName(0, logSuffix)
						pos := flipOffset(t, mem, file, batch, bits)
						o := Options{FS: mem, Dir: "data/topic-0", Config: config, CleanShutdown: clean}
						l, err := Open(o)
						var damage *DamageError
						if !errors.As(err, &damage) || damage.File != file || damage.DurableOffset != 20 {
							if l != nil {
								t.Errorf("the log ends at %d", l.EndOffset())
							}
							t.Fatalf("opening says %v", err)
						}
						found, err := Inspect(o)
						if err != nil || len(found) != 1 || found[0].Harmless || found[0].Damage == nil {
							t.Fatalf("inspection finds %+v, %v", found, err)
						}
						for _, at := range []int64{damage.Pos, found[0].Pos} {
							if at != pos {
								t.Errorf("the damage is said to be at byte %d, it is at %d", at, pos)
							}
						}
						if _, err := Repair(o, found[0].Damage); err != nil {
							t.Fatal(err)
						}
						l = openMem(t, mem, options)
						defer l.Close()
						if values, _ := readAll(t, l, l.StartOffset(), UpToEnd); len(values) != 19 || l.EndOffset() != 20 {
							t.Errorf("%d records up to offset %d are left", len(values), l.EndOffset())
						}
					})
				}
			}
		}
	}
}
