package broker

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// gauges are the values of a metric by its only label.
func gauges(t *testing.T, registry *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			label := ""
			if len(m.Label) > 0 {
				label = m.Label[0].GetValue()
			}
			out[label] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}

func TestDamageIsAFaultThatNamesItsRemedy(t *testing.T) {
	dir := damagedDataDir(t, false)
	log := filepath.Join(dir, "a-0", "00000000000000000000.log")
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/3] ^= 0x10
	if err := os.WriteFile(log, content, 0o644); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	b := startBroker(t, func(o *Options) {
		o.DataDir, o.Metrics, o.Authorize, o.SuperUsers = dir, registry, true, []string{"User:ANONYMOUS"}
	})
	faults := b.Faults(Viewer{})
	if len(faults) != 1 || faults[0].Kind != FaultDamaged || faults[0].Topic != "a" || faults[0].Partition != 0 || !strings.Contains(faults[0].Remedy, "dovetail log repair") {
		t.Fatalf("%+v", faults)
	}
	if got := gauges(t, registry, "dovetail_broker_faults"); got["log-damaged"] != 1 || got["disk-full"] != 0 || len(got) != len(faultKinds) {
		t.Errorf("%v", got)
	}
	if got := gauges(t, registry, "dovetail_broker_disk_size_bytes"); got[""] <= 0 {
		t.Errorf("disk %v", got)
	}
	if got := b.Faults(Viewer{Principal: "User:ann"}); len(got) != 0 {
		t.Errorf("who may see nothing sees %+v", got)
	}
	if err := b.deleteTopic("a"); err != nil {
		t.Fatal(err)
	}
	if faults := b.Faults(Viewer{}); len(faults) != 0 {
		t.Errorf("of a topic that is gone: %+v", faults)
	}
}

// TestAFullDiskIsOneFaultAndFewLines: many refused writes are one line, and the fault is
// over with the first write that has room.
func TestAFullDiskIsOneFaultAndFewLines(t *testing.T) {
	disk := &vfs.Faulty{FS: vfs.OS}
	logged := &lockedBuffer{}
	registry := prometheus.NewRegistry()
	now := time.Now()
	b := startBroker(t, func(o *Options) {
		o.fs, o.Metrics = disk, registry
		o.Now = func() time.Time { return now } // so that no pause between two lines is over
		o.Logger = slog.New(slog.NewTextHandler(logged, nil))
	})
	createTopic(t, b, "t", 1, nil)
	c := dialRaw(t, b)
	disk.Arm(vfs.OpWrite, 1, true, syscall.ENOSPC)
	for range 50 {
		if out := produceOne(c, "t", "v"); out.ErrorCode != kerr.KafkaStorageError.Code {
			t.Fatalf("%+v", out)
		}
	}
	faults := b.Faults(Viewer{})
	if len(faults) != 1 || faults[0].Kind != FaultDisk || !strings.Contains(faults[0].What, syscall.ENOSPC.Error()) || faults[0].Since.IsZero() {
		t.Fatalf("%+v", faults)
	}
	if n := strings.Count(logged.String(), "the disk is full"); n != 1 {
		t.Errorf("%d lines:\n%s", n, logged)
	}
	if got := gauges(t, registry, "dovetail_broker_disk_full_refusals_total"); got[""] < 50 {
		t.Errorf("%v refusals", got)
	}
	disk.Arm(0, 0, false, nil)
	if out := produceOne(c, "t", "v"); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	if faults := b.Faults(Viewer{}); len(faults) != 0 {
		t.Errorf("%+v", faults)
	}
	if !strings.Contains(logged.String(), "the disk has room again") {
		t.Error("nobody is told that the disk has room again")
	}
}

func TestTroublesAreToldRarelyAndForgottenInTime(t *testing.T) {
	var all troubles
	now := time.Unix(1_700_000_000, 0)
	k := troubleKey{FaultDeadLetters, "t", -1}
	fault := errors.New("no")
	for i, want := range []struct {
		after  time.Duration
		before int
		tell   bool
	}{{0, 0, true}, {1, 0, false}, {9, 0, false}, {10, 2, true}, {11, 0, false}} {
		if before, tell := all.note(k, fault, now.Add(want.after*time.Second)); before != want.before || tell != want.tell {
			t.Errorf("%d: %d %v", i, before, tell)
		}
	}
	if got := all.now(now.Add(time.Minute)); len(got) != 1 || !got[0].Since.Equal(now) {
		t.Errorf("%+v", got)
	}
	if got := all.now(now.Add(time.Hour)); len(got) != 0 {
		t.Errorf("after an hour: %+v", got)
	}
	if !all.fine(k) || all.fine(k) || len(all.now(now)) != 0 {
		t.Error("it is not over")
	}
	// It begins again, but within the pause nobody is told.
	if _, tell := all.note(k, fault, now.Add(12*time.Second)); tell || len(all.now(now.Add(12*time.Second))) != 1 {
		t.Error("a second time")
	}
	all.forget("t")
	if all.open.Load() != 0 || len(all.all) != 0 {
		t.Errorf("%d open", all.open.Load())
	}
}

func TestFaultsAreForWhoeverMaySeeThem(t *testing.T) {
	b := startBroker(t, validating(nil), func(o *Options) { o.Authorize, o.SuperUsers = true, []string{"User:ANONYMOUS"} })
	createTopic(t, b, "t", 1, nil)
	b.noted(FaultDeadLetters, "t", -1, "line", errors.New("no"))
	b.written(syscall.ENOSPC)
	rules := kadm.NewACLs().Allow("User:ann").AllowHosts("*").Topics("t").Operations(kadm.OpDescribe).ResourcePatternType(kadm.ACLPatternLiteral)
	if _, err := kadm.NewClient(newClient(t, b)).CreateACLs(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	if got := b.Faults(Viewer{Principal: "User:ann"}); len(got) != 1 || got[0].Kind != FaultDeadLetters {
		t.Errorf("ann sees %+v", got)
	}
}

// TestAMissingSegmentIsAFault as long as the log begins before it, and the rest of the
// log is served.
func TestAMissingSegmentIsAFault(t *testing.T) {
	for _, emptied := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "data")
		registry := prometheus.NewRegistry()
		b := startBroker(t, func(o *Options) { o.DataDir = dir })
		createTopic(t, b, "t", 1, map[string]string{"segment.bytes": "1048576"})
		c := dialRaw(t, b)
		value := strings.Repeat("v", 700_000) // one in each segment
		for range 4 {
			if out := produceOne(c, "t", value); out.ErrorCode != 0 {
				t.Fatalf("%+v", out)
			}
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "t-0", "00000000000000000001.log")
		err := os.Remove(file)
		if emptied && err == nil {
			err = os.WriteFile(file, nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		b = startBroker(t, func(o *Options) { o.DataDir, o.Metrics = dir, registry })
		faults := b.Faults(Viewer{})
		if len(faults) != 1 || faults[0].Kind != FaultDamaged || faults[0].Topic != "t" || !strings.Contains(faults[0].What, "offsets 1 to 1 are missing") || !strings.Contains(faults[0].Remedy, "before offset 2") {
			t.Fatalf("emptied %v: %+v", emptied, faults)
		}
		if got := gauges(t, registry, "dovetail_broker_faults"); got["log-damaged"] != 1 {
			t.Errorf("%v", got)
		}
		for i, r := range consume(t, b, "t", 3) {
			if want := []int64{0, 2, 3}[i]; r.Offset != want {
				t.Errorf("record %d has offset %d, want %d", i, r.Offset, want)
			}
		}
		if _, err := b.topics.byName("t").partition(0).log.DeleteRecordsBefore(2); err != nil {
			t.Fatal(err)
		}
		if faults := b.Faults(Viewer{}); len(faults) != 0 {
			t.Errorf("of what was deleted: %+v", faults)
		}
	}
}

// TestAWrongBaseOffsetThatAFetchMeetsIsAFault and is answered as damage, not by nothing.
func TestAWrongBaseOffsetThatAFetchMeetsIsAFault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	b := startBroker(t, func(o *Options) { o.DataDir = dir })
	createTopic(t, b, "t", 1, map[string]string{"segment.bytes": "1048576"})
	c := dialRaw(t, b)
	for range 3 {
		if out := produceOne(c, "t", strings.Repeat("v", 700_000)); out.ErrorCode != 0 {
			t.Fatalf("%+v", out)
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "t-0", "00000000000000000001.log"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0, 0, 4}, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b = startBroker(t, func(o *Options) { o.DataDir = dir })
	client := newClient(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().At(1)}}), kgo.KeepRetryableFetchErrors())
	fetches := client.PollFetches(t.Context())
	if err := fetches.Err(); !errors.Is(err, kerr.KafkaStorageError) || len(fetches.Records()) > 0 {
		t.Errorf("%v, %d records", err, len(fetches.Records()))
	}
	if faults := b.Faults(Viewer{}); len(faults) != 1 || faults[0].Kind != FaultDamaged || !strings.Contains(faults[0].What, "00000000000000000001.log") {
		t.Errorf("%+v", faults)
	}
}
