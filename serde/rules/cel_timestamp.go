package rules

import (
	"math"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// timestampFunctions make timestamps of numbers: timestamp(n, p) of a number of
// 10^-p seconds since 1970 (p is 0, 3, 6 or 9), timestamp.of(n, unit) the same by
// name, and timestamp.of(v) of what is a timestamp or RFC 3339 text.
func timestampFunctions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Function("timestamp", cel.Overload("int_int_to_timestamp", []*cel.Type{cel.IntType, cel.IntType}, cel.TimestampType,
			cel.BinaryBinding(func(n, precision ref.Val) ref.Val {
				switch p := precision.(types.Int); p {
				case 0, 3, 6, 9:
					return epoch(int64(n.(types.Int)), int(p))
				default:
					return types.NewErr("timestamp: precision %d is not 0 (seconds), 3 (millis), 6 (micros) or 9 (nanos)", int64(p))
				}
			}))),
		cel.Function("timestamp.of",
			cel.Overload("timestamp_of_dyn", []*cel.Type{cel.DynType}, cel.TimestampType, cel.UnaryBinding(func(v ref.Val) ref.Val {
				switch v.(type) {
				case types.Timestamp, types.String:
					return v.ConvertToType(types.TimestampType)
				case types.Int:
					return types.NewErr("timestamp.of: a number needs a unit: seconds, millis, micros or nanos")
				}
				return types.NewErr("timestamp.of: a %s cannot be converted to a timestamp", v.Type().TypeName())
			})),
			cel.Overload("timestamp_of_int_string", []*cel.Type{cel.IntType, cel.StringType}, cel.TimestampType,
				cel.BinaryBinding(func(n, unit ref.Val) ref.Val {
					precision, ok := map[types.String]int{"seconds": 0, "millis": 3, "micros": 6, "nanos": 9}[unit.(types.String)]
					if !ok {
						return types.NewErr("timestamp.of: unit %q is not seconds, millis, micros or nanos", string(unit.(types.String)))
					}
					return epoch(int64(n.(types.Int)), precision)
				}))),
	}
}

// The range of CEL's timestamps, in seconds: the years 1 to 9999.
const (
	minSecond = -62135596800
	maxSecond = 253402300799
)

func epoch(n int64, precision int) ref.Val {
	unit := int64(math.Pow10(precision))
	seconds, rest := n/unit, n%unit
	if rest < 0 {
		seconds, rest = seconds-1, rest+unit
	}
	if seconds < minSecond || seconds > maxSecond {
		return types.NewErr("timestamp: %d is outside the years 1 to 9999", n)
	}
	return types.Timestamp{Time: time.Unix(seconds, rest*(1_000_000_000/unit)).UTC()}
}
