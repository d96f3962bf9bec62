package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine names what the figures were measured on.
func machine() string {
	cpu := "unknown CPU"
	for line := range strings.Lines(file("/proc/cpuinfo")) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			cpu = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
			break
		}
	}
	memory := ""
	for line := range strings.Lines(file("/proc/meminfo")) {
		var kb int64
		if _, err := fmt.Sscanf(line, "MemTotal: %d kB", &kb); err == nil {
			memory = fmt.Sprintf(", %d GiB", (kb+1<<19)>>20)
			break
		}
	}
	load := ""
	if f := strings.Fields(file("/proc/loadavg")); len(f) > 0 {
		load = ", load " + f[0] + " before"
	}
	return fmt.Sprintf("%s, %d cores%s, %s/%s, %s%s", cpu, runtime.NumCPU(), memory, runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}

// file returns a file's text, none if it cannot be read.
func file(path string) string {
	b, _ := os.ReadFile(path) //nolint:errcheck // a machine without /proc has no such name
	return string(b)
}
