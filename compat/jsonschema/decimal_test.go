package jsonschema

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestDecimals compares with math/big.
func TestDecimals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() string {
		s := strconv.Itoa(r.IntN(2000) - 1000)
		if r.IntN(2) == 0 {
			s += "." + strconv.Itoa(r.IntN(100)) + "00"[:r.IntN(3)]
		}
		if r.IntN(2) == 0 {
			s += "e" + strconv.Itoa(r.IntN(9)-4)
		}
		return s
	}
	for range 20_000 {
		x, y := random(), random()
		a, _ := new(big.Rat).SetString(x)
		b, _ := new(big.Rat).SetString(y)
		d, e := ParseDecimal(x), ParseDecimal(y)
		if d.Cmp(e) != a.Cmp(b) || d.Sign() != a.Sign() || d.Integer() != a.IsInt() || (d.String() == e.String()) != (a.Cmp(b) == 0) {
			t.Fatalf("%s and %s", x, y)
		}
		if b.Sign() != 0 && d.MultipleOf(e) != new(big.Rat).Quo(a, b).IsInt() {
			t.Fatalf("%s is a multiple of %s: %v", x, y, d.MultipleOf(e))
		}
		if a.IsInt() && a.Num().IsInt64() && d.Int64() != a.Num().Int64() {
			t.Fatalf("%s is %d", x, d.Int64())
		}
	}
}

func TestDecimalsFarAway(t *testing.T) {
	huge, tiny, one := ParseDecimal("1e999999999999999999999"), ParseDecimal("1e-999999999999999999999"), ParseDecimal("1")
	if huge.Cmp(one) <= 0 || tiny.Cmp(one) >= 0 || tiny.Sign() != 1 || !huge.Integer() || tiny.Integer() {
		t.Error("order")
	}
	if !huge.MultipleOf(ParseDecimal("7e-3")) && huge.MultipleOf(one) != true || tiny.MultipleOf(one) {
		t.Error("multiples")
	}
	if huge.Int64() != 1<<63-1 || ParseDecimal("-1e30").Int64() != -1<<63 || tiny.Int64() != 0 || ParseDecimal("12.7").Int64() != 12 {
		t.Error("integers")
	}
}
