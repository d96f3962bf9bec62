package protobuf

import (
	"fmt"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/serde/frame"
)

// maxDepth bounds messages inside messages in payloads, as the decoders of most
// languages do.
const maxDepth = 100

// Dynamic reads payloads of messages that are known only at run time. It is
// compiled once per descriptor.
//
// hyperpb v0.1.3 reads past the end of a payload whose lengths lie, which can
// end the process, so it is shown only what a Walker found whole. All else goes
// to dynamicpb: it accepts or refuses by the rules of the language, slowly.
type Dynamic struct {
	message protoreflect.MessageDescriptor
	walker  *Walker
	fast    fastType // nil where hyperpb does not run
}

// NewDynamic compiles a reader of m. It takes in the order of a millisecond for
// a large schema.
func NewDynamic(m protoreflect.MessageDescriptor) *Dynamic {
	return &Dynamic{message: m, walker: NewWalker(m), fast: compileFast(m)}
}

// Descriptor returns the descriptor that d was made of.
func (d *Dynamic) Descriptor() protoreflect.MessageDescriptor { return d.message }

// Decode reads one payload. The message is read-only and keeps nothing of b.
func (d *Dynamic) Decode(b []byte) (proto.Message, error) {
	if d.fast != nil && d.walker.Walk(b) == nil {
		// hyperpb also refuses some payloads that are whole, such as unknown
		// fields with a tag of four bytes.
		if m, err := d.fast.decode(b); err == nil {
			return m, nil
		}
	}
	return d.decodePortable(b)
}

// decodePortable reads with dynamicpb, which can do everything, everywhere.
func (d *Dynamic) decodePortable(b []byte) (proto.Message, error) {
	m := dynamicpb.NewMessage(d.message)
	if err := (proto.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(b, m); err != nil {
		return nil, err
	}
	return m, nil
}

// fastType is a message type that the decoder of this architecture compiled.
type fastType interface {
	decode(b []byte) (proto.Message, error)
}

// byIndexes finds what belongs to the message indexes of a record, and makes it
// the first time. The newest is found without hashing.
type byIndexes[V any] struct {
	file protoreflect.FileDescriptor
	make func(protoreflect.MessageDescriptor) (V, error)

	last  atomic.Pointer[indexed[V]]
	known sync.Map // encoded indexes as string → *indexed[V]; at most one per message and spelling
}

type indexed[V any] struct {
	indexes string
	value   V
}

// get returns the value for encoded indexes; nil stands for the first message.
func (c *byIndexes[V]) get(indexes []byte) (V, error) {
	if e := c.last.Load(); e != nil && e.indexes == string(indexes) {
		return e.value, nil
	}
	if got, ok := c.known.Load(string(indexes)); ok {
		e := got.(*indexed[V])
		c.last.Store(e)
		return e.value, nil
	}
	return c.resolve(indexes)
}

func (c *byIndexes[V]) resolve(indexes []byte) (V, error) {
	var zero V
	m, err := messageOf(c.file, indexes)
	if err != nil {
		return zero, err
	}
	// Padded varints spell one path in many ways; only the shortest is kept.
	canonical := frame.AppendIndexes(nil, IndexesOf(m))
	if got, ok := c.known.Load(string(canonical)); ok {
		return got.(*indexed[V]).value, nil
	}
	value, err := c.make(m)
	if err != nil {
		return zero, err
	}
	e := &indexed[V]{indexes: string(canonical), value: value}
	got, _ := c.known.LoadOrStore(e.indexes, e)
	return got.(*indexed[V]).value, nil
}

// messageOf resolves encoded message indexes.
func messageOf(file protoreflect.FileDescriptor, indexes []byte) (protoreflect.MessageDescriptor, error) {
	var path []int
	if len(indexes) > 0 {
		var rest []byte
		var err error
		if path, rest, err = frame.SplitIndexes(indexes, nil); err != nil {
			return nil, err
		}
		if len(rest) > 0 {
			return nil, fmt.Errorf("message indexes: %d bytes too many", len(rest))
		}
	}
	return MessageAt(file, path)
}
