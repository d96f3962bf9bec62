package avro

import (
	"crypto/sha256"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Methods is what "dovetail gen go" writes for each record beside its struct:
// the steps of a program as Go code, in which the compiler has put the offsets
// and types that a program finds by reflection. Bounds, errors and paths are a
// program's. Call AppendAvro and DecodeAvro of such a record, or give a Codec
// WithMethods: it then calls them where the data is that of the schema they were
// written for, and runs a program where it is not.
//
// Without that option codecs run programs for generated types too, since those
// are faster. Of the records of avrobench, the time of methods as a multiple of a
// program's (BenchmarkGenerated of the generator; the median of eight rounds on
// one core of a machine with little else to do, each of which ran both, one after
// the other):
//
//	                 small   order   batch
//	append           1.69    1.09    1.04
//	decode           1.29    1.06    1.19
//	decode, arena    1.56    1.09    1.18
//
// Neither allocates to append, and both allocate the same to decode.
//
// Methods need no compiling when a type is first met, and what they do can be
// read and stepped through.
//
// Fields of type any, which hold unions of more than one type beside null, are
// left to the engine: what they hold is known only when it is met.
type Methods interface {
	// AvroEncode appends the value to dst. After a fault, which e keeps, what
	// it returns is of no use.
	AvroEncode(e *Encoding, dst []byte) []byte
	// AvroDecode reads the value at pos and returns the position behind it,
	// negative after a fault, which d keeps.
	AvroDecode(d *Decoding, pos int) int
	// AvroType returns the schema that the methods were written for.
	AvroType() *GeneratedType
}

var methodsType = reflect.TypeFor[Methods]()

// Generated is a schema that code was generated for. It belongs to that code,
// which makes it when the program starts.
type Generated struct {
	eng   *engine
	types []GeneratedType
}

// GeneratedType is a type of such a schema.
type GeneratedType struct {
	owner       *Generated
	plan        *plan
	texts       atomic.Int32 // as in decProg
	fingerprint func() [sha256.Size]byte
}

// NewGenerated compiles a schema for generated code. It panics if that cannot
// be done, which the generator has made sure of. register names the types of
// union branches and may be nil.
func NewGenerated(text string, register func(*Types)) *Generated {
	s, err := avro.Parse(compat.Source{Type: schema.Avro, Text: text})
	if err != nil {
		panic("avro: " + err.Error())
	}
	g, err := newGenerated(s)
	if err != nil {
		panic(err.Error())
	}
	if register != nil {
		g.eng.types = &Types{}
		register(g.eng.types)
	}
	return g
}

// CanGenerate tells whether there can be methods for a schema: it returns the
// error that a Codec would.
func CanGenerate(s *Schema) error {
	_, err := newGenerated(s)
	return err
}

func newGenerated(s *Schema) (*Generated, error) {
	g := &Generated{eng: &engine{}}
	root := g.eng.plan(s.Root(), s.Root())
	if root.err != nil {
		return nil, root.err
	}
	plans := map[*avro.Node]*plan{}
	if err := visit(root.plan, func(p *plan) error {
		if p.w == p.r {
			plans[p.w] = p
		}
		return nil
	}); err != nil {
		return nil, err
	}
	order := TypeOrder(s.Root())
	g.types = make([]GeneratedType, len(order))
	for i, n := range order {
		t := &g.types[i]
		t.owner, t.plan = g, plans[n]
		t.fingerprint = sync.OnceValue(func() [sha256.Size]byte { return TypeFingerprint(n) })
	}
	return g, nil
}

// T returns the type with a number, its place in TypeOrder.
func (g *Generated) T(i int) *GeneratedType { return &g.types[i] }

// TypeOrder lists the types of n, each before those inside it and a named one
// where it comes first. Generated code calls types by their place in it.
func TypeOrder(n *avro.Node) []*avro.Node {
	var order []*avro.Node
	seen := map[string]bool{}
	var walk func(n *avro.Node)
	walk = func(n *avro.Node) {
		if named(n) {
			if seen[n.FullName()] {
				return
			}
			seen[n.FullName()] = true
		}
		order = append(order, n)
		for _, f := range n.Fields {
			walk(f.Type)
		}
		for _, b := range n.Branches {
			walk(b)
		}
		if n.Items != nil {
			walk(n.Items)
		}
	}
	walk(n)
	return order
}

// TypeFingerprint is the SHA-256 of what decides how Go values and bytes of n
// belong together: what the Parsing Canonical Form keeps, and logical types.
func TypeFingerprint(n *avro.Node) [sha256.Size]byte {
	return sha256.Sum256(appendIdentity(nil, n, map[string]bool{}))
}

func appendIdentity(dst []byte, n *avro.Node, seen map[string]bool) []byte {
	dst = append(dst, byte(n.Kind))
	if named(n) {
		dst = appendString(dst, n.FullName())
		if seen[n.FullName()] {
			return dst
		}
		seen[n.FullName()] = true
	}
	dst = appendString(dst, string(n.Logical))
	for _, v := range []int{n.Precision, n.Scale, n.Size, len(n.Fields), len(n.Symbols), len(n.Branches)} {
		dst = appendLong(dst, int64(v))
	}
	for _, f := range n.Fields {
		dst = appendIdentity(appendString(dst, f.Name), f.Type, seen)
	}
	for _, s := range n.Symbols {
		dst = appendString(dst, s)
	}
	for _, b := range n.Branches {
		dst = appendIdentity(dst, b, seen)
	}
	if n.Items != nil {
		dst = appendIdentity(dst, n.Items, seen)
	}
	return dst
}

// methods returns the methods of typ, on no value, if they are wanted and those
// of data of w that is read as r; else nil.
func (g *engine) methods(w, r *avro.Node, typ reflect.Type) Methods {
	if !g.methodsWanted || len(g.logical) > 0 || r.Kind != avro.Record || !reflect.PointerTo(typ).Implements(methodsType) {
		return nil
	}
	m := reflect.New(typ).Interface().(Methods)
	t := m.AvroType()
	if t == nil || t.fingerprint() != TypeFingerprint(r) || w != r && t.fingerprint() != TypeFingerprint(w) {
		return nil
	}
	return m
}

// on returns m for the value at base, of the type that m was made for.
func on(m Methods, base unsafe.Pointer) Methods {
	(*eface)(unsafe.Pointer(&m)).data = base // an interface with methods has its value where any has it
	return m
}

var (
	encodings = sync.Pool{New: func() any { return new(Encoding) }}
	decodings = sync.Pool{New: func() any { return new(Decoding) }}
)

// Encoding is one run of AvroEncode. After a fault its methods may still be
// called; the first fault stays.
type Encoding struct{ encoder }

// Encoding begins a run.
func (t *GeneratedType) Encoding() *Encoding { return beginEncoding(t.owner.eng) }

func beginEncoding(g *engine) *Encoding {
	e := encodings.Get().(*Encoding)
	e.eng = g
	return e
}

// Done ends a run: it returns out, or dst and the fault. e must not be used
// after it.
func (e *Encoding) Done(dst, out []byte) ([]byte, error) {
	var err error
	if e.err != nil {
		out, err = dst, e.fault()
	}
	e.encoder = encoder{}
	encodings.Put(e)
	return out, err
}

// Decoding is one run of AvroDecode.
type Decoding struct{ decoder }

// Decoding begins a run.
func (t *GeneratedType) Decoding(src []byte) *Decoding {
	d := decodings.Get().(*Decoding)
	d.start(t.owner.eng, src, int(t.texts.Load()))
	return d
}

// Done ends a run that got to pos: it returns what is behind, or the fault. d
// must not be used after it.
func (d *Decoding) Done(t *GeneratedType, src []byte, pos int) (rest []byte, err error) {
	if pos < 0 {
		err = d.fault()
	} else {
		rest = src[pos:]
		if now, changed := grown(int(t.texts.Load()), d.texts.taken); changed {
			t.texts.Store(now)
		}
	}
	d.decoder = decoder{}
	decodings.Put(d)
	return rest, err
}

// NilValue is the error of encoding from a nil pointer.
func (t *GeneratedType) NilValue() error {
	return &ValueError{Expected: describe(t.plan.w), Found: "nil"}
}

// NilTarget is the error of decoding into one.
func (t *GeneratedType) NilTarget() error { return errNilTarget }

// Enter opens a record that can hold itself; false if it is in too deep.
func (e *Encoding) Enter() bool {
	if e.depth++; e.depth > maxDepth {
		e.failAs("", "at most "+strconv.Itoa(maxDepth)+" levels of a recursive type", "more (a cycle?)")
		return false
	}
	return true
}

// Leave closes it.
func (e *Encoding) Leave() { e.depth-- }

// Failed tells whether there was a fault.
func (e *Encoding) Failed() bool { return e.err != nil }

// At notes that the fault is in a field, and returns dst.
func (e *Encoding) At(dst []byte, field string) []byte {
	e.trail.field(field)
	return dst
}

// Enter opens a record that can hold itself; false if it is in too deep.
func (d *Decoding) Enter(pos int) bool { return d.enter(pos) }

// Leave closes it.
func (d *Decoding) Leave() { d.depth-- }

// At notes that the fault is in a field, and returns a negative position.
func (d *Decoding) At(field string) int {
	d.trail.field(field)
	return -1
}
