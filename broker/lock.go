package broker

import (
	"fmt"
	"io"
	"path/filepath"
)

// LockDataDir takes the data directory for this process until it closes what is
// returned. It is refused while a broker, or another tool, has it.
func LockDataDir(dir string) (io.Closer, error) {
	f, err := lockFile(filepath.Join(dir, ".lock"))
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return f, nil
}
