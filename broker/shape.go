package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// controlRequestBytes bounds every request that carries no records. A decoder
// takes at least a byte of the request for an element of an array, and an
// element may need a hundred times that in memory.
const controlRequestBytes = 2 << 20

// checkShape refuses bodies that would take far more memory than they have
// bytes.
func checkShape(req kmsg.Request, body []byte) error {
	if req.Key() != int16(kmsg.Produce) && len(body) > controlRequestBytes {
		return fmt.Errorf("request of %d bytes: without records the limit is %d", len(body), controlRequestBytes)
	}
	return nil
}
