package commitlog

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// oneWriter notices snapshots that two write at the same time.
type oneWriter struct {
	vfs.FS
	t    *testing.T
	mu   sync.Mutex
	open map[string]bool
}

func (o *oneWriter) Create(path string) (vfs.File, error) {
	if strings.HasSuffix(path, snapshotSuffix+tmpSuffix) {
		o.mu.Lock()
		if o.open[path] {
			o.t.Errorf("%s is written twice at a time", path)
		}
		o.open[path] = true
		o.mu.Unlock()
		time.Sleep(time.Millisecond) // a disk takes time, and gives others some
	}
	return o.FS.Create(path)
}

func (o *oneWriter) Rename(from, to string) error {
	o.mu.Lock()
	delete(o.open, from)
	o.mu.Unlock()
	return o.FS.Rename(from, to)
}

// TestACheckpointAndARollAtOneOffset: both leave the same snapshot behind, whoever
// comes first.
func TestACheckpointAndARollAtOneOffset(t *testing.T) {
	fsys := &oneWriter{FS: vfs.NewMem(), t: t, open: map[string]bool{}}
	l := openMem(t, fsys)
	for i := range 200 {
		mustAppend(t, l, batchOf(t, record.BatchOptions{Producer: &record.Producer{ID: 7, BaseSequence: int32(i)}}, fmt.Sprint(i)), AppendOptions{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := l.Checkpoint(); err != nil {
				t.Error("checkpoint:", err)
			}
		})
		wg.Go(func() {
			l.amu.Lock()
			defer l.amu.Unlock()
			if err := l.roll(); err != nil {
				t.Error("roll:", err)
			}
		})
		wg.Wait()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openMem(t, fsys)
	defer l.Close()
	if p := l.ActiveProducers(); len(p) != 1 || p[0].LastSequence != 199 {
		t.Errorf("%+v", p)
	}
}
