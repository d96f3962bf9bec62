//go:build !cgo

package main

import "errors"

// confluentPeer says why there is none: its serdes import librdkafka's client.
func confluentPeer[T any](string) (*wholePeer[T], error) {
	return nil, errors.New("confluent-kafka-go needs cgo; build with CGO_ENABLED=1 and a C compiler")
}
