package srclient_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/serde"
)

func TestAddressesThatAreNone(t *testing.T) {
	for _, urls := range [][]string{nil, {}, {""}, {"127.0.0.1:28081"}, {"localhost"}, {"localhost:8081"}, {"http://"}, {"http://user:secret@host:port"}, {"http://a:1", " "}} {
		_, err := srclient.New(urls)
		if err == nil || !strings.Contains(err.Error(), "http://host:port") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", urls, err)
		}
	}
	if _, err := srclient.New([]string{"http://a:1"}, nil, srclient.WithLogger(nil)); err == nil || !strings.Contains(err.Error(), "option 1 of 2 is nil") || !strings.Contains(err.Error(), "logger") {
		t.Error(err)
	}
}

func TestEveryAddressThatIsDownIsNamed(t *testing.T) {
	urls := []string{"http://127.0.0.1:1", "http://127.0.0.1:2"} // nothing gets those ports by chance
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer busy.Close()
	urls = append(urls, busy.URL)
	client, err := srclient.New(urls, srclient.WithRetries(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Subjects(t.Context(), srclient.SubjectsOptions{})
	var answer *srclient.Error
	if !errors.Is(err, serde.ErrUnavailable) || !errors.As(err, &answer) || answer.Status != http.StatusServiceUnavailable {
		t.Errorf("got %v", err)
	}
	for _, u := range urls {
		if err == nil || strings.Count(err.Error(), u+"/") != 1 {
			t.Errorf("%s is not named once in %v", u, err)
		}
	}
}
