package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// list is records as a Source and a Sink.
type list struct {
	records []Record
	at      int
	failAt  int // Append fails at this many records; 0 never
}

func (l *list) Next(context.Context) (Record, error) {
	if l.at == len(l.records) {
		return Record{}, io.EOF
	}
	l.at++
	return l.records[l.at-1], nil
}

func (l *list) Done() float64 { return float64(l.at) / float64(max(1, len(l.records))) }
func (l *list) Place() string { return fmt.Sprintf("record %d", l.at) }
func (l *list) Append(_ context.Context, r Record) error {
	if l.failAt > 0 && len(l.records) == l.failAt {
		return errors.New("cut off")
	}
	l.records = append(l.records, r)
	return nil
}
func (l *list) Flush(context.Context) error { return nil }

func schemaRecord(subject string, version, id int, text string) Record {
	return Record{Offset: -1,
		Key:   fmt.Appendf(nil, `{"keytype":"SCHEMA","subject":%q,"version":%d,"magic":1}`, subject, version),
		Value: fmt.Appendf(nil, `{"subject":%q,"version":%d,"id":%d,"schema":%q,"deleted":false}`, subject, version, id, text)}
}

// history is a topic with deletes, a tombstone, a level and a record twice.
func history() []Record {
	level := Record{Offset: -1, Key: []byte(`{"keytype":"CONFIG","subject":"a","magic":0}`), Value: []byte(`{"subject":"a","compatibilityLevel":"FULL"}`)}
	return []Record{
		{Offset: -1, Key: []byte(`{"keytype":"NOOP","magic":0}`), Value: nil},
		schemaRecord("a", 1, 1, `"int"`),
		level,
		schemaRecord("b", 1, 1, `"int"`),
		{Offset: -1, Key: level.Key},
		level,
		schemaRecord("a", 2, 7, `"long"`),
		{Offset: -1, Key: schemaRecord("b", 1, 1, "").Key},
	}
}

func TestImportGoesOnAfterAnyInterruption(t *testing.T) {
	ctx := context.Background()
	want := history()[1:]
	for n := 1; n <= len(want); n++ {
		target := &list{failAt: n}
		if _, err := Import(ctx, &list{records: history()}, &list{}, target, Options{}); (err == nil) != (n == len(want)) {
			t.Fatalf("cut off after %d: %v", n, err)
		}
		target.failAt = 0
		c, err := Import(ctx, &list{records: history()}, &list{records: target.records}, target, Options{})
		if err != nil || !reflect.DeepEqual(target.records, want) {
			t.Fatalf("cut off after %d: %v\n%s", n, err, show(target.records))
		}
		if c.Present != n || c.Written != len(want)-n || c.Schemas != 3 || c.NoEffect != 1 {
			t.Fatalf("cut off after %d: %+v", n, c)
		}
	}
}

// TestImportGoesOnAfterCompaction has only the last record of a key in the
// target. What follows may be written again; the last of each key is right.
func TestImportGoesOnAfterCompaction(t *testing.T) {
	ctx := context.Background()
	all := history()[1:]
	for n := range len(all) + 1 {
		target := &list{records: compacted(all[:n])}
		if _, err := Import(ctx, &list{records: history()}, &list{records: target.records}, target, Options{}); err != nil {
			t.Fatalf("after %d: %v", n, err)
		}
		if got, want := compacted(target.records), compacted(all); !reflect.DeepEqual(got, want) {
			t.Fatalf("after %d:\n%s\nwant\n%s", n, show(got), show(want))
		}
	}
}

func compacted(records []Record) (out []Record) {
	last := map[string]int{}
	for i, r := range records {
		last[string(r.Key)] = i
	}
	for i, r := range records {
		if last[string(r.Key)] == i {
			out = append(out, r)
		}
	}
	return out
}

func show(records []Record) string {
	var out []byte
	for _, r := range records {
		out, _ = AppendLine(out, r)
	}
	return string(out)
}

func TestImportRefusesAnotherRegistrysTarget(t *testing.T) {
	target := &list{records: []Record{schemaRecord("z", 1, 1, `"string"`)}}
	_, err := Import(context.Background(), &list{records: history()}, &list{records: target.records}, target, Options{})
	if !errors.Is(err, ErrOtherRecords) || len(target.records) != 1 {
		t.Fatalf("%v, %d records", err, len(target.records))
	}
}

func TestImportStopsAtWhatItCannotRead(t *testing.T) {
	records := append(history(), Record{Key: []byte("not JSON"), Value: []byte("{}")}, schemaRecord("c", 1, 9, `"string"`))
	_, err := Import(context.Background(), &list{records: records}, &list{}, &list{}, Options{})
	if err == nil || !strings.Contains(err.Error(), "record 9") {
		t.Fatalf("%v", err)
	}
	target := &list{}
	c, err := Import(context.Background(), &list{records: records}, &list{}, target, Options{SkipUnknown: true})
	if err != nil || c.Unknown != 1 || len(target.records) != len(records)-2 {
		t.Fatalf("%v %+v", err, c)
	}
}

func TestLinesKeepEveryByte(t *testing.T) {
	records := []Record{
		{Offset: 3, Timestamp: 1700000000000, Key: []byte(`{"keytype": "NOOP" ,"magic":0}`), Value: []byte(`{ "a" : "<&>\u00e4ä" }`)},
		{Offset: 4, Key: []byte("{\n}"), Value: []byte{}},
		{Offset: -1, Key: []byte("plain\u2028 \"text\"\x01"), Value: nil},
		{Offset: 9, Key: []byte("{}"), Value: []byte("null")},
		{Offset: 10, Key: []byte("{} "), Value: []byte(`"x"`)},
	}
	var file bytes.Buffer
	sink := NewFile(&file)
	for _, r := range records {
		if err := sink.Append(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	sink.Flush(context.Background())
	if n := strings.Count(file.String(), "\n"); n != len(records) {
		t.Fatalf("%d lines", n)
	}
	in := NewLines("f", &file, int64(file.Len()))
	for _, want := range records {
		got, err := in.Next(context.Background())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, want %+v, %v", got, want, err)
		}
	}
	if _, err := in.Next(context.Background()); err != io.EOF || in.Done() != 1 {
		t.Fatalf("%v, %v", err, in.Done())
	}
	if err := sink.Append(context.Background(), Record{Key: []byte{0xff}}); err == nil {
		t.Fatal("a key that is not text was written")
	}
}

func TestBadLinesSayWhere(t *testing.T) {
	const good = `{"key":{},"value":null}` + "\n\n"
	for text, want := range map[string]string{
		good + "{\n":                   "f:3: ",
		good + `{"key":{}}` + "\n":     "f:3: want",
		good + `{"key":7,"value":{}}`:  "want an object",
		`{"key":null,"value":{}}`:      "f:1: ",
		good + `{"key":{},"value":{"a`: "f:3: the file ends within a line",
		`{"key":{},"value":[1]}`:       "want an object",
	} {
		in := NewLines("f", strings.NewReader(text), 0)
		var err error
		for err == nil {
			_, err = in.Next(context.Background())
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestExportGoesOnBehindTheLastWholeLine(t *testing.T) {
	var file []byte
	for i := range 3 {
		file, _ = AppendLine(file, Record{Offset: int64(10 * i), Key: []byte("{}")})
	}
	whole := len(file)
	for _, tail := range []string{"", "{", `{"key":{},"value":null,"offset":30}`} {
		bytesWhole, records, from, err := Resume(context.Background(), "f", strings.NewReader(string(file)+tail))
		if err != nil || bytesWhole != int64(whole) || records != 3 || from != 21 {
			t.Fatalf("%q: %d bytes, %d records, from %d, %v", tail, bytesWhole, records, from, err)
		}
	}
	for _, other := range []string{"something else\n", `{"key":{},"value":null}` + "\n", string(file) + string(file)} {
		if _, _, _, err := Resume(context.Background(), "f", strings.NewReader(other)); err == nil {
			t.Errorf("%q was taken for an export", other)
		}
	}
}

func TestBarDrawsTenTimesASecond(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	bar := &Bar{Out: &out, Now: func() time.Time { return now }}
	for i := range 100 {
		now = now.Add(10 * time.Millisecond)
		bar.Draw(float64(i)/100, Counts{Written: i})
	}
	bar.End(1, Counts{Written: 100})
	if n := strings.Count(out.String(), "\r"); n != 11 || !strings.HasSuffix(out.String(), "100%  100 records, 101/s \n") {
		t.Fatalf("%d times: %q", n, out.String())
	}
}

// FuzzParseLine reads anything; what it takes comes back the same.
func FuzzParseLine(f *testing.F) {
	for _, r := range history() {
		line, _ := AppendLine(nil, r)
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseLine(line)
		if err != nil {
			return
		}
		again, err := AppendLine(nil, r)
		if err != nil {
			return // not text
		}
		back, err := ParseLine(again)
		if err != nil || !bytes.Equal(back.Key, r.Key) || !bytes.Equal(back.Value, r.Value) || (back.Value == nil) != (r.Value == nil) {
			t.Fatalf("%q gives %+v, then %+v, %v", line, r, back, err)
		}
	})
}
