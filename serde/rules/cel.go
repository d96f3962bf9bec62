package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bounds of CEL expressions.
const (
	maxExpressionBytes = 64 << 10
	maxExpressionDepth = 100
	maxPrograms        = 1000 // cached
	maxResultValues    = 1_000_000
)

// celRule is a rule of type CEL or CEL_FIELD.
type celRule struct {
	step        *step
	guard, expr string
	signed      bool // unsigned fields are int for CEL, as far as they fit
}

func newCELRule(s *step) *celRule {
	r := &celRule{step: s, expr: s.rule.Expr, signed: s.params["cel.unsigned.field.type"] == "int"}
	if !strings.EqualFold(s.params["cel.ignore.guard.separator"], "true") {
		if guard, expr, ok := strings.Cut(r.expr, ";"); ok {
			r.guard, r.expr = strings.TrimSpace(guard), expr
		}
	}
	return r
}

// run evaluates guard and expression. It reports false if the guard is, or if
// a condition holds: in both cases nothing changes.
func (r *celRule) run(ctx context.Context, of protoreflect.FileDescriptor, vars map[string]any) (any, bool, error) {
	vars["now"] = r.step.engine.opts.Now()
	cache := r.step.engine.cel
	if r.guard != "" {
		v, err := cache.eval(ctx, r.guard, of, vars)
		if err != nil {
			return nil, false, fmt.Errorf("guard: %w", err)
		}
		if v != types.True {
			return nil, false, nil
		}
	}
	v, err := cache.eval(ctx, r.expr, of, vars)
	if err != nil {
		return nil, false, err
	}
	if isCondition(&r.step.rule) {
		if v != types.True {
			return nil, false, broken(r.expr)
		}
		return nil, false, nil
	}
	left := maxResultValues
	out, err := plainResult(v, &left, 0)
	return out, err == nil, err
}

// message runs the rule on a whole value; nil if nothing changed.
func (r *celRule) message(ctx context.Context, f shape, v any) (any, error) {
	shown, err := f.show(v)
	if err != nil {
		return nil, err
	}
	out, changed, err := r.run(ctx, fileOf(shown), map[string]any{"message": shown})
	if err != nil || !changed {
		return nil, err
	}
	return f.build(v, out)
}

// payload runs the rule on bytes; nil if nothing changed.
func (r *celRule) payload(ctx context.Context, b []byte) ([]byte, error) {
	out, changed, err := r.run(ctx, nil, map[string]any{"message": b})
	if err != nil || !changed {
		return nil, err
	}
	switch out := out.(type) {
	case []byte:
		return out, nil
	case string:
		return []byte(out), nil
	}
	return nil, fmt.Errorf("an encoding rule returned a %T, not bytes", out)
}

// document runs the rule on a JSON document; nil if nothing changed.
func (r *celRule) document(ctx context.Context, document []byte) ([]byte, error) {
	v, err := parseJSON(document)
	if err != nil {
		return nil, fmt.Errorf("the document: %w", err)
	}
	out, changed, err := r.run(ctx, nil, map[string]any{"message": v})
	if err != nil || !changed {
		return nil, err
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("JSON of what the expression returned: %w", err)
	}
	return b, nil
}

// fields runs the rule on each field that it is meant for.
func (r *celRule) fields(ctx context.Context, f shape, v any) (any, error) {
	return f.fields(v, func(d *field, leaf any) (any, error) {
		if !d.tagged(r.step.rule.Tags) {
			return leaf, nil
		}
		message, err := d.message()
		if err != nil {
			return nil, err
		}
		tags := d.tags
		if tags == nil {
			tags = []string{}
		}
		value := leaf
		if n, ok := leaf.(uint64); ok && r.signed && n <= math.MaxInt64 {
			value = int64(n)
		}
		out, changed, err := r.run(ctx, fileOf(message), map[string]any{
			"value": value, "fullName": d.fullName, "name": d.name, "typeName": d.typeName, "tags": tags, "message": message,
		})
		if err != nil || !changed {
			return leaf, err
		}
		return out, nil
	})
}

// fileOf returns the file of a Protobuf message, nil for other values.
func fileOf(v any) protoreflect.FileDescriptor {
	if m, ok := v.(proto.Message); ok {
		return m.ProtoReflect().Descriptor().ParentFile()
	}
	return nil
}

// withImports appends a file to list after all that it imports, without those
// that CEL knows.
func withImports(f protoreflect.FileDescriptor, list []any) []any {
	for i := range f.Imports().Len() {
		imp := f.Imports().Get(i).FileDescriptor
		if !imp.IsPlaceholder() && !strings.HasPrefix(imp.Path(), "google/protobuf/") && !slices.Contains(list, any(imp)) {
			list = withImports(imp, list)
		}
	}
	return append(list, f)
}

// celCache keeps compiled expressions.
type celCache struct {
	env   *cel.Env
	limit uint64

	mu       sync.RWMutex
	programs map[celKey]cel.Program
}

type celKey struct {
	expr string
	file protoreflect.FileDescriptor // whose types the expression may use; nil for none
}

func newCELCache(limit uint64) (*celCache, error) {
	opts := []cel.EnvOption{
		cel.ParserExpressionSizeLimit(maxExpressionBytes),
		cel.ParserRecursionLimit(maxExpressionDepth),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		ext.Strings(),
	}
	for _, name := range []string{"message", "value", "this"} {
		opts = append(opts, cel.Variable(name, cel.DynType))
	}
	for _, name := range []string{"fullName", "name", "typeName"} {
		opts = append(opts, cel.Variable(name, cel.StringType))
	}
	opts = append(opts, cel.Variable("tags", cel.ListType(cel.StringType)), cel.Variable("now", cel.TimestampType))
	opts = append(opts, stringFunctions()...)
	opts = append(opts, decimalFunctions()...)
	opts = append(opts, timestampFunctions()...)
	opts = append(opts, variantFunctions()...)
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, fmt.Errorf("rules: CEL: %w", err)
	}
	return &celCache{env: env, limit: limit, programs: map[celKey]cel.Program{}}, nil
}

// program compiles an expression, or finds it.
func (c *celCache) program(k celKey) (cel.Program, error) {
	c.mu.RLock()
	p := c.programs[k]
	c.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	if len(k.expr) > maxExpressionBytes {
		return nil, fmt.Errorf("the expression has %d bytes, at most %d are allowed", len(k.expr), maxExpressionBytes)
	}
	env := c.env
	if k.file != nil {
		var err error
		if env, err = env.Extend(cel.TypeDescs(withImports(k.file, nil)...)); err != nil {
			return nil, fmt.Errorf("types of %s: %w", k.file.Path(), err)
		}
	}
	ast, issues := env.Compile(k.expr)
	if err := issues.Err(); err != nil {
		return nil, fmt.Errorf("the expression does not compile: %w", err)
	}
	p, err := env.Program(ast, cel.CostLimit(c.limit), cel.InterruptCheckFrequency(100))
	if err != nil {
		return nil, fmt.Errorf("the expression does not compile: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.programs) >= maxPrograms {
		clear(c.programs) // what is in use comes back
	}
	c.programs[k] = p
	return p, nil
}

func (c *celCache) eval(ctx context.Context, expr string, of protoreflect.FileDescriptor, vars map[string]any) (ref.Val, error) {
	p, err := c.program(celKey{expr, of})
	if err != nil {
		return nil, err
	}
	v, _, err := p.ContextEval(ctx, vars)
	if err != nil {
		return nil, fmt.Errorf("evaluating the expression: %w", err)
	}
	return v, nil
}

var errLargeResult = errors.New("the expression returned too many values")

// plainResult turns what an expression returned into plain Go values. left
// counts down, so that shared parts do not multiply without bound.
func plainResult(v ref.Val, left *int, depth int) (any, error) {
	if *left--; *left < 0 || depth > maxDepth {
		return nil, errLargeResult
	}
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		return uint64(v), nil
	case types.Double:
		return float64(v), nil
	case types.String:
		return string(v), nil
	case types.Bytes:
		return []byte(v), nil
	case types.Timestamp:
		return v.Time, nil
	case types.Duration:
		return v.Duration, nil
	case Decimal:
		return v, nil
	case *variant:
		return v.plain()
	case traits.Mapper:
		return plainMap(v, left, depth)
	case traits.Lister:
		out := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			item, err := plainResult(it.Next(), left, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, item)
		}
		return out, nil
	}
	switch inner := v.Value().(type) {
	case proto.Message:
		return inner, nil
	case time.Time:
		return inner, nil
	}
	return nil, fmt.Errorf("the expression returned a %s, which no value can hold", v.Type().TypeName())
}

func plainMap(v traits.Mapper, left *int, depth int) (any, error) {
	out := map[string]any{}
	for it := v.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("the expression returned a map with a key of type %s, want strings", key.Type().TypeName())
		}
		item, err := plainResult(v.Get(key), left, depth+1)
		if err != nil {
			return nil, err
		}
		out[string(name)] = item
	}
	return out, nil
}
