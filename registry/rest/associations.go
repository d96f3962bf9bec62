package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
)

// resourceBody is what a resource is to be tied to.
type resourceBody struct {
	ResourceName      string `json:"resourceName"`
	ResourceNamespace string `json:"resourceNamespace"`
	ResourceID        string `json:"resourceId"`
	ResourceType      string `json:"resourceType"`
	Associations      []struct {
		Subject         schema.Subject     `json:"subject"`
		AssociationType string             `json:"associationType"`
		Lifecycle       registry.Lifecycle `json:"lifecycle"`
		Frozen          *bool              `json:"frozen"`
		Schema          *registerBody      `json:"schema"`
		Normalize       bool               `json:"normalize"`
	} `json:"associations"`
}

func (b resourceBody) request(c *call) registry.AssociateRequest {
	req := registry.AssociateRequest{
		ResourceName: b.ResourceName, ResourceNamespace: b.ResourceNamespace, ResourceID: b.ResourceID, ResourceType: b.ResourceType,
		Context: contextOf(c.text("context")), DryRun: c.flag("dryRun"),
	}
	for _, a := range b.Associations {
		item := registry.AssociateItem{Subject: a.Subject, AssociationType: a.AssociationType, Lifecycle: a.Lifecycle, Frozen: a.Frozen}
		if a.Schema != nil {
			r := a.Schema.request(a.Normalize, false)
			item.Schema = &r
		}
		req.Associations = append(req.Associations, item)
	}
	return req
}

// contextOf reads a context as it stands in a query: ":.x:", ".x" or "x".
func contextOf(s string) schema.Context {
	s = strings.Trim(s, ":")
	if s != "" && !strings.HasPrefix(s, ".") {
		s = "." + s
	}
	return schema.Context(s)
}

func (c *call) associationsQuery() (registry.AssociationsQuery, error) {
	page, err := c.page()
	if err != nil {
		return registry.AssociationsQuery{}, err
	}
	q := registry.AssociationsQuery{
		ResourceType: c.text("resourceType"), AssociationTypes: c.list("associationType"),
		Lifecycle: registry.Lifecycle(c.text("lifecycle")), Page: page,
	}
	if !slices.Contains([]registry.Lifecycle{"", registry.Strong, registry.Weak}, q.Lifecycle) {
		return q, notFound()
	}
	return q, nil
}

func (c *call) putAssociations(list []*registry.Association, err error) error {
	if err == nil {
		putList(c, list, c.putAssociation)
	}
	return err
}

func associationsBySubject(c *call) error {
	q, err := c.associationsQuery()
	if err != nil {
		return err
	}
	return c.putAssociations(c.reg.AssociationsBySubject(c.subject(), q))
}

func associationsByID(c *call) error {
	q, err := c.associationsQuery()
	if err != nil {
		return err
	}
	return c.putAssociations(c.reg.AssociationsByID(c.param("resource"), q))
}

func associationsByName(c *call) error {
	q, err := c.associationsQuery()
	if err != nil {
		return err
	}
	return c.putAssociations(c.reg.AssociationsByName(c.param("resource"), c.param("name"), q))
}

func createAssociations(c *call) error {
	var b resourceBody
	if err := c.decode(&b); err != nil {
		return err
	}
	return c.associate(b.request(c), false)
}

func upsertAssociations(c *call) error {
	var b resourceBody
	if err := c.decode(&b); err != nil {
		return err
	}
	if b.ResourceID == "" {
		b.ResourceID = c.param("resource")
	}
	return c.associate(b.request(c), true)
}

func (c *call) associate(req registry.AssociateRequest, upsert bool) error {
	list, err := c.reg.Associate(c.r.Context(), req, upsert)
	if err != nil {
		return err
	}
	return c.putResource(req, list)
}

// putResource appends an AssociationResponse.
func (c *call) putResource(req registry.AssociateRequest, list []registry.Associated) error {
	if req.ResourceType == "" {
		req.ResourceType = "topic"
	}
	c.put("{")
	for _, m := range []struct{ name, value string }{
		{"resourceName", req.ResourceName}, {"resourceNamespace", req.ResourceNamespace}, {"resourceId", req.ResourceID},
	} {
		if m.value != "" {
			c.putString(m.name)
			c.put(":")
			c.putString(m.value)
			c.put(",")
		}
	}
	c.put(`"resourceType":`)
	c.putString(req.ResourceType)
	c.put(`,"associations":[`)
	for i, a := range list {
		if i > 0 {
			c.put(",")
		}
		c.put(`{"subject":`)
		c.putString(string(a.Subject))
		c.put(`,"associationType":`)
		c.putString(a.AssociationType)
		c.put(`,"lifecycle":`)
		c.putString(string(a.Lifecycle))
		c.put(`,"frozen":`)
		c.b = strconv.AppendBool(c.b, a.Frozen)
		if a.Schema != nil {
			c.put(`,"schema":`)
			if err := c.putSchema(*a.Schema, shown{}); err != nil {
				return err
			}
			c.put("}")
		}
		c.put("}")
	}
	c.put("]}")
	return nil
}

func deleteAssociations(c *call) error {
	err := c.reg.Dissociate(c.r.Context(), registry.DissociateRequest{
		ResourceID: c.param("resource"), ResourceType: c.text("resourceType"), AssociationTypes: c.list("associationType"),
		Cascade: c.flag("cascadeLifecycle"), DryRun: c.flag("dryRun"),
	})
	c.status = http.StatusNoContent
	return err
}

// batchBody is a list of requests that are served each for itself.
type batchBody struct {
	Requests []json.RawMessage `json:"requests"`
}

// maxBatch bounds the requests of one batch.
const maxBatch = 1000

// batch serves each request of a batch; what it appends is undone if it fails.
func (c *call) batch(serve func(item []byte) error) error {
	var b batchBody
	if err := c.decode(&b); err != nil {
		return err
	}
	if len(b.Requests) > maxBatch {
		return badRequest("A batch has at most " + strconv.Itoa(maxBatch) + " requests, this one has " + strconv.Itoa(len(b.Requests)))
	}
	c.put(`{"results":[`)
	for i, item := range b.Requests {
		if i > 0 {
			c.put(",")
		}
		start := len(c.b)
		c.put(`{"result":`)
		err := serve(item)
		if err != nil {
			c.b = append(c.b[:start], `{"error":`...)
			c.b = appendError(c.b, err, false)
		}
		c.put("}")
	}
	c.put("]}")
	c.status = http.StatusMultiStatus
	return nil
}

func batchGet(c *call) error {
	withSchemas := c.flag("includeSchemas")
	return c.batch(func(item []byte) error {
		var b struct {
			resourceBody
			Subject          schema.Subject     `json:"subject"`
			AssociationTypes []string           `json:"associationTypes"`
			Lifecycle        registry.Lifecycle `json:"lifecycle"`
		}
		if err := decodeBody(item, &b); err != nil {
			return err
		}
		q := registry.AssociationsQuery{ResourceType: b.ResourceType, AssociationTypes: b.AssociationTypes, Lifecycle: b.Lifecycle}
		var list []*registry.Association
		var err error
		switch {
		case b.ResourceID != "":
			list, err = c.reg.AssociationsByID(b.ResourceID, q)
		case b.Subject != "":
			list, err = c.reg.AssociationsBySubject(b.Subject, q)
		default:
			list, err = c.reg.AssociationsByName(orAny(b.ResourceNamespace), orAny(b.ResourceName), q)
		}
		if err != nil {
			return err
		}
		req := registry.AssociateRequest{
			ResourceName: b.ResourceName, ResourceNamespace: b.ResourceNamespace, ResourceID: b.ResourceID, ResourceType: b.ResourceType,
		}
		var out []registry.Associated
		for i, a := range list {
			if i == 0 {
				req = registry.AssociateRequest{
					ResourceName: a.ResourceName, ResourceNamespace: a.ResourceNamespace, ResourceID: a.ResourceID, ResourceType: a.ResourceType,
				}
			}
			found := registry.Associated{Association: *a}
			if withSchemas {
				if s, err := c.reg.Version(a.Subject, schema.Latest, false); err == nil {
					found.Schema = &s
				}
			}
			out = append(out, found)
		}
		return c.putResource(req, out)
	})
}

func orAny(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func batchMutate(c *call) error {
	index := -1
	return c.batch(func(item []byte) error {
		index++
		var b struct {
			resourceBody
			Operation        string   `json:"operation"`
			Op               string   `json:"op"`
			AssociationTypes []string `json:"associationTypes"`
			Cascade          bool     `json:"cascadeLifecycle"`
		}
		if err := decodeBody(bytes.TrimSpace(item), &b); err != nil {
			return err
		}
		switch op := strings.ToUpper(b.Operation + b.Op); op {
		case "CREATE", "UPSERT":
			return c.associate(b.request(c), op == "UPSERT")
		case "DELETE":
			err := c.reg.Dissociate(c.r.Context(), registry.DissociateRequest{
				ResourceID: b.ResourceID, ResourceType: b.ResourceType, AssociationTypes: b.AssociationTypes,
				Cascade: b.Cascade, DryRun: c.flag("dryRun"),
			})
			if err != nil {
				return err
			}
			return c.putResource(b.request(c), nil)
		}
		return registry.ErrInvalidBatch(index, "operation is not one of CREATE, UPSERT and DELETE")
	})
}
