//go:build !linux

package broker

import (
	"errors"
	"net"
	"os"
)

// sendsFiles is false here: answers are read and written.
func sendsFiles(net.Conn) bool { return false }

func sendFile(net.Conn, *os.File, int64, int64) error { return errors.ErrUnsupported }

func writeMore(net.Conn, []byte) error { return errors.ErrUnsupported }
