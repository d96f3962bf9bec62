package broker

import "slices"

// mechanisms are the SASL mechanisms of a listener.
var mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

func knownMechanism(name string) bool { return slices.Contains(mechanisms, name) }

// authentication is who a connection speaks for.
type authentication struct {
	required  bool
	principal string // "User:name" once authenticated
}

// done says whether the client may ask for anything.
func (a *authentication) done() bool { return !a.required || a.principal != "" }
