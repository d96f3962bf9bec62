package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func askVersions(t *testing.T, b *Broker, version int16) *kmsg.ApiVersionsResponse {
	t.Helper()
	req := kmsg.NewPtrApiVersionsRequest()
	req.SetVersion(version)
	req.ClientSoftwareName, req.ClientSoftwareVersion = "tester", "1.0-x"
	return dialRaw(t, b).ask(req).(*kmsg.ApiVersionsResponse)
}

func TestApiVersionsOffersTheTable(t *testing.T) {
	b := startBroker(t)
	for version := int16(0); version <= 4; version++ {
		resp := askVersions(t, b, version)
		if resp.ErrorCode != 0 || len(resp.ApiKeys) != len(apis) {
			t.Errorf("version %d: error %d, %d keys, want 0 and %d", version, resp.ErrorCode, len(resp.ApiKeys), len(apis))
		}
	}
}

func TestApiVersionsOfTheFutureGetsOurKeysInVersion0(t *testing.T) {
	b := startBroker(t)
	c := dialRaw(t, b)
	// Key 18, version 99, correlation 7, and a header and body nobody knows.
	c.write([]byte{0, 0, 0, 12, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xfe, 0xfd, 0xfc})
	correlation, rest := c.read()
	resp := kmsg.NewPtrApiVersionsResponse()
	if err := resp.ReadFrom(rest); err != nil || correlation != 7 {
		t.Fatalf("correlation %d, %v", correlation, err)
	}
	if resp.ErrorCode != kerr.UnsupportedVersion.Code || len(resp.ApiKeys) != len(apis) {
		t.Errorf("error %d and %d keys, want %d and %d", resp.ErrorCode, len(resp.ApiKeys), kerr.UnsupportedVersion.Code, len(apis))
	}
	// The connection lives on, for the second try.
	req := kmsg.NewPtrApiVersionsRequest()
	if resp := c.ask(req).(*kmsg.ApiVersionsResponse); resp.ErrorCode != 0 {
		t.Errorf("second try: error %d", resp.ErrorCode)
	}
}

func TestApiVersionsRefusesStrangeSoftwareNames(t *testing.T) {
	b := startBroker(t)
	for name, want := range map[string]int16{
		"apache-kafka-java": 0, "a": 0, "a.b-c": 0,
		"": kerr.InvalidRequest.Code, "-a": kerr.InvalidRequest.Code, "a b": kerr.InvalidRequest.Code, "ä": kerr.InvalidRequest.Code,
	} {
		req := kmsg.NewPtrApiVersionsRequest()
		req.SetVersion(3)
		req.ClientSoftwareName, req.ClientSoftwareVersion = name, "1"
		if resp := dialRaw(t, b).ask(req).(*kmsg.ApiVersionsResponse); resp.ErrorCode != want {
			t.Errorf("name %q: error %d, want %d", name, resp.ErrorCode, want)
		}
	}
}
