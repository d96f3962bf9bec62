package record

import (
	"encoding/binary"
	"unsafe"
)

// Opened is a batch whose records are uncompressed once, for all who look at them:
// what validates them, the checks of the log, another codec. It opens when the first
// one asks. A walk of all records notes what [Batch.CheckRecords] would tell, so that
// the records need not be walked again for that either.
//
// It does not replace checksums: whoever stores the batch compares them then, which
// covers everything since the bytes arrived. One goroutine at a time may use it.
type Opened struct {
	batch   Batch
	header  [HeaderBytes - posCRC]byte // as it was
	options OpenOptions

	plain  []byte
	buffer *[]byte // pooled, of a compressed batch
	taken  int     // of options.Room
	opened bool
	err    error // of opening

	check   recordCheck
	checked bool // check has seen all records
	walks   int  // check sees those of the latest
}

// OpenOptions bound what opening a batch may cost.
type OpenOptions struct {
	// MaxBytes is the most bytes that the records may open to. Zero means
	// [DefaultMaxUncompressedBytes].
	MaxBytes int
	// Room is asked before memory is allocated for n bytes, which it may wait for,
	// and told with a negative n what is no longer in use: while a batch is open, the
	// sum is what it has allocated. Its error ends the opening. Nil means that nobody has to be
	// asked. Uncompressed batches ask for nothing.
	Room func(n int) error
}

// Open makes an Opened of a batch, which must have passed [Batch.CheckHeader]. The
// bytes belong to it until Close.
func (b Batch) Open(o OpenOptions) *Opened {
	opened := &Opened{batch: b, options: o}
	copy(opened.header[:], b[posCRC:])
	return opened
}

// Batch is the batch as it was given.
func (o *Opened) Batch() Batch { return o.batch }

// Of reports whether o was opened from exactly these bytes, and their header has not
// changed since, save for base offset and leader epoch.
func (o *Opened) Of(b Batch) bool {
	return o != nil && len(b) == len(o.batch) && unsafe.SliceData(b) == unsafe.SliceData(o.batch) &&
		string(b[posCRC:HeaderBytes]) == string(o.header[:])
}

// Close gives back what opening took. Slices of records must not be used after it.
func (o *Opened) Close() {
	if o.buffer != nil {
		putBuffer(o.buffer)
		o.buffer, o.plain = nil, nil
	}
	if o.taken != 0 {
		_ = o.options.Room(-o.taken)
		o.taken = 0
	}
}

// open uncompresses the records if nobody has yet.
func (o *Opened) open() error {
	if o.opened {
		return o.err
	}
	o.opened = true
	if o.batch.Codec() == None {
		o.plain = o.batch.Payload()
		return nil
	}
	var room func(int) error
	if o.options.Room != nil {
		room = o.room
	}
	o.buffer = getBuffer()
	out := newOutput((*o.buffer)[:0], o.options.MaxBytes, room)
	if o.err = out.ask(cap(out.b)); o.err == nil {
		o.err = decompress(&out, o.batch.Codec(), o.batch.Payload())
	}
	*o.buffer = out.b
	if o.err != nil {
		o.Close()
		return o.err
	}
	o.plain = out.b
	return nil
}

func (o *Opened) room(n int) error {
	err := o.options.Room(n)
	if err == nil {
		o.taken += n
	}
	return err
}

// Reserve asks for room for n bytes that are made of the records and live until Close.
func (o *Opened) Reserve(n int) error {
	if o.options.Room == nil {
		return nil
	}
	return o.room(n)
}

// Records starts a walk of the records. Nothing that it returns may be changed.
func (o *Opened) Records() (Iter, error) {
	if err := o.open(); err != nil {
		return Iter{}, err
	}
	it := Iter{rest: o.plain, count: int(o.batch.Count())}
	if !o.checked {
		o.check.start(o.batch, len(o.plain))
		o.walks++
		it.opened, it.walk = o, o.walks
	}
	return it, nil
}

// CheckRecords is [Batch.CheckRecords]; after a whole walk of Records it knows the
// answer already.
func (o *Opened) CheckRecords(dense bool, maxBytes int) (Summary, error) {
	if err := o.open(); err != nil {
		return Summary{}, err
	}
	if maxBytes > 0 && len(o.plain) > maxBytes && o.batch.Codec() != None {
		return Summary{}, tooLarge(maxBytes)
	}
	var ended error
	if !o.checked {
		it, err := o.Records()
		if err != nil {
			return Summary{}, err
		}
		for it.Next() {
		}
		ended = it.err
	}
	return o.check.result(dense, ended)
}

// Recompress is the batch with its records in another codec; offsets, timestamps and
// producer stay. level is as for [CompressLevel]. A result of more than maxBytes is
// ErrTooLarge; 0 means that there is no bound.
func (o *Opened) Recompress(codec Codec, level, maxBytes int) (Batch, error) {
	if err := o.open(); err != nil {
		return nil, err
	}
	size := HeaderBytes
	if codec == None {
		size += len(o.plain)
		if maxBytes > 0 && size > maxBytes {
			return nil, tooLarge(maxBytes)
		}
	}
	if err := o.Reserve(HeaderBytes + len(o.plain)); err != nil { // at most, whatever the codec
		return nil, err
	}
	out, err := CompressLevel(append(make([]byte, 0, size), o.batch[:HeaderBytes]...), codec, level, o.plain)
	if err != nil {
		return nil, err
	}
	if maxBytes > 0 && len(out) > maxBytes {
		return nil, tooLarge(maxBytes)
	}
	b := Batch(out)
	binary.BigEndian.PutUint32(b[posLength:], uint32(len(b)-posLeaderEpoch))
	binary.BigEndian.PutUint16(b[posAttributes:], o.batch.Attributes()&^attrCodecMask|uint16(codec))
	b.Reseal()
	return b, nil
}
