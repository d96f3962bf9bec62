package share

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func examples() []stored {
	k := Key{Group: "g", Topic: [16]byte{1, 2, 3}, Partition: 7}
	batches := []run{{first: 10, last: 12, state: Available, count: 2}, {first: 13, last: 13, state: Acknowledged, count: 1}, {first: 20, last: 29, state: Archived, count: 5}}
	return []stored{
		{of: k},
		{of: k, set: &delivery{snapshotEpoch: 3, stateEpoch: 1, start: 10, finished: 11, created: 100, written: 200, batches: batches}},
		{of: k, set: &delivery{start: 0, finished: -1}},
		{of: k, update: true, set: &delivery{snapshotEpoch: 3, start: -1, finished: 2, batches: batches[1:]}},
		{of: k, update: true, set: &delivery{snapshotEpoch: 3, start: 14, finished: 0}},
	}
}

// The bytes of Kafka's layouts: a key is its kind, group, topic ID and
// partition; a value is a version and the fields, in flexible encoding.
func TestRecordsHaveKafkasLayout(t *testing.T) {
	want := [][2]string{
		{"0000" + "000167" + "01020300000000000000000000000000" + "00000007", ""},
		{"0000" + "000167" + "01020300000000000000000000000000" + "00000007",
			"0000" + "00000003" + "00000001" + "00000000" + "000000000000000a" + "0000000000000064" + "00000000000000c8" + "04" +
				"000000000000000a" + "000000000000000c" + "00" + "0002" + "00" +
				"000000000000000d" + "000000000000000d" + "02" + "0001" + "00" +
				"0000000000000014" + "000000000000001d" + "04" + "0005" + "00" +
				"01" + "00" + "04" + "0000000b"},
		{"0000" + "000167" + "01020300000000000000000000000000" + "00000007",
			"0000" + "00000000" + "00000000" + "00000000" + "0000000000000000" + "0000000000000000" + "0000000000000000" + "01" + "00"},
		{"0001" + "000167" + "01020300000000000000000000000000" + "00000007",
			"0000" + "00000003" + "00000000" + "ffffffffffffffff" + "03" +
				"000000000000000d" + "000000000000000d" + "02" + "0001" + "00" +
				"0000000000000014" + "000000000000001d" + "04" + "0005" + "00" +
				"01" + "00" + "04" + "00000002"},
		{"0001" + "000167" + "01020300000000000000000000000000" + "00000007",
			"0000" + "00000003" + "00000000" + "000000000000000e" + "01" + "01" + "00" + "04" + "00000000"},
	}
	for i, s := range examples() {
		if got := [2]string{hex.EncodeToString(s.key()), hex.EncodeToString(s.value())}; got != want[i] {
			t.Errorf("record %d is\n%s, want\n%s", i, got, want[i])
		}
	}
}

// FuzzRecord reads arbitrary keys and values. What can be read must be written
// as something that reads the same, and applying it leaves a window in form.
func FuzzRecord(f *testing.F) {
	for _, s := range examples() {
		f.Add(s.key(), s.value())
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(value) == 0 {
			value = nil
		}
		s, err := decodeRecord(key, value)
		if err != nil || s == nil {
			return
		}
		again, err := decodeRecord(s.key(), s.value())
		if err != nil {
			t.Fatalf("%+v was read, and cannot be read back: %v", s, err)
		}
		if !bytes.Equal(again.value(), s.value()) || !bytes.Equal(again.key(), s.key()) {
			t.Fatalf("%+v becomes %+v", s, again)
		}
		c := New(Options{}, nil)
		c.Open(atStart, s.of, 5)
		c.apply(s)
		c.apply(again)
		if p := c.parts[s.of]; p != nil {
			at := p.start
			for _, r := range p.runs {
				if r.first != at || r.last < r.first {
					t.Fatalf("%+v leaves %+v", s, p.window)
				}
				at = r.last + 1
			}
			if s.set != nil && len(p.runs) > 2*len(s.set.batches)+1 {
				t.Fatalf("%d batches make %d runs", len(s.set.batches), len(p.runs))
			}
		}
	})
}
