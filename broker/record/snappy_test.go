package record

import "github.com/klauspost/compress/s2"

func rawSnappy(p []byte) []byte { return s2.EncodeSnappy(nil, p) }
