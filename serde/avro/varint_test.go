package avro

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// TestVarintsAgreeWithEncodingBinary tries every length at every distance from
// the end of the data.
func TestVarintsAgreeWithEncodingBinary(t *testing.T) {
	values := []int64{0, 1, -1, 63, 64, -64, -65, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64}
	for range 2000 {
		values = append(values, int64(rand.Uint64())>>rand.IntN(64))
	}
	for _, v := range values {
		want := binary.AppendVarint(nil, v)
		for _, room := range []int{0, 1, 5, 20} {
			if got := appendLong(make([]byte, 0, room), v); string(got) != string(want) {
				t.Fatalf("%d with room for %d: %x, want %x", v, room, got, want)
			}
		}
		if got := appendLongs(nil, []int64{v, v}); string(got) != string(want)+string(want) {
			t.Fatalf("%d: %x", v, got)
		}
		for _, behind := range []int{0, 1, 7, 8, 12} {
			buf := append(append([]byte{0xff}, want...), make([]byte, behind)...)
			got, pos := readLong(buf, 1)
			if got != v || pos != 1+len(want) {
				t.Fatalf("%d with %d behind: %d at %d", v, behind, got, pos)
			}
			narrow, pos := readInt(buf, 1)
			if v == int64(int32(v)) {
				if narrow != v || pos != 1+len(want) {
					t.Fatalf("%d as int: %d at %d", v, narrow, pos)
				}
			} else if pos != posOverflow {
				t.Fatalf("%d as int: %d at %d", v, narrow, pos)
			}
		}
		for cut := range want {
			if _, pos := readLong(want[:cut], 0); pos != posShort {
				t.Fatalf("%x: %d", want[:cut], pos)
			}
		}
	}
}
