package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dovetail-dev/dovetail/examples/delivery/city"
)

// sent is what a topic was sent: so many different events, and so many
// records more that repeat one of them.
type sent struct {
	Events   int64 `json:"events"`
	Repeated int64 `json:"repeated"`
}

// writeOrders writes orders.csv: each order once. Times are milliseconds since
// the epoch, empty if it never came to that.
func writeOrders(dir string, stories []city.Story) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "orders.csv"))
	if err != nil {
		return err
	}
	defer f.Close()
	w := csv.NewWriter(f)
	rows := [][]string{{"order_id", "restaurant_id", "courier_id", "total_cents", "promised_at", "placed_at", "delivered_at", "cancelled_at"}}
	for _, s := range stories {
		rows = append(rows, []string{
			s.OrderID, s.RestaurantID, s.CourierID, strconv.FormatInt(s.TotalCents, 10),
			millis(s.PromisedAt()), millis(s.PlacedAt), millis(s.DeliveredAt), millis(s.CancelledAt),
		})
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	return f.Close()
}

func millis(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

func writeSent(dir string, topics map[string]*sent) error {
	text, err := json.MarshalIndent(topics, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "sent.json"), append(text, '\n'), 0o644)
}

func readSent(dir string) (map[string]*sent, error) {
	text, err := os.ReadFile(filepath.Join(dir, "sent.json"))
	if err != nil {
		return nil, fmt.Errorf("%w: events produce writes it", err)
	}
	var topics map[string]*sent
	err = json.Unmarshal(text, &topics)
	return topics, err
}
