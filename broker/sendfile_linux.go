package broker

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// sendsFiles says whether sendFile works on a connection. TLS has to read what it
// encrypts.
func sendsFiles(c net.Conn) bool {
	_, ok := c.(*net.TCPConn)
	return ok
}

// sendFile sends n bytes of a file from pos on, from the page cache to the socket
// within the kernel. The file's own position is neither used nor moved, so that many
// may send from one file. It heeds the write deadline. A file that ends earlier is
// [errShortFile], after what it had.
func sendFile(c net.Conn, f *os.File, pos, n int64) error {
	out, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	in, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	send := func(to uintptr) (done bool) {
		err := in.Control(func(from uintptr) {
			for n > 0 && sendErr == nil {
				var sent int
				sent, sendErr = unix.Sendfile(int(to), int(from), &pos, int(n))
				switch {
				case sendErr == unix.EINTR:
					sendErr = nil
				case sendErr == nil && sent == 0:
					sendErr = errShortFile
				case sendErr == nil:
					n -= int64(sent)
				}
			}
		})
		if sendErr == unix.EAGAIN {
			sendErr = nil
			return false
		}
		if sendErr == nil {
			sendErr = err
		}
		return true
	}
	if err := out.Write(send); err != nil {
		return err
	}
	return sendErr
}

// writeMore writes bytes that more will follow at once: they may travel with that.
func writeMore(c net.Conn, b []byte) error {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = raw.Write(func(to uintptr) (done bool) {
		for len(b) > 0 {
			n, err := unix.SendmsgN(int(to), b, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
			switch {
			case err == unix.EINTR:
			case err == unix.EAGAIN:
				return false
			case err != nil:
				sendErr = err
				return true
			default:
				b = b[n:]
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	return sendErr
}
