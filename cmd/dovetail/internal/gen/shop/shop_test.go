package shop_test

import (
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/cmd/dovetail/internal/gen/shop"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

// TestGeneratedTypesRoundTrip encodes and decodes what gen wrote.
func TestGeneratedTypesRoundTrip(t *testing.T) {
	types := &avro.Types{}
	shop.RegisterTypes(types)
	codec, err := avro.NewCodec[shop.Order](avro.MustParse(shop.OrderSchema), avro.WithTypes(types))
	if err != nil {
		t.Fatal(err)
	}
	url, weight, day := "https://example.org/c/1", 2.5, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	full := shop.Order{
		OrderID:     "0c2f3b51-0b3e-4ee4-9f0d-3d3a24c8d8aa",
		CustomerURL: &url,
		Total:       shop.Money{Amount: big.NewRat(1999, 100), Currency: shop.Currency{'E', 'U', 'R'}},
		Discount:    big.NewRat(1, 2),
		State:       shop.StateInProgress,
		Lines:       []shop.Line{{SKU: "a", Count: 2, Weight: &weight, Parts: []shop.Line{{SKU: "b", Parts: []shop.Line{}}}}},
		Tags:        map[string]string{"k": "v"},
		Photos:      []byte{1, 2},
		Placed:      time.UnixMilli(1_700_000_000_001).UTC(),
		Shipped:     &day,
		Opens:       9 * time.Hour,
		Period:      avro.LogicalDuration{Months: 1, Days: 2, Milliseconds: 3},
		Replaces: &shop.Order{
			Total: shop.Money{Amount: new(big.Rat)}, State: shop.StateNew, Lines: []shop.Line{}, Placed: time.UnixMilli(0).UTC(),
			OrderID: "00000000-0000-0000-0000-000000000000", Payment: "cash",
		},
		Payment:  shop.Card{Digits: "42", State: shop.PayStateOk},
		Checksum: -1, Ratio: 0.5, Gift: true,
	}
	for _, payment := range []any{full.Payment, "cash", []int64{1, 2}, nil} {
		full.Payment = payment
		payload, err := codec.Append(nil, &full)
		if err != nil {
			t.Fatalf("payment %v: %v", payment, err)
		}
		if err := avro.Validate(codec.Schema(), payload, avro.ValidateOptions{}); err != nil {
			t.Fatal(err)
		}
		var back shop.Order
		if err := codec.Decode(payload, &back); err != nil {
			t.Fatalf("payment %v: %v", payment, err)
		}
		if back.Total.Amount.Cmp(full.Total.Amount) != 0 || back.Discount.Cmp(full.Discount) != 0 {
			t.Fatalf("decimals: %s, %s", back.Total.Amount, back.Discount)
		}
		back.Total.Amount, back.Discount, back.Replaces.Total.Amount = full.Total.Amount, full.Discount, full.Replaces.Total.Amount
		if !reflect.DeepEqual(back, full) {
			t.Fatalf("payment %v:\n%+v\n%+v", payment, back, full)
		}
	}
	if _, err := avro.NewCodec[shop.Money](avro.MustParse(shop.MoneySchema)); err != nil {
		t.Fatal(err)
	}
}
