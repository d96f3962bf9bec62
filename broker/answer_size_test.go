package broker

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// deepBytes is the memory behind a value: what slices have room for, and what pointers point to.
// Texts are counted with the bytes that are sent.
func deepBytes(v reflect.Value) (n int64) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			n = int64(v.Elem().Type().Size()) + deepBytes(v.Elem())
		}
	case reflect.Slice:
		n = int64(v.Cap()) * int64(v.Type().Elem().Size())
		for i := range v.Len() {
			n += deepBytes(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += deepBytes(v.Field(i))
		}
	}
	return n
}

// TestAnswersNeedNoMoreThanTheyPay makes the answers that are paid for before they are made,
// and compares.
func TestAnswersNeedNoMoreThanTheyPay(t *testing.T) {
	b := startBroker(t)
	c := dialRaw(t, b)
	create := at(7, kmsg.NewPtrCreateTopicsRequest()).(*kmsg.CreateTopicsRequest)
	create.TimeoutMillis = 60_000
	var named []kmsg.MetadataRequestTopic
	var resources []kmsg.DescribeConfigsRequestResource
	for i := range 30 {
		name := fmt.Sprintf("%s-%d", strings.Repeat("t", 200), i)
		create.Topics = append(create.Topics, kmsg.CreateTopicsRequestTopic{Topic: name, NumPartitions: int32(1 + i%3*10), ReplicationFactor: 1,
			Configs: []kmsg.CreateTopicsRequestTopicConfig{{Name: "retention.ms", Value: kmsg.StringPtr("1000000")}}})
		named = append(named, kmsg.MetadataRequestTopic{Topic: &name})
		resources = append(resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: name})
	}
	for _, made := range c.ask(create).(*kmsg.CreateTopicsResponse).Topics {
		if made.ErrorCode != 0 {
			t.Fatalf("%+v", made)
		}
	}
	rules := at(3, kmsg.NewPtrCreateACLsRequest()).(*kmsg.CreateACLsRequest)
	for i := range 50 {
		rules.Creations = append(rules.Creations, kmsg.CreateACLsRequestCreation{ResourceType: kmsg.ACLResourceTypeTopic, ResourceName: fmt.Sprint(strings.Repeat("r", 20), i),
			ResourcePatternType: kmsg.ACLResourcePatternTypeLiteral, Principal: "User:somebody", Host: "*", Operation: kmsg.ACLOperationWrite, PermissionType: kmsg.ACLPermissionTypeAllow})
		alterQuotas(c, []string{"user", fmt.Sprint("user", i), "client-id", "app"}, map[string]float64{quotaProduce: 1 << 40, quotaFetch: 1 << 40, quotaRequest: 1000, quotaMutations: 1000})
	}
	c.ask(rules)
	allRules := &kmsg.DescribeACLsRequest{ResourceType: kmsg.ACLResourceTypeAny, ResourcePatternType: kmsg.ACLResourcePatternTypeAny, Operation: kmsg.ACLOperationAny, PermissionType: kmsg.ACLPermissionTypeAny}
	documented := &kmsg.DescribeConfigsRequest{Resources: append(resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: b.node()}), IncludeSynonyms: true, IncludeDocumentation: true}
	group := &kmsg.DescribeConfigsRequest{Resources: []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g"}}, IncludeSynonyms: true, IncludeDocumentation: true}
	for _, req := range []kmsg.Request{
		at(13, &kmsg.MetadataRequest{}), at(1, &kmsg.MetadataRequest{}), at(13, &kmsg.MetadataRequest{Topics: named}),
		at(0, &kmsg.DescribeTopicPartitionsRequest{}), at(4, &kmsg.DescribeLogDirsRequest{}), at(1, &kmsg.ListConfigResourcesRequest{}),
		at(4, documented), at(4, group), at(4, &kmsg.DescribeConfigsRequest{Resources: resources, IncludeSynonyms: true}),
		at(3, allRules), at(1, &kmsg.DescribeClientQuotasRequest{}),
	} {
		name := fmt.Sprint(kmsg.NameForKey(req.Key()), " version ", req.GetVersion())
		paid := b.apis[req.Key()].needs(b, req)
		resp := c.ask(req)
		sent := len(resp.AppendTo(nil))
		if needed := deepBytes(reflect.ValueOf(resp)) + 2*int64(sent); needed > paid { // a buffer that grows is half empty
			t.Errorf("%s: needs %d bytes (%d are sent), and pays for %d", name, needed, sent, paid)
		} else if needed < paid/8 {
			t.Errorf("%s: needs %d bytes, and pays for as many as %d", name, needed, paid)
		}
	}
}

// TestAnswersThatNobodyTakesArePaidFor asks for all topics again and again and reads nothing:
// what waits is in the budget, and others wait rather than that memory grows.
func TestAnswersThatNobodyTakesArePaidFor(t *testing.T) {
	b := startBroker(t)
	c := dialRaw(t, b)
	create := at(7, &kmsg.CreateTopicsRequest{TimeoutMillis: 60_000, Topics: []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: 500, ReplicationFactor: 1}}})
	if made := c.ask(create).(*kmsg.CreateTopicsResponse).Topics[0]; made.ErrorCode != 0 {
		t.Fatalf("%+v", made)
	}
	each := b.allTopicsNeed()
	wait := fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.MaxWaitMillis = 300_000 })
	metadata := at(9, kmsg.NewPtrMetadataRequest())
	frames := frameOf(wait, 0)
	const asked = 10
	for i := range int32(asked) {
		frames = append(frames, frameOf(metadata, i+1)...)
	}
	c.write(frames)
	eventually(t, "all answers are made and wait", func() bool { return b.inFlight() == asked+1 })
	if used := b.memory.inUse() + b.memory.reserved(newRequestBudget(b.opts.Limits.MemoryBytes).reserve); used < asked*each {
		t.Errorf("%d answers of %d bytes wait, %d bytes are paid for", asked, each, used)
	}

	// Another client asks while there is no memory at all.
	rest := lease{from: b.memory}
	if err := rest.grow(t.Context(), b.memory.limit-b.memory.inUse()); err != nil {
		t.Fatal(err)
	}
	b.memory.mu.Lock()
	reserve := b.memory.reserve
	b.memory.reserve = 0
	b.memory.mu.Unlock()
	late := dialRaw(t, b)
	late.write(frameOf(metadata, 1))
	eventually(t, "it waits for room", func() bool {
		b.memory.mu.Lock()
		defer b.memory.mu.Unlock()
		return len(b.memory.waiting) == 1
	})
	b.memory.mu.Lock()
	b.memory.reserve += reserve
	b.memory.mu.Unlock()
	rest.release()
	late.answerTo(metadata, 1)

	if out := produced(dialRaw(t, b).ask(produceRequest("t", -1, batchOf(t, 1)))); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	c.answerTo(wait, 0)
	for i := range int32(asked) {
		c.answerTo(metadata, i+1)
	}
	eventually(t, "everything is given back", func() bool { return b.memory.inUse() == 0 })
}

// reserved is how much of a reserve of so many bytes is taken.
func (b *budget) reserved(of int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return of - b.reserve
}

// TestAnswersOfUnknownSizeAreMadeOneAtATime puts requests about groups behind a fetch that
// waits: none of them is carried out before.
func TestAnswersOfUnknownSizeAreMadeOneAtATime(t *testing.T) {
	b := startBroker(t)
	newTopic(t, b, "t")
	c := dialRaw(t, b)
	list := at(4, kmsg.NewPtrListGroupsRequest())
	answerOf(c, list)
	wait := fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.MaxWaitMillis = 300_000 })
	c.write(append(append(frameOf(wait, 0), frameOf(list, 1)...), frameOf(list, 2)...))
	eventually(t, "the fetch waits", func() bool { return b.inFlight() == 1 })
	if out := produced(dialRaw(t, b).ask(produceRequest("t", -1, batchOf(t, 1)))); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	c.answerTo(wait, 0)
	c.answerTo(list, 1)
	c.answerTo(list, 2)
	for _, a := range apis {
		if a.alone && a.view {
			t.Errorf("%s: its bytes may be gone before it is handled", a.key.Name())
		}
	}
}

// TestLongListsNameEverythingOnce names one thing as often as fits: the answer would be as many
// times as large.
func TestLongListsNameEverythingOnce(t *testing.T) {
	b := startBroker(t, func(o *Options) { o.Limits.MemoryBytes = 16 << 20 })
	newTopic(t, b, "t")
	list := func(n int) []kmsg.Request {
		var names []string
		configs, producers, offsets := kmsg.NewPtrDescribeConfigsRequest(), kmsg.NewPtrDescribeProducersRequest(), kmsg.NewPtrOffsetFetchRequest()
		for range n {
			names = append(names, "g")
			configs.Resources = append(configs.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t"})
			producers.Topics = append(producers.Topics, kmsg.DescribeProducersRequestTopic{Topic: "t", Partitions: []int32{0}})
			offsets.Groups = append(offsets.Groups, kmsg.OffsetFetchRequestGroup{Group: "g", MemberEpoch: -1})
		}
		partitions := &kmsg.DescribeProducersRequest{Topics: []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: make([]int32, n)}}}
		return []kmsg.Request{
			at(4, configs), at(0, producers), at(0, partitions), at(8, offsets), at(5, &kmsg.DescribeGroupsRequest{Groups: names}),
			at(0, &kmsg.ConsumerGroupDescribeRequest{Groups: names}), at(1, &kmsg.ShareGroupDescribeRequest{GroupIDs: names}), at(0, &kmsg.DescribeTransactionsRequest{TransactionalIDs: names}),
		}
	}
	c := dialRaw(t, b)
	for _, req := range list(maxRepeating) {
		answerOf(c, req)
	}
	for _, req := range list(maxRepeating + 1) {
		c := dialRaw(t, b)
		c.write(frameOf(req, 1))
		c.wantClosed()
	}

	// Metadata answers once, however often it is asked, as Kafka does.
	metadata := at(12, kmsg.NewPtrMetadataRequest()).(*kmsg.MetadataRequest)
	id := b.topics.byName("t").ID
	for range 1000 {
		metadata.Topics = append(metadata.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr("t")}, kmsg.MetadataRequestTopic{TopicID: id})
	}
	if resp := c.ask(metadata).(*kmsg.MetadataResponse); len(resp.Topics) != 2 {
		t.Errorf("%d topics", len(resp.Topics))
	}

	// What is not there is named only once, and yet too often.
	groups := at(4, kmsg.NewPtrDescribeConfigsRequest()).(*kmsg.DescribeConfigsRequest)
	for i := range 5000 {
		groups.Resources = append(groups.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: fmt.Sprint(i)})
	}
	c.write(frameOf(groups, 9))
	c.wantClosed()
}
