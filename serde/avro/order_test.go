package avro_test

import (
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/avro/avrobench"
)

// The records of the benchmarks serve the tests too.
const (
	smallText = avrobench.SmallText
	orderText = avrobench.OrderText
	batchText = avrobench.BatchText
)

type (
	small = avrobench.Small
	item  = avrobench.Item
	order = avrobench.Order
	batch = avrobench.Batch
)

func newSmall() small { return avrobench.NewSmall() }
func newOrder() order { return avrobench.NewOrder() }
func newBatch() batch { return avrobench.NewBatch() }

func ptr[T any](v T) *T { return &v }

var (
	smallSchema = avro.MustParse(smallText)
	orderSchema = avro.MustParse(orderText)
	batchSchema = avro.MustParse(batchText)
)
