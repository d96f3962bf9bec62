//go:build !unix

package main

import "time"

var started = time.Now()

// cpuTime is the time that went by, where the system tells nothing better.
func cpuTime() time.Duration { return time.Since(started) }
