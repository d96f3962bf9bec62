package producer

import (
	"strings"
	"testing"
)

func TestMisuseIsAnErrorOfTheConstructor(t *testing.T) {
	raw := Encoder[string](Raw[string]{})
	for _, test := range []struct {
		key, value Encoder[string]
		with       Option
		want       string
	}{
		{nil, nil, WithTopic("t"), "encoder is nil"},
		{raw, nil, WithTopic("t"), "encoder is nil"},
		{raw, raw, nil, "option 2 of 2 is nil"},
		{raw, raw, WithKafka(nil), "WithKafka is nil"},
	} {
		if p, err := New(test.key, test.value, WithSeeds("127.0.0.1:1"), test.with); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, %v, want %q", p, err, test.want)
		}
	}
}
