package main

import (
	"context"
	"errors"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/examples/delivery/city"
	"github.com/dovetail-dev/dovetail/examples/delivery/city/courierpb"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/protobuf"
)

// encoder writes events as the bytes of records. Schemas are registered the
// first time they are used.
type encoder struct {
	orders      *serde.Serializer[city.Order]
	statuses    *serde.Serializer[city.Status]
	restaurants *serde.Serializer[city.Restaurant]
	positions   *serde.Serializer[*courierpb.Position]
}

func newEncoder(registry *srclient.Client) (*encoder, error) {
	var e encoder
	var errs [4]error
	e.orders, errs[0] = avro.NewSerializer[city.Order](registry, city.OrderSchema)
	e.statuses, errs[1] = avro.NewSerializer[city.Status](registry, city.StatusSchema)
	e.restaurants, errs[2] = avro.NewSerializer[city.Restaurant](registry, city.RestaurantSchema)
	e.positions, errs[3] = protobuf.NewSerializer[*courierpb.Position](registry)
	return &e, errors.Join(errs[:]...)
}

func (e *encoder) encode(ctx context.Context, topic string, ev *city.Event) ([]byte, error) {
	switch {
	case ev.Order != nil:
		return e.orders.Append(ctx, nil, topic, *ev.Order)
	case ev.Status != nil:
		return e.statuses.Append(ctx, nil, topic, *ev.Status)
	case ev.Restaurant != nil:
		return e.restaurants.Append(ctx, nil, topic, *ev.Restaurant)
	default:
		return e.positions.Append(ctx, nil, topic, ev.Position)
	}
}

// decoder reads what encoder wrote.
type decoder struct {
	orders      *serde.Deserializer[city.Order]
	statuses    *serde.Deserializer[city.Status]
	restaurants *serde.Deserializer[city.Restaurant]
	positions   *serde.Deserializer[*courierpb.Position]
}

func newDecoder(registry *srclient.Client) (*decoder, error) {
	var d decoder
	var errs [4]error
	d.orders, errs[0] = avro.NewDeserializer[city.Order](registry, city.OrderSchema)
	d.statuses, errs[1] = avro.NewDeserializer[city.Status](registry, city.StatusSchema)
	d.restaurants, errs[2] = avro.NewDeserializer[city.Restaurant](registry, city.RestaurantSchema)
	d.positions, errs[3] = protobuf.NewDeserializer[*courierpb.Position](registry)
	return &d, errors.Join(errs[:]...)
}

// sequence returns which of its key's events a record is, counted from 0.
func (d *decoder) sequence(ctx context.Context, topic string, value []byte) (key string, seq int64, err error) {
	switch topic {
	case city.OrdersTopic:
		var v city.Order
		err = d.orders.Decode(ctx, topic, value, &v)
		return v.OrderID, 0, err
	case city.StatusTopic:
		var v city.Status
		err = d.statuses.Decode(ctx, topic, value, &v)
		return v.OrderID, int64(v.Seq), err
	case city.RestaurantsTopic:
		var v city.Restaurant
		err = d.restaurants.Decode(ctx, topic, value, &v)
		return v.RestaurantID, int64(v.Version), err
	default:
		v := &courierpb.Position{}
		err = d.positions.Decode(ctx, topic, value, &v)
		return v.GetCourierId(), v.GetSeq(), err
	}
}
