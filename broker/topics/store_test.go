package topics

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func open(t *testing.T, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func reopen(t *testing.T, s *Store, dir string) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, dir, Options{})
}

func wantCode(t *testing.T, err error, want Code) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != want {
		t.Fatalf("got %v, want code %d", err, want)
	}
}

func TestWhatIsAcknowledgedIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	made, err := s.Create(Topic{Name: "orders", Partitions: 3, ReplicationFactor: 3, Configs: map[string]string{"retention.ms": "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetPartitions("orders", 5); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetConfigs("orders", false, func(c map[string]string) error { c["cleanup.policy"] = "compact"; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.SetFacts("acl", []Fact{{"a", json.RawMessage(`1`)}, {"b", json.RawMessage(`2`)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetFacts("acl", []Fact{{"a", nil}}); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, dir)
	got, ok := s.Topic("orders")
	if !ok || got.ID != made.ID || got.Partitions != 5 || got.ReplicationFactor != 3 ||
		got.Configs["retention.ms"] != "1000" || got.Configs["cleanup.policy"] != "compact" {
		t.Fatalf("got %+v", got)
	}
	if byID, ok := s.ByID(made.ID); !ok || byID != got {
		t.Error("not found by its ID")
	}
	if facts := s.Facts("acl"); len(facts) != 1 || facts[0].Key != "b" || string(facts[0].Value) != "2" {
		t.Errorf("facts %v", facts)
	}
}

func TestATopicCreatedAgainIsAnotherTopic(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	first, err := s.Create(Topic{Name: "t", Partitions: 1, ReplicationFactor: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete("t"); err != nil {
		t.Fatal(err)
	}
	second, err := s.Create(Topic{Name: "t", Partitions: 1, ReplicationFactor: 1})
	if err != nil {
		t.Fatal(err)
	}
	if first.ID == second.ID {
		t.Error("the same ID twice")
	}
	s = reopen(t, s, dir)
	gone, err := s.Deleted()
	if err != nil || len(gone) != 1 || gone[0].ID != first.ID {
		t.Fatalf("deleted: %v, %v", gone, err)
	}
	if err := s.Forget(first.ID); err != nil {
		t.Fatal(err)
	}
	if gone, _ := s.Deleted(); len(gone) != 0 {
		t.Errorf("still deleted: %v", gone)
	}
}

func TestWrongTopicsAreRefused(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxPartitions: 10})
	create := func(name string, partitions int32, configs map[string]string) error {
		_, err := s.Create(Topic{Name: name, Partitions: partitions, ReplicationFactor: 1, Configs: configs})
		return err
	}
	if err := create("a.b", 1, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "a b", "ä", "a/b", strings.Repeat("x", 250), "a\x00"} {
		wantCode(t, create(name, 1, nil), InvalidName)
	}
	wantCode(t, create("a_b", 1, nil), InvalidName)
	wantCode(t, create("a.b", 1, nil), AlreadyExists)
	wantCode(t, create("c", 0, nil), InvalidPartitions)
	wantCode(t, create("c", 10, nil), TooManyPartitions)
	wantCode(t, create("c", 1, map[string]string{"retention.ms": "soon"}), InvalidConfig)
	wantCode(t, create("c", 1, map[string]string{"retention": "1"}), InvalidConfig)
	if err := create(strings.Repeat("x", 249), 1, nil); err != nil {
		t.Error(err)
	}
	_, err := s.SetPartitions("a.b", 1)
	wantCode(t, err, InvalidPartitions)
	_, err = s.SetPartitions("nowhere", 2)
	wantCode(t, err, Unknown)
	_, err = s.Delete("nowhere")
	wantCode(t, err, Unknown)
}

func TestHistoryIsDroppedWhenMostOfTheJournalIsHistory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{RewriteBytes: 1})
	for i := range 200 {
		if err := s.SetFacts("k", []Fact{{"same", json.RawMessage(fmt.Sprint(i))}}); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, journalName))
	if err != nil || info.Size() > 1000 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	s = reopen(t, s, dir)
	if got := string(s.Fact("k", "same")); got != "199" {
		t.Errorf("got %s", got)
	}
}

// TestTornEnds cuts and damages a journal at every byte.
func TestTornEnds(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	var ends []int64
	for i := range 3 {
		if _, err := s.Create(Topic{Name: fmt.Sprint("t", i), Partitions: 1, ReplicationFactor: 1}); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, s.journal.bytes)
	}
	_ = s.Close()
	whole, err := os.ReadFile(filepath.Join(dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	count := func(content []byte) (int, error) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName), content, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{})
		if err != nil {
			return 0, err
		}
		defer s.Close()
		return len(s.All()), nil
	}
	for cut := len(journalMagic); cut <= len(whole); cut++ {
		want := 0
		for _, end := range ends {
			if int64(cut) >= end {
				want++
			}
		}
		if got, err := count(whole[:cut]); err != nil || got != want {
			t.Fatalf("cut at %d: %d topics and %v, want %d", cut, got, err, want)
		}
	}
	for at := len(journalMagic); at < len(whole); at++ {
		bad := slices.Clone(whole)
		bad[at] ^= 0x40
		got, err := count(bad)
		var damage *DamageError
		switch last := int64(at) >= ends[1]; {
		case last && (err != nil || got != 2):
			t.Fatalf("the last entry damaged at %d: %d topics, %v", at, got, err)
		case !last && !errors.As(err, &damage):
			t.Fatalf("damaged at %d: %d topics, %v: want a DamageError", at, got, err)
		}
	}
}

func TestTornBytesAreSetAside(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	_ = s.SetFacts("k", []Fact{{"a", json.RawMessage(`1`)}})
	_ = s.Close()
	path := filepath.Join(dir, journalName)
	whole, _ := os.ReadFile(path)
	_ = os.WriteFile(path, append(whole, "torn"...), 0o644)
	open(t, dir, Options{})
	found, _ := filepath.Glob(path + ".torn-*")
	if len(found) != 1 {
		t.Fatalf("files %v", found)
	}
	if aside, _ := os.ReadFile(found[0]); string(aside) != "torn" {
		t.Errorf("set aside %q", aside)
	}
	if now, _ := os.ReadFile(path); string(now) != string(whole) {
		t.Error("the journal is not what it was")
	}
}

func FuzzReplay(f *testing.F) {
	whole, _ := appendEntry([]byte(journalMagic), []change{{"k", "a", json.RawMessage(`1`)}})
	whole, _ = appendEntry(whole, []change{{topicKind, "a", json.RawMessage(`{"name":"a","partitions":1,"id":"AAAAAAAAQACAAAAAAAAAAA"}`)}})
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Fuzz(func(t *testing.T, src []byte) {
		facts := map[string]map[string]json.RawMessage{}
		_, end, err := replay("f", src, func(c []change) error { return applyAll(facts, c) })
		if err == nil && (end < 0 || end > int64(len(src))) {
			t.Fatalf("end %d of %d", end, len(src))
		}
		if err == nil {
			_, _ = newState(facts)
		}
	})
}
