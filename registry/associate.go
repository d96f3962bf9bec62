package registry

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Defaults and values of association members.
const (
	topicResource    = "topic"
	keyAssociation   = "key"
	valueAssociation = "value"
	anyResource      = "-" // namespace or name of a query that takes all
)

// AssociateRequest ties a resource to subjects.
type AssociateRequest struct {
	ResourceName      string
	ResourceNamespace string
	ResourceID        string
	ResourceType      string // empty is topic
	Associations      []AssociateItem

	// Context is where subjects go that do not name theirs; empty is the
	// default one.
	Context schema.Context
	DryRun  bool // decide, but write nothing
}

// AssociateItem is one association that is wanted. Empty members keep what is
// there, or get their default.
type AssociateItem struct {
	Subject         schema.Subject
	AssociationType string
	Lifecycle       Lifecycle
	Frozen          *bool
	Schema          *RegisterRequest // registered under the subject first
}

// Associated is one association as it came out.
type Associated struct {
	Association
	Schema *Schema // what was registered with it
}

// AssociationsQuery selects associations.
type AssociationsQuery struct {
	ResourceType     string
	AssociationTypes []string
	Lifecycle        Lifecycle
	Page             Page
}

func (q AssociationsQuery) matches(a *Association) bool {
	return (q.ResourceType == "" || a.ResourceType == q.ResourceType) &&
		(len(q.AssociationTypes) == 0 || slices.Contains(q.AssociationTypes, a.AssociationType)) &&
		(q.Lifecycle == "" || a.Lifecycle == q.Lifecycle)
}

// AssociationsBySubject lists the associations of a subject.
func (r *Registry) AssociationsBySubject(name schema.Subject, q AssociationsQuery) ([]*Association, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	return r.choose(st.associationsOf(name.Canonical()), q), nil
}

// AssociationsByID lists the associations of a resource.
func (r *Registry) AssociationsByID(resourceID string, q AssociationsQuery) ([]*Association, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	return r.choose(st.associationsOfResource(resourceID), q), nil
}

// AssociationsByName lists the associations of resources by namespace and
// name, either of which may be "-" for any.
func (r *Registry) AssociationsByName(namespace, name string, q AssociationsQuery) ([]*Association, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	return r.choose(st.associationsOfName(namespace, name), q), nil
}

func (s *state) associationsOfName(namespace, name string) []*Association {
	var list []*Association
	start := assocKey{}
	if namespace != anyResource {
		start.namespace = namespace
		if name != anyResource {
			start.name = name
		}
	}
	for k, a := range s.assocs.from(start) {
		if namespace != anyResource && (k.namespace != namespace || name != anyResource && k.name != name) {
			break
		}
		if name == anyResource || k.name == name {
			list = append(list, a)
		}
	}
	return list
}

func (r *Registry) choose(list []*Association, q AssociationsQuery) []*Association {
	list = slices.DeleteFunc(list, func(a *Association) bool { return !q.matches(a) })
	if list == nil {
		list = []*Association{}
	}
	return cut(list, q.Page, r.opts.SearchLimit)
}

func (s *state) associationsOfResource(id string) []*Association {
	var list []*Association
	for _, a := range s.assocs.all() {
		if a.ResourceID == id {
			list = append(list, a)
		}
	}
	return list
}

// Associate creates associations; with upsert it changes those that are there.
// All of them come into being or none.
func (r *Registry) Associate(ctx context.Context, req AssociateRequest, upsert bool) ([]Associated, error) {
	if r.opts.DisableAssociations {
		return nil, errNotPermitted("Associations are switched off")
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	guids := make([]string, len(req.Associations))
	for i := range guids {
		guids[i] = newGUID()
	}
	var out []Associated
	err := r.write(ctx, "associating", func(st *state) ([]journal.Record, error) {
		var records []journal.Record
		out = make([]Associated, 0, len(req.Associations))
		work := st.next() // decisions on one item see the items before it
		for i, item := range req.Associations {
			a, added, err := r.decideAssociate(work, req, item, guids[i], upsert)
			if err != nil {
				return nil, err
			}
			for _, rec := range added {
				rec.Timestamp = r.opts.Now().UnixMilli()
				if err := work.apply(rec); err != nil {
					return nil, errStore("associating", err)
				}
			}
			records = append(records, added...)
			out = append(out, a)
		}
		if req.DryRun {
			return nil, nil
		}
		return records, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return schema.GUID(b).String()
}

// check fills in defaults and refuses what can be refused without a look at
// the state.
func (req *AssociateRequest) check() error {
	for _, p := range []struct{ name, value string }{
		{"resourceName", req.ResourceName}, {"resourceNamespace", req.ResourceNamespace}, {"resourceId", req.ResourceID},
	} {
		if p.value == "" {
			return errInvalidAssociation(p.name, "it must not be empty")
		}
		if badName(p.value) {
			return errInvalidAssociation(p.name, "it must not contain control characters")
		}
	}
	if req.ResourceType == "" {
		req.ResourceType = topicResource
	}
	if req.ResourceType != topicResource {
		return errInvalidAssociation("resourceType", "'"+req.ResourceType+"' is not topic")
	}
	if len(req.Associations) == 0 {
		return errInvalidAssociation("associations", "it must not be empty")
	}
	seen := map[string]bool{}
	req.Associations = slices.Clone(req.Associations)
	for i := range req.Associations {
		item := &req.Associations[i]
		if item.AssociationType == "" {
			item.AssociationType = valueAssociation
		}
		if item.AssociationType != keyAssociation && item.AssociationType != valueAssociation {
			return errInvalidAssociation("associationType", "'"+item.AssociationType+"' is neither key nor value")
		}
		if seen[item.AssociationType] {
			return errInvalidAssociation("associationType", "'"+item.AssociationType+"' occurs twice")
		}
		seen[item.AssociationType] = true
		item.Lifecycle = Lifecycle(strings.ToUpper(string(item.Lifecycle)))
		if item.Lifecycle != "" && item.Lifecycle != Strong && item.Lifecycle != Weak {
			return errInvalidAssociation("lifecycle", "'"+string(item.Lifecycle)+"' is neither STRONG nor WEAK")
		}
		if item.Schema != nil && item.Lifecycle == Weak {
			return errInvalidAssociation("schema", "a WEAK association takes none; register it under its subject")
		}
		if item.Lifecycle == Weak && item.Frozen != nil && *item.Frozen {
			return errInvalidAssociation("frozen", "a WEAK association cannot be frozen")
		}
	}
	return nil
}

// find returns the association of a resource and type, nil if there is none.
func (s *state) findAssociation(req AssociateRequest, associationType string) *Association {
	start := assocKey{req.ResourceNamespace, req.ResourceName, req.ResourceType, associationType, ""}
	for k, a := range s.assocs.from(start) {
		if start.subject = k.subject; k == start {
			return a
		}
		break
	}
	return nil
}

func (r *Registry) decideAssociate(st *state, req AssociateRequest, item AssociateItem, guid string, upsert bool) (Associated, []journal.Record, error) {
	old := st.findAssociation(req, item.AssociationType)
	if old != nil && !upsert {
		same := item.Schema == nil && (item.Subject == "" || item.Subject.In(contextOr(req.Context)) == old.Subject) &&
			(item.Lifecycle == "" || item.Lifecycle == old.Lifecycle) && (item.Frozen == nil || *item.Frozen == old.Frozen)
		if !same {
			return Associated{}, nil, errAssociationForResource(item.AssociationType, req.ResourceName)
		}
		return Associated{Association: *old}, nil, nil
	}
	if old != nil {
		return r.changeAssociation(st, old, item, contextOr(req.Context))
	}

	a := Association{
		GUID: guid, ResourceName: req.ResourceName, ResourceNamespace: req.ResourceNamespace, ResourceID: req.ResourceID,
		ResourceType: req.ResourceType, AssociationType: item.AssociationType, Lifecycle: item.Lifecycle,
		CreateTs: r.opts.Now().UnixMilli(),
	}
	if a.Lifecycle == "" {
		a.Lifecycle = Weak
		if item.Schema != nil {
			a.Lifecycle = Strong
		}
	}
	a.Subject = item.Subject.In(contextOr(req.Context))
	if item.Subject == "" {
		if a.Lifecycle == Weak {
			return Associated{}, nil, errInvalidAssociation("subject", "a WEAK association needs one")
		}
		a.Subject = schema.Qualify(schema.Context("."+req.ResourceNamespace), req.ResourceName+"-"+item.AssociationType)
	}
	if err := r.checkSubject(a.Subject); err != nil {
		return Associated{}, nil, err
	}
	if upsert && a.Lifecycle == Strong && !st.modeOf(a.Subject).importing() {
		return Associated{}, nil, errInvalidAssociation("lifecycle", "STRONG associations are created by POST")
	}
	if a.Frozen = a.Lifecycle == Strong; item.Frozen != nil {
		a.Frozen = *item.Frozen
	}
	for _, other := range st.associationsOfName(req.ResourceNamespace, req.ResourceName) {
		if other.ResourceID != req.ResourceID {
			return Associated{}, nil, errInvalidAssociation("resourceId", "the resource of that name has the ID "+other.ResourceID)
		}
		if other.Lifecycle != a.Lifecycle {
			return Associated{}, nil, errInvalidAssociation("lifecycle", "the resource's other association is "+string(other.Lifecycle))
		}
	}
	for _, other := range st.associationsOf(a.Subject) {
		if other.Lifecycle == Strong {
			return Associated{}, nil, errStrongAssociation(a.Subject)
		}
		if a.Lifecycle == Strong {
			return Associated{}, nil, errAssociationForSubject(a.Subject)
		}
	}
	if a.Lifecycle == Strong {
		for _, v := range st.subject(a.Subject).priors() {
			if len(st.refereesOf(use{a.Subject, v.number})) > 0 {
				return Associated{}, nil, errReferenceExists(a.Subject, v.number)
			}
		}
	}
	registered, records, err := r.registerFor(st, a.Subject, item.Schema)
	if err != nil {
		return Associated{}, nil, err
	}
	if registered == nil && !st.known(a.Subject, false) {
		return Associated{}, nil, errNoActiveVersion(a.Subject)
	}
	return Associated{a, registered}, append(records, associationRecord(&a)), nil
}

func contextOr(c schema.Context) schema.Context {
	if c == "" {
		return schema.DefaultContext
	}
	return c
}

// changeAssociation applies an upsert to an association that is there.
func (r *Registry) changeAssociation(st *state, old *Association, item AssociateItem, c schema.Context) (Associated, []journal.Record, error) {
	a := *old
	if item.Subject != "" && item.Subject.In(c) != old.Subject {
		return Associated{}, nil, errInvalidAssociation("subject", "it is "+string(old.Subject)+" and cannot change")
	}
	if item.Lifecycle != "" && item.Lifecycle != old.Lifecycle {
		if old.Frozen {
			return Associated{}, nil, errAssociationFrozen(old.AssociationType, old.Subject)
		}
		if item.Lifecycle == Strong {
			return Associated{}, nil, errInvalidAssociation("lifecycle", "a WEAK association cannot become STRONG")
		}
		a.Lifecycle = item.Lifecycle
	}
	if item.Frozen != nil && *item.Frozen != old.Frozen {
		if old.Frozen {
			return Associated{}, nil, errAssociationFrozen(old.AssociationType, old.Subject)
		}
		if *item.Frozen && a.Lifecycle == Weak {
			return Associated{}, nil, errInvalidAssociation("frozen", "a WEAK association cannot be frozen")
		}
		a.Frozen = *item.Frozen
	}
	if item.Schema != nil {
		if a.Lifecycle == Weak {
			return Associated{}, nil, errInvalidAssociation("schema", "a WEAK association takes none; register it under its subject")
		}
		if old.Frozen {
			return Associated{}, nil, errAssociationFrozen(old.AssociationType, old.Subject)
		}
	}
	registered, records, err := r.registerFor(st, a.Subject, item.Schema)
	if err != nil {
		return Associated{}, nil, err
	}
	if a != *old {
		a.UpdateTs = r.opts.Now().UnixMilli()
		records = append(records, associationRecord(&a))
	}
	return Associated{a, registered}, records, nil
}

// registerFor registers the schema that comes with an association.
func (r *Registry) registerFor(st *state, name schema.Subject, req *RegisterRequest) (*Schema, []journal.Record, error) {
	if req == nil {
		return nil, nil, nil
	}
	want := *req
	var err error
	if want.Definition, err = tidyDefinition(want.Definition); err != nil {
		return nil, nil, err
	}
	if want.ID != nil && *want.ID < 0 {
		want.ID = nil
	}
	s, records, err := r.decideRegister(st, name, want)
	if err != nil {
		return nil, nil, err
	}
	return &s, records, nil
}

func associationRecord(a *Association) journal.Record {
	return journal.Record{
		Key: journal.AppendKey(nil, a.journalKey()),
		Value: journal.AppendAssociation(nil, journal.AssociationValue{
			GUID: a.GUID, ResourceName: a.ResourceName, ResourceNamespace: a.ResourceNamespace, ResourceID: a.ResourceID,
			ResourceType: a.ResourceType, AssociationType: a.AssociationType, Subject: a.Subject, Lifecycle: string(a.Lifecycle),
			Frozen: a.Frozen, CreateTs: a.CreateTs, UpdateTs: a.UpdateTs,
		}),
	}
}

// DissociateRequest removes associations of a resource.
type DissociateRequest struct {
	ResourceID       string
	ResourceType     string
	AssociationTypes []string // none is all
	Cascade          bool     // STRONG ones take their subject along, softly
	DryRun           bool
}

// Dissociate removes associations. A frozen one goes only with its subject.
func (r *Registry) Dissociate(ctx context.Context, req DissociateRequest) error {
	return r.write(ctx, "dissociating", func(st *state) ([]journal.Record, error) {
		q := AssociationsQuery{ResourceType: req.ResourceType, AssociationTypes: req.AssociationTypes}
		list := slices.DeleteFunc(st.associationsOfResource(req.ResourceID), func(a *Association) bool { return !q.matches(a) })
		if len(list) == 0 {
			return nil, errAssociationNotFound(req.ResourceID)
		}
		work := st.next()
		var records []journal.Record
		add := func(added ...journal.Record) error {
			for _, rec := range added {
				if err := work.apply(rec); err != nil {
					return errStore("dissociating", err)
				}
			}
			records = append(records, added...)
			return nil
		}
		for _, a := range list {
			cascade := req.Cascade && a.Lifecycle == Strong
			if a.Frozen && !cascade {
				return nil, errAssociationFrozen(a.AssociationType, a.Subject)
			}
			if st.modeOf(a.Subject).readOnly() {
				return nil, errReadOnly(a.Subject)
			}
			if err := add(journal.Record{Key: journal.AppendKey(nil, a.journalKey())}); err != nil {
				return nil, err
			}
			if !cascade || !work.known(a.Subject, false) {
				continue
			}
			gone, _, err := work.deleteSubject(a.Subject, false)
			if err != nil {
				return nil, err
			}
			if err := add(gone...); err != nil {
				return nil, err
			}
		}
		if req.DryRun {
			return nil, nil
		}
		return records, nil
	})
}

func errAssociationForResource(associationType, resource string) *Error {
	return newError(CodeAssociationForResource, "An association of type '%s' already exists for resource '%s'.", associationType, resource)
}

func errStrongAssociation(s schema.Subject) *Error {
	return newError(CodeStrongAssociation, "A strong association already exists for subject '%s'.", s)
}

func errNoActiveVersion(s schema.Subject) *Error {
	return newError(CodeNoActiveVersion, "No active (non-deleted) version exists for subject '%s'.", s)
}

func errAssociationFrozen(associationType string, s schema.Subject) *Error {
	return newError(CodeAssociationFrozen, "The association of type '%s' is frozen for subject '%s'.", associationType, s)
}

// ErrInvalidBatch is the answer to a batch whose item cannot be read.
func ErrInvalidBatch(index int, detail string) *Error {
	return errInvalidAssociation(fmt.Sprintf("requests[%d]", index), detail)
}
