package rules

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"google.golang.org/protobuf/proto"
)

// decimalType is what CEL calls a Decimal.
var decimalType = types.NewObjectType("decimal", traits.AdderType, traits.SubtractorType, traits.MultiplierType, traits.DividerType,
	traits.ModderType, traits.NegatorType, traits.ComparerType)

// decimalFunctions are the constructor decimal(…), the operators, conversions
// and the functions decimals.…, which take for a decimal whatever is one.
func decimalFunctions() []cel.EnvOption {
	d, one := decimalType, []*cel.Type{cel.DynType}
	two, scaled := []*cel.Type{cel.DynType, cel.DynType}, []*cel.Type{cel.DynType, cel.IntType}
	out := []cel.EnvOption{
		cel.Function("decimal",
			cel.Overload("dyn_to_decimal", one, d, cel.UnaryBinding(toDecimal)),
			cel.Overload("bytes_int_to_decimal", []*cel.Type{cel.BytesType, cel.IntType}, d, cel.BinaryBinding(func(b, scale ref.Val) ref.Val {
				return decimalResult(decimalOfBytes(b.(types.Bytes), int64(scale.(types.Int))))
			}))),
		cel.Function("string", cel.Overload("decimal_to_string", []*cel.Type{d}, cel.StringType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return v.ConvertToType(types.StringType) }))),
		cel.Function("double", cel.Overload("decimal_to_double", []*cel.Type{d}, cel.DoubleType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return v.ConvertToType(types.DoubleType) }))),
		cel.Function(operators.Negate, cel.Overload("negate_decimal", []*cel.Type{d}, d)),
		cel.Function("decimals.sign", cel.Overload("decimals_sign_decimal", one, cel.IntType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			return withDecimal(v, func(d Decimal) ref.Val { return types.Int(d.int().Sign()) })
		}))),
	}
	for op, id := range map[string]string{
		operators.Add: "add_decimal", operators.Subtract: "subtract_decimal", operators.Multiply: "multiply_decimal",
		operators.Divide: "divide_decimal", operators.Modulo: "modulo_decimal",
	} {
		out = append(out, cel.Function(op, cel.Overload(id, []*cel.Type{d, d}, d)))
	}
	for op, id := range map[string]string{
		operators.Less: "less_decimal", operators.LessEquals: "less_equals_decimal", operators.Greater: "greater_decimal",
		operators.GreaterEquals: "greater_equals_decimal",
	} {
		out = append(out, cel.Function(op, cel.Overload(id, []*cel.Type{d, d}, cel.BoolType)))
	}
	for name, test := range map[string]func(order int) bool{
		"eq": func(o int) bool { return o == 0 }, "lt": func(o int) bool { return o < 0 }, "le": func(o int) bool { return o <= 0 },
		"gt": func(o int) bool { return o > 0 }, "ge": func(o int) bool { return o >= 0 },
	} {
		out = append(out, cel.Function("decimals."+name, cel.Overload("decimals_"+name+"_decimal_decimal", two, cel.BoolType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val {
				return withDecimals(a, b, func(a, b Decimal) ref.Val { return types.Bool(test(a.cmp(b))) })
			}))))
	}
	for name, f := range map[string]func(a, b Decimal) (Decimal, error){
		"add": Decimal.add, "sub": Decimal.sub, "mul": Decimal.mul, "div": Decimal.div, "mod": Decimal.mod,
		"greatest": func(a, b Decimal) (Decimal, error) {
			if a.cmp(b) >= 0 {
				return a, nil
			}
			return b, nil
		},
		"least": func(a, b Decimal) (Decimal, error) {
			if a.cmp(b) <= 0 {
				return a, nil
			}
			return b, nil
		},
	} {
		out = append(out, cel.Function("decimals."+name, cel.Overload("decimals_"+name+"_decimal_decimal", two, d,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val {
				return withDecimals(a, b, func(a, b Decimal) ref.Val { return decimalResult(f(a, b)) })
			}))))
	}
	for name, f := range map[string]func(d Decimal) (Decimal, error){
		"neg":   func(d Decimal) (Decimal, error) { return d.neg(), nil },
		"abs":   func(d Decimal) (Decimal, error) { return Decimal{new(big.Int).Abs(d.int()), d.scale}, nil },
		"sqrt":  Decimal.sqrt,
		"floor": func(d Decimal) (Decimal, error) { return d.round(0, roundFloor) },
		"ceil":  func(d Decimal) (Decimal, error) { return d.round(0, roundCeiling) },
	} {
		out = append(out, cel.Function("decimals."+name, cel.Overload("decimals_"+name+"_decimal", one, d,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				return withDecimal(v, func(d Decimal) ref.Val { return decimalResult(f(d)) })
			}))))
	}
	for name, f := range map[string]func(d Decimal, scale int64) (Decimal, error){
		"round": func(d Decimal, scale int64) (Decimal, error) { return d.round(scale, roundHalfUp) },
		"trunc": func(d Decimal, scale int64) (Decimal, error) {
			if scale >= int64(d.scale) { // nothing to cut off
				return d, nil
			}
			return d.round(scale, roundDown)
		},
	} {
		out = append(out, cel.Function("decimals."+name,
			cel.Overload("decimals_"+name+"_unary", one, d, cel.UnaryBinding(func(v ref.Val) ref.Val {
				return withDecimal(v, func(d Decimal) ref.Val { return decimalResult(f(d, 0)) })
			})),
			cel.Overload("decimals_"+name+"_scale", scaled, d, cel.BinaryBinding(func(v, scale ref.Val) ref.Val {
				return withDecimal(v, func(d Decimal) ref.Val { return decimalResult(f(d, int64(scale.(types.Int)))) })
			}))))
	}
	return out
}

func decimalResult(d Decimal, err error) ref.Val {
	if err != nil {
		return types.NewErr("%v", err)
	}
	return d
}

// toDecimal converts numbers, texts of them and decimal messages.
func toDecimal(v ref.Val) ref.Val {
	switch v := v.(type) {
	case types.String:
		return decimalResult(ParseDecimal(string(v)))
	case types.Double:
		f := float64(v)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return types.NewErr("%v is no decimal number", f)
		}
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") && math.Abs(f) < 1e7 {
			s += ".0"
		}
		return decimalResult(ParseDecimal(s))
	}
	if d, ok := asDecimal(v); ok {
		return d
	}
	return types.NewErr("a %s cannot be converted to a decimal", v.Type().TypeName())
}

// asDecimal returns what is a decimal already, or a whole number.
func asDecimal(v ref.Val) (Decimal, bool) {
	switch v := v.(type) {
	case Decimal:
		return v, true
	case types.Int:
		return Decimal{big.NewInt(int64(v)), 0}, true
	case types.Uint:
		return Decimal{new(big.Int).SetUint64(uint64(v)), 0}, true
	case types.Null, *types.Err, *types.Unknown:
		return Decimal{}, false
	}
	if m, ok := v.Value().(proto.Message); ok {
		d, err := decimalMessage(m)
		return d, err == nil
	}
	return Decimal{}, false
}

func withDecimal(v ref.Val, f func(Decimal) ref.Val) ref.Val {
	d, ok := asDecimal(v)
	if !ok {
		return types.NewErr("a %s is no decimal: convert it with decimal(…)", v.Type().TypeName())
	}
	return f(d)
}

func withDecimals(a, b ref.Val, f func(a, b Decimal) ref.Val) ref.Val {
	return withDecimal(a, func(x Decimal) ref.Val {
		return withDecimal(b, func(y Decimal) ref.Val { return f(x, y) })
	})
}

// Type implements ref.Val.
func (d Decimal) Type() ref.Type { return decimalType }

// Value implements ref.Val.
func (d Decimal) Value() any { return d }

// Equal implements ref.Val: 1.0 equals 1.
func (d Decimal) Equal(other ref.Val) ref.Val {
	o, ok := asDecimal(other)
	return types.Bool(ok && d.cmp(o) == 0)
}

// ConvertToType implements ref.Val.
func (d Decimal) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.StringType:
		return types.String(d.String())
	case types.DoubleType:
		f, _ := d.Rat().Float64()
		return types.Double(f)
	case types.TypeType:
		return decimalType
	}
	if t.TypeName() == decimalType.TypeName() {
		return d
	}
	return types.NewErr("a decimal cannot be converted to a %s", t.TypeName())
}

// ConvertToNative implements ref.Val.
func (d Decimal) ConvertToNative(t reflect.Type) (any, error) {
	switch t {
	case reflect.TypeFor[Decimal](), reflect.TypeFor[any]():
		return d, nil
	case reflect.TypeFor[*big.Rat]():
		return d.Rat(), nil
	case reflect.TypeFor[string]():
		return d.String(), nil
	}
	return nil, fmt.Errorf("a decimal does not fit into a %s", t)
}

// Add implements traits.Adder.
func (d Decimal) Add(other ref.Val) ref.Val { return d.with(other, Decimal.add) }

// Subtract implements traits.Subtractor.
func (d Decimal) Subtract(other ref.Val) ref.Val { return d.with(other, Decimal.sub) }

// Multiply implements traits.Multiplier.
func (d Decimal) Multiply(other ref.Val) ref.Val { return d.with(other, Decimal.mul) }

// Divide implements traits.Divider.
func (d Decimal) Divide(other ref.Val) ref.Val { return d.with(other, Decimal.div) }

// Modulo implements traits.Modder.
func (d Decimal) Modulo(other ref.Val) ref.Val { return d.with(other, Decimal.mod) }

// Negate implements traits.Negater.
func (d Decimal) Negate() ref.Val { return d.neg() }

// Compare implements traits.Comparer.
func (d Decimal) Compare(other ref.Val) ref.Val {
	return withDecimal(other, func(o Decimal) ref.Val { return types.Int(d.cmp(o)) })
}

func (d Decimal) with(other ref.Val, f func(a, b Decimal) (Decimal, error)) ref.Val {
	return withDecimal(other, func(o Decimal) ref.Val { return decimalResult(f(d, o)) })
}
