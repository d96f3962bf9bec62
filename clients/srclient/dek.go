package srclient

import (
	"context"
	"fmt"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// KEK is a key encryption key: a key of a KMS by which data keys are wrapped.
type KEK = schema.KEK

// DEK is a data encryption key, wrapped by a KEK.
type DEK = schema.DEK

// DEKOptions selects a DEK.
type DEKOptions = schema.DEKOptions

// Algorithms of DEKs.
const (
	AES128GCM = "AES128_GCM"
	AES256GCM = "AES256_GCM"
	AES256SIV = "AES256_SIV"
)

func keks(segments ...string) string {
	return "/dek-registry/v1/keks" + path(segments...)
}

func dekQuery(algorithm string) query { return newQuery().text("algorithm", algorithm) }

// KEKs lists the names of KEKs, those with DEKs for subjects with one of the
// prefixes if there are any.
func (c *Client) KEKs(ctx context.Context, subjectPrefixes []string, deleted bool, p Page) ([]string, error) {
	var out []string
	err := c.get(ctx, keks(), newQuery().list("subjectPrefix", subjectPrefixes).flag("deleted", deleted).page(p), &out)
	return out, err
}

// KEK returns a KEK.
func (c *Client) KEK(ctx context.Context, name string, deleted bool) (KEK, error) {
	var out KEK
	err := c.get(ctx, keks(name), newQuery().flag("deleted", deleted), &out)
	return out, err
}

// CreateKEK creates a KEK. With testSharing the registry tries the KMS first.
func (c *Client) CreateKEK(ctx context.Context, k KEK, testSharing bool) (KEK, error) {
	var out KEK
	if k.Name == "" {
		return out, fmt.Errorf("srclient: create KEK: %w", ErrEmptyName)
	}
	err := c.post(ctx, keks(), newQuery().flag("testSharing", testSharing), k, &out)
	return out, err
}

// KEKUpdate is what may change of a KEK; nil stays.
type KEKUpdate struct {
	KMSProps map[string]string `json:"kmsProps,omitempty"`
	Doc      *string           `json:"doc,omitempty"`
	Shared   *bool             `json:"shared,omitempty"`
}

// UpdateKEK changes a KEK.
func (c *Client) UpdateKEK(ctx context.Context, name string, u KEKUpdate, testSharing bool) (KEK, error) {
	var out KEK
	err := c.put(ctx, keks(name), newQuery().flag("testSharing", testSharing), u, &out)
	return out, err
}

// TestKEK lets the registry try the KMS.
func (c *Client) TestKEK(ctx context.Context, name string) (KEK, error) {
	var out KEK
	err := c.post(ctx, keks(name, "test"), newQuery(), nil, &out)
	return out, err
}

// DeleteKEK deletes a KEK that has no DEKs.
func (c *Client) DeleteKEK(ctx context.Context, name string, permanent bool) error {
	return c.delete(ctx, keks(name), newQuery().flag("permanent", permanent), nil)
}

// UndeleteKEK takes a soft delete back.
func (c *Client) UndeleteKEK(ctx context.Context, name string) error {
	return c.post(ctx, keks(name, "undelete"), newQuery(), nil, nil)
}

// DEKSubjects lists the subjects that have DEKs of a KEK.
func (c *Client) DEKSubjects(ctx context.Context, kek string, deleted bool, p Page) ([]schema.Subject, error) {
	var out []schema.Subject
	err := c.get(ctx, keks(kek, "deks"), newQuery().flag("deleted", deleted).page(p), &out)
	return out, err
}

// DEK returns version 1 of a DEK: the answer to a request without a version.
func (c *Client) DEK(ctx context.Context, kek string, s schema.Subject, o DEKOptions) (DEK, error) {
	var out DEK
	err := c.get(ctx, keks(kek, "deks", string(s)), dekQuery(o.Algorithm).flag("deleted", o.Deleted), &out)
	return out, err
}

// DEKVersions lists the versions of a DEK.
func (c *Client) DEKVersions(ctx context.Context, kek string, s schema.Subject, o DEKOptions, p Page) ([]int, error) {
	var out []int
	err := c.get(ctx, keks(kek, "deks", string(s), "versions"), dekQuery(o.Algorithm).flag("deleted", o.Deleted).page(p), &out)
	return out, err
}

// DEKVersion returns a version of a DEK; -1 is the newest.
func (c *Client) DEKVersion(ctx context.Context, kek string, s schema.Subject, version int, o DEKOptions) (DEK, error) {
	var out DEK
	err := c.get(ctx, keks(kek, "deks", string(s), "versions", versionText(schema.Version(version))), dekQuery(o.Algorithm).flag("deleted", o.Deleted), &out) //nolint:gosec // a version
	return out, err
}

// CreateDEK creates a DEK for d.Subject. With a shared KEK the registry makes
// up the key if d has none; rewrap wraps an existing one anew.
func (c *Client) CreateDEK(ctx context.Context, kek string, d DEK, rewrap bool) (DEK, error) {
	var out DEK
	if d.Subject == "" {
		return out, errEmptySubject
	}
	err := c.post(ctx, keks(kek, "deks", string(d.Subject)), newQuery().flag("rewrap", rewrap), d, &out)
	return out, err
}

// DeleteDEK deletes a version of a DEK, all of them if version is 0.
func (c *Client) DeleteDEK(ctx context.Context, kek string, s schema.Subject, version int, algorithm string, permanent bool) error {
	return c.delete(ctx, dekPath(kek, s, version), dekQuery(algorithm).flag("permanent", permanent), nil)
}

// UndeleteDEK takes a soft delete back.
func (c *Client) UndeleteDEK(ctx context.Context, kek string, s schema.Subject, version int, algorithm string) error {
	return c.post(ctx, dekPath(kek, s, version)+"/undelete", dekQuery(algorithm), nil, nil)
}

func dekPath(kek string, s schema.Subject, version int) string {
	if version == 0 {
		return keks(kek, "deks", string(s))
	}
	return keks(kek, "deks", string(s), "versions", versionText(schema.Version(version))) //nolint:gosec // a version
}
