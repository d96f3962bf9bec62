package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dovetail-dev/dovetail/examples/delivery/city"
)

// perTransaction is how many events share a transaction of the database.
const perTransaction = 10

const tables = `CREATE TABLE couriers (
  courier_id text PRIMARY KEY,
  name       text NOT NULL
);
CREATE TABLE orders (
  order_id      text PRIMARY KEY,
  restaurant_id text NOT NULL,
  courier_id    text NOT NULL REFERENCES couriers,
  total_cents   bigint NOT NULL,
  placed_at     timestamp(3) NOT NULL,
  promised_at   timestamp(3) NOT NULL,
  status        text NOT NULL,
  delivered_at  timestamp(3)
);
ALTER TABLE orders REPLICA IDENTITY FULL;   -- a change has the whole row before it, too
ALTER TABLE couriers REPLICA IDENTITY FULL;
`

// writeSQL prints a part of the city as SQL: the tables with the couriers (and
// writes the ledger), or one half of what happens to orders.
func writeSQL(out io.Writer, s settings) error {
	c, err := city.Simulate(s.city)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	half := len(c.Events) / 2
	switch s.part {
	case "schema":
		w.WriteString(tables)
		for _, courier := range c.Couriers {
			fmt.Fprintf(w, "INSERT INTO couriers VALUES (%s, %s);\n", text(courier.CourierID), text(courier.Name))
		}
		if err := writeOrders(s.ledger, c.Stories); err != nil {
			return err
		}
	case "first":
		writeEvents(w, c.Events[:half], c.Stories)
	case "second":
		writeEvents(w, c.Events[half:], c.Stories)
	default:
		return fmt.Errorf("--part is schema, first or second, not %q", s.part)
	}
	return w.Flush()
}

func writeEvents(w *bufio.Writer, events []city.Event, stories []city.Story) {
	promised := make(map[string]time.Time, len(stories))
	for i := range stories {
		promised[stories[i].OrderID] = stories[i].PromisedAt()
	}
	open := 0
	for _, e := range events {
		switch {
		case e.Order != nil:
			begin(w, &open)
			fmt.Fprintf(w, "INSERT INTO orders VALUES (%s, %s, %s, %d, %s, %s, 'PLACED', NULL);\n", text(e.Order.OrderID), text(e.Order.RestaurantID),
				text(e.Order.CourierID), e.Order.TotalCents, timestamp(e.Order.PlacedAt), timestamp(promised[e.Order.OrderID]))
		case e.Status != nil && e.Status.Seq > 0:
			begin(w, &open)
			delivered := ""
			if e.Status.Status == "DELIVERED" {
				delivered = ", delivered_at = " + timestamp(e.At)
			}
			fmt.Fprintf(w, "UPDATE orders SET status = %s%s WHERE order_id = %s;\n", text(e.Status.Status), delivered, text(e.Status.OrderID))
		}
	}
	if open > 0 {
		w.WriteString("COMMIT;\n")
	}
}

func begin(w *bufio.Writer, open *int) {
	if *open == perTransaction {
		w.WriteString("COMMIT;\n")
		*open = 0
	}
	if *open == 0 {
		w.WriteString("BEGIN;\n")
	}
	*open++
}

func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func timestamp(t time.Time) string { return "'" + t.Format("2006-01-02 15:04:05.000") + "'" }
