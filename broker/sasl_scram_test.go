package broker

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// scramServer is an exchange that knows one user, anna, with password "secret,=".
func scramServer(t testing.TB, mechanism string) *scramExchange {
	t.Helper()
	all, err := saltUsers(SASL{Mechanisms: []string{mechanism}, Users: map[string]string{"anna": "secret,="}})
	if err != nil {
		t.Fatal(err)
	}
	return &scramExchange{mechanism: mechanism, find: func(user string) (scram.StoredCredentials, error) {
		c, ok := all[scramKey(mechanism, user)]
		if !ok {
			return c, errors.New("nobody")
		}
		return c, nil
	}}
}

// converse runs a client of the library against our server; edit may change
// what the client sends last.
func converse(t testing.TB, mechanism, user, password string) (string, error) {
	t.Helper()
	client, err := scramHashes[mechanism].NewClient(user, password, "")
	if err != nil {
		t.Fatal(err)
	}
	c, s := client.NewConversation(), scramServer(t, mechanism)
	message := ""
	for {
		if message, err = c.Step(message); err != nil {
			t.Fatalf("the client does not believe the server: %v", err)
		}
		answer, as, err := s.step(context.Background(), []byte(message))
		if err != nil {
			return "", err
		}
		message = string(answer)
		if as != "" {
			if _, err := c.Step(message); err != nil || !c.Valid() {
				t.Fatalf("the client does not accept the server's signature: %v", err)
			}
			return as, nil
		}
	}
}

func TestScramKnowsWhoIsWho(t *testing.T) {
	for mechanism := range scramHashes {
		if as, err := converse(t, mechanism, "anna", "secret,="); as != "anna" || err != nil {
			t.Errorf("%s: %q, %v", mechanism, as, err)
		}
		for user, password := range map[string]string{"anna": "secret", "ben": "secret,="} {
			if _, err := converse(t, mechanism, user, password); !errors.Is(err, errCredentials) {
				t.Errorf("%s: %s came in: %v", mechanism, user, err)
			}
		}
	}
}

// lastMessage makes the client's last message by hand, with any nonce.
func lastMessage(e *scramExchange, password, nonce string) string {
	client, _ := scramHashes[e.mechanism].NewClient("anna", password, "")
	stored, _ := client.GetStoredCredentialsWithError(e.credentials.KeyFactors)
	without := "c=biws,r=" + nonce
	signed := e.first + "," + e.server + "," + without
	// The client key is not kept anywhere: derive it as the client does.
	salted := saltedPassword(e.mechanism, password, e.credentials.Salt, e.credentials.Iters)
	key := (&scramExchange{mechanism: e.mechanism}).mac(salted, []byte("Client Key"))
	signature := e.mac(stored.StoredKey, []byte(signed))
	for i := range key {
		key[i] ^= signature[i]
	}
	return without + ",p=" + base64.StdEncoding.EncodeToString(key)
}

// saltedPassword is PBKDF2, one block of it.
func saltedPassword(mechanism, password, salt string, iterations int) []byte {
	e := &scramExchange{mechanism: mechanism}
	u := e.mac([]byte(password), []byte(salt+"\x00\x00\x00\x01"))
	out := append([]byte{}, u...)
	for range iterations - 1 {
		u = e.mac([]byte(password), u)
		for i := range out {
			out[i] ^= u[i]
		}
	}
	return out
}

func TestScramTakesTheNonceAsOldLibrdkafkaSendsIt(t *testing.T) {
	for name, tt := range map[string]struct {
		nonce func(*scramExchange) string
		ok    bool
	}{
		"as it should be":           {func(e *scramExchange) string { return e.nonce }, true},
		"the client's put in front": {func(e *scramExchange) string { return "abc" + e.nonce }, true},
		"without the server's":      {func(*scramExchange) string { return "abc" }, false},
		"somebody else's":           {func(e *scramExchange) string { return e.nonce + "x" }, false},
	} {
		e := scramServer(t, mechSHA256)
		if _, _, err := e.step(context.Background(), []byte("n,,n=anna,r=abc")); err != nil {
			t.Fatal(err)
		}
		_, as, err := e.step(context.Background(), []byte(lastMessage(e, "secret,=", tt.nonce(e))))
		if ok := err == nil && as == "anna"; ok != tt.ok {
			t.Errorf("%s: %q, %v", name, as, err)
		}
	}
}

func TestScramRefusesMalformedMessages(t *testing.T) {
	for _, first := range []string{"", ",", "n,,", "n,,n=anna", "n,,r=abc,n=anna", "n,,n=,r=abc", "n,,n=an=na,r=abc", "n,,n=anna,r=", "n,,n=anna,r=a b", "p=tls,,n=anna,r=abc", "n,a=ben,n=anna,r=abc", strings.Repeat("x", 1000)} {
		if answer, as, err := scramServer(t, mechSHA256).step(context.Background(), []byte(first)); err == nil || as != "" || len(answer) > 0 {
			t.Errorf("first message %q is answered with %q", first, answer)
		}
	}
	for _, last := range []string{"", "c=biws", "c=biws,r=abc", "p=", ",p=", "c=biws,r=%s,p=###", "c=biws,r=%s,p=YWJj", "c=eSws,r=%s,p=YWJj"} {
		e := scramServer(t, mechSHA256)
		if _, _, err := e.step(context.Background(), []byte("n,,n=anna,r=abc")); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(last, "%s") {
			last = fmt.Sprintf(last, e.nonce)
		}
		if _, as, err := e.step(context.Background(), []byte(last)); err == nil || as != "" {
			t.Errorf("last message %q lets %q in", last, as)
		}
	}
}

func FuzzScram(f *testing.F) {
	f.Add("n,,n=anna,r=abc", "c=biws,r=abc,p=YWJj")
	f.Fuzz(func(t *testing.T, first, last string) {
		e := scramServer(t, mechSHA256)
		for _, message := range []string{first, last} {
			if _, as, err := e.step(context.Background(), []byte(message)); err != nil {
				return
			} else if as != "" {
				t.Fatal("somebody came in without the password")
			}
		}
	})
}
