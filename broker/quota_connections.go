package broker

import "time"

// connected charges for a connection from host to connection_creation_rate (KIP-612):
// the quota of the address, or else that of all addresses without one, each on its
// own. It returns 0 if the connection may be, and otherwise, without charging, how
// long it takes until one may.
func (q *quotas) connected(host string) time.Duration {
	var rate float64
	found := false
	for _, e := range q.all() {
		v, has := e.Values[quotaConnections]
		if !has || e.Entity.IP == nil {
			continue
		}
		if *e.Entity.IP == host {
			rate, found = v, true
			break
		}
		if *e.Entity.IP == "" {
			rate, found = v, true
		}
	}
	if !found {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.bucket(bucketKey{quota: quotaConnections, client: host}, rate, max(1, rate))
	if b.left < 1 {
		short := bucket{left: b.left - 1}
		return max(short.wait(rate), time.Millisecond)
	}
	b.left--
	return 0
}
