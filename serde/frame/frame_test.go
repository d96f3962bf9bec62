package frame

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPrefixBytes(t *testing.T) {
	for _, c := range []struct {
		id   schema.ID
		want string
	}{
		{1, "00 00000001"},
		{258, "00 00000102"},
		{math.MaxInt32, "00 7fffffff"},
	} {
		framed := append(AppendID([]byte("x"), c.id), "payload"...)
		if want := "x" + string(unhex(t, c.want)) + "payload"; string(framed) != want {
			t.Errorf("AppendID(%d) = %x, want %x", c.id, framed, want)
		}
		id, rest, err := Split(framed[1:])
		if err != nil || id != c.id || string(rest) != "payload" {
			t.Errorf("Split: %d, %q, %v", id, rest, err)
		}
	}
}

func TestSplitSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, in string
		reason   error
		says     string
	}{
		{"nothing", "", ErrShort, "0 bytes"},
		{"half an ID", "00 0000", ErrShort, "3 bytes"},
		{"JSON text", "7b 226122", ErrMagic, "found 7b"},
		{"GUID in a prefix", "01 00000001 00", ErrMagic, "found 01"},
		{"ID zero", "00 00000000 aa", ErrID, "found 0"},
		{"negative ID", "00 ffffffff aa", ErrID, "found -1"},
	} {
		_, _, err := Split(unhex(t, c.in))
		var typed *Error
		if !errors.As(err, &typed) || !errors.Is(err, c.reason) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v saying %q", c.name, err, c.reason, c.says)
		}
	}
}

func TestHeaderForms(t *testing.T) {
	guid, err := schema.ParseGUID("00112233-4455-6677-8899-aabbccddeeff")
	if err != nil {
		t.Fatal(err)
	}
	value := AppendGUID(nil, guid)
	if want := unhex(t, "01 00112233445566778899aabbccddeeff"); !bytes.Equal(value, want) {
		t.Fatalf("AppendGUID = %x, want %x", value, want)
	}
	ref, rest, err := SplitHeader(append(value, 0x02, 0x02))
	if err != nil || ref.GUID != guid || !ref.ByGUID() || !bytes.Equal(rest, []byte{2, 2}) {
		t.Errorf("SplitHeader(GUID) = %v, %x, %v", ref, rest, err)
	}
	ref, rest, err = SplitHeader(unhex(t, "00 00000007"))
	if err != nil || ref != (Ref{ID: 7}) || len(rest) != 0 {
		t.Errorf("SplitHeader(ID) = %v, %x, %v", ref, rest, err)
	}
	for in, reason := range map[string]error{
		"":                                    ErrShort,
		"01":                                  ErrShort,
		"01 00112233445566778899aabbccddee":   ErrShort,
		"00 000000":                           ErrShort,
		"00 00000000":                         ErrID,
		"02 00112233445566778899aabbccddeef0": ErrMagic,
	} {
		if _, _, err := SplitHeader(unhex(t, in)); !errors.Is(err, reason) {
			t.Errorf("SplitHeader(%s): %v, want %v", in, err, reason)
		}
	}
}

func TestHeaderNames(t *testing.T) {
	if HeaderName(true) != "__key_schema_id" || HeaderName(false) != "__value_schema_id" {
		t.Error("header names changed: other serializers would not find them")
	}
}

func TestIndexBytes(t *testing.T) {
	for _, c := range []struct {
		path []int
		want string
	}{
		{[]int{0}, "00"},
		{[]int{1}, "02 02"},
		{[]int{1, 0}, "04 02 00"},
		{[]int{0, 0}, "04 00 00"},
		{[]int{64}, "02 8001"},
		{[]int{math.MaxInt32}, "02 feffffff0f"},
	} {
		if got := AppendIndexes(nil, c.path); !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("AppendIndexes(%v) = %x, want %s", c.path, got, c.want)
		}
		path, rest, err := SplitIndexes(append(unhex(t, c.want), 0xaa), nil)
		if err != nil || !slices.Equal(path, c.path) || !bytes.Equal(rest, []byte{0xaa}) {
			t.Errorf("SplitIndexes(%s) = %v, %x, %v", c.want, path, rest, err)
		}
		encoded, rest, err := CutIndexes(append(unhex(t, c.want), 0xaa))
		if err != nil || !bytes.Equal(encoded, unhex(t, c.want)) || !bytes.Equal(rest, []byte{0xaa}) {
			t.Errorf("CutIndexes(%s) = %x, %x, %v", c.want, encoded, rest, err)
		}
	}
	if got := AppendIndexes(nil, nil); !bytes.Equal(got, []byte{0}) {
		t.Errorf("the empty path is %x, want 00", got)
	}
	// The long form of [0] is legal, if unusual.
	if path, _, err := SplitIndexes([]byte{2, 0}, nil); err != nil || !slices.Equal(path, []int{0}) {
		t.Errorf("02 00 = %v, %v", path, err)
	}
}

func TestIndexesAreBounded(t *testing.T) {
	for in, reason := range map[string]error{
		"":                  ErrShort,
		"80":                ErrShort,
		"04 02":             ErrShort,
		"01":                ErrIndexes, // count -1
		"02 01":             ErrIndexes, // index -1
		"8201":              ErrIndexes, // count 65
		"feffffff0f":        ErrIndexes, // count 2^31-1 in five bytes
		"02 ffffffff1f":     ErrIndexes, // 33 bits
		"02 ffffffffffff01": ErrIndexes,
	} {
		if _, _, err := SplitIndexes(unhex(t, in), nil); !errors.Is(err, reason) {
			t.Errorf("SplitIndexes(%s): %v, want %v", in, err, reason)
		}
		if _, _, err := CutIndexes(unhex(t, in)); !errors.Is(err, reason) {
			t.Errorf("CutIndexes(%s): %v, want %v", in, err, reason)
		}
	}
	deepest := make([]int, MaxIndexes)
	path, _, err := SplitIndexes(AppendIndexes(nil, deepest), nil)
	if err != nil || len(path) != MaxIndexes {
		t.Errorf("%d levels: %d, %v", MaxIndexes, len(path), err)
	}
}

// TestEveryPrefixIsRefused: of an ID, a GUID and message indexes alike.
func TestEveryPrefixIsRefused(t *testing.T) {
	id, guid, indexes := AppendID(nil, 1<<31-1), AppendGUID(nil, schema.GUID{1, 2, 3}), AppendIndexes(nil, []int{1, 300, 1<<31 - 1})
	for n := range id {
		if _, _, err := Split(id[:n]); err == nil {
			t.Errorf("%d bytes of an ID are taken", n)
		}
		if _, _, err := SplitHeader(id[:n]); err == nil {
			t.Errorf("%d bytes of an ID in a header are taken", n)
		}
	}
	for n := range guid {
		if _, _, err := SplitHeader(guid[:n]); err == nil {
			t.Errorf("%d bytes of a GUID are taken", n)
		}
	}
	for n := range indexes {
		if path, _, err := SplitIndexes(indexes[:n], nil); err == nil {
			t.Errorf("%d bytes of indexes are taken as %v", n, path)
		}
		if _, _, err := CutIndexes(indexes[:n]); err == nil {
			t.Errorf("%d bytes of indexes are cut", n)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	buf := make([]byte, 0, 64)
	indexes := make([]int, 0, 4)
	var guid schema.GUID
	guid[3] = 9
	allocs := testing.AllocsPerRun(100, func() {
		b := AppendIndexes(AppendID(buf, 7), []int{1, 0})
		_, rest, err := Split(b)
		if err != nil {
			t.Fatal(err)
		}
		if indexes, _, err = SplitIndexes(rest, indexes); err != nil {
			t.Fatal(err)
		}
		if _, _, err = SplitHeader(AppendGUID(buf, guid)); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a frame, want none", allocs)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 'x'})
	f.Add([]byte{1, 0, 0, 0, 1})
	f.Add(bytes.Repeat([]byte{1}, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, rest, err := Split(b); err == nil {
			if again := append(AppendID(nil, id), rest...); !bytes.Equal(again, b) {
				t.Fatalf("%x became %x", b, again)
			}
		}
		if ref, rest, err := SplitHeader(b); err == nil {
			again := append(AppendGUID(nil, ref.GUID), rest...)
			if !ref.ByGUID() {
				again = append(AppendID(nil, ref.ID), rest...)
			}
			if !bytes.Equal(again, b) {
				t.Fatalf("header %x became %x", b, again)
			}
		}
	})
}

func FuzzIndexes(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{4, 2, 0, 'x'})
	f.Add([]byte{2, 0x80, 0x80, 0x80, 0x80, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		path, rest, err := SplitIndexes(b, nil)
		encoded, cutRest, cutErr := CutIndexes(b)
		if (err == nil) != (cutErr == nil) {
			t.Fatalf("SplitIndexes: %v, CutIndexes: %v", err, cutErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(rest, cutRest) || len(encoded)+len(rest) != len(b) {
			t.Fatalf("rest %x, cut %x and %x of %x", rest, encoded, cutRest, b)
		}
		again, tail, err := SplitIndexes(AppendIndexes(nil, path), nil)
		if err != nil || len(tail) != 0 || !slices.Equal(path, again) {
			t.Fatalf("%v became %v, %x, %v", path, again, tail, err)
		}
	})
}

func ExampleSplit() {
	record := append(AppendID(nil, 7), "payload"...)
	id, payload, err := Split(record)
	fmt.Println(id, string(payload), err)

	_, _, err = Split([]byte(`{"not":"framed"}`))
	fmt.Println(err)
	// Output:
	// 7 payload <nil>
	// frame: schema ID at byte 0: wrong magic byte: found 7b, want 00: this was not written by a schema-aware serializer
}

func ExampleAppendIndexes() {
	// The first message nested in the second message of a file.
	fmt.Printf("% x", AppendIndexes(nil, []int{1, 0}))
	// Output: 04 02 00
}
