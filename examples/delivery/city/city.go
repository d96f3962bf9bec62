// Package city is a made-up city that orders food: what its restaurants,
// customers and couriers do for some days, the same for the same seed.
//
//	PLACED ──▶ ACCEPTED ──▶ PICKED_UP ──▶ DELIVERED
//	              └──▶ CANCELLED
//
// People order more at noon and in the evening, some restaurants are far more
// popular than others, and when much is ordered much is late.
package city

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dovetail-dev/dovetail/examples/delivery/city/courierpb"
)

// Options say how big the city is and when it lives.
type Options struct {
	Seed        uint64
	Start       time.Time // midnight of the first day
	Days        int       // default 3
	Orders      int       // default 20,000
	Restaurants int       // default 40
	Couriers    int       // default 60
}

func (o *Options) setDefaults() error {
	for _, d := range []struct{ value, fallback *int }{
		{&o.Days, ptr(3)}, {&o.Orders, ptr(20_000)}, {&o.Restaurants, ptr(40)}, {&o.Couriers, ptr(60)},
	} {
		if *d.value == 0 {
			*d.value = *d.fallback
		}
		if *d.value < 0 {
			return errors.New("city: days, orders, restaurants and couriers are positive numbers")
		}
	}
	if o.Start.IsZero() {
		return errors.New("city: no start")
	}
	o.Start = o.Start.UTC().Truncate(time.Millisecond)
	return nil
}

func ptr(n int) *int { return &n }

// Courier delivers.
type Courier struct{ CourierID, Name string }

// Story is one order from beginning to end: what is true, however often
// events about it are sent.
type Story struct {
	Order
	AcceptedAt  time.Time
	PickedUpAt  time.Time // zero if cancelled
	DeliveredAt time.Time // zero if cancelled
	CancelledAt time.Time // zero if delivered
}

// PromisedAt is when the customer was told to expect the order.
func (s *Story) PromisedAt() time.Time {
	return s.PlacedAt.Add(time.Duration(s.PromisedMinutes) * time.Minute)
}

// Late says whether the order was delivered after it was promised.
func (s *Story) Late() bool { return s.DeliveredAt.After(s.PromisedAt()) }

// City is what happened.
type City struct {
	Restaurants []Restaurant
	Couriers    []Courier
	Stories     []Story // by PlacedAt
	Events      []Event // by At
}

// hours are the weights of the hours of a day.
var hours = [24]int{1, 0, 0, 0, 0, 0, 1, 2, 3, 3, 4, 9, 16, 12, 5, 3, 4, 9, 18, 20, 15, 8, 4, 2}

// Simulate lets the city live.
func Simulate(o Options) (*City, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0xf00d))
	c := &City{}
	for i := range o.Restaurants {
		c.Restaurants = append(c.Restaurants, Restaurant{RestaurantID: fmt.Sprintf("r-%03d", i), Name: restaurantName(rng, i), Open: true})
	}
	for i := range o.Couriers {
		c.Couriers = append(c.Couriers, Courier{fmt.Sprintf("c-%03d", i), firstNames[i%len(firstNames)] + fmt.Sprintf(" %d", 1+i/len(firstNames))})
	}
	c.takeOrders(rng, o)
	c.tell(rng, o)
	return c, nil
}

func (c *City) takeOrders(rng *rand.Rand, o Options) {
	popular := rand.NewZipf(rng, 1.4, 2, uint64(o.Restaurants-1))
	total := 0
	for _, w := range hours {
		total += w
	}
	placed := make([]time.Time, o.Orders)
	for i := range placed {
		hour, n := 0, rng.IntN(total)
		for n >= hours[hour] {
			n -= hours[hour]
			hour++
		}
		placed[i] = o.Start.AddDate(0, 0, rng.IntN(o.Days)).Add(time.Duration(hour)*time.Hour + time.Duration(rng.IntN(3_600_000))*time.Millisecond)
	}
	slices.SortFunc(placed, time.Time.Compare)
	for i, at := range placed {
		c.Stories = append(c.Stories, c.story(rng, Order{
			OrderID:         fmt.Sprintf("o-%06d", i),
			RestaurantID:    c.Restaurants[popular.Uint64()].RestaurantID,
			CourierID:       c.Couriers[rng.IntN(len(c.Couriers))].CourierID,
			TotalCents:      int64(700 + rng.IntN(5200)),
			PromisedMinutes: int32(35 + 5*rng.IntN(4)),
			PlacedAt:        at,
		}))
	}
}

// story decides how an order goes on. The busier the hour, the slower.
func (c *City) story(rng *rand.Rand, order Order) Story {
	s := Story{Order: order}
	busy := float64(hours[order.PlacedAt.Hour()]) / 20
	after := func(at time.Time, least, usual float64) time.Time {
		minutes := least + rng.ExpFloat64()*usual
		return at.Add(time.Duration(math.Min(minutes, 90)*60_000) * time.Millisecond)
	}
	s.AcceptedAt = after(order.PlacedAt, 0.5, 2)
	if rng.IntN(20) == 0 {
		s.CancelledAt = after(s.AcceptedAt, 1, 5)
		return s
	}
	s.PickedUpAt = after(s.AcceptedAt, 6, 6+8*busy)
	s.DeliveredAt = after(s.PickedUpAt, 4, 6+6*busy)
	return s
}

// tell turns stories into events, in the order in which they happened.
func (c *City) tell(rng *rand.Rand, o Options) {
	for i := range c.Restaurants {
		row := c.Restaurants[i]
		c.Events = append(c.Events, Event{At: o.Start, Restaurant: &row})
		for day := range o.Days { // closes at night, opens in the morning
			for _, change := range []struct {
				open bool
				hour int
			}{{true, 6}, {false, 23}} {
				row := row
				row.Version, row.Open = int32(2*day+1), change.open
				if !change.open {
					row.Version++
				}
				at := o.Start.AddDate(0, 0, day).Add(time.Duration(change.hour)*time.Hour + time.Duration(rng.IntN(3_000_000))*time.Millisecond)
				c.Events = append(c.Events, Event{At: at, Restaurant: &row})
			}
		}
	}
	for i := range c.Stories {
		s := &c.Stories[i]
		order := s.Order
		c.Events = append(c.Events, Event{At: s.PlacedAt, Order: &order})
		for seq, step := range []struct {
			status string
			at     time.Time
		}{{"PLACED", s.PlacedAt}, {"ACCEPTED", s.AcceptedAt}, {"PICKED_UP", s.PickedUpAt}, {"DELIVERED", s.DeliveredAt}, {"CANCELLED", s.CancelledAt}} {
			if step.at.IsZero() {
				continue
			}
			if step.status == "CANCELLED" {
				seq = 2
			}
			c.Events = append(c.Events, Event{At: step.at, Status: &Status{s.OrderID, int32(seq), step.status, s.RestaurantID, s.PlacedAt, step.at}})
		}
		if !s.DeliveredAt.IsZero() {
			c.ride(rng, s)
		}
	}
	slices.SortStableFunc(c.Events, func(a, b Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Topic(), b.Topic()))
	})
	seqs := map[string]int64{}
	for _, e := range c.Events {
		if p := e.Position; p != nil {
			p.Seq = seqs[p.CourierId]
			seqs[p.CourierId]++
		}
	}
}

// ride adds where the courier is, every five minutes from the kitchen on.
func (c *City) ride(rng *rand.Rand, s *Story) {
	lat, lon := 52.5+rng.Float64()/10, 13.3+rng.Float64()/10
	for at := s.PickedUpAt; at.Before(s.DeliveredAt); at = at.Add(5 * time.Minute) {
		lat, lon = lat+(rng.Float64()-0.5)/100, lon+(rng.Float64()-0.5)/100
		c.Events = append(c.Events, Event{At: at, Position: &courierpb.Position{
			CourierId: s.CourierID, OrderId: s.OrderID, AtMs: at.UnixMilli(), Latitude: lat, Longitude: lon,
		}})
	}
}

var (
	firstNames = []string{"Ada", "Bo", "Cem", "Dana", "Emil", "Fay", "Gus", "Hana", "Ivo", "June", "Kai", "Lena", "Milo", "Nora", "Omar"}
	adjectives = []string{"Golden", "Little", "Hungry", "Old", "Blue", "Quiet", "Spicy", "Lucky"}
	nouns      = []string{"Wok", "Olive", "Taco", "Noodle", "Oven", "Ladle", "Pepper", "Dumpling"}
)

func restaurantName(rng *rand.Rand, i int) string {
	return fmt.Sprintf("%s %s %d", adjectives[rng.IntN(len(adjectives))], nouns[rng.IntN(len(nouns))], i)
}
