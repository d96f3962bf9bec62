package interop

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// process is a running JVM.
type process struct {
	cmd *exec.Cmd
	log logBuffer
}

// startJava runs a class until it is killed or the test ends. BOOTSTRAP names the
// broker.
func startJava(t *testing.T, bootstrap, classpath, class string, args ...string) *process {
	t.Helper()
	command := java(classpath, class, args...)
	p := &process{cmd: exec.Command(command[0], command[1:]...)}
	p.cmd.Env = append(os.Environ(), "BOOTSTRAP="+bootstrap, "JAVA_TOOL_OPTIONS=-Xmx512m")
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		p.log.keep(t, class)
	})
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func printVersion(t *testing.T, classpath, class string, args ...string) {
	t.Helper()
	command := java(classpath, class, args...)
	out, err := exec.Command(command[0], command[1:]...).Output()
	if err != nil {
		t.Fatalf("%s: %v: run make deps", class, err)
	}
	t.Log(strings.TrimSpace(string(out)))
}
