package broker

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestOffsetsOfKinds: what each negative timestamp stands for without tiered storage,
// and from which version on.
func TestOffsetsOfKinds(t *testing.T) {
	b := startBroker(t)
	client := newClient(t, b, kgo.DefaultProduceTopic("t"))
	for range 5 {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.topics.byName("t").partition(0).log.DeleteRecordsBefore(2); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		kind    int64
		since   int16
		offset  int64
		noEpoch bool
	}{
		{-1, 1, 5, false}, {-2, 1, 2, false}, {-4, 8, 2, false},
		{-5, 9, -1, true}, {-6, 11, -1, true},
	} {
		for version := int16(1); version <= 11; version++ {
			req := kmsg.NewPtrListOffsetsRequest()
			req.Version = version
			asked := kmsg.NewListOffsetsRequestTopicPartition()
			asked.Timestamp = tt.kind
			out := kmsg.NewListOffsetsResponseTopicPartition()
			b.listOffset(b.topics.byName("t").partition(0), nil, req, &asked, &out)
			if version < tt.since {
				if out.ErrorCode != kerr.UnsupportedVersion.Code {
					t.Errorf("%d in version %d: code %d", tt.kind, version, out.ErrorCode)
				}
				continue
			}
			if out.ErrorCode != 0 || out.Offset != tt.offset || out.Timestamp != -1 || (out.LeaderEpoch == -1) != tt.noEpoch {
				t.Errorf("%d in version %d: %+v", tt.kind, version, out)
			}
		}
	}
}

// TestDamageThatAQuestionForATimeMeetsIsAFault, although nobody could read the records.
func TestDamageThatAQuestionForATimeMeetsIsAFault(t *testing.T) {
	b := startBroker(t)
	client := newClient(t, b, kgo.DefaultProduceTopic("t"), kgo.ProducerBatchCompression(kgo.GzipCompression()))
	value := make([]byte, 4000)
	if err := client.ProduceSync(t.Context(), &kgo.Record{Value: value}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.opts.DataDir, "t-0", "00000000000000000000.log")
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p[61] ^= 0x10 // of gzip's magic
	if err := os.WriteFile(path, p, 0o644); err != nil {
		t.Fatal(err)
	}
	if faults := b.Faults(Viewer{}); len(faults) != 0 {
		t.Fatalf("before: %+v", faults)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = 7
	asked, out := kmsg.NewListOffsetsRequestTopicPartition(), kmsg.NewListOffsetsResponseTopicPartition()
	asked.Timestamp = 0
	b.listOffset(b.topics.byName("t").partition(0), nil, req, &asked, &out)
	faults := b.Faults(Viewer{})
	if out.ErrorCode != kerr.KafkaStorageError.Code || len(faults) != 1 || faults[0].Kind != FaultDamaged || faults[0].Topic != "t" {
		t.Errorf("code %d, faults %+v", out.ErrorCode, faults)
	}
}
