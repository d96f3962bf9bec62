package main

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run this test binary as the command dovetail.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"dovetail": main,
	})
}

// TestScripts runs the command lines of testdata/script and compares what they
// print and how they end.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": waitReady, "readyat": waitReadyAt, "readytls": waitReadyTLS, "certificates": writeCertificates,
		},
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"HTTP", "KAFKA", "HTTP2", "KAFKA2"} {
				addr, err := freeAddr()
				if err != nil {
					return err
				}
				env.Setenv(name, addr)
			}
			env.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
			env.Setenv("GIT_AUTHOR_NAME", "a")
			env.Setenv("GIT_AUTHOR_EMAIL", "a@example.org")
			env.Setenv("GIT_COMMITTER_NAME", "a")
			env.Setenv("GIT_COMMITTER_EMAIL", "a@example.org")
			return nil
		},
	})
}

// freeAddr is an address that nobody listened on a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// waitReady is the script command "ready": it returns when the server at $HTTP
// can serve.
func waitReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: ready")
	}
	waitFor(ts, http.DefaultClient, "http://"+ts.Getenv("HTTP")+"/readyz")
}

// waitReadyAt is the script command "readyat": the same of the server at an address.
func waitReadyAt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: readyat host:port")
	}
	waitFor(ts, http.DefaultClient, "http://"+args[0]+"/readyz")
}

func waitFor(ts *testscript.TestScript, client *http.Client, url string) {
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		answer, err := client.Get(url)
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("%s is not ready", url)
}
