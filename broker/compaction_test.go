package broker

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestAPartitionThatCannotBeCompactedIsReported: its log grows, and somebody has to
// mend it.
func TestAPartitionThatCannotBeCompactedIsReported(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, func(o *Options) { o.DataDir = dir })
	createTopic(t, b, "c", 1, map[string]string{"cleanup.policy": "compact"})
	log := b.topics.byName("c").parts[0].log
	config := log.Config()
	config.SegmentBytes = 100 // a batch each
	log.SetConfig(config)
	for range 4 {
		appendInternal(t, b, "c")
	}
	about := func(f Fault) bool {
		return f.Topic == "c" && f.Partition == 0 && (f.Kind == FaultDamaged || f.Kind == FaultUpkeep) && f.Remedy != ""
	}
	if faults := b.Faults(Viewer{}); slices.ContainsFunc(faults, about) {
		t.Fatalf("of a whole log: %+v", faults)
	}
	file := filepath.Join(dir, "c-0", "00000000000000000000.log")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 0x10
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	b.compact()
	if faults := b.Faults(Viewer{}); !slices.ContainsFunc(faults, about) {
		t.Errorf("%+v", faults)
	}
}
