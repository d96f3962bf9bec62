package main

import "context"

// benchJSONSchema has nothing of ours to measure.
func benchJSONSchema(_ context.Context, _ options, r *report) error {
	r.missing("JSON Schema validation from bytes", "santhosh-tekuri/jsonschema v6", atLeast(12), "serde/jsonschema has no streaming validator in this build")
	return nil
}
