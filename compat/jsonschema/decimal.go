package jsonschema

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"
)

// decimal is an exact number: sign × 0.digits × 10^exp, where digits neither
// starts nor ends with a zero. Zero has no digits. Comparing never costs more
// than the digits that were written.
type decimal struct {
	negative bool
	digits   string
	exp      int
}

// parseDecimal reads a number in the grammar of JSON.
func parseDecimal(text string) decimal {
	var d decimal
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		exponent, _ = strconv.Atoi(text[i+1:])
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	significant := strings.TrimLeft(digits, "0")
	d.exp = exponent + len(whole) - (len(digits) - len(significant))
	d.digits = strings.TrimRight(significant, "0")
	if d.digits == "" {
		return decimal{}
	}
	return d
}

func (d decimal) cmp(e decimal) int {
	switch {
	case d.sign() != e.sign():
		return cmp.Compare(d.sign(), e.sign())
	case d.sign() == 0:
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

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// String returns one text for all spellings of a number.
func (d decimal) String() string {
	if d.digits == "" {
		return "0"
	}
	s := d.digits + "e" + strconv.Itoa(d.exp-len(d.digits))
	if d.negative {
		return "-" + s
	}
	return s
}

// integer returns d × 10^scale.
func (d decimal) integer(scale int) *big.Int {
	n, _ := new(big.Int).SetString("0"+d.digits, 10)
	zeros := d.exp - len(d.digits) + scale
	n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(zeros, 0))), nil))
	if d.negative {
		n.Neg(n)
	}
	return n
}

// multipleOf reports whether d is a whole multiple of e, which is not zero.
func (d decimal) multipleOf(e decimal) bool {
	if d.digits == "" {
		return true
	}
	scale := max(len(d.digits)-d.exp, len(e.digits)-e.exp)
	return new(big.Int).Rem(d.integer(scale), e.integer(scale)).Sign() == 0
}
