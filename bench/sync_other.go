//go:build !linux

package main

import "os"

// syncData puts a file's data on the disk.
func syncData(f *os.File) error { return f.Sync() }
