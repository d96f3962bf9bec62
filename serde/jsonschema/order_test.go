package jsonschema_test

import (
	"bytes"
	"testing"

	santhosh "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dovetail-dev/dovetail/compat"
	compatjs "github.com/dovetail-dev/dovetail/compat/jsonschema"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
)

// orderText is the schema of an order with a bit of everything.
const orderText = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"$id": "http://example.com/order.json",
	"title": "Order",
	"type": "object",
	"additionalProperties": false,
	"required": ["id", "number", "revision", "created", "status", "customer", "billing", "items", "total"],
	"properties": {
		"id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}$"},
		"number": {"type": "integer", "minimum": 1},
		"revision": {"type": "integer", "minimum": 0, "maximum": 1000},
		"created": {"type": "integer"},
		"status": {"enum": ["NEW", "PAID", "PACKED", "SHIPPED", "DONE"]},
		"customer": {"type": "string", "minLength": 1, "maxLength": 100},
		"email": {"type": ["string", "null"], "format": "email"},
		"phone": {"type": ["string", "null"]},
		"billing": {"$ref": "#/$defs/address"},
		"shipping": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/address"}]},
		"items": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"$ref": "#/$defs/item"}},
		"attributes": {"type": "object", "additionalProperties": {"type": "string"}},
		"total": {"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$"},
		"discount": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
		"gift": {"type": "boolean"},
		"tags": {"type": "array", "items": {"type": "string"}}
	},
	"$defs": {
		"address": {
			"type": "object",
			"additionalProperties": false,
			"required": ["street", "city", "zip", "country"],
			"properties": {
				"street": {"type": "string"},
				"city": {"type": "string"},
				"zip": {"type": "string", "maxLength": 10},
				"country": {"type": "string", "minLength": 2, "maxLength": 2}
			}
		},
		"item": {
			"type": "object",
			"additionalProperties": false,
			"required": ["sku", "title", "quantity", "price"],
			"properties": {
				"sku": {"type": "string", "maxLength": 20},
				"title": {"type": "string"},
				"quantity": {"type": "integer", "minimum": 1},
				"price": {"type": "number", "minimum": 0},
				"weight": {"type": ["number", "null"]}
			}
		}
	}
}`

// orderPayload is 1.2 KB of it.
const orderPayload = `{"id":"9f1c2ab4-77de","number":100234,"revision":3,"created":1763821671000,"status":"PACKED","customer":"Ada Lovelace",` +
	`"email":"ada.lovelace@example.com","phone":null,"billing":{"street":"12 St James's Square","city":"London","zip":"SW1Y 4JH","country":"GB"},` +
	`"shipping":{"street":"Königsallee 1","city":"Düsseldorf","zip":"40212","country":"DE"},"items":[` +
	`{"sku":"SKU-000001","title":"Difference engine, scale model","quantity":1,"price":249.5,"weight":3.25},` +
	`{"sku":"SKU-000002","title":"Punched cards, box of 500","quantity":4,"price":12.99,"weight":0.8},` +
	`{"sku":"SKU-000003","title":"Notes on the analytical engine","quantity":2,"price":35,"weight":null},` +
	`{"sku":"SKU-000004","title":"Brass gear, 40 teeth","quantity":12,"price":3.15,"weight":0.045},` +
	`{"sku":"SKU-000005","title":"Oil, 100 ml","quantity":1,"price":6.4,"weight":0.12}],` +
	`"attributes":{"channel":"web","campaign":"autumn","affiliate":"none","locale":"en-GB"},"total":"447.62","discount":0.05,"gift":true,` +
	`"tags":["engine","cards","brass","priority"]}`

func parse(t testing.TB, text string) *compatjs.Schema {
	t.Helper()
	s, err := compatjs.Parse(compat.Source{Text: text})
	if err != nil {
		t.Fatalf("%v in %.300s", err, text)
	}
	return s
}

func newValidator(t testing.TB, text string) *jsonschema.Validator {
	t.Helper()
	v, err := jsonschema.NewValidator(parse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestValidatingAllocatesNothing(t *testing.T) {
	v, payload := newValidator(t, orderText), []byte(orderPayload)
	if n := testing.AllocsPerRun(100, func() {
		if err := v.Validate(payload); err != nil {
			t.Fatal(err)
		}
	}); pooled && n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkValidateOrder(b *testing.B) {
	v, payload := newValidator(b, orderText), []byte(orderPayload)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(payload)))
		for b.Loop() {
			if err := v.Validate(payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	library, err := parse(b, orderText).Compile()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("santhosh", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(payload)))
		for b.Loop() {
			value, err := santhosh.UnmarshalJSON(bytes.NewReader(payload))
			if err == nil {
				err = library.Validate(value)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
