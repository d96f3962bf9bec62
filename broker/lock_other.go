//go:build !unix

package broker

import "os"

// lockFile opens a file that the system does not let two processes open for
// writing, if it knows such a thing.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
}
