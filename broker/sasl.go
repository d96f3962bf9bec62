package broker

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xdg-go/scram"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// A client authenticates by SaslHandshake, which chooses a mechanism, and tokens
// of that mechanism, in SaslAuthenticate requests or, after SaslHandshake
// version 0, as bare frames:
//
//	          handshake             token            last token
//	nobody ──────────────▶ chosen ──────────▶ … ──────────────▶ somebody
//	   ▲                     │ wrong token                        │ handshake
//	   └── closed ◀──────────┘                                    ▼
//	                                                            chosen: the same
//	                                                            user must come out

const (
	mechPlain  = "PLAIN"
	mechSHA256 = "SCRAM-SHA-256"
	mechSHA512 = "SCRAM-SHA-512"
)

// mechanisms are the SASL mechanisms there are.
var mechanisms = []string{mechPlain, mechSHA256, mechSHA512}

func knownMechanism(name string) bool { return slices.Contains(mechanisms, name) }

// authentication is who a connection speaks for. It belongs to the reader.
type authentication struct {
	required  bool
	principal string // "User:name" once authenticated
	exchange  exchange
	bare      bool // tokens come as bare frames
	// expires is when the client must have authenticated again; zero means never.
	expires time.Time
}

// done says whether the client may ask for anything.
func (a *authentication) done() bool { return !a.required || a.principal != "" && a.exchange == nil }

// barred is why the client may not ask for anything but to authenticate, or empty.
func (a *authentication) barred(now time.Time) string {
	switch {
	case !a.done():
		return "sent before the client has authenticated"
	case !a.expires.IsZero() && now.After(a.expires):
		return "sent after the session's lifetime: the client must authenticate again before that"
	}
	return ""
}

// exchange is a conversation of one mechanism.
type exchange interface {
	// step takes a token and answers with one. Once user is not empty, the
	// client is that user. An error ends the conversation; what it says to the
	// client is the same for wrong users and wrong passwords.
	step(ctx context.Context, token []byte) (answer []byte, user string, err error)
}

// errCredentials is what clients are told.
var errCredentials = errors.New("authentication failed: wrong user or password")

func (b *Broker) newExchange(l *listener, mechanism string) (exchange, error) {
	if mechanism == mechPlain {
		return &plainExchange{l.SASL}, nil
	}
	return &scramExchange{mechanism: mechanism, find: func(user string) (scram.StoredCredentials, error) {
		return b.scramCredentials(l, mechanism, user)
	}}, nil
}

// plainExchange is RFC 4616: authorization ID, NUL, user, NUL, password.
type plainExchange struct{ sasl SASL }

func (e *plainExchange) step(ctx context.Context, token []byte) ([]byte, string, error) {
	parts := strings.Split(string(token), "\x00")
	if len(parts) != 3 || parts[1] == "" || !utf8.Valid(token) {
		return nil, "", errors.New("authentication failed: a PLAIN token is authorization ID, user and password, with a NUL between them")
	}
	as, user, password := parts[0], parts[1], parts[2]
	if as != "" && as != user {
		return nil, "", errors.New("authentication failed: the authorization ID must be empty or the user")
	}
	if e.sasl.Plain != nil {
		if !e.sasl.Plain(ctx, user, password) {
			return nil, "", errCredentials
		}
		return []byte{}, user, nil
	}
	want, known := e.sasl.Users[user]
	given, stored := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(want))
	if subtle.ConstantTimeCompare(given[:], stored[:]) != 1 || !known {
		return nil, "", errCredentials
	}
	return []byte{}, user, nil
}

var scramHashes = map[string]scram.HashGeneratorFcn{mechSHA256: scram.SHA256, mechSHA512: scram.SHA512}

// scramNumbers are the mechanisms' numbers in requests about credentials.
var scramNumbers = map[int8]string{1: mechSHA256, 2: mechSHA512}

func scramHash(mechanism string) func() hash.Hash {
	if mechanism == mechSHA256 {
		return sha256.New
	}
	return sha512.New
}

const (
	minScramIterations = 4096
	maxScramIterations = 16384
)

const scramKind = "scram"

func scramKey(mechanism, user string) string { return mechanism + "/" + user }

// scramEntry is what is kept of a user: nothing that the password could be
// found from but by trying.
type scramEntry struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	StoredKey  []byte `json:"storedKey"`
	ServerKey  []byte `json:"serverKey"`
}

// newScramEntry makes an entry of a password that the client has salted.
func newScramEntry(mechanism string, salt, salted []byte, iterations int) scramEntry {
	mac := func(of string) []byte {
		m := hmac.New(scramHash(mechanism), salted)
		m.Write([]byte(of))
		return m.Sum(nil)
	}
	h := scramHash(mechanism)()
	h.Write(mac("Client Key"))
	return scramEntry{Salt: salt, Iterations: iterations, StoredKey: h.Sum(nil), ServerKey: mac("Server Key")}
}

// scramCredentials finds a user: first those of AlterUserScramCredentials, then
// those of the listener's options. For a user that there is not it makes up
// credentials that nobody has, always the same ones, so that the answer does
// not tell who exists.
func (b *Broker) scramCredentials(l *listener, mechanism, user string) (scram.StoredCredentials, error) {
	var e scramEntry
	if raw := b.store.Fact(scramKind, scramKey(mechanism, user)); raw != nil {
		if err := json.Unmarshal(raw, &e); err != nil {
			return scram.StoredCredentials{}, fmt.Errorf("credentials of %s: %w", user, err)
		}
	} else if known, ok := l.scramUsers[scramKey(mechanism, user)]; ok {
		return known, nil
	} else {
		salt := hmac.New(sha256.New, b.nobody[:])
		salt.Write([]byte(scramKey(mechanism, user)))
		e = newScramEntry(mechanism, salt.Sum(nil)[:16], b.nobody[:], minScramIterations)
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(e.Salt), Iters: e.Iterations},
		StoredKey:  e.StoredKey, ServerKey: e.ServerKey,
	}, nil
}

// saltUsers prepares the users of a listener's options for SCRAM.
func saltUsers(s SASL) (map[string]scram.StoredCredentials, error) {
	all := map[string]scram.StoredCredentials{}
	for _, mechanism := range s.Mechanisms {
		hash, ok := scramHashes[mechanism]
		if !ok {
			continue
		}
		for user, password := range s.Users {
			client, err := hash.NewClient(user, password, "")
			if err != nil {
				return nil, fmt.Errorf("user %s: %w", user, err)
			}
			salt := make([]byte, 16)
			_, _ = rand.Read(salt) // never fails
			stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: minScramIterations})
			if err != nil {
				return nil, fmt.Errorf("user %s: %w", user, err)
			}
			all[scramKey(mechanism, user)] = stored
		}
	}
	return all, nil
}

// setScram changes users' credentials, all or none.
func (b *Broker) setScram(changes map[string]*scramEntry) error {
	var facts []topics.Fact
	for key, e := range changes {
		f := topics.Fact{Key: key}
		if e != nil {
			raw, err := json.Marshal(e)
			if err != nil {
				return err
			}
			f.Value = raw
		}
		facts = append(facts, f)
	}
	return b.store.SetFacts(scramKind, facts)
}

// errOtherUser means that a connection was authenticated again as somebody else.
var errOtherUser = errors.New("authentication failed: the connection belongs to another user")

// bareToken handles a frame that is a token without a request header.
func (c *conn) bareToken(f *frame) bool {
	token, err := c.b.authenticate(c.ctx, c, append([]byte(nil), f.data...))
	f.release()
	if err != nil {
		c.b.opts.wait(c.ctx, failedAuthenticationDelay)
		c.end(err.Error())
		return false
	}
	c.inFlight.Add(1)
	out := append([]byte{0, 0, 0, 0}, token...)
	finishFrame(out, len(out))
	c.replies <- pending{&request{conn: c}, reply{body: &body{parts: []bodyPart{{data: out}}}}}
	return true
}
