package rules

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// variantType is what CEL calls a variant.
var variantType = types.NewObjectType("variant")

const variantName = protoreflect.FullName("confluent.type.Variant")

// variantFunctions make variants, find their way in them and take values out.
// null stands for what is not there, and goes through; a variant that is null
// itself is told by variants.isNull.
func variantFunctions() []cel.EnvOption {
	dyn, str := cel.DynType, cel.StringType
	fixed := func(name, id string, args []*cel.Type, result *cel.Type, f func(args ...ref.Val) ref.Val) cel.EnvOption {
		return cel.Function(name, cel.Overload(id, args, result, cel.FunctionBinding(f)))
	}
	// taking is a function of a variant, which null goes through.
	taking := func(name, id string, args []*cel.Type, f func(v *variant, args []ref.Val) ref.Val) cel.EnvOption {
		return fixed(name, id, args, dyn, func(args ...ref.Val) ref.Val {
			v, err := toVariant(args[0])
			switch {
			case err != nil:
				return types.NewErr("%s: %v", name, err)
			case v == nil:
				return types.NullValue
			}
			return f(v, args[1:])
		})
	}
	out := []cel.EnvOption{
		fixed("variant", "dyn_to_variant", []*cel.Type{dyn}, dyn, func(args ...ref.Val) ref.Val {
			if s, ok := args[0].(types.String); ok {
				return parsedVariant(s, false)
			}
			v, err := toVariant(args[0])
			if err != nil {
				return types.NewErr("variant: %v", err)
			}
			return orNull(v)
		}),
		fixed("variant", "string_bool_to_variant", []*cel.Type{str, cel.BoolType}, dyn, func(args ...ref.Val) ref.Val {
			return parsedVariant(args[0].(types.String), args[1] == types.True)
		}),
		fixed("variant", "bytes_bytes_to_variant", []*cel.Type{cel.BytesType, cel.BytesType}, dyn, func(args ...ref.Val) ref.Val {
			v, err := decodeVariant(args[1].(types.Bytes), args[0].(types.Bytes))
			if err != nil {
				return types.NewErr("variant: %v", err)
			}
			return v
		}),
		fixed("variants.parseJson", "variants_parsejson_string", []*cel.Type{str}, dyn, func(args ...ref.Val) ref.Val {
			return parsedVariant(args[0].(types.String), false)
		}),
		fixed("variants.tryParseJson", "variants_tryparsejson_string", []*cel.Type{str}, dyn, func(args ...ref.Val) ref.Val {
			return parsedVariant(args[0].(types.String), true)
		}),
		fixed("variants.isNull", "variants_isnull_dyn", []*cel.Type{dyn}, cel.BoolType, func(args ...ref.Val) ref.Val {
			v, err := toVariant(args[0])
			return types.Bool(err == nil && v != nil && v.kind == kindNull)
		}),
		taking("variants.type", "variants_type_dyn", []*cel.Type{dyn}, func(v *variant, _ []ref.Val) ref.Val { return types.String(v.kind) }),
		taking("variants.toJson", "variants_tojson_dyn", []*cel.Type{dyn}, func(v *variant, _ []ref.Val) ref.Val {
			return types.String(v.appendJSON(nil))
		}),
		taking("variants.tryAs", "variants_tryas_dyn_string", []*cel.Type{dyn, str}, func(v *variant, args []ref.Val) ref.Val {
			return v.as(args[0], types.True)
		}),
	}
	// Each of these takes a type to return the value as, too, and whether it is
	// null if it is of another.
	steps := map[string]struct {
		arg  *cel.Type
		step func(v *variant, arg ref.Val) (*variant, error)
	}{
		"variants.path": {str, func(v *variant, arg ref.Val) (*variant, error) {
			steps, err := parsePath(string(arg.(types.String)))
			return v.walk(steps), err
		}},
		"variants.field": {str, func(v *variant, arg ref.Val) (*variant, error) { return v.field(string(arg.(types.String))), nil }},
		"variants.elem":  {cel.IntType, func(v *variant, arg ref.Val) (*variant, error) { return v.elem(int64(arg.(types.Int))), nil }},
		"variants.index": {cel.IntType, func(v *variant, arg ref.Val) (*variant, error) { return v.elem(int64(arg.(types.Int))), nil }},
	}
	for name, s := range steps {
		f := func(v *variant, args []ref.Val) ref.Val {
			got, err := s.step(v, args[0])
			switch {
			case err != nil:
				return types.NewErr("%s: %v", name, err)
			case got == nil:
				return types.NullValue
			case len(args) == 1:
				return got
			}
			return got.as(args[1], append(args, types.False)[2])
		}
		id := strings.ToLower(strings.ReplaceAll(name, ".", "_"))
		out = append(out,
			taking(name, id, []*cel.Type{dyn, s.arg}, f),
			taking(name, id+"_string", []*cel.Type{dyn, s.arg, str}, f),
			taking(name, id+"_string_bool", []*cel.Type{dyn, s.arg, str, cel.BoolType}, f))
	}
	return append(out,
		taking("variants.as", "variants_as_dyn_string", []*cel.Type{dyn, str}, func(v *variant, args []ref.Val) ref.Val {
			return v.as(args[0], types.False)
		}),
		taking("variants.as", "variants_as_dyn_string_bool", []*cel.Type{dyn, str, cel.BoolType}, func(v *variant, args []ref.Val) ref.Val {
			return v.as(args[0], args[1])
		}))
}

func parsedVariant(text types.String, nullOnError bool) ref.Val {
	v, err := parseVariant(string(text))
	switch {
	case err == nil:
		return v
	case nullOnError:
		return types.NullValue
	}
	return types.NewErr("variant: %v", err)
}

func orNull(v *variant) ref.Val {
	if v == nil {
		return types.NullValue
	}
	return v
}

// toVariant returns what is a variant, or a record or message of one, and nil for
// null.
func toVariant(v ref.Val) (*variant, error) {
	switch v := v.(type) {
	case *variant:
		return v, nil
	case types.Null:
		return nil, nil
	case traits.Mapper:
		value, ok := v.Find(types.String("value"))
		metadata, too := v.Find(types.String("metadata"))
		if x, isBytes := value.(types.Bytes); ok && too && isBytes {
			if y, isBytes := metadata.(types.Bytes); isBytes {
				return decodeVariant(y, x)
			}
		}
	default:
		if m, ok := v.Value().(proto.Message); ok && m.ProtoReflect().Descriptor().FullName() == variantName {
			fields := m.ProtoReflect().Descriptor().Fields()
			value, metadata := fields.ByName("value"), fields.ByName("metadata")
			if value != nil && metadata != nil && value.Kind() == protoreflect.BytesKind && metadata.Kind() == protoreflect.BytesKind {
				return decodeVariant(m.ProtoReflect().Get(metadata).Bytes(), m.ProtoReflect().Get(value).Bytes())
			}
		}
	}
	return nil, fmt.Errorf("a %s is no variant: want a record or message with metadata and value, or variants.parseJson(text)", v.Type().TypeName())
}

// as returns the value as one of CEL.
func (v *variant) as(typ, nullOnError ref.Val) ref.Val {
	want := string(typ.(types.String))
	switch want {
	case kindString, kindInt, kindDouble, kindBoolean, kindDecimal, kindTimestamp, kindBytes:
	case kindObject, kindArray, kindNull, kindDate, kindTime, kindUUID:
		return types.NewErr("variants.as: a value of type %q has no form in CEL: use variants.path, variants.field or variants.toJson", want)
	default:
		if nullOnError == types.True {
			return types.NullValue
		}
		return types.NewErr("variants.as: type %q is not string, int, double, boolean, decimal, timestamp or bytes", want)
	}
	if t, ok := v.value.(time.Time); v.kind == want && (!ok || t.Unix() >= minSecond && t.Unix() <= maxSecond) {
		if d, ok := v.value.(Decimal); ok {
			return d
		}
		return types.DefaultTypeAdapter.NativeToValue(v.value)
	}
	if nullOnError == types.True {
		return types.NullValue
	}
	return types.NewErr("variants.as: the variant is of type %s, not a %s that CEL can hold", v.kind, want)
}

// plain is what a variant is written as: the bytes that it came from.
func (v *variant) plain() (any, error) {
	if v.raw == nil {
		return nil, fmt.Errorf("the expression returned a variant that was made of JSON, which no value can hold: return variants.toJson of it")
	}
	return map[string]any{"metadata": slices.Clone(v.metadata), "value": slices.Clone(v.raw)}, nil
}

// Type implements ref.Val.
func (v *variant) Type() ref.Type { return variantType }

// Value implements ref.Val.
func (v *variant) Value() any { return v }

// Equal implements ref.Val.
func (v *variant) Equal(other ref.Val) ref.Val {
	o, ok := other.(*variant)
	return types.Bool(ok && v.equal(o))
}

// ConvertToType implements ref.Val.
func (v *variant) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return variantType
	}
	return types.NewErr("a variant cannot be converted to a %s: use variants.as", t.TypeName())
}

// ConvertToNative implements ref.Val.
func (v *variant) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("a variant does not fit into a %s", t)
}
