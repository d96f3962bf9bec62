package main

import "golang.org/x/sys/unix"

// processCPU is how long a process has run, in user and system mode, threads that
// have ended included: its CPU clock (clock_getcpuclockid(3)), which counts
// nanoseconds where /proc counts hundredths of a second.
func processCPU(pid int) float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0
	}
	return float64(t.Nano()) / 1e9
}
