package main

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// device is a file into which many write records and wait for them to be on the
// disk, and nothing else: the limit of whatever acknowledges after an fsync.
// While one group is being synced, the next one forms.
type device struct {
	f    *os.File
	mu   sync.Mutex
	wake *sync.Cond

	end    int64 // bytes written
	synced int64
	closed bool
	err    error
	done   chan struct{}
}

func newDevice(dir string) (*device, error) {
	f, err := os.Create(filepath.Join(dir, "device"))
	if err != nil {
		return nil, err
	}
	d := &device{f: f, done: make(chan struct{})}
	d.wake = sync.NewCond(&d.mu)
	go d.commit()
	return d, nil
}

// append writes a record and returns when it is on the disk.
func (d *device) append(b []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.f.WriteAt(b, d.end); err != nil {
		return err
	}
	d.end += int64(len(b))
	mine := d.end
	d.wake.Broadcast()
	for d.synced < mine && d.err == nil {
		d.wake.Wait()
	}
	return d.err
}

func (d *device) commit() {
	defer close(d.done)
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		for d.synced == d.end && !d.closed {
			d.wake.Wait()
		}
		if d.closed {
			return
		}
		upTo := d.end
		d.mu.Unlock()
		err := syncData(d.f)
		d.mu.Lock()
		if err != nil {
			d.err = err
		}
		d.synced = upTo
		d.wake.Broadcast()
	}
}

func (d *device) close() error {
	d.mu.Lock()
	d.closed = true
	d.wake.Broadcast()
	d.mu.Unlock()
	<-d.done
	return errors.Join(d.err, d.f.Close())
}

// run appends n records from so many goroutines.
func (d *device) run(n, writers int, b []byte) error {
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n; i += writers {
				if errs[w] = d.append(b); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
