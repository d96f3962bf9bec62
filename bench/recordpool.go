package main

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// recordPool is where the consumer's records come from and go back to.
type recordPool struct{ records, decoded sync.Pool }

func (p *recordPool) GetRecords(n int) []kgo.Record { return pooled[kgo.Record](&p.records, n) }
func (p *recordPool) PutRecords(x []kgo.Record)     { p.records.Put(&x) }

func (p *recordPool) GetKRecords(n int) []kmsg.Record { return pooled[kmsg.Record](&p.decoded, n) }
func (p *recordPool) PutKRecords(x []kmsg.Record)     { p.decoded.Put(&x) }

func pooled[T any](pool *sync.Pool, n int) []T {
	if x, ok := pool.Get().(*[]T); ok {
		return *x
	}
	return make([]T, n)
}
