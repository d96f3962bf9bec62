package interop

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
)

// logBuffer holds what a process said; it may be read while the process runs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// keep writes the log of a process to a file, if the test failed. Were it in the
// output of the test, it would bury the message that says what failed; `make` shows
// both, that message last.
func (b *logBuffer) keep(t *testing.T, process string) {
	if !t.Failed() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	dir := filepath.Join("build", "logs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Log(err)
		return
	}
	f, err := os.CreateTemp(dir, unfit.ReplaceAllString(t.Name()+"-"+process, "_")+"-*.log")
	if err != nil {
		t.Log(err)
		return
	}
	defer f.Close()
	if _, err := f.Write(b.text.Bytes()); err != nil {
		t.Log(err)
	}
	t.Logf("the log of %s is %s", process, f.Name())
}
