package rules

import (
	"context"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

var evaluator = sync.OnceValues(func() (*Engine, error) { return New(Options{}) })

// evaluate returns what an expression makes of a document, or its error.
func evaluate(t *testing.T, expr string) string {
	t.Helper()
	e, err := evaluator()
	if err != nil {
		t.Fatal(err)
	}
	r := newCELRule(&step{engine: e, rule: schema.Rule{Expr: expr}, params: map[string]string{"cel.ignore.guard.separator": "true"}})
	out, err := r.document(context.Background(), []byte(`{"n":3,"s":"1.50","t":"2026-01-02T03:04:05Z","f":0.25,"none":null}`))
	if err != nil {
		return "error: " + err.Error()
	}
	return string(out)
}

func TestDecimalFunctions(t *testing.T) {
	for expr, want := range map[string]string{
		`decimal("12.50")`:                                `12.50`,
		`string(decimal("12.50") + decimal("0.5"))`:       `"13.00"`,
		`decimals.add(decimal("12.50"), decimal("0.5"))`:  `13.00`,
		`decimal("1") - decimal("1.10")`:                  `-0.10`,
		`decimals.sub(decimal("1"), decimal("1.10"))`:     `-0.10`,
		`decimal("1.20") * decimal("2.0")`:                `2.400`,
		`decimals.mul(decimal("1.20"), decimal("2.0"))`:   `2.400`,
		`decimal("10") / decimal("4")`:                    `2.5`,
		`decimals.div(decimal("10.00"), decimal("4"))`:    `2.50`,
		`decimals.div(decimal("1"), decimal("3"))`:        `0.33333333333333333333333333333333333333`,
		`decimals.div(decimal("-2"), decimal("3"))`:       `-0.66666666666666666666666666666666666667`,
		`decimals.div(decimal("100"), decimal("5"))`:      `20`,
		`decimals.div(decimal("1000"), decimal("0.5"))`:   `2000`,
		`decimals.div(decimal("1e10"), decimal("2"))`:     `5000000000`,
		`decimals.div(decimal("0.00"), decimal("3"))`:     `0.00`,
		`decimals.div(decimal("1"), decimal("0"))`:        `error: evaluating the expression: division by zero`,
		`decimal("7") % decimal("4")`:                     `3`,
		`decimals.mod(decimal("-7.5"), decimal("2"))`:     `-1.5`,
		`decimals.mod(decimal("7"), decimal("0"))`:        `error: evaluating the expression: division by zero`,
		`decimals.sqrt(decimal("2"))`:                     `1.4142135623730950488016887242096980786`,
		`decimals.sqrt(decimal("4.00"))`:                  `2.0`,
		`decimals.sqrt(decimal("-1"))`:                    `error: evaluating the expression: the square root of a negative number`,
		`decimals.round(decimal("2.5"))`:                  `3`,
		`decimals.round(decimal("-2.5"))`:                 `-3`,
		`decimals.round(decimal("-0.4"))`:                 `0`,
		`decimals.round(decimal("1.255"), 2)`:             `1.26`,
		`decimals.round(decimal("1.5"), 3)`:               `1.500`,
		`decimals.round(decimal("1255"), -2)`:             `1300`,
		`decimals.trunc(decimal("1255.9"), -2)`:           `1200`,
		`decimals.trunc(decimal("-1.59"), 1)`:             `-1.5`,
		`decimals.trunc(decimal("1.5"), 3)`:               `1.5`,
		`decimals.trunc(decimal("-1.59"))`:                `-1`,
		`decimals.floor(decimal("-1.5"))`:                 `-2`,
		`decimals.floor(decimal("1.5"))`:                  `1`,
		`decimals.ceil(decimal("-1.5"))`:                  `-1`,
		`decimals.ceil(decimal("1.2"))`:                   `2`,
		`decimals.neg(decimal("1.20"))`:                   `-1.20`,
		`-decimal("1.20")`:                                `-1.20`,
		`decimals.abs(decimal("-1.20"))`:                  `1.20`,
		`decimals.sign(decimal("-1.20"))`:                 `-1`,
		`decimals.sign(decimal("0.0"))`:                   `0`,
		`decimals.eq(decimal("1.0"), decimal("1"))`:       `true`,
		`decimals.lt(decimal("1.0"), decimal("1"))`:       `false`,
		`decimals.le(decimal("1.0"), decimal("1"))`:       `true`,
		`decimals.gt(decimal("1.01"), decimal("1"))`:      `true`,
		`decimals.ge(decimal("0.99"), decimal("1"))`:      `false`,
		`decimal("1.0") == decimal("1")`:                  `true`,
		`decimal("1.0") != decimal("1.01")`:               `true`,
		`decimal("1.0") < decimal("1.1")`:                 `true`,
		`decimal("2") >= decimal("10")`:                   `false`,
		`decimals.greatest(decimal("1.0"), decimal("1"))`: `1.0`,
		`decimals.least(decimal("3"), decimal("2.5"))`:    `2.5`,
		`decimal(5)`:                                         `5`,
		`decimal(5u)`:                                        `5`,
		`string(decimal(0.1))`:                               `"0.1"`,
		`string(decimal(100.0))`:                             `"100.0"`,
		`string(decimal(1e30))`:                              `"1000000000000000000000000000000"`,
		`decimal(b"\x04\xd2", 2)`:                            `12.34`,
		`decimal(b"\xff", 0)`:                                `-1`,
		`string(decimal(b"", 2))`:                            `"0.00"`,
		`decimal("1e3")`:                                     `1000`,
		`string(decimal("-0.00"))`:                           `"0.00"`,
		`decimal("+1.")`:                                     `1`,
		`decimal(".5")`:                                      `0.5`,
		`double(decimal("1.5"))`:                             `1.5`,
		`decimal(message.s) * decimal(message.n)`:            `4.50`,
		`decimal(message.s) + message.n`:                     `4.50`,
		`decimals.add(decimal(message.s), message.n)`:        `4.50`,
		`message.n > 2 && decimal(message.s) < decimal("2")`: `true`,
		`decimal(" 1")`:                                      `error: evaluating the expression: " 1" is no decimal number`,
		`decimal("1_0")`:                                     `error: evaluating the expression: "1_0" is no decimal number`,
		`decimal("")`:                                        `error: evaluating the expression: "" is no decimal number`,
		`decimal("Infinity")`:                                `error: evaluating the expression: "Infinity" is no decimal number`,
		`decimal(true)`:                                      `error: evaluating the expression: a bool cannot be converted to a decimal`,
		`decimal(message.none)`:                              `error: evaluating the expression: a null_type cannot be converted to a decimal`,
		`decimals.add(decimal("1"), message.s)`:              `error: evaluating the expression: a string is no decimal: convert it with decimal(…)`,
		`decimal("1e1001")`:                                  `error: evaluating the expression: a decimal of more than 1000 digits`,
		`decimal("1e-99999999999999999999")`:                 `error: evaluating the expression: a decimal of more than 1000 digits`,
		`decimal(b"", 100000)`:                               `error: evaluating the expression: a decimal of more than 1000 digits`,
		`decimals.round(decimal("1"), 100000)`:               `error: evaluating the expression: a decimal of more than 1000 digits`,
		`decimal("1e900") * decimal("1e900")`:                `error: evaluating the expression: a decimal of more than 1000 digits`,

		`timestamp(1500, 3)`:                    `"1970-01-01T00:00:01.5Z"`,
		`timestamp(-1, 9)`:                      `"1969-12-31T23:59:59.999999999Z"`,
		`timestamp(7, 0) == timestamp(7)`:       `true`,
		`timestamp(1, 4)`:                       `error: evaluating the expression: timestamp: precision 4 is not 0 (seconds), 3 (millis), 6 (micros) or 9 (nanos)`,
		`timestamp(9223372036854775807, 3)`:     `error: evaluating the expression: timestamp: 9223372036854775807 is outside the years 1 to 9999`,
		`timestamp.of(1500, "millis")`:          `"1970-01-01T00:00:01.5Z"`,
		`timestamp.of(1500000, "micros")`:       `"1970-01-01T00:00:01.5Z"`,
		`timestamp.of(1500000000, "nanos")`:     `"1970-01-01T00:00:01.5Z"`,
		`timestamp.of(2, "seconds")`:            `"1970-01-01T00:00:02Z"`,
		`timestamp.of(2, "days")`:               `error: evaluating the expression: timestamp.of: unit "days" is not seconds, millis, micros or nanos`,
		`timestamp.of(message.t).getFullYear()`: `2026`,
		`timestamp.of(timestamp(1))`:            `"1970-01-01T00:00:01Z"`,
		`timestamp.of(message.n)`:               `error: evaluating the expression: timestamp.of: a number needs a unit: seconds, millis, micros or nanos`,
		`timestamp.of(message.none)`:            `error: evaluating the expression: timestamp.of: a null_type cannot be converted to a timestamp`,
		`timestamp(message.t) < now`:            `true`,
	} {
		if expr == `timestamp(message.t) < now` {
			want = evaluate(t, `timestamp("2026-01-02T03:04:05Z") < now`)
		}
		if got := evaluate(t, expr); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

// Random decimals against rational numbers, which are exact too.
func TestDecimalsCalculateAsRationalNumbersDo(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	random := func() Decimal {
		n := randomInt(r, 1+r.IntN(45))
		if r.IntN(2) == 0 {
			n.Neg(n)
		}
		return Decimal{n, r.IntN(40) - 10}
	}
	ulp := func(d Decimal) *big.Rat { return Decimal{big.NewInt(1), d.scale}.Rat() }
	for range 1000 {
		a, b := random(), random()
		for name, c := range map[string]struct {
			got  func(a, b Decimal) (Decimal, error)
			want *big.Rat
		}{
			"+": {Decimal.add, new(big.Rat).Add(a.Rat(), b.Rat())},
			"-": {Decimal.sub, new(big.Rat).Sub(a.Rat(), b.Rat())},
			"*": {Decimal.mul, new(big.Rat).Mul(a.Rat(), b.Rat())},
		} {
			if got, err := c.got(a, b); err != nil || got.Rat().Cmp(c.want) != 0 {
				t.Fatalf("seed %d: %s %s %s is %s, %v; want %s", seed, a, name, b, got, err, c.want)
			}
		}
		if a.cmp(b) != a.Rat().Cmp(b.Rat()) {
			t.Fatalf("seed %d: %s and %s compare wrongly", seed, a, b)
		}
		if again, err := ParseDecimal(a.String()); err != nil || again.cmp(a) != 0 {
			t.Fatalf("seed %d: %s is read as %s, %v", seed, a, again, err)
		}
		if again, err := decimalOfBytes(a.bytes(), int64(a.scale)); err != nil || again.cmp(a) != 0 || again.scale != a.scale {
			t.Fatalf("seed %d: % x is %s, not %s, %v", seed, a.bytes(), again, a, err)
		}
		if again, ok := decimalOfRat(a.Rat(), 0); !ok || again.cmp(a) != 0 {
			t.Fatalf("seed %d: %s of a rational number is %s", seed, a, again)
		}
		for _, how := range []rounding{roundHalfUp, roundDown, roundFloor, roundCeiling} {
			scale := int64(r.IntN(50) - 15)
			got, err := a.round(scale, how)
			off := new(big.Rat).Sub(got.Rat(), a.Rat())
			limit := ulp(got)
			if how == roundHalfUp {
				limit.Quo(limit, big.NewRat(2, 1))
			}
			sign := off.Sign()
			if err != nil || int64(got.scale) != scale || off.Abs(off).Cmp(limit) > 0 || how == roundFloor && sign > 0 || how == roundCeiling && sign < 0 || how == roundDown && sign*a.int().Sign() > 0 {
				t.Fatalf("seed %d: %s rounded (%d) to scale %d is %s, %v", seed, a, how, scale, got, err)
			}
		}
		if b.int().Sign() == 0 {
			continue
		}
		q, err := a.div(b)
		want := new(big.Rat).Quo(a.Rat(), b.Rat())
		off := new(big.Rat).Sub(q.Rat(), want)
		if limit := new(big.Rat).Quo(ulp(q), big.NewRat(2, 1)); err != nil || off.Abs(off).Cmp(limit) > 0 || digits(q.int()) > quotientDigits || off.Sign() != 0 && digits(q.int()) != quotientDigits {
			t.Fatalf("seed %d: %s / %s is %s, %v", seed, a, b, q, err)
		}
		m, err := a.mod(b)
		whole := new(big.Rat).Quo(new(big.Rat).Sub(a.Rat(), m.Rat()), b.Rat())
		if err != nil || !whole.IsInt() || m.int().Sign()*a.int().Sign() < 0 || new(big.Rat).Abs(m.Rat()).Cmp(new(big.Rat).Abs(b.Rat())) >= 0 {
			t.Fatalf("seed %d: %s %% %s is %s, %v", seed, a, b, m, err)
		}
		root, err := Decimal{new(big.Int).Abs(a.int()), a.scale}.sqrt()
		if err != nil {
			t.Fatal(err)
		}
		half := new(big.Rat).Quo(ulp(root), big.NewRat(2, 1))
		low, high := new(big.Rat).Sub(root.Rat(), half), new(big.Rat).Add(root.Rat(), half)
		if a2 := new(big.Rat).Abs(a.Rat()); low.Sign() > 0 && low.Mul(low, low).Cmp(a2) > 0 || high.Mul(high, high).Cmp(a2) < 0 {
			t.Fatalf("seed %d: the root of %s is %s", seed, a2, root)
		}
	}
}

// randomInt returns a number of up to that many digits.
func randomInt(r *rand.Rand, digits int) *big.Int {
	var b strings.Builder
	for range digits {
		b.WriteByte(byte('0' + r.IntN(10)))
	}
	n, _ := new(big.Int).SetString(b.String(), 10)
	return n
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"", "0", "-1.50", "1e3", ".5", "1.", "1e-1000", "9e99999999999", "--1", "1/3", strings.Repeat("9", 1001)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDecimal(s)
		if err != nil {
			return
		}
		text := d.String()
		if len(text) > 2*maxDecimalDigits+10 {
			t.Fatalf("%q has %d digits", s, len(text))
		}
		if again, err := ParseDecimal(text); err != nil || again.cmp(d) != 0 {
			t.Fatalf("%q is %s, which is read as %s, %v", s, text, again, err)
		}
		want, ok := new(big.Rat).SetString(s)
		if !ok || want.Cmp(d.Rat()) != 0 {
			t.Fatalf("%q is %s, want %s", s, d, want)
		}
	})
}
