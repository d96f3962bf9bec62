package main

import (
	"os"
	"syscall"
)

// syncData puts a file's data on the disk.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
