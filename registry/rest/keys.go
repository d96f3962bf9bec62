package rest

import (
	"net/http"
	"strconv"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
)

// keksPath is where the keys of field encryption are served.
const keksPath = "/dek-registry/v1/keks"

// kekBody is CreateKekRequest.
type kekBody struct {
	Name     string            `json:"name"`
	KMSType  string            `json:"kmsType"`
	KMSKeyID string            `json:"kmsKeyId"`
	KMSProps map[string]string `json:"kmsProps"`
	Doc      string            `json:"doc"`
	Shared   bool              `json:"shared"`
	Deleted  bool              `json:"deleted"`
}

// kekPatchBody is UpdateKekRequest.
type kekPatchBody struct {
	KMSProps member[map[string]string] `json:"kmsProps"`
	Doc      member[string]            `json:"doc"`
	Shared   member[bool]              `json:"shared"`
}

// dekBody is CreateDekRequest.
type dekBody struct {
	Subject   schema.Subject `json:"subject"`
	Version   int32          `json:"version"`
	Algorithm string         `json:"algorithm"`
	Wrapped   string         `json:"encryptedKeyMaterial"`
	Deleted   bool           `json:"deleted"`
}

func (c *call) putKEK(k registry.KEK, err error) error {
	if err != nil {
		return err
	}
	c.put(`{"name":`)
	c.putString(k.Name)
	c.put(`,"kmsType":`)
	c.putString(k.KMSType)
	c.put(`,"kmsKeyId":`)
	c.putString(k.KMSKeyID)
	if len(k.KMSProps) > 0 {
		c.put(`,"kmsProps":`)
		c.b = registry.AppendStringMap(c.b, k.KMSProps)
	}
	if k.Doc != "" {
		c.put(`,"doc":`)
		c.putString(k.Doc)
	}
	c.put(`,"shared":`)
	c.b = strconv.AppendBool(c.b, k.Shared)
	c.putKeyState(k.Timestamp, k.Deleted)
	return nil
}

func (c *call) putDEK(d registry.DEK, err error) error {
	if err != nil {
		return err
	}
	c.put(`{"kekName":`)
	c.putString(d.KEK)
	c.put(`,"subject":`)
	c.putString(string(d.Subject))
	c.put(`,"version":`)
	c.putInt(int64(d.Version))
	c.put(`,"algorithm":`)
	c.putString(string(d.Algorithm))
	c.put(`,"encryptedKeyMaterial":`)
	c.putString(d.Wrapped)
	if d.Clear != "" {
		c.put(`,"keyMaterial":`)
		c.putString(d.Clear)
	}
	c.putKeyState(d.Timestamp, d.Deleted)
	return nil
}

// putKeyState appends the last members of a key and its closing brace.
func (c *call) putKeyState(timestamp int64, deleted bool) {
	c.put(`,"ts":`)
	c.putInt(timestamp)
	if deleted {
		c.put(`,"deleted":true`)
	}
	c.put("}")
}

// dekQuery reads which DEK a request names. A version that is no version is no
// route; version is what stands for none in the path.
func (c *call) dekQuery(version schema.Version) (registry.DEKQuery, error) {
	q := registry.DEKQuery{KEK: c.param("kek"), Subject: c.subject(), Version: version, Deleted: c.flag("deleted")}
	var ok bool
	if q.Algorithm, ok = registry.ParseAlgorithm(c.text("algorithm")); !ok {
		return q, notFound()
	}
	if text := c.param("version"); text != "" {
		var err error
		if q.Version, err = registry.ParseVersion(text); err != nil {
			return q, err
		}
	}
	return q, nil
}

func listKEKs(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	names, err := c.reg.KEKs(c.list("subjectPrefix"), c.flag("deleted"), page)
	if err == nil {
		putStrings(c, names)
	}
	return err
}

func getKEK(c *call) error { return c.putKEK(c.reg.KEK(c.param("kek"), c.flag("deleted"))) }

func createKEK(c *call) error {
	var b kekBody
	if err := c.decode(&b); err != nil {
		return err
	}
	k := registry.KEK{Name: b.Name, KMSType: b.KMSType, KMSKeyID: b.KMSKeyID, KMSProps: b.KMSProps, Doc: b.Doc, Shared: b.Shared, Deleted: b.Deleted}
	return c.putKEK(c.reg.CreateKEK(c.r.Context(), k, c.flag("testSharing")))
}

func updateKEK(c *call) error {
	var b kekPatchBody
	if err := c.decode(&b); err != nil {
		return err
	}
	p := registry.KEKPatch{KMSProps: b.KMSProps.Patch, Doc: b.Doc.Patch, Shared: b.Shared.Patch}
	return c.putKEK(c.reg.UpdateKEK(c.r.Context(), c.param("kek"), p, c.flag("testSharing")))
}

func testKEK(c *call) error { return c.putKEK(c.reg.TestKEK(c.r.Context(), c.param("kek"))) }

func deleteKEK(c *call) error {
	c.status = http.StatusNoContent
	return c.reg.DeleteKEK(c.r.Context(), c.param("kek"), c.flag("permanent"))
}

func undeleteKEK(c *call) error {
	c.status = http.StatusNoContent
	return c.reg.UndeleteKEK(c.r.Context(), c.param("kek"))
}

func listDEKSubjects(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	subjects, err := c.reg.DEKSubjects(c.param("kek"), c.flag("deleted"), page)
	if err == nil {
		putStrings(c, subjects)
	}
	return err
}

func listDEKVersions(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	q, err := c.dekQuery(0)
	if err != nil {
		return err
	}
	versions, err := c.reg.DEKVersions(q, page)
	if err == nil {
		putInts(c, versions)
	}
	return err
}

// getDEK answers a request without a version with version 1, which is what
// clients that do not rotate keys expect.
func getDEK(c *call) error {
	q, err := c.dekQuery(1)
	if err != nil {
		return err
	}
	return c.putDEK(c.reg.DEK(c.r.Context(), q))
}

func createDEK(c *call) error {
	var b dekBody
	if err := c.decode(&b); err != nil {
		return err
	}
	if name := c.subject(); name != "" {
		b.Subject = name
	}
	d := registry.DEK{
		KEK: c.param("kek"), Subject: b.Subject, Version: schema.Version(b.Version), Algorithm: registry.Algorithm(b.Algorithm),
		Wrapped: b.Wrapped, Deleted: b.Deleted,
	}
	return c.putDEK(c.reg.CreateDEK(c.r.Context(), d, c.flag("rewrap")))
}

func deleteDEK(c *call) error {
	q, err := c.dekQuery(0)
	if err != nil {
		return err
	}
	c.status = http.StatusNoContent
	return c.reg.DeleteDEK(c.r.Context(), q, c.flag("permanent"))
}

func undeleteDEK(c *call) error {
	q, err := c.dekQuery(0)
	if err != nil {
		return err
	}
	c.status = http.StatusNoContent
	return c.reg.UndeleteDEK(c.r.Context(), q)
}
