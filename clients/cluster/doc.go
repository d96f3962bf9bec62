// Package cluster asks a Kafka cluster what people want to know of it: which
// topics there are and whether their partitions are evenly filled, how far each
// group is behind, what the last records of a topic are. It is what the command
// line and the web console show; it changes nothing and works the same with
// Dovetail and Apache Kafka.
//
// A topic's load is even if the records per partition are alike:
//
//	skew = records of the fullest partition ÷ mean of the partitions
//
//	0 ████████████  60%
//	1 ████          20%      skew 0.60 × 3 = 1.80
//	2 ████          20%
//
// Calls block until the brokers answer or the context ends. Everything is safe
// for concurrent use.
package cluster
