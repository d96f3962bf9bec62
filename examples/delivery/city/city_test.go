package city_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/examples/delivery/city"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func simulate(t *testing.T, seed uint64) *city.City {
	t.Helper()
	c, err := city.Simulate(city.Options{Seed: seed, Start: start, Days: 2, Orders: 2000})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheSameSeedIsTheSameCity(t *testing.T) {
	a, b := simulate(t, 1), simulate(t, 1)
	if !reflect.DeepEqual(a.Stories, b.Stories) || len(a.Events) != len(b.Events) {
		t.Error("one seed led to two cities")
	}
	if reflect.DeepEqual(a.Stories, simulate(t, 2).Stories) {
		t.Error("two seeds led to one city")
	}
}

func TestEventsTellEachStoryInOrder(t *testing.T) {
	c := simulate(t, 3)
	next := map[string]int64{} // topic and key → what comes next
	statuses := map[string][]city.Status{}
	for i, e := range c.Events {
		if i > 0 && e.At.Before(c.Events[i-1].At) {
			t.Fatalf("event %d happened before the one before it", i)
		}
		var seq int64
		switch {
		case e.Status != nil:
			seq = int64(e.Status.Seq)
			statuses[e.Status.OrderID] = append(statuses[e.Status.OrderID], *e.Status)
		case e.Restaurant != nil:
			seq = int64(e.Restaurant.Version)
		case e.Position != nil:
			seq = e.Position.GetSeq()
		}
		at := e.Topic() + " " + e.Key()
		if seq != next[at] {
			t.Fatalf("%s: %d came when %d was next", at, seq, next[at])
		}
		next[at]++
	}
	late := 0
	for _, s := range c.Stories {
		got := statuses[s.OrderID]
		last := got[len(got)-1]
		switch {
		case s.DeliveredAt.IsZero() && (last.Status != "CANCELLED" || len(got) != 3 || !last.At.Equal(s.CancelledAt)):
			t.Fatalf("%s was cancelled, and its events say %+v", s.OrderID, got)
		case !s.DeliveredAt.IsZero() && (last.Status != "DELIVERED" || len(got) != 4 || !last.At.Equal(s.DeliveredAt)):
			t.Fatalf("%s was delivered, and its events say %+v", s.OrderID, got)
		case s.DeliveredAt.IsZero() && s.Late():
			t.Fatalf("%s is late without having come", s.OrderID)
		case s.Late():
			late++
		}
	}
	if late == 0 || late > len(c.Stories)/2 {
		t.Errorf("%d of %d orders are late", late, len(c.Stories))
	}
}

func TestAFewRestaurantsHaveMostOrders(t *testing.T) {
	c := simulate(t, 4)
	counts := map[string]int{}
	most := 0
	for _, s := range c.Stories {
		counts[s.RestaurantID]++
		most = max(most, counts[s.RestaurantID])
	}
	if fair := len(c.Stories) / len(c.Restaurants); most < 5*fair {
		t.Errorf("the most popular restaurant has %d orders, an even share is %d", most, fair)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []city.Options{{}, {Start: start, Orders: -1}, {Start: start, Days: -2}} {
		if _, err := city.Simulate(o); err == nil {
			t.Errorf("%+v is a city", o)
		}
	}
}
