package registry

import (
	"cmp"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Lifecycle says whether a subject lives and dies with its resource.
type Lifecycle string

// Lifecycles.
const (
	Strong Lifecycle = "STRONG"
	Weak   Lifecycle = "WEAK"
)

// Association ties a resource, say a topic, to a subject.
type Association struct {
	GUID              string
	Subject           schema.Subject
	ResourceName      string
	ResourceNamespace string
	ResourceID        string
	ResourceType      string
	AssociationType   string // key or value
	Lifecycle         Lifecycle
	Frozen            bool
	CreateTs          int64 // milliseconds since the epoch
	UpdateTs          int64 // likewise; 0 if it never changed
}

// assocKey identifies an association. Its order groups those of one resource.
type assocKey struct {
	namespace, name, resourceType, associationType string
	subject                                        schema.Subject
}

// subjectAssoc is an entry of the index by subject.
type subjectAssoc struct {
	subject schema.Subject
	key     assocKey
}

func compareAssocKeys(a, b assocKey) int {
	return cmp.Or(
		cmp.Compare(a.namespace, b.namespace),
		cmp.Compare(a.name, b.name),
		cmp.Compare(a.resourceType, b.resourceType),
		cmp.Compare(a.associationType, b.associationType),
		cmp.Compare(a.subject, b.subject),
	)
}

func compareSubjectAssocs(a, b subjectAssoc) int {
	return cmp.Or(cmp.Compare(a.subject, b.subject), compareAssocKeys(a.key, b.key))
}

func (a *Association) journalKey() journal.Key {
	return journal.Key{
		Type: journal.AssociationKey, ResourceName: a.ResourceName, ResourceNamespace: a.ResourceNamespace,
		ResourceType: a.ResourceType, AssociationType: a.AssociationType, Subject: a.Subject,
	}
}

func (s *state) applyAssociation(k journal.Key, value []byte) error {
	key := assocKey{k.ResourceNamespace, k.ResourceName, k.ResourceType, k.AssociationType, k.Subject}
	if value == nil {
		s.assocs.delete(s.own, key)
		s.assocSub.delete(s.own, subjectAssoc{k.Subject, key})
		return nil
	}
	v, err := journal.ParseAssociation(value)
	if err != nil {
		return err
	}
	s.assocs.set(s.own, key, &Association{
		GUID: v.GUID, Subject: k.Subject,
		ResourceName: v.ResourceName, ResourceNamespace: v.ResourceNamespace, ResourceID: v.ResourceID, ResourceType: v.ResourceType,
		AssociationType: v.AssociationType, Lifecycle: Lifecycle(v.Lifecycle), Frozen: v.Frozen, CreateTs: v.CreateTs, UpdateTs: v.UpdateTs,
	})
	s.assocSub.set(s.own, subjectAssoc{k.Subject, key}, struct{}{})
	return nil
}

// associationsOf returns the associations of a subject.
func (s *state) associationsOf(name schema.Subject) []*Association {
	var list []*Association
	for k := range s.assocSub.from(subjectAssoc{subject: name}) {
		if k.subject != name {
			break
		}
		if a, ok := s.assocs.get(k.key); ok {
			list = append(list, a)
		}
	}
	return list
}

// strong reports whether the subject has a STRONG association.
func (s *state) strong(name schema.Subject) bool {
	if s.assocs.len() == 0 {
		return false
	}
	for _, a := range s.associationsOf(name) {
		if a.Lifecycle == Strong {
			return true
		}
	}
	return false
}
