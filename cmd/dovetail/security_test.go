package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecuritySettingsThatCannotWorkAreRefused(t *testing.T) {
	users := write(t, "users.yaml", "anna: secret\n")
	for want, s := range map[string]securitySettings{
		"belong together":    {tlsCert: "cert.pem"},
		"needs --tls-cert":   {tlsClientCA: "ca.pem"},
		"--tls-cert":         {tlsCert: "nowhere.pem", tlsKey: "nowhere.pem"},
		"--users-file":       {usersFile: "nowhere.yaml"},
		"names no user":      {usersFile: write(t, "none.yaml", "{}\n")},
		"user: password":     {usersFile: write(t, "list.yaml", "- anna\n")},
		"not in the users":   {usersFile: users, superUsers: []string{"ben"}},
		"named as User:ben":  {superUsers: []string{"ben"}},
		"such as User:staff": {superUsers: []string{"Group:staff"}},
		"names nobody":       {superUsers: []string{"User:*"}},
		"lock everybody out": {usersFile: users, authorize: true},
	} {
		if _, err := s.load(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %q", err, want)
		}
	}
	if s, err := (&securitySettings{}).load(); err != nil || s.tls != nil || s.users != nil {
		t.Errorf("no settings: %+v, %v", s, err)
	}
}

func TestSuperUsersAreUsersOfTheFileOrPrincipals(t *testing.T) {
	users := write(t, "users.yaml", "anna: secret\nUser:odd: secret\n")
	names := []string{"anna", "User:odd", "User:anna", "User:CN=ann,O=example", "User:ANONYMOUS"}
	s, err := (&securitySettings{usersFile: users, authorize: true, superUsers: names}).load()
	want := []string{"User:anna", "User:User:odd", "User:anna", "User:CN=ann,O=example", "User:ANONYMOUS"}
	if err != nil || !slices.Equal(s.principals, want) {
		t.Errorf("%v, %v", s, err)
	}
}

func TestOnlyKnownUsersComeIn(t *testing.T) {
	s, err := (&securitySettings{usersFile: write(t, "users.yaml", "anna: secret\n")}).load()
	if err != nil {
		t.Fatal(err)
	}
	h := s.guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, tt := range []struct {
		path, user, password string
		want                 int
	}{
		{"/subjects", "anna", "secret", http.StatusNoContent},
		{"/subjects", "anna", "wrong", http.StatusUnauthorized},
		{"/subjects", "anna", "", http.StatusUnauthorized},
		{"/subjects", "ben", "", http.StatusUnauthorized},
		{"/subjects", "", "", http.StatusUnauthorized},
		{"/metrics", "", "", http.StatusUnauthorized},
		{"/healthz", "", "", http.StatusNoContent},
		{"/readyz", "", "", http.StatusNoContent},
	} {
		r := httptest.NewRequest(http.MethodGet, tt.path, nil)
		if tt.user != "" {
			r.SetBasicAuth(tt.user, tt.password)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != tt.want {
			t.Errorf("%s as %q:%q: %d, want %d", tt.path, tt.user, tt.password, rec.Code, tt.want)
		}
	}
}
