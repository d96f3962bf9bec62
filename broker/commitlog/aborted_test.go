package commitlog

import (
	"slices"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

func TestMissingTransactionIndexesAreMadeAnew(t *testing.T) {
	for _, clean := range []bool{false, true} {
		mem, _ := damagedLog(t)
		open := func() *Log {
			return openMem(t, mem, damageOptions, func(o *Options) { o.CleanShutdown = clean })
		}
		l := open()
		want, err := l.AbortedTransactions(0, l.EndOffset())
		if err != nil || len(want) == 0 {
			t.Fatalf("%v, %v", want, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		names := filesOf(t, mem, txnSuffix)
		for _, name := range names {
			if err := mem.Remove("data/topic-0/" + name); err != nil {
				t.Fatal(err)
			}
		}
		found, err := Inspect(Options{FS: mem, Dir: "data/topic-0"})
		if err != nil || len(found) == 0 {
			t.Errorf("clean %v: inspection finds %v, %v", clean, found, err)
		}
		for range 2 { // the second opening finds what the first has made
			l = open()
			got, err := l.AbortedTransactions(0, l.EndOffset())
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("clean %v: %v, %v, before %v", clean, got, err, want)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if again := filesOf(t, mem, txnSuffix); !slices.Equal(again, names) {
			t.Errorf("clean %v: files %v, before %v", clean, again, names)
		}
		if l = open(); l.Recovered().RebuiltIndexes != 0 {
			t.Errorf("clean %v: %+v at the third opening", clean, l.Recovered())
		}
		l.Close()
	}
}

// What an older version or Kafka leaves of a log without transactions has no
// transaction indexes: each segment is read for them once.
func TestLogsWithoutTransactionIndexesGetEmptyOnes(t *testing.T) {
	mem := vfs.NewMem()
	l := openTimed(t, mem, 10, func(*Config) {})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	names := filesOf(t, mem, txnSuffix)
	if logs := filesOf(t, mem, logSuffix); len(names) != len(logs) {
		t.Errorf("%v beside %v", names, logs)
	}
	for _, name := range names {
		if err := mem.Remove("data/topic-0/" + name); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := Inspect(Options{FS: mem, Dir: "data/topic-0"}); err != nil || len(found) != 0 {
		t.Errorf("inspection finds %v, %v", found, err)
	}
	l = openMem(t, mem)
	if l.Recovered().RebuiltIndexes != 0 {
		t.Errorf("%+v", l.Recovered())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// The active one gets its own with the next checkpoint that has something to do.
	if again := filesOf(t, mem, txnSuffix); len(again) != len(names) {
		t.Errorf("files %v, before %v", again, names)
	}
}
