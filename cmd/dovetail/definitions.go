package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/serde"
)

// registryDefinitions lets the serialization service ask the registry in the
// same process.
type registryDefinitions struct{ reg *registry.Registry }

// SchemaByID implements service.Registry.
func (d registryDefinitions) SchemaByID(_ context.Context, id schema.ID, subject schema.Subject) (serde.Registered, error) {
	return registered(d.reg.SchemaByID(id, subject))
}

// SchemaByGUID implements service.Registry.
func (d registryDefinitions) SchemaByGUID(_ context.Context, guid schema.GUID) (serde.Registered, error) {
	return registered(d.reg.SchemaByGUID(guid.String()))
}

// Version implements service.Registry.
func (d registryDefinitions) Version(_ context.Context, subject schema.Subject, version schema.Version, deleted bool) (serde.Registered, error) {
	return registered(d.reg.Version(subject, version, deleted))
}

func registered(s registry.Schema, err error) (serde.Registered, error) {
	var known *registry.Error
	switch {
	case errors.As(err, &known) && known.Code.Status() == 404:
		return serde.Registered{}, fmt.Errorf("%w: %v", serde.ErrNotFound, err)
	case errors.As(err, &known) && known.Code.Status() < 500:
		return serde.Registered{}, fmt.Errorf("%w: %v", serde.ErrRejected, err)
	case err != nil:
		return serde.Registered{}, fmt.Errorf("%w: %v", serde.ErrUnavailable, err)
	}
	return serde.Registered{ID: s.ID, GUID: s.GUID(), Subject: s.Subject, Version: s.Version, Definition: s.Definition()}, nil
}
