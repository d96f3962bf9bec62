package jsonschema

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"
)

// Decimal is an exact number: sign × 0.digits × 10^exp, where digits neither
// starts nor ends with a zero. Zero has no digits. Whatever its exponent, it
// costs no more than the digits that were written.
type Decimal struct {
	negative bool
	digits   string
	exp      int
}

// farExponent stands for all exponents beyond it.
const farExponent = 1 << 40

// ParseDecimal reads a number in the grammar of JSON.
func ParseDecimal(text string) Decimal {
	var d Decimal
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		exponent, _ = strconv.Atoi(text[i+1:]) // out of range: the nearest that is in it
		exponent = min(max(exponent, -farExponent), farExponent)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	significant := strings.TrimLeft(digits, "0")
	d.exp = exponent + len(whole) - (len(digits) - len(significant))
	d.digits = strings.TrimRight(significant, "0")
	if d.digits == "" {
		return Decimal{}
	}
	return d
}

// Cmp returns -1, 0 or 1 as d is less than, equal to or more than e.
func (d Decimal) Cmp(e Decimal) int {
	switch {
	case d.Sign() != e.Sign():
		return cmp.Compare(d.Sign(), e.Sign())
	case d.Sign() == 0:
		return 0
	}
	c := cmp.Compare(d.exp, e.exp)
	if c == 0 {
		c = strings.Compare(d.digits, e.digits)
	}
	if d.negative {
		return -c
	}
	return c
}

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// String returns one text for all spellings of a number.
func (d Decimal) String() string {
	if d.digits == "" {
		return "0"
	}
	s := d.digits + "e" + strconv.Itoa(d.exp-len(d.digits))
	if d.negative {
		return "-" + s
	}
	return s
}

// Integer reports whether d is a whole number.
func (d Decimal) Integer() bool { return len(d.digits) <= max(d.exp, 0) || d.digits == "" }

// Int64 returns d if it is a whole number that fits, otherwise the nearest
// number that does.
func (d Decimal) Int64() int64 {
	text := d.digits
	switch {
	case d.exp > 19:
		text = "99999999999999999999"
	case d.exp < len(text):
		text = text[:max(d.exp, 0)]
	default:
		text += strings.Repeat("0", d.exp-len(text))
	}
	if text == "" {
		return 0
	}
	if d.negative {
		text = "-" + text
	}
	n, _ := strconv.ParseInt(text, 10, 64) // out of range: the nearest that is in it
	return n
}

// MultipleOf reports whether d is a whole multiple of e, which is not zero.
func (d Decimal) MultipleOf(e Decimal) bool {
	if d.digits == "" {
		return true
	}
	// As whole numbers without trailing zeros: d = a·10^p, e = b·10^q. With p < q
	// a would have to be a multiple of ten.
	p, q := d.exp-len(d.digits), e.exp-len(e.digits)
	if p < q {
		return false
	}
	a, _ := new(big.Int).SetString("0"+d.digits, 10)
	b, _ := new(big.Int).SetString("0"+e.digits, 10)
	shift := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(p-q)), b)
	return a.Mul(a, shift).Rem(a, b).Sign() == 0
}
