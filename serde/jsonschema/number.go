package jsonschema

import (
	"github.com/dovetail-dev/dovetail/compat/jsonschema"
)

// number is a JSON number. With at most 18 significant digits it is
// mantissa × 10^exp, exactly; what has more is kept as text and compared more
// slowly.
type number struct {
	negative bool
	short    bool
	mantissa uint64 // no trailing zero, unless the number is written without fraction and exponent
	digits   int    // of the mantissa; 0 for zero
	exp      int
	text     []byte // as it is written
}

const maxShortDigits = 18

// parseNumber reads a number whose syntax has been checked.
func parseNumber(text []byte) number {
	n := number{text: text, short: true}
	i := 0
	if text[0] == '-' {
		n.negative = true
		i++
	}
	plain := true
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case '0' <= c && c <= '9':
			if n.digits > 0 || c != '0' {
				if n.digits++; n.digits > maxShortDigits {
					return number{text: text}
				}
				n.mantissa = n.mantissa*10 + uint64(c-'0')
			}
			if !plain {
				n.exp--
			}
		case c == '.':
			plain = false
		default:
			e, ok := parseExponent(text[i+1:])
			if !ok {
				return number{text: text}
			}
			n.exp += e
			plain = false
			i = len(text)
		}
	}
	if n.mantissa == 0 {
		return number{text: text, short: true}
	}
	if !plain {
		n.trim()
	}
	return n
}

// trim takes trailing zeros off the mantissa.
func (n *number) trim() {
	for n.mantissa%10 == 0 && n.mantissa != 0 {
		n.mantissa /= 10
		n.digits--
		n.exp++
	}
}

// parseExponent reads an exponent; false if it is far beyond any use.
func parseExponent(text []byte) (int, bool) {
	negative := false
	if text[0] == '+' || text[0] == '-' {
		negative = text[0] == '-'
		text = text[1:]
	}
	e := 0
	for _, c := range text {
		if e = e*10 + int(c-'0'); e > 1<<20 {
			return 0, false
		}
	}
	if negative {
		return -e, true
	}
	return e, true
}

func (n *number) decimal() jsonschema.Decimal { return jsonschema.ParseDecimal(string(n.text)) }

// integer reports whether n is a whole number.
func (n *number) integer() bool {
	if n.short {
		return n.exp >= 0
	}
	return n.decimal().Integer()
}

var powersOfTen = func() (p [maxShortDigits + 2]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

func (n *number) sign() int {
	switch {
	case n.digits == 0:
		return 0
	case n.negative:
		return -1
	}
	return 1
}

// cmp returns -1, 0 or 1 as n is less than, equal to or more than m.
func (n *number) cmp(m *number) int {
	if !n.short || !m.short {
		return n.decimal().Cmp(m.decimal())
	}
	a, b := n.sign(), m.sign()
	if a != b {
		if a < b {
			return -1
		}
		return 1
	}
	if a == 0 {
		return 0
	}
	if c := n.magnitude(m); !n.negative {
		return c
	} else {
		return -c
	}
}

// magnitude compares without signs; neither is zero.
func (n *number) magnitude(m *number) int {
	x, y := n.mantissa, m.mantissa
	switch a, b := n.digits+n.exp, m.digits+m.exp; {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	// Equally many digits before the point: bring both mantissas to one length.
	if n.digits < m.digits {
		x *= powersOfTen[m.digits-n.digits]
	} else {
		y *= powersOfTen[n.digits-m.digits]
	}
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// multipleOf reports whether n is a whole multiple of m, which is more than
// zero.
func (n *number) multipleOf(m *number) bool {
	if n.short && n.digits == 0 {
		return true
	}
	if !n.short || !m.short {
		return n.decimal().MultipleOf(m.decimal())
	}
	a, b := *n, *m
	a.trim()
	b.trim()
	switch shift := a.exp - b.exp; {
	case shift < 0:
		return false // a's mantissa would have to be a multiple of ten
	case shift+a.digits > maxShortDigits+1:
		return n.decimal().MultipleOf(m.decimal())
	default:
		return a.mantissa*powersOfTen[shift]%b.mantissa == 0
	}
}
