package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// AlterClientQuotas (49), versions 0 and 1.
//
//	1  flexible
//
// What the quotas are about is in quota.go, and where they are enforced. Rates of bytes and
// of connections are whole numbers, as in Kafka.
func (b *Broker) alterClientQuotas(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.AlterClientQuotasRequest)
	resp := req.ResponseKind().(*kmsg.AlterClientQuotasResponse)
	allowed := b.allowedCluster(r, kmsg.ACLOperationAlterConfigs)
	for i := range req.Entries {
		asked := &req.Entries[i]
		out := kmsg.NewAlterClientQuotasResponseEntry()
		for _, e := range asked.Entity {
			o := kmsg.NewAlterClientQuotasResponseEntryEntity()
			o.Type, o.Name = e.Type, e.Name
			out.Entity = append(out.Entity, o)
		}
		fail := func(e *kerr.Error, why string) { out.ErrorCode, out.ErrorMessage = e.Code, kmsg.StringPtr(why) }
		entity, why := readQuotaEntity(asked.Entity)
		if why == "" {
			why = checkQuotas(entity, asked.Ops)
		}
		switch {
		case !allowed:
			fail(kerr.ClusterAuthorizationFailed, "not allowed to alter the cluster's configurations")
		case why != "":
			fail(kerr.InvalidRequest, why)
		case !req.ValidateOnly:
			if err := b.changeQuotas(entity, asked.Ops); err != nil {
				fail(kerr.KafkaStorageError, err.Error())
			}
		}
		resp.Entries = append(resp.Entries, out)
	}
	return answer(resp)
}

func readQuotaEntity(parts []kmsg.AlterClientQuotasRequestEntryEntity) (e quotaEntity, why string) {
	for _, p := range parts {
		name := ""
		if p.Name != nil {
			if name = *p.Name; name == "" {
				return e, "an empty name of entity type " + p.Type
			}
		}
		old, ok := e.part(p.Type)
		if !ok {
			return e, "unknown entity type " + p.Type
		}
		if old != nil {
			return e, "entity type " + p.Type + " is there twice"
		}
		switch p.Type {
		case "user":
			e.User = &name
		case "client-id":
			e.ClientID = &name
		case "ip":
			if name != "" {
				if _, err := netip.ParseAddr(name); err != nil {
					return e, "an entity of type ip is an IP address, not " + name
				}
				name = canonicalIP(name)
			}
			e.IP = &name
		}
	}
	if e.User == nil && e.ClientID == nil && e.IP == nil {
		return e, "the entity is empty"
	}
	if e.IP != nil && (e.User != nil || e.ClientID != nil) {
		return e, "an address goes with neither user nor client ID"
	}
	return e, ""
}

func checkQuotas(e quotaEntity, ops []kmsg.AlterClientQuotasRequestEntryOp) string {
	for _, op := range ops {
		switch {
		case !knownQuota(op.Key):
			return "unknown quota " + op.Key
		case (e.IP != nil) != (op.Key == quotaConnections):
			return fmt.Sprintf("quota %s is not one of that kind of entity", op.Key)
		case !op.Remove && (op.Value <= 0 || math.IsNaN(op.Value) || math.IsInf(op.Value, 0)):
			return fmt.Sprintf("quota %s of %v: it must be above 0", op.Key, op.Value)
		case !op.Remove && wholeQuota(op.Key) && op.Value != math.Trunc(op.Value):
			return fmt.Sprintf("quota %s of %v: it must be a whole number", op.Key, op.Value)
		}
	}
	return ""
}

// changeQuotas changes an entity's quotas and lets them take effect.
func (b *Broker) changeQuotas(entity quotaEntity, ops []kmsg.AlterClientQuotasRequestEntryOp) error {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	values := map[string]float64{}
	for _, e := range b.quotas.all() {
		if e.Entity.key() == entity.key() {
			values = maps.Clone(e.Values)
		}
	}
	for _, op := range ops {
		if op.Remove {
			delete(values, op.Key)
		} else {
			values[op.Key] = op.Value
		}
	}
	fact := topics.Fact{Key: entity.key()}
	if len(values) > 0 {
		raw, err := json.Marshal(quotaEntry{entity, values})
		if err != nil {
			return err
		}
		fact.Value = raw
	}
	if err := b.store.SetFacts(quotaKind, []topics.Fact{fact}); err != nil {
		return err
	}
	return b.quotas.load()
}
