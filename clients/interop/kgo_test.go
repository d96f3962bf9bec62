package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const kgoPackage = "github.com/twmb/franz-go/pkg/kgo"

var kgoAll = flag.Bool("kgo-all", false, "TestKgo runs franz-go's whole suite, with more records, and wants every test that passes in kgo/allowed.txt")

// franz-go's own suite is a ratchet: a test in kgo/allowed.txt may never fail,
// and one that passes must stand there. The shorter run, with fewer records, runs
// the listed tests only.
func TestKgo(t *testing.T) {
	t.Parallel()
	listed, refused := readAllowed(t)
	s := startServer(t)
	args := []string{"test", "-json", "-count=1", "-timeout=10m", kgoPackage}
	records := "4000"
	if *kgoAll {
		records = "50000"
	} else {
		args = append(args, "-run", "^("+strings.Join(listed, "|")+")$")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 11*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "KGO_SEEDS="+s.kafka, "KGO_TEST_RF=1", "KGO_TEST_RECORDS="+records, "KGO_LOG_LEVEL=none")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run() // what failed is in the output

	outcome, output := map[string]string{}, map[string]string{}
	d := json.NewDecoder(&stdout)
	for d.More() {
		var line struct {
			Action, Test, Output string
			Elapsed              float64
		}
		if err := d.Decode(&line); err != nil {
			t.Fatalf("%v\n%s", err, tail(stderr.Bytes()))
		}
		name, _, inner := strings.Cut(line.Test, "/")
		switch line.Action {
		case "output":
			output[name] += line.Output
		case "pass", "fail", "skip":
			if name != "" && !inner {
				outcome[name] = line.Action
			}
			if name == "" {
				t.Logf("%s: %s after %.0f s with %s records", kgoPackage, line.Action, line.Elapsed, records)
			}
		}
	}
	if len(outcome) == 0 {
		t.Fatalf("no test ran: %v\n%s", runErr, tail(stderr.Bytes()))
	}
	passed := 0
	for _, name := range listed {
		if outcome[name] == "pass" {
			passed++
		} else {
			t.Errorf("%s is listed and did not pass: %s\n%s", name, outcome[name], tail([]byte(output[name])))
		}
	}
	t.Logf("%d of %d listed tests passed, %d are not promised", passed, len(listed), len(refused))
	if *kgoAll {
		for name, what := range outcome {
			if !slices.Contains(listed, name) && strings.HasPrefix(name, "Test") {
				if what == "pass" {
					t.Errorf("%s passes and is not listed: add it to kgo/allowed.txt", name)
				} else if !slices.Contains(refused, name) {
					t.Errorf("%s: %s, and kgo/allowed.txt does not say why", name, what)
				}
			}
		}
	}
	s.stop(t)
	t.Run("files", func(t *testing.T) { judgeFiles(t, s.dir) })
}

var testName = regexp.MustCompile(`^Test\w+$`)

// readAllowed returns the tests that must pass and those that are known not to.
func readAllowed(t *testing.T) (listed, refused []string) {
	t.Helper()
	text, err := os.ReadFile("kgo/allowed.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#":
		case words[0] == "-" && len(words) > 2 && testName.MatchString(words[1]):
			refused = append(refused, words[1])
		case len(words) == 1 && testName.MatchString(words[0]):
			listed = append(listed, words[0])
		default:
			t.Fatalf("kgo/allowed.txt: %q is neither a test nor \"- test reason\"", strings.TrimSpace(line))
		}
	}
	return listed, refused
}
