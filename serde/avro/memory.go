package avro

import (
	"encoding"
	"encoding/binary"
	"math/big"
	"reflect"
	"time"
	"unsafe"
)

// Unsafe code is in this file and in those that run programs (run_*.go);
// elsewhere pointers are only passed on. Why it is sound:
//
//   - A program is compiled for one reflect.Type and only ever run on a pointer
//     to a value of that type: the typed handles have it as *T, the functions
//     take it from an interface whose type was the key of the program, and a
//     sub-program gets it from a field, item or new value of its own type.
//   - Offsets are reflect's, so base+offset stays inside that value.
//   - A value of type U is read through *V only where both have one underlying
//     type (checked by kind while compiling), so size, alignment and pointer
//     layout agree and the garbage collector sees every store as what it is.
//   - New memory comes from new, reflect.New, reflect.Value.Grow or make with
//     the real type; nothing is laid over bytes of the payload. The one exception
//     are strings and byte slices of a block (run_decode_text.go): their bytes
//     hold no pointers, overlap with nothing else that may be written, and are
//     not written again by the decoder.
//   - A pointer is moved only to a place inside its value or buffer, never behind
//     its end: programs end with a step of their own, and empty texts point
//     nowhere.
//
// checkptr (on under -race) verifies the arithmetic in the tests.

// eface is the layout of an empty interface.
type eface struct {
	typ  unsafe.Pointer
	data unsafe.Pointer
}

// slice is the layout of any slice.
type slice struct {
	data unsafe.Pointer
	len  int
	cap  int
}

// typeWord returns the pointer that stands for t in an interface value.
func typeWord(t reflect.Type) unsafe.Pointer { return (*eface)(unsafe.Pointer(&t)).data }

// valuePointer returns a pointer to the value in *v, whose type is t. It must
// not be written through.
func valuePointer(v *any, t reflect.Type) unsafe.Pointer {
	e := (*eface)(unsafe.Pointer(v))
	if pointerShaped(t) {
		return unsafe.Pointer(&e.data)
	}
	return e.data
}

// pointerShaped tells whether an interface holds a value of t itself instead
// of a pointer to it.
func pointerShaped(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return true
	case reflect.Struct:
		return t.NumField() == 1 && pointerShaped(t.Field(0).Type)
	case reflect.Array:
		return t.Len() == 1 && pointerShaped(t.Elem())
	}
	return false
}

// stringOf lets a string point to b, which must never change.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// load64 returns the eight bytes at pos, which must be there, the first one
// lowest.
func load64(buf []byte, pos int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(buf)), pos))[:])
}

// store64 and store32 write at pos, where there must be room.
func store64(buf []byte, pos int, v uint64) {
	binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(buf)), pos))[:], v)
}

func store32(buf []byte, pos int, v uint32) {
	binary.LittleEndian.PutUint32((*[4]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(buf)), pos))[:], v)
}

// move8 and move4 copy that many bytes to where nothing lies of from.
func move8(to, from unsafe.Pointer) {
	binary.LittleEndian.PutUint64((*[8]byte)(to)[:], binary.LittleEndian.Uint64((*[8]byte)(from)[:]))
}

func move4(to, from unsafe.Pointer) {
	binary.LittleEndian.PutUint32((*[4]byte)(to)[:], binary.LittleEndian.Uint32((*[4]byte)(from)[:]))
}

// sliceAt returns the slice at p, addressable, by the type word of a pointer to
// its type.
func sliceAt(pointer, p unsafe.Pointer) reflect.Value {
	var v any
	*(*eface)(unsafe.Pointer(&v)) = eface{pointer, p}
	return reflect.ValueOf(v).Elem()
}

// valueAt returns the value of type t at p, addressable.
func valueAt(t reflect.Type, p unsafe.Pointer) reflect.Value { return reflect.NewAt(t, p).Elem() }

var (
	anyType         = reflect.TypeFor[any]()
	timeType        = reflect.TypeFor[time.Time]()
	clockType       = reflect.TypeFor[time.Duration]()
	ratType         = reflect.TypeFor[big.Rat]()
	ratPointerType  = reflect.TypeFor[*big.Rat]()
	durationType    = reflect.TypeFor[LogicalDuration]()
	genericMapType  = reflect.TypeFor[map[string]any]()
	genericListType = reflect.TypeFor[[]any]()
	marshalerType   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// familyOfGo tells which logical types a struct or named type stands for,
// under its own name or another with the same underlying type.
func familyOfGo(t reflect.Type) family {
	switch {
	case t == timeType || sameStruct(t, timeType):
		return timeFamily
	case t == clockType:
		return clockFamily
	case t == ratType || sameStruct(t, ratType):
		return decimalFamily
	case t == durationType || sameStruct(t, durationType):
		return durationFamily
	}
	return plainFamily
}

func sameStruct(t, known reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.ConvertibleTo(known)
}
