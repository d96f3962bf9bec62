package rules

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/dovetail-dev/dovetail/serde/rules/jsonata"
)

// jsonataRule is a rule of type JSONATA: an expression over the JSON form of a
// payload, whose result takes its place. Its parameters are jsonata.timeout.ms
// and jsonata.max.depth.
type jsonataRule struct {
	step   *step
	limits jsonata.Limits
}

func newJSONataRule(s *step) (*jsonataRule, error) {
	r := &jsonataRule{step: s}
	if text := s.params["jsonata.timeout.ms"]; text != "" {
		ms, err := strconv.ParseUint(text, 10, 31)
		if err != nil || ms == 0 {
			return nil, fmt.Errorf("jsonata.timeout.ms is %q, not a number of milliseconds", text)
		}
		r.limits.Timeout = time.Duration(ms) * time.Millisecond
	}
	if text := s.params["jsonata.max.depth"]; text != "" {
		depth, err := strconv.ParseUint(text, 10, 31)
		if err != nil || depth == 0 || depth > jsonata.MaxDepth {
			return nil, fmt.Errorf("jsonata.max.depth is %q, not a number from 1 to %d", text, jsonata.MaxDepth)
		}
		r.limits.Depth = int(depth)
	}
	return r, nil
}

// document runs the rule on a JSON document; nil if it is a condition that
// holds.
func (r *jsonataRule) document(ctx context.Context, document []byte) ([]byte, error) {
	out, err := r.step.engine.jsonata.Eval(ctx, r.step.rule.Expr, document, r.limits)
	if err != nil {
		return nil, err
	}
	if isCondition(&r.step.rule) {
		if !bytes.Equal(out, []byte("true")) {
			return nil, broken(r.step.rule.Expr)
		}
		return nil, nil
	}
	return out, nil
}
