package city

import (
	_ "embed"
	"time"

	"github.com/dovetail-dev/dovetail/examples/delivery/city/courierpb"
)

// Topics, and what their keys are unless the generator is told otherwise.
const (
	OrdersTopic      = "orders"            // Avro Order, by order ID
	StatusTopic      = "order-status"      // Avro Status, by order ID
	PositionsTopic   = "courier-positions" // Protobuf Position, by courier ID
	RestaurantsTopic = "restaurants"       // Avro Restaurant, by restaurant ID; compacted
)

// Schemas of the topics' values.
var (
	//go:embed schemas/order.avsc
	OrderSchema string
	//go:embed schemas/status.avsc
	StatusSchema string
	//go:embed schemas/restaurant.avsc
	RestaurantSchema string
)

// Order is an order as it was placed.
type Order struct {
	OrderID         string    `avro:"order_id"`
	RestaurantID    string    `avro:"restaurant_id"`
	CourierID       string    `avro:"courier_id"`
	TotalCents      int64     `avro:"total_cents"`
	PromisedMinutes int32     `avro:"promised_minutes"`
	PlacedAt        time.Time `avro:"placed_at"`
}

// Status is a change of an order's status. Seq counts those of one order.
type Status struct {
	OrderID      string    `avro:"order_id"`
	Seq          int32     `avro:"seq"`
	Status       string    `avro:"status"`
	RestaurantID string    `avro:"restaurant_id"`
	PlacedAt     time.Time `avro:"placed_at"`
	At           time.Time `avro:"at"`
}

// Restaurant is a restaurant's row.
type Restaurant struct {
	RestaurantID string `avro:"restaurant_id"`
	Name         string `avro:"name"`
	Open         bool   `avro:"open"`
	Version      int32  `avro:"version"`
}

// Event is one thing that happened; exactly one of the pointers is set.
type Event struct {
	At         time.Time
	Order      *Order
	Status     *Status
	Restaurant *Restaurant
	Position   *courierpb.Position
}

// Topic returns the topic that the event belongs to.
func (e *Event) Topic() string {
	switch {
	case e.Order != nil:
		return OrdersTopic
	case e.Status != nil:
		return StatusTopic
	case e.Restaurant != nil:
		return RestaurantsTopic
	default:
		return PositionsTopic
	}
}

// Key returns the key under which the events of one thing stay in order.
func (e *Event) Key() string {
	switch {
	case e.Order != nil:
		return e.Order.OrderID
	case e.Status != nil:
		return e.Status.OrderID
	case e.Restaurant != nil:
		return e.Restaurant.RestaurantID
	default:
		return e.Position.GetCourierId()
	}
}

// RestaurantKey is Key with the restaurant in place of the order: few keys,
// some of which have most of the records.
func (e *Event) RestaurantKey() string {
	switch {
	case e.Order != nil:
		return e.Order.RestaurantID
	case e.Status != nil:
		return e.Status.RestaurantID
	default:
		return e.Key()
	}
}
