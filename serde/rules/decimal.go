package rules

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bounds of decimals.
const (
	maxDecimalDigits = 1000 // of the unscaled value, and of the scale either way
	quotientDigits   = 38   // significant digits of what is not exact
)

// Decimal is an exact decimal number, an unscaled value × 10^-scale, of at most
// 1000 digits. It is what CEL sees of decimals; the zero Decimal is 0. It is also
// a value of CEL, hence its other methods.
type Decimal struct {
	unscaled *big.Int // never changed; nil is 0
	scale    int
}

var errDecimalTooLong = fmt.Errorf("a decimal of more than %d digits", maxDecimalDigits)

func newDecimal(unscaled *big.Int, scale int) (Decimal, error) {
	if scale > maxDecimalDigits || scale < -maxDecimalDigits || unscaled.BitLen() > maxDecimalDigits*10/3 {
		return Decimal{}, errDecimalTooLong
	}
	return Decimal{unscaled, scale}, nil
}

// ParseDecimal reads a number: 12, -0.50, 1.5e3.
func ParseDecimal(s string) (Decimal, error) {
	bad := func() (Decimal, error) { return Decimal{}, fmt.Errorf("%.50q is no decimal number", s) }
	if len(s) > 3*maxDecimalDigits {
		return Decimal{}, errDecimalTooLong
	}
	digits, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		if errors.Is(err, strconv.ErrRange) {
			return Decimal{}, errDecimalTooLong
		}
		if err != nil {
			return bad()
		}
		digits, exponent = s[:i], n
	}
	sign := ""
	if digits != "" && (digits[0] == '+' || digits[0] == '-') {
		sign, digits = digits[:1], digits[1:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return bad()
	}
	if exponent > 2*maxDecimalDigits || exponent < -2*maxDecimalDigits {
		return Decimal{}, errDecimalTooLong
	}
	unscaled, ok := new(big.Int).SetString(sign+whole+fraction, 10)
	if !ok {
		return bad()
	}
	return newDecimal(unscaled, len(fraction)-exponent)
}

// decimalOfRat returns a rational number of a scale, or of whatever scale it
// needs if that is too small; false if it has no end.
func decimalOfRat(r *big.Rat, scale int) (Decimal, bool) {
	need, exact := r.FloatPrec()
	if !exact || need > maxDecimalDigits {
		return Decimal{}, false
	}
	scale = max(need, scale)
	n := new(big.Int).Mul(r.Num(), pow10(scale))
	d, err := newDecimal(n.Quo(n, r.Denom()), scale)
	return d, err == nil
}

// decimalMessage reads a confluent.type.Decimal{value = 1, precision = 2,
// scale = 3}, whose value is two's complement.
func decimalMessage(m proto.Message) (Decimal, error) {
	r := m.ProtoReflect()
	fields := r.Descriptor().Fields()
	value, scale := fields.ByName("value"), fields.ByName("scale")
	if r.Descriptor().FullName() != decimalName || value == nil || value.Kind() != protoreflect.BytesKind || scale == nil || scale.Kind() != protoreflect.Int32Kind {
		return Decimal{}, fmt.Errorf("a %s is no decimal", r.Descriptor().FullName())
	}
	return decimalOfBytes(r.Get(value).Bytes(), r.Get(scale).Int())
}

const decimalName = protoreflect.FullName("confluent.type.Decimal")

func decimalOfBytes(b []byte, scale int64) (Decimal, error) {
	if len(b) > maxDecimalDigits || scale > maxDecimalDigits || scale < -maxDecimalDigits {
		return Decimal{}, errDecimalTooLong
	}
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return newDecimal(n, int(scale))
}

// bytes returns the unscaled value as two's complement, as short as can be.
func (d Decimal) bytes() []byte {
	n := d.int()
	if n.Sign() >= 0 {
		return append([]byte{0}, n.Bytes()...)[boolInt(n.BitLen() > 0 && n.BitLen()%8 != 0):]
	}
	size := new(big.Int).Not(n).BitLen()/8 + 1
	b := new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(size)*8)).Bytes()
	return append(make([]byte, size-len(b), size), b...)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (d Decimal) int() *big.Int {
	if d.unscaled == nil {
		return new(big.Int)
	}
	return d.unscaled
}

// Rat returns the same number.
func (d Decimal) Rat() *big.Rat {
	if d.scale < 0 {
		return new(big.Rat).SetInt(new(big.Int).Mul(d.int(), pow10(-d.scale)))
	}
	return new(big.Rat).SetFrac(d.int(), pow10(d.scale))
}

// String returns the number with as many digits after the point as its scale
// says, and without exponent.
func (d Decimal) String() string {
	s := new(big.Int).Abs(d.int()).String()
	switch {
	case d.scale < 0 && d.int().Sign() != 0:
		s += strings.Repeat("0", -d.scale)
	case d.scale > 0:
		if len(s) <= d.scale {
			s = strings.Repeat("0", d.scale-len(s)+1) + s
		}
		s = s[:len(s)-d.scale] + "." + s[len(s)-d.scale:]
	}
	if d.int().Sign() < 0 {
		s = "-" + s
	}
	return s
}

// MarshalJSON returns a number.
func (d Decimal) MarshalJSON() ([]byte, error) { return []byte(d.String()), nil }

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// align returns two unscaled values of one scale.
func align(a, b Decimal) (x, y *big.Int, scale int) {
	scale = max(a.scale, b.scale)
	return new(big.Int).Mul(a.int(), pow10(scale-a.scale)), new(big.Int).Mul(b.int(), pow10(scale-b.scale)), scale
}

func (d Decimal) cmp(o Decimal) int {
	x, y, _ := align(d, o)
	return x.Cmp(y)
}

func (d Decimal) add(o Decimal) (Decimal, error) {
	x, y, scale := align(d, o)
	return newDecimal(x.Add(x, y), scale)
}

func (d Decimal) sub(o Decimal) (Decimal, error) {
	x, y, scale := align(d, o)
	return newDecimal(x.Sub(x, y), scale)
}

func (d Decimal) mul(o Decimal) (Decimal, error) {
	return newDecimal(new(big.Int).Mul(d.int(), o.int()), d.scale+o.scale)
}

var errDivideByZero = errors.New("division by zero")

// div is exact if 38 digits are enough, and rounded to them otherwise.
func (d Decimal) div(o Decimal) (Decimal, error) {
	if o.int().Sign() == 0 {
		return Decimal{}, errDivideByZero
	}
	want := d.scale - o.scale
	shift := max(0, digits(o.int())-digits(d.int())+quotientDigits+2)
	q, rest := new(big.Int).QuoRem(new(big.Int).Mul(d.int(), pow10(shift)), o.int(), new(big.Int))
	return significant(q, want+shift, rest.Sign() != 0, want, d.int().Sign()*o.int().Sign())
}

// mod has the sign of d.
func (d Decimal) mod(o Decimal) (Decimal, error) {
	if o.int().Sign() == 0 {
		return Decimal{}, errDivideByZero
	}
	x, y, scale := align(d, o)
	return newDecimal(x.Rem(x, y), scale)
}

func (d Decimal) sqrt() (Decimal, error) {
	if d.int().Sign() < 0 {
		return Decimal{}, errors.New("the square root of a negative number")
	}
	shift := max(0, 2*(quotientDigits+2)-digits(d.int()))
	if (d.scale+shift)%2 != 0 {
		shift++
	}
	n := new(big.Int).Mul(d.int(), pow10(shift))
	root := new(big.Int).Sqrt(n)
	inexact := new(big.Int).Mul(root, root).Cmp(n) != 0
	return significant(root, (d.scale+shift)/2, inexact, d.scale/2, 1)
}

func digits(n *big.Int) int { return len(new(big.Int).Abs(n).String()) }

// significant makes a result of n × 10^-scale, to which something is missing if
// it is inexact: at most 38 digits, an exact one as close to the scale that is
// wanted as can be.
func significant(n *big.Int, scale int, inexact bool, want, sign int) (Decimal, error) {
	ten, rest := big.NewInt(10), new(big.Int)
	for !inexact && scale > want && n.Sign() != 0 {
		q := new(big.Int)
		if q.QuoRem(n, ten, rest); rest.Sign() != 0 {
			break
		}
		n, scale = q, scale-1
	}
	if n.Sign() == 0 && !inexact {
		scale = want
	}
	if over := digits(n) - quotientDigits; over > 0 {
		q := halfUp(n, over, sign)
		if n, scale = q, scale-over; digits(n) > quotientDigits {
			n, scale = new(big.Int).Quo(n, ten), scale-1
		}
	}
	return newDecimal(n, scale)
}

// halfUp drops the last digits of n; a half rounds away from zero. sign is that
// of the number.
func halfUp(n *big.Int, drop, sign int) *big.Int {
	unit := pow10(drop)
	q, rest := new(big.Int).QuoRem(n, unit, new(big.Int))
	if rest.Abs(rest).Lsh(rest, 1).Cmp(unit) >= 0 {
		q.Add(q, big.NewInt(int64(sign)))
	}
	return q
}

// Ways of rounding.
type rounding int

const (
	roundHalfUp rounding = iota
	roundDown            // toward zero
	roundFloor
	roundCeiling
)

// round returns the number with a scale; a negative one rounds before the point.
func (d Decimal) round(scale int64, how rounding) (Decimal, error) {
	if scale > maxDecimalDigits || scale < -maxDecimalDigits {
		return Decimal{}, errDecimalTooLong
	}
	drop := d.scale - int(scale)
	if drop <= 0 {
		return newDecimal(new(big.Int).Mul(d.int(), pow10(-drop)), int(scale))
	}
	if how == roundHalfUp {
		return newDecimal(halfUp(d.int(), drop, d.int().Sign()), int(scale))
	}
	q, rest := new(big.Int).QuoRem(d.int(), pow10(drop), new(big.Int))
	switch {
	case how == roundFloor && rest.Sign() < 0:
		q.Sub(q, big.NewInt(1))
	case how == roundCeiling && rest.Sign() > 0:
		q.Add(q, big.NewInt(1))
	}
	return newDecimal(q, int(scale))
}

func (d Decimal) neg() Decimal { return Decimal{new(big.Int).Neg(d.int()), d.scale} }
