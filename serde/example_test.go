package serde_test

import (
	"context"
	"fmt"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// A strategy of one's own: one lineage for all topics of a team.
func ExampleSubjectStrategy() {
	byTeam := func(_ context.Context, in serde.SubjectInput) (schema.Subject, error) {
		return schema.Subject("team-blue-" + in.RecordName), nil
	}
	subject, err := byTeam(context.Background(), serde.SubjectInput{Topic: "orders", RecordName: "Order"})
	fmt.Println(subject, err)
	// Output: team-blue-Order <nil>
}

func ExampleTopicName() {
	ctx := context.Background()
	value, _ := serde.TopicName(ctx, serde.SubjectInput{Topic: "orders"})
	key, _ := serde.TopicName(ctx, serde.SubjectInput{Topic: "orders", Key: true})
	fmt.Println(value, key)
	// Output: orders-value orders-key
}
