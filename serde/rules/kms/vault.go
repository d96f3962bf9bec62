package kms

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// VaultType is the kmsType of Vault.
const VaultType = "hcvault"

// Properties that Vault reads of a KEK.
const (
	TokenProperty     = "token.id"
	NamespaceProperty = "namespace"
)

// Vault wraps keys by the transit engine of HashiCorp Vault, over its HTTP API.
// The key ID is the URL of the key: https://host:8200/transit/keys/name, with
// "hcvault://" in front or not.
type Vault struct {
	// Address, if set, is the only server that is called (scheme, host and
	// port). A service that takes key IDs from its clients must set it, or it
	// sends its token wherever they like.
	Address   string
	Token     string       // used if the properties have no TokenProperty
	Namespace string       // used if the properties have no NamespaceProperty
	Client    *http.Client // nil is http.DefaultClient
}

// maxAnswerBytes bounds what is read of Vault's answer.
const maxAnswerBytes = 1 << 20

// Wrap lets Vault encrypt key.
func (v Vault) Wrap(ctx context.Context, keyID string, properties map[string]string, key []byte) ([]byte, error) {
	var out struct {
		Data struct {
			Ciphertext string `json:"ciphertext"`
		} `json:"data"`
	}
	in := map[string]string{"plaintext": base64.StdEncoding.EncodeToString(key)}
	if err := v.call(ctx, "encrypt", keyID, properties, in, &out); err != nil {
		return nil, err
	}
	if out.Data.Ciphertext == "" {
		return nil, errors.New("kms: Vault answered without a ciphertext")
	}
	return []byte(out.Data.Ciphertext), nil
}

// Unwrap lets Vault decrypt what Wrap returned.
func (v Vault) Unwrap(ctx context.Context, keyID string, properties map[string]string, wrapped []byte) ([]byte, error) {
	var out struct {
		Data struct {
			Plaintext string `json:"plaintext"`
		} `json:"data"`
	}
	if err := v.call(ctx, "decrypt", keyID, properties, map[string]string{"ciphertext": string(wrapped)}, &out); err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(out.Data.Plaintext)
	if err != nil || len(key) == 0 {
		return nil, errors.New("kms: Vault answered without a plaintext")
	}
	return key, nil
}

// endpoint turns the URL of a key into that of an operation with it:
// …/transit/keys/name becomes …/v1/transit/encrypt/name.
func (v Vault) endpoint(operation, keyID string) (string, error) {
	u, err := url.Parse(strings.TrimPrefix(keyID, VaultType+"://"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return "", errors.New("kms: the key ID is not the URL of a Vault key: want https://host:port/transit/keys/name")
	}
	if v.Address != "" && !strings.EqualFold(strings.TrimSuffix(v.Address, "/"), u.Scheme+"://"+u.Host) {
		return "", fmt.Errorf("kms: keys of %s are not served, only those of the Vault that was configured", u.Host)
	}
	mount, name, ok := strings.Cut(strings.Trim(u.EscapedPath(), "/"), "/keys/")
	if !ok || mount == "" || name == "" || strings.Contains(name, "/") || strings.Contains("/"+mount+"/"+name+"/", "/../") {
		return "", fmt.Errorf("kms: the key ID's path %q is not mount/keys/name", u.Path)
	}
	return u.Scheme + "://" + u.Host + "/v1/" + mount + "/" + operation + "/" + name, nil
}

func (v Vault) call(ctx context.Context, operation, keyID string, properties map[string]string, in map[string]string, out any) error {
	target, err := v.endpoint(operation, keyID)
	if err != nil {
		return err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("kms: request to Vault: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("kms: request to Vault: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Vault-Request", "true")
	if token := or(properties[TokenProperty], v.Token); token != "" {
		req.Header.Set("X-Vault-Token", token)
	}
	if namespace := or(properties[NamespaceProperty], v.Namespace); namespace != "" {
		req.Header.Set("X-Vault-Namespace", namespace)
	}
	client := v.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("kms: asking Vault: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return fmt.Errorf("kms: Vault's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("kms: Vault refused to %s: %s%s", operation, resp.Status, reasons(answer))
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("kms: Vault's answer: %w", err)
	}
	return nil
}

// reasons returns what Vault says is wrong.
func reasons(answer []byte) string {
	var e struct {
		Errors []string `json:"errors"`
	}
	if json.Unmarshal(answer, &e) != nil || len(e.Errors) == 0 {
		return ""
	}
	return ": " + strings.Join(e.Errors, "; ")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
