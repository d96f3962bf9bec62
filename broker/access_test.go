package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

func internalPartition(t *testing.T, b *Broker) *Partition {
	t.Helper()
	if err := b.EnsureInternalTopic("__dovetail_test", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	p, err := b.Partition("__dovetail_test", 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAppendRecordsIsAllOrNothingAtTheExpectedEnd(t *testing.T) {
	p := internalPartition(t, startBroker(t))
	end, err := p.AppendRecords(t.Context(), 0, Record{Key: []byte("a"), Value: []byte("1")}, Record{Key: []byte("b")})
	if err != nil || end != 2 {
		t.Fatalf("end %d, %v", end, err)
	}
	if _, err := p.AppendRecords(t.Context(), 1, Record{Key: []byte("c")}); !errors.Is(err, ErrMoved) {
		t.Fatalf("got %v, want ErrMoved", err)
	}
	at := time.UnixMilli(1234567890123)
	if end, err = p.AppendRecords(t.Context(), AnyEnd, Record{Key: []byte("c"), Value: []byte{}, Timestamp: at,
		Headers: []record.Header{{Key: []byte("h"), Value: []byte("v")}}}); err != nil || end != 3 {
		t.Fatalf("end %d, %v", end, err)
	}
	records, next, err := p.ReadRecords(t.Context(), 0, 100)
	if err != nil || next != 3 || len(records) != 3 {
		t.Fatalf("%d records, next %d, %v", len(records), next, err)
	}
	if records[1].Value != nil || records[2].Value == nil || !records[2].Timestamp.Equal(at) || len(records[2].Headers) != 1 || records[2].Offset != 2 {
		t.Errorf("%+v", records)
	}
}

func TestReadRecordsGoesOnWhereItStopped(t *testing.T) {
	p := internalPartition(t, startBroker(t))
	for i := range 10 {
		if _, err := p.AppendRecords(t.Context(), AnyEnd, Record{Key: fmt.Append(nil, i, "a")}, Record{Key: fmt.Append(nil, i, "b")}, Record{Key: fmt.Append(nil, i, "c")}); err != nil {
			t.Fatal(err)
		}
	}
	var at int64
	for want := int64(0); want < 30; {
		records, next, err := p.ReadRecords(t.Context(), at, 4)
		if err != nil || len(records) == 0 {
			t.Fatalf("at %d: %d records, %v", at, len(records), err)
		}
		for _, r := range records {
			if r.Offset != want {
				t.Fatalf("offset %d, want %d", r.Offset, want)
			}
			want++
		}
		at = next
	}
}

func TestWaitBeyondWakesWithTheRecordThatIsWaitedFor(t *testing.T) {
	p := internalPartition(t, startBroker(t))
	done := make(chan error, 1)
	go func() { done <- p.WaitBeyond(context.Background(), 1) }()
	for range 2 {
		select {
		case <-done:
			t.Fatal("woke too early")
		default:
		}
		if _, err := p.AppendRecords(t.Context(), AnyEnd, Record{Key: []byte("k")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.WaitBeyond(ctx, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestADamagedBatchIsNeverReadAsRecords(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, dataDir(dir))
	p := internalPartition(t, b)
	for _, v := range []string{"first", "second"} {
		if _, err := p.AppendRecords(t.Context(), AnyEnd, Record{Key: []byte(v), Value: []byte(v)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "__dovetail_test-0", "00000000000000000000.log")
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(stored, []byte("second"), []byte("secant"), 1)
	if bytes.Equal(stored, damaged) {
		t.Fatal("the value is not in the file as it is")
	}
	if err := os.WriteFile(file, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	// After a clean stop the log is not read as a whole at the start.
	p = internalPartition(t, startBroker(t, dataDir(dir)))
	records, next, err := p.ReadRecords(t.Context(), 0, 100)
	if !errors.Is(err, record.ErrCRC) || len(records) != 1 || next != 1 {
		t.Errorf("%d records, next %d, error %v: want the first and a checksum error", len(records), next, err)
	}
}
