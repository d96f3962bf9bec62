package avro

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"time"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// LogicalDuration is a value of the logical type duration: three amounts that
// are not interchangeable.
type LogicalDuration struct {
	Months       uint32
	Days         uint32
	Milliseconds uint32
}

func (d LogicalDuration) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, d.Months)
	dst = binary.LittleEndian.AppendUint32(dst, d.Days)
	return binary.LittleEndian.AppendUint32(dst, d.Milliseconds)
}

func readDuration(b []byte) LogicalDuration {
	return LogicalDuration{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])}
}

// family says which Go type carries a logical type.
type family uint8

const (
	plainFamily    family = iota
	timeFamily            // time.Time: date and timestamps
	clockFamily           // time.Duration: times of day
	decimalFamily         // *big.Rat
	uuidFamily            // string or [16]byte
	durationFamily        // LogicalDuration
)

func familyOf(l avro.Logical) family {
	switch l {
	case avro.Date, avro.TimestampMillis, avro.TimestampMicros, avro.TimestampNanos,
		avro.LocalTimestampMillis, avro.LocalTimestampMicros, avro.LocalTimestampNanos:
		return timeFamily
	case avro.TimeMillis, avro.TimeMicros:
		return clockFamily
	case avro.Decimal, avro.BigDecimal:
		return decimalFamily
	case avro.UUID:
		return uuidFamily
	case avro.Duration:
		return durationFamily
	}
	return plainFamily
}

// meaning returns the type whose logical type tells what the bytes mean. The
// writer's unit or scale wins where both mean the same kind of thing, so that
// a time stays that time when its unit changes.
func meaning(w, r *avro.Node) *avro.Node {
	if w.Logical != r.Logical || w.Scale != r.Scale {
		if f := familyOf(w.Logical); f != plainFamily && f == familyOf(r.Logical) {
			return w
		}
	}
	return r
}

func fitsMicros(v int64) bool { return v <= math.MaxInt64/1000 && v >= math.MinInt64/1000 }

const secondsPerDay = 24 * 60 * 60

// timeOf returns the time that v means, in UTC.
func timeOf(l avro.Logical, v int64) time.Time {
	switch l {
	case avro.Date:
		return time.Unix(v*secondsPerDay, 0).UTC()
	case avro.TimestampMillis, avro.LocalTimestampMillis:
		return time.UnixMilli(v).UTC()
	case avro.TimestampMicros, avro.LocalTimestampMicros:
		return time.UnixMicro(v).UTC()
	}
	return time.Unix(0, v).UTC()
}

var (
	errTimeRange = errors.New("a time outside the range of the type")
	wallMicros   = int64(math.MaxInt64 / 1_000_000)
	wallNanos    = int64(math.MaxInt64 / 1_000_000_000)
)

// timeValue is the reverse of timeOf. A local timestamp takes the reading of
// the clock, whatever the zone of t. Anything finer than the unit is cut off.
func timeValue(l avro.Logical, t time.Time) (int64, error) {
	switch l {
	case avro.LocalTimestampMillis, avro.LocalTimestampMicros, avro.LocalTimestampNanos:
		_, offset := t.Zone()
		t = t.Add(time.Duration(offset) * time.Second)
	}
	sec := t.Unix()
	switch l {
	case avro.Date:
		day := sec / secondsPerDay
		if sec%secondsPerDay < 0 {
			day--
		}
		if day != int64(int32(day)) {
			return 0, errTimeRange
		}
		return day, nil
	case avro.TimestampMillis, avro.LocalTimestampMillis:
		if sec > math.MaxInt64/1000-1 || sec < math.MinInt64/1000+1 {
			// The extremes that a long can hold but the test above does not.
			return edgeMillis(t)
		}
		return t.UnixMilli(), nil
	case avro.TimestampMicros, avro.LocalTimestampMicros:
		if sec >= wallMicros || sec <= -wallMicros {
			return edge(t, 1_000_000, 1_000)
		}
		return t.UnixMicro(), nil
	}
	if sec >= wallNanos || sec <= -wallNanos {
		return edge(t, 1_000_000_000, 1)
	}
	return t.UnixNano(), nil
}

func edgeMillis(t time.Time) (int64, error) { return edge(t, 1_000, 1_000_000) }

// edge computes seconds*perSecond + nanoseconds/unit without wrapping.
func edge(t time.Time, perSecond, unit int64) (int64, error) {
	v := new(big.Int).Mul(big.NewInt(t.Unix()), big.NewInt(perSecond))
	v.Add(v, big.NewInt(int64(t.Nanosecond())/unit))
	if !v.IsInt64() {
		return 0, errTimeRange
	}
	return v.Int64(), nil
}

// clockOf returns a time of day; v of time-micros must satisfy fitsMicros.
func clockOf(l avro.Logical, v int64) time.Duration {
	if l == avro.TimeMillis {
		return time.Duration(v) * time.Millisecond
	}
	return time.Duration(v) * time.Microsecond
}

func clockValue(l avro.Logical, d time.Duration) (int64, error) {
	if l == avro.TimeMillis {
		ms := d.Milliseconds()
		if ms != int64(int32(ms)) {
			return 0, errTimeRange
		}
		return ms, nil
	}
	return d.Microseconds(), nil
}

var pow10 = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

func bigPow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// readRat returns the number that two's complement bytes and a scale mean.
func readRat(b []byte, scale int) *big.Rat {
	if len(b) <= 8 && scale >= 0 && scale < len(pow10) {
		var v int64
		if len(b) > 0 {
			v = int64(int8(b[0]))
			for _, x := range b[1:] {
				v = v<<8 | int64(x)
			}
		}
		return smallRat(v, scale)
	}
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	if scale < 0 {
		return new(big.Rat).SetInt(n.Mul(n, bigPow10(-scale)))
	}
	return new(big.Rat).SetFrac(n, bigPow10(scale))
}

// smallRat returns v / 10^scale in lowest terms. Setting a big.Rat to a fraction
// would look for the greatest common divisor, which here is made of twos and fives.
func smallRat(v int64, scale int) *big.Rat {
	if v == 0 {
		return new(big.Rat).SetInt64(0)
	}
	num, denom := uint64(v), uint64(pow10[scale])
	if v < 0 {
		num = -num
	}
	twos := min(bits.TrailingZeros64(num), bits.TrailingZeros64(denom))
	num, denom = num>>twos, denom>>twos
	for denom%5 == 0 && num%5 == 0 {
		num, denom = num/5, denom/5
	}
	var r struct {
		big.Rat
		word [1]big.Word // of the numerator
	}
	r.Num().SetBits(r.word[:0]).SetUint64(num)
	if r.SetInt(r.Num()); denom > 1 {
		r.Denom().SetUint64(denom)
	}
	if v < 0 {
		r.Neg(&r.Rat)
	}
	return &r.Rat
}

// smallUnscaled returns r × 10^scale if the whole way there fits 64 bits.
func smallUnscaled(r *big.Rat, scale int) (int64, bool) {
	num := r.Num()
	if scale >= len(pow10) || !num.IsInt64() {
		return 0, false
	}
	v, factor := num.Int64(), pow10[scale]
	if !r.IsInt() {
		denom := r.Denom()
		if !denom.IsInt64() {
			return 0, false
		}
		whole := factor / denom.Int64()
		if whole*denom.Int64() != factor {
			return 0, false
		}
		factor = whole
	}
	abs := uint64(v)
	if v < 0 {
		abs = -abs
	}
	hi, lo := bits.Mul64(abs, uint64(factor))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	if v < 0 {
		return -int64(lo), true
	}
	return int64(lo), true
}

// unscaled returns r × 10^scale, which must be whole.
func unscaled(r *big.Rat, scale int) (*big.Int, error) {
	factor := bigPow10(scale)
	factor.Mul(factor, r.Num())
	if r.IsInt() {
		return factor, nil
	}
	q, rest := factor.QuoRem(factor, r.Denom(), new(big.Int))
	if rest.Sign() != 0 {
		return nil, fmt.Errorf("a number with more than %d decimals", scale)
	}
	return q, nil
}

func digits(v int64) int {
	n := 1
	for v/10 != 0 {
		v /= 10
		n++
	}
	return n
}

// minimalBytes returns how many bytes the two's complement of v needs.
func minimalBytes(v int64) int {
	if v < 0 {
		v = ^v
	}
	return bits.Len64(uint64(v))/8 + 1
}

func appendTwos(dst []byte, v int64, size int) []byte {
	for i := size - 1; i >= 0; i-- {
		shift := uint(i) * 8
		if shift > 56 {
			shift = 63 // the sign
		}
		dst = append(dst, byte(v>>shift))
	}
	return dst
}

// bigTwos returns the shortest two's complement of n.
func bigTwos(n *big.Int) []byte {
	if n.Sign() >= 0 {
		b := n.Bytes()
		if len(b) == 0 || b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return b
	}
	size := uint(new(big.Int).Not(n).BitLen()/8 + 1)
	twos := new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), size*8))
	b := twos.Bytes()
	for uint(len(b)) < size {
		b = append([]byte{0xff}, b...)
	}
	return b
}

// appendDecimal appends r as the decimal n, bytes or fixed.
func appendDecimal(dst []byte, n *avro.Node, r *big.Rat) ([]byte, error) {
	if v, ok := smallUnscaled(r, n.Scale); ok {
		if n.Precision < len(pow10) && (v >= pow10[n.Precision] || -v >= pow10[n.Precision]) {
			return dst, fmt.Errorf("a number of %d digits", digits(v))
		}
		size := minimalBytes(v)
		if n.Kind == avro.Fixed {
			if size > n.Size {
				return dst, fmt.Errorf("a number of %d bytes", size)
			}
			return appendTwos(dst, v, n.Size), nil
		}
		return appendTwos(append(dst, byte(size<<1)), v, size), nil
	}
	v, err := unscaled(r, n.Scale)
	if err != nil {
		return dst, err
	}
	if v.BitLen() > 4*n.Precision+4 || len(new(big.Int).Abs(v).String()) > n.Precision {
		return dst, fmt.Errorf("a number of more than %d digits", n.Precision)
	}
	b := bigTwos(v)
	if n.Kind != avro.Fixed {
		return appendBytes(dst, b), nil
	}
	if len(b) > n.Size {
		return dst, fmt.Errorf("a number of %d bytes", len(b))
	}
	fill := byte(0)
	if v.Sign() < 0 {
		fill = 0xff
	}
	for range n.Size - len(b) {
		dst = append(dst, fill)
	}
	return append(dst, b...), nil
}

// splitBigDecimal takes the inside of a big-decimal apart: unscaled bytes with
// their length, then the scale as an int.
func splitBigDecimal(b []byte) (digits []byte, scale int, ok bool) {
	n, pos := readLong(b, 0)
	if pos < 0 || n < 1 || n > int64(len(b)-pos) {
		return nil, 0, false
	}
	digits = b[pos : pos+int(n)]
	s, end := readInt(b, pos+int(n))
	if end != len(b) || s > maxScale || s < -maxScale {
		return nil, 0, false
	}
	return digits, int(s), true
}

// appendBigDecimal appends r with the smallest scale that holds it.
func appendBigDecimal(dst []byte, r *big.Rat) ([]byte, error) {
	scale, exact := 0, true
	if !r.IsInt() {
		scale, exact = r.FloatPrec()
	}
	if !exact {
		return dst, errors.New("a number without an end in decimals")
	}
	if scale > maxScale {
		return dst, fmt.Errorf("a number with more than %d decimals", maxScale)
	}
	v, err := unscaled(r, scale)
	if err != nil {
		return dst, err
	}
	inner := appendLong(appendBytes(nil, bigTwos(v)), int64(scale))
	return appendBytes(dst, inner), nil
}

// parseUUID reads the 36 characters of RFC 9562.
func parseUUID(s []byte) (u [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	at := 0
	for _, part := range [...][]byte{s[0:8], s[9:13], s[14:18], s[19:23], s[24:36]} {
		n, err := hex.Decode(u[at:], part)
		if err != nil {
			return u, false
		}
		at += n
	}
	return u, true
}

func appendUUID(dst []byte, u []byte) []byte {
	dst = hex.AppendEncode(dst, u[0:4])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, u[4:6])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, u[6:8])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, u[8:10])
	dst = append(dst, '-')
	return hex.AppendEncode(dst, u[10:16])
}
