package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	santhosh "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/jsonschema"
	"github.com/dovetail-dev/dovetail/compat/schema"
	serdejson "github.com/dovetail-dev/dovetail/serde/jsonschema"
)

const santhoshName = "santhosh-tekuri/jsonschema v6.0.3"

// jsonOrder is a JSON Schema of an order with the keywords that people use.
const jsonOrder = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object", "additionalProperties": false, "required": ["id", "number", "status", "billing", "items", "total"],
	"properties": {
		"id": {"type": "string", "pattern": "^ord-[0-9]{4}-[0-9]{6}$"},
		"number": {"type": "integer", "minimum": 1},
		"created": {"type": "integer"},
		"status": {"enum": ["NEW", "PAID", "PACKED", "SHIPPED", "DONE"]},
		"customer": {"type": "string", "minLength": 1, "maxLength": 100},
		"email": {"type": ["string", "null"]},
		"billing": {"$ref": "#/$defs/address"},
		"shipping": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/address"}]},
		"items": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"$ref": "#/$defs/item"}},
		"attributes": {"type": "object", "additionalProperties": {"type": "string"}},
		"total": {"type": "string", "pattern": "^[0-9]+[.][0-9]{2}$"},
		"discount": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
		"gift": {"type": "boolean"},
		"tags": {"type": "array", "items": {"type": "string"}}
	},
	"$defs": {
		"address": {"type": "object", "additionalProperties": false, "required": ["street", "city", "zip", "country"], "properties": {
			"street": {"type": "string"}, "city": {"type": "string"}, "zip": {"type": "string", "maxLength": 10},
			"country": {"type": "string", "minLength": 2, "maxLength": 2}}},
		"item": {"type": "object", "additionalProperties": false, "required": ["sku", "quantity", "price"], "properties": {
			"sku": {"type": "string", "pattern": "^SKU-"}, "title": {"type": "string"},
			"quantity": {"type": "integer", "minimum": 1, "maximum": 10000}, "price": {"type": "number", "minimum": 0}}}
	}}`

// jsonOrderPayload is an order of about a kilobyte.
func jsonOrderPayload() ([]byte, error) {
	address := map[string]any{"street": "12 Compiler Street", "city": "Arlington", "zip": "22201", "country": "US"}
	var items []any
	for i := range 8 {
		items = append(items, map[string]any{"sku": fmt.Sprintf("SKU-%05d", i*37), "title": fmt.Sprint("Item number ", i), "quantity": i + 1, "price": 9.99 * float64(i+1)})
	}
	return json.Marshal(map[string]any{
		"id": "ord-2026-000123", "number": 123456789, "created": 1790000000000, "status": "SHIPPED", "customer": "Grace Hopper", "email": nil,
		"billing": address, "shipping": address, "items": items, "attributes": map[string]any{"source": "web", "campaign": "autumn"},
		"total": "12345.99", "discount": 0.125, "gift": true, "tags": []any{"priority", "fragile"},
	})
}

// benchJSONSchema measures the validation of JSON text.
func benchJSONSchema(ctx context.Context, o options, r *report) error {
	parsed, err := jsonschema.Parse(compat.Source{Type: schema.JSON, Text: jsonOrder})
	if err != nil {
		return err
	}
	v, err := serdejson.NewValidator(parsed)
	if err != nil {
		return err
	}
	document, err := santhosh.UnmarshalJSON(strings.NewReader(jsonOrder))
	if err != nil {
		return err
	}
	c := santhosh.NewCompiler()
	if err := c.AddResource("order.json", document); err != nil {
		return err
	}
	library, err := c.Compile("order.json")
	if err != nil {
		return err
	}
	theirs := func(payload []byte) error {
		value, err := santhosh.UnmarshalJSON(bytes.NewReader(payload))
		if err != nil {
			return err
		}
		return library.Validate(value)
	}
	payload, err := jsonOrderPayload()
	if err != nil {
		return err
	}
	bad := bytes.Replace(payload, []byte(`"SHIPPED"`), []byte(`"LOST"`), 1)
	if v.Validate(bad) == nil || theirs(bad) == nil {
		return errors.New("an order with an unknown status passes")
	}
	rounds, turn := o.codecRounds()
	t, err := interleaveCPU(ctx, rounds, turn,
		repeat("ours", func() error { return v.Validate(payload) }),
		repeat(santhoshName, func() error { return theirs(payload) }))
	if err != nil {
		return err
	}
	r.faster(fmt.Sprintf("JSON Schema validation from bytes, order of %d bytes", len(payload)), t, "ours", santhoshName, atLeast(12))
	return nil
}
