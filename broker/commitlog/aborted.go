package commitlog

// AbortedTransactions returns the aborted transactions that have records between
// fromOffset and endOffset (exclusive), by their markers' offsets.
func (l *Log) AbortedTransactions(fromOffset, endOffset int64) ([]AbortedTxn, error) {
	var aborted []AbortedTxn
	for {
		s, next, isActive := l.acquireSegment(fromOffset)
		if s == nil {
			return nil, &Error{Code: CodeStorage, Message: "read", Cause: ErrClosed}
		}
		var done bool
		var err error
		aborted, done, err = s.txns.collect(aborted, fromOffset, endOffset)
		s.release()
		if err != nil {
			return nil, storage("read transaction index", err)
		}
		if done || isActive {
			return aborted, nil
		}
		fromOffset = max(fromOffset, next)
	}
}
