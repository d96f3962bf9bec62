package commitlog

import (
	"errors"
	"path/filepath"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// cleanedSegment is the output of compaction: a segment whose files are called
// .cleaned until it is finished.
type cleanedSegment struct {
	s        *segment
	file     vfs.File
	interval int    // bytes between index entries
	buf      []byte // not written yet
	pos      int64  // size so far, buf included
	end      int64  // offset after the last batch
}

const cleanedBufferBytes = 1 << 20

func newCleanedSegment(fsys vfs.FS, dir string, base int64, interval int) (*cleanedSegment, error) {
	s := newSegment(fsys, dir, base)
	for _, x := range []*index{s.offsets.index, s.times.index, s.txns.index} {
		x.path += cleanedSuffix
		f, err := fsys.Create(x.path)
		if err != nil {
			s.closeFiles()
			return nil, err
		}
		x.file, x.loaded = f, true
	}
	f, err := fsys.Create(s.path(logSuffix) + cleanedSuffix)
	if err != nil {
		s.closeFiles()
		return nil, err
	}
	return &cleanedSegment{s: s, file: f, interval: interval, end: base}, nil
}

// add appends a batch, which keeps its offset.
func (c *cleanedSegment) add(b record.Batch) error {
	c.s.noteBatch(b, c.pos, c.interval)
	c.buf = append(c.buf, b...)
	c.pos += int64(len(b))
	c.end = b.NextOffset()
	if len(c.buf) >= cleanedBufferBytes {
		return c.write()
	}
	return nil
}

func (c *cleanedSegment) write() error {
	if len(c.buf) == 0 {
		return nil
	}
	_, err := c.file.WriteAt(c.buf, c.pos-int64(len(c.buf)))
	c.buf = c.buf[:0]
	return err
}

// finish makes the files durable.
func (c *cleanedSegment) finish() (segmentSeal, error) {
	if err := c.write(); err != nil {
		return segmentSeal{}, err
	}
	if err := c.s.flushIndexes(true); err != nil {
		return segmentSeal{}, err
	}
	if err := c.s.syncIndexes(); err != nil {
		return segmentSeal{}, err
	}
	c.s.sizeBytes.Store(c.pos)
	found, err := c.s.sealOf()
	return found, errors.Join(err, c.file.Sync())
}

// offer renames the finished files to .swap, the log last.
func (c *cleanedSegment) offer() error {
	for _, suffix := range swapOrder {
		if suffix == logSuffix {
			if err := c.s.fsys.SyncDir(filepath.Clean(c.s.dir)); err != nil {
				return err
			}
		}
		path := c.s.path(suffix)
		if err := c.s.fsys.Rename(path+cleanedSuffix, path+swapSuffix); err != nil {
			return err
		}
	}
	return c.s.fsys.SyncDir(c.s.dir)
}

func (c *cleanedSegment) close() {
	c.s.closeFiles()
	c.file.Close()
}
