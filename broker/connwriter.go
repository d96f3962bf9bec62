package broker

import (
	"errors"
	"net"
	"time"
)

// connWriter writes with a deadline for every part, so that a large answer to a
// slow but living client goes through.
type connWriter struct {
	conn net.Conn
	step time.Duration
	buf  []byte
}

const writePartBytes = 1 << 20

// errShortFile means that a file ended before what was announced of it. The answer
// cannot be completed, so the connection ends.
var errShortFile = errors.New("a segment file is shorter than its log")

func (w *connWriter) writeBytes(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), writePartBytes)
		w.nextPart()
		if _, err := w.conn.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// nextPart gives the client time for the next part.
func (w *connWriter) nextPart() { _ = w.conn.SetWriteDeadline(time.Now().Add(w.step)) }

// writeParts writes many parts with as few system calls as it can.
func (w *connWriter) writeParts(parts []bodyPart) error {
	for len(parts) > 0 {
		if parts[0].file != nil {
			if err := w.writeFile(&parts[0]); err != nil {
				return err
			}
			parts = parts[1:]
			continue
		}
		var group net.Buffers
		total := 0
		for len(parts) > 0 && parts[0].file == nil && (total == 0 || total+len(parts[0].data) <= writePartBytes) {
			group = append(group, parts[0].data)
			total += len(parts[0].data)
			parts = parts[1:]
		}
		if err := w.writeGroup(group, len(parts) > 0 && parts[0].file != nil); err != nil {
			return err
		}
	}
	return nil
}

// writeGroup writes what lies in memory. Small parts that a file follows may wait
// in the kernel for its first bytes.
func (w *connWriter) writeGroup(group net.Buffers, fileFollows bool) error {
	if len(group) == 1 {
		if fileFollows && len(group[0]) <= 4<<10 {
			w.nextPart()
			return writeMore(w.conn, group[0])
		}
		return w.writeBytes(group[0])
	}
	w.nextPart()
	_, err := group.WriteTo(w.conn)
	return err
}

// writeFile writes a section of a file, if it can without reading it.
func (w *connWriter) writeFile(p *bodyPart) error {
	for pos, left := p.pos, p.fileBytes; left > 0; {
		n := min(left, writePartBytes)
		w.nextPart()
		if err := sendFile(w.conn, p.file, pos, n); err != nil {
			return err
		}
		pos, left = pos+n, left-n
	}
	return nil
}
