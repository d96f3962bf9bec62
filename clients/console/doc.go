// Package console is the web console: subjects with their versions and what
// changed between them, topics with the load of their partitions and their last
// records, groups with their lag. It is a client like any other, of the REST API
// and the Kafka API, and changes nothing.
//
//	browser ──▶ /console/          pages: static files, compiled in
//	        ──▶ /console/api/…     JSON ──▶ Registry (clients/srclient)
//	                                    ──▶ Kafka    (clients/cluster)
//	        ──▶ /broker/…          rates, hot keys, lag in seconds: what the bundled
//	                               broker tells beyond Kafka's protocol; left out of the
//	                               pages where there is none
//
// The pages need nothing from elsewhere: no fonts, no scripts, no build step. A
// policy header keeps it so, and what records hold is only ever shown as text.
// Authentication is the caller's. A Handler is safe for concurrent use.
package console
