package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTheTableIsWhatTheCodecCanDo(t *testing.T) {
	seen := map[kmsg.Key]bool{}
	for _, a := range apis {
		if seen[a.key] {
			t.Errorf("%s is in the table twice", a.key.Name())
		}
		seen[a.key] = true
		if a.min > a.max || a.served > a.max || a.handle == nil || a.max > a.key.Request().MaxVersion() {
			t.Errorf("%s: %d to %d, served from %d, the codec has %d", a.key.Name(), a.min, a.max, a.served, a.key.Request().MaxVersion())
		}
	}
}

func TestUnknownAPIsAndVersionsCloseTheConnection(t *testing.T) {
	b := startBroker(t)
	for name, frame := range map[string][]byte{
		"unknown key":            {0, 0, 0, 10, 3, 0xe8, 0, 0, 0, 0, 0, 1, 0xff, 0xff},
		"negative key":           {0, 0, 0, 10, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff},
		"version of the future":  {0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff},
		"negative version":       {0, 0, 0, 10, 0, 3, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff},
		"produce, not served":    {0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff},
		"cut header":             {0, 0, 0, 8, 0, 3, 0, 0, 0, 0, 0, 1},
		"client ID beyond frame": {0, 0, 0, 10, 0, 3, 0, 0, 0, 0, 0, 1, 0x7f, 0xff},
		"2 GB in a few bytes":    {0x7f, 0xff, 0xff, 0xff, 0, 3},
		"negative length":        {0xff, 0xff, 0xff, 0xff, 0, 3},
		"length without header":  {0, 0, 0, 4, 0, 3, 0, 0},
		"array of 2 billion":     {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff},
		"array with nothing":     {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, b)
			c.write(frame)
			c.wantClosed()
		})
	}
	// Everybody else is served as before.
	if resp := askVersions(t, b, 0); resp.ErrorCode != 0 {
		t.Errorf("error %d", resp.ErrorCode)
	}
}
