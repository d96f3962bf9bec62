package commitlog

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// epochStart is where a leader epoch begins.
type epochStart struct {
	epoch       int32
	startOffset int64
}

// formatEpochs is the content of leader-epoch-checkpoint: a version, a count, and
// a line "epoch offset" each.
func formatEpochs(epochs []epochStart) []byte {
	p := fmt.Appendf(nil, "0\n%d\n", len(epochs))
	for _, e := range epochs {
		p = fmt.Appendf(p, "%d %d\n", e.epoch, e.startOffset)
	}
	return p
}

func parseEpochs(p []byte) ([]epochStart, error) {
	var epochs []epochStart
	err := parseLines(p, 2, func(fields []string) error {
		epoch, err1 := strconv.ParseInt(fields[0], 10, 32)
		start, err2 := strconv.ParseInt(fields[1], 10, 64)
		if err1 != nil || err2 != nil || epoch < 0 || start < 0 {
			return fmt.Errorf("leader epoch %q at offset %q", fields[0], fields[1])
		}
		if n := len(epochs); n > 0 && (epochs[n-1].epoch >= int32(epoch) || epochs[n-1].startOffset > start) {
			return fmt.Errorf("leader epoch %d at offset %d after epoch %d at offset %d", epoch, start, epochs[n-1].epoch, epochs[n-1].startOffset)
		}
		epochs = append(epochs, epochStart{int32(epoch), start})
		return nil
	})
	return epochs, err
}

func (l *Log) loadEpochs(names []string) error {
	if !slices.Contains(names, epochFile) {
		return nil
	}
	p, err := vfs.ReadFile(l.fsys, filepath.Join(l.dir, epochFile), maxCheckpointBytes)
	if err != nil {
		return err
	}
	epochs, err := parseEpochs(p)
	if err != nil {
		epochs = l.collectEpochs(err)
	}
	l.epochs = epochs
	return nil
}

// collectEpochs makes the epochs anew from the headers of all batches.
func (l *Log) collectEpochs(cause error) (epochs []epochStart) {
	l.logger.Warn("leader epochs are wrong or unreadable and are collected from the log", "dir", l.dir, "file", epochFile, "error", cause)
	for _, s := range l.segments {
		_, _ = s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
			if n := len(epochs); n == 0 || epochs[n-1].epoch < b.LeaderEpoch() {
				epochs = append(epochs, epochStart{b.LeaderEpoch(), b.BaseOffset()})
			}
			return nil
		})
	}
	l.recovery.RebuiltIndexes++
	return epochs
}

// checkEpochs compares each epoch with the batches where it begins, and collects all
// anew if one does not fit.
func (l *Log) checkEpochs() error {
	for i, e := range l.epochs {
		b, err := l.headerAt(max(e.startOffset, l.segments[0].base)) // none: it began at the end
		if err != nil {
			return err
		}
		want := e
		for _, later := range l.epochs[i+1:] { // compaction may have taken all of an epoch
			if b != nil && later.startOffset <= b.BaseOffset() {
				want = later
			}
		}
		if b != nil && b.LeaderEpoch() >= 0 && b.LeaderEpoch() != want.epoch {
			l.epochs = l.collectEpochs(fmt.Errorf("the batch at offset %d is of epoch %d, not %d", b.BaseOffset(), b.LeaderEpoch(), want.epoch))
			return nil
		}
		if i == 0 || e.startOffset <= l.segments[0].base {
			continue // the first one may begin where the log does
		}
		if b, err = l.headerAt(min(e.startOffset, l.end) - 1); err != nil {
			return err
		}
		if b != nil && b.BaseOffset() < e.startOffset && b.LeaderEpoch() >= e.epoch {
			l.epochs = l.collectEpochs(fmt.Errorf("the batch at offset %d is of epoch %d, which begins at offset %d", b.BaseOffset(), b.LeaderEpoch(), e.startOffset))
			return nil
		}
	}
	return nil
}

// headerAt returns the header of the batch that holds the offset, or of the first one
// behind it; nil if there is none or it cannot be read. It is for opening.
func (l *Log) headerAt(offset int64) (header record.Batch, err error) {
	for i := segmentOf(l.segments, offset); i < len(l.segments) && header == nil; i++ {
		s := l.segments[i]
		pos, err := s.offsets.lookup(offset)
		if err == nil {
			_, err = s.scan(pos, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
				if b.LastOffset() < offset {
					return nil
				}
				header = slices.Clone(b[:record.HeaderBytes])
				return errStop
			})
		}
		if s != l.active() {
			err = errors.Join(err, s.closeFiles())
		}
		var fault *record.Error
		if errors.As(err, &fault) {
			return nil, nil
		}
		if err != nil && !errors.Is(err, errStop) {
			return nil, err
		}
	}
	return header, nil
}

// trimEpochs drops epochs beyond the log end and raises the log's epoch to the
// newest one.
func (l *Log) trimEpochs() error {
	n := len(l.epochs)
	for n > 0 && l.epochs[n-1].startOffset >= l.end && l.end > l.start {
		n--
	}
	l.epochs = l.epochs[:n]
	if n > 0 {
		l.epoch = max(l.epoch, l.epochs[n-1].epoch)
		path, content := filepath.Join(l.dir, epochFile), formatEpochs(l.epochs)
		if p, err := vfs.ReadFile(l.fsys, path, maxCheckpointBytes); err == nil && bytes.Equal(p, content) {
			return nil // a full disk has no room for it a second time
		}
		return writeFile(l.fsys, path, content)
	}
	return nil
}

// assignEpoch notes that an epoch begins at offset and makes that durable. It
// requires amu.
func (l *Log) assignEpoch(epoch int32, offset int64) error {
	l.mu.RLock()
	epochs := l.epochs
	l.mu.RUnlock()
	if n := len(epochs); n > 0 && epochs[n-1].epoch >= epoch {
		return nil
	}
	// An epoch in which nothing was appended leaves no trace.
	for len(epochs) > 0 && epochs[len(epochs)-1].startOffset >= offset {
		epochs = epochs[:len(epochs)-1]
	}
	return l.setEpochs(append(slices.Clip(epochs), epochStart{epoch, offset}))
}

func (l *Log) setEpochs(epochs []epochStart) error {
	if err := writeFile(l.fsys, filepath.Join(l.dir, epochFile), formatEpochs(epochs)); err != nil {
		return err
	}
	l.mu.Lock()
	l.epochs = epochs
	l.mu.Unlock()
	return nil
}
