// Package redis keeps a registry's journal in a Redis stream, so that several
// instances serve one registry with no leader among them.
//
// A record is one stream entry; its offset n is the entry ID (n+1)-0. A script
// appends only if the stream ends where the caller expects it, so two instances
// never write at one offset:
//
//	key "dovetail:_schemas"
//	┌──────────────┬──────────────┬──────────────┐
//	│ 1-0  k v t c │ 2-0  k v t c │ 3-0  k   t c │◀── append(after 3-0, token of 3-0)
//	└──────────────┴──────────────┴──────────────┘
//	k key · v value, absent for a tombstone · t milliseconds by the server's clock · c token
//
// The token is 16 random bytes per append. Whoever goes on from an entry names
// its token, so a Redis that has lost its last entries and was written to again
// by somebody else is found out even where the offsets look right: ErrLost. An
// instance that sees ErrLost must not serve or accept anything, because what it
// knows and what Redis holds are two truths.
//
// An acknowledged record is as durable as Redis makes it. Run it with
// appendonly yes and appendfsync always if a crash of the Redis machine must not
// take back a registration; Open says what it finds. What Redis took back is
// then found by the token, not passed over.
//
// A Journal remembers how far its reader came, so one Journal serves one
// registry; its methods may be called concurrently.
package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Options configure a Journal. Only URL is required.
type Options struct {
	// URL is redis://[user:password@]host:port[/db], rediss:// for TLS.
	URL string
	// Key is the stream's key. Empty means "dovetail:_schemas".
	Key string
	// Timeout bounds every single command. Zero means 5 seconds.
	Timeout time.Duration
	// Logger receives what an operator should know. Nil means none.
	Logger *slog.Logger
}

// Journal is a journal.Journal in a Redis stream.
type Journal struct {
	client  *redis.Client
	key     string
	timeout time.Duration
	log     *slog.Logger

	mu    sync.Mutex
	known mark // the last entry that was read or appended here
	lost  error
}

// mark names an entry: the end of the journal behind it, and its token.
type mark struct {
	end   journal.Offset
	token string
}

// CheckURL says whether Open could understand a URL, without connecting.
func CheckURL(url string) error {
	if _, err := redis.ParseURL(url); err != nil {
		return fmt.Errorf("redis journal: URL: %w", err)
	}
	return nil
}

// Open connects to Redis and checks that the key is a journal or free.
func Open(ctx context.Context, opts Options) (*Journal, error) {
	parsed, err := redis.ParseURL(opts.URL)
	if err != nil {
		return nil, fmt.Errorf("redis journal: URL: %w", err)
	}
	if opts.Key == "" {
		opts.Key = "dovetail:_schemas"
	}
	if opts.Timeout == 0 {
		opts.Timeout = 5 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	// Said outright, since defaults of the client have changed before. An
	// append is never retried by the client: only the registry knows whether
	// it may be.
	parsed.DialTimeout, parsed.ReadTimeout, parsed.WriteTimeout = opts.Timeout, opts.Timeout, opts.Timeout
	parsed.ContextTimeoutEnabled = true
	parsed.MaxRetries = -1
	parsed.DisableIdentity = true
	j := &Journal{client: redis.NewClient(parsed), key: opts.Key, timeout: opts.Timeout, log: opts.Logger}
	if err := j.check(ctx); err != nil {
		_ = j.client.Close()
		return nil, err
	}
	return j, nil
}

func (j *Journal) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	kind, err := j.client.Type(ctx, j.key).Result()
	if err != nil {
		return j.wrap("connect", err)
	}
	if kind != "none" && kind != "stream" {
		return fmt.Errorf("redis journal: key %q holds a %s, not a journal: choose another key", j.key, kind)
	}
	settings, err := j.client.ConfigGet(ctx, "append*").Result()
	if err != nil {
		j.log.Info("redis does not tell how durable it is", "key", j.key, "reason", err.Error())
		return nil
	}
	if settings["appendonly"] != "yes" || settings["appendfsync"] != "always" {
		j.log.Warn("redis may take back what it acknowledged when its machine crashes",
			"key", j.key, "appendonly", settings["appendonly"], "appendfsync", settings["appendfsync"],
			"advice", "set appendonly yes and appendfsync always")
	}
	return nil
}

// appendScript writes entries if the stream ends with the expected entry.
//
// KEYS[1] stream; ARGV: expected end, expected token, new token, then for each
// record "1" key value time or "0" key "" time; an empty time is the present.
// Returns {"ok"} or {"moved", end} or {"lost", end}.
var appendScript = redis.NewScript(`
local stop, token = 0, ''
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if #last > 0 then
  stop = tonumber(string.match(last[1][1], '^(%d+)-'))
  local fields = last[1][2]
  for i = 1, #fields, 2 do
    if fields[i] == 'c' then token = fields[i + 1] end
  end
end
local expected = tonumber(ARGV[1])
if stop < expected or (stop == expected and token ~= ARGV[2]) then return {'lost', tostring(stop)} end
if stop > expected then return {'moved', tostring(stop)} end
local now = redis.call('TIME')
local ms = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
for i = 4, #ARGV, 4 do
  expected = expected + 1
  local t = ARGV[i + 3]
  if t == '' then t = ms end
  local id = string.format('%.0f-0', expected)
  if ARGV[i] == '1' then
    redis.call('XADD', KEYS[1], id, 'k', ARGV[i + 1], 'v', ARGV[i + 2], 't', t, 'c', ARGV[3])
  else
    redis.call('XADD', KEYS[1], id, 'k', ARGV[i + 1], 't', t, 'c', ARGV[3])
  end
end
return {'ok', tostring(expected)}
`)

// Append implements journal.Journal.
func (j *Journal) Append(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, error) {
	return j.append(ctx, at, records, false)
}

// Import is Append for records from elsewhere: those with a timestamp keep it.
func (j *Journal) Import(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, error) {
	return j.append(ctx, at, records, true)
}

func (j *Journal) append(ctx context.Context, at journal.Offset, records []journal.Record, stamped bool) (journal.Offset, error) {
	known, err := j.position()
	if err != nil {
		return 0, err
	}
	if at != known.end {
		// The caller knows less, or more, than this journal has read.
		return 0, journal.ErrMoved
	}
	if len(records) == 0 {
		return at, nil
	}
	var token [16]byte
	_, _ = rand.Read(token[:])
	args := []any{int64(at), known.token, token[:]}
	for _, r := range records {
		stamp := ""
		if stamped && r.Timestamp > 0 {
			stamp = strconv.FormatInt(r.Timestamp, 10)
		}
		if r.Value == nil {
			args = append(args, "0", r.Key, "", stamp)
		} else {
			args = append(args, "1", r.Key, r.Value, stamp)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	answer, err := appendScript.Run(ctx, j.client, []string{j.key}, args...).StringSlice()
	if err != nil {
		return 0, j.wrap("append", err)
	}
	switch {
	case len(answer) == 2 && answer[0] == "ok":
		end := at + journal.Offset(len(records))
		j.advance(mark{end, string(token[:])})
		return end, nil
	case len(answer) == 2 && answer[0] == "moved":
		return 0, journal.ErrMoved
	}
	return 0, j.lose(fmt.Sprintf("the stream ends at %s, not behind offset %d as it was read", strings.Join(answer[1:], ""), at))
}

// Read implements journal.Journal. It re-reads the entry before from, which
// must still be the one that was read then.
func (j *Journal) Read(ctx context.Context, from journal.Offset, limit int) ([]journal.Record, journal.Offset, error) {
	known, err := j.position()
	if err != nil {
		return nil, from, err
	}
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	entries, err := j.client.XRangeN(ctx, j.key, entryID(from), "+", int64(limit)+1).Result()
	if err != nil {
		return nil, from, j.wrap("read", err)
	}
	last := mark{end: from}
	if from > 0 {
		if len(entries) == 0 || entries[0].ID != entryID(from) {
			return nil, from, j.lose(fmt.Sprintf("the record at offset %d is gone", from-1))
		}
		last.token, _ = entries[0].Values["c"].(string)
		if from == known.end && last.token != known.token {
			return nil, from, j.lose(fmt.Sprintf("the record at offset %d is another one than was read before", from-1))
		}
		entries = entries[1:]
	}
	if len(entries) > limit {
		entries = entries[:limit]
	}
	records := make([]journal.Record, 0, len(entries))
	for _, e := range entries {
		r, token, err := decode(e)
		if err != nil {
			return nil, from, err
		}
		if r.Offset < last.end {
			return nil, from, fmt.Errorf("redis journal: entry %s of %q is out of order", e.ID, j.key)
		}
		records = append(records, r)
		last = mark{r.Offset + 1, token}
	}
	j.advance(last)
	return records, last.end, nil
}

// End implements journal.Journal.
func (j *Journal) End(ctx context.Context) (journal.Offset, error) {
	if _, err := j.position(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	last, err := j.client.XRevRangeN(ctx, j.key, "+", "-", 1).Result()
	if err != nil {
		return 0, j.wrap("read the end", err)
	}
	if len(last) == 0 {
		return 0, nil
	}
	r, _, err := decode(last[0])
	return r.Offset + 1, err
}

// waitSlice is how long one blocking read stays with Redis: long enough to cost
// nothing, short enough that a stop is felt.
const waitSlice = time.Second

// Wait implements journal.Journal.
func (j *Journal) Wait(ctx context.Context, end journal.Offset) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := j.position(); err != nil {
			return err
		}
		_, err := j.client.XRead(ctx, &redis.XReadArgs{
			Streams: []string{j.key, entryID(end)}, Count: 1, Block: waitSlice,
		}).Result()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, redis.Nil): // nothing new: or fewer than there were?
			if err := j.verify(ctx); err != nil {
				return err
			}
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			return j.wrap("wait", err)
		}
	}
}

// verify looks whether the last entry that was read is still there.
func (j *Journal) verify(ctx context.Context) error {
	known, err := j.position()
	if err != nil || known.end == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	entries, err := j.client.XRangeN(ctx, j.key, entryID(known.end), entryID(known.end), 1).Result()
	if err != nil {
		return j.wrap("verify", err)
	}
	if len(entries) == 0 {
		return j.lose(fmt.Sprintf("the record at offset %d is gone", known.end-1))
	}
	if token, _ := entries[0].Values["c"].(string); token != known.token {
		return j.lose(fmt.Sprintf("the record at offset %d is another one than was read before", known.end-1))
	}
	return nil
}

// Close implements journal.Journal.
func (j *Journal) Close() error { return j.client.Close() }

func (j *Journal) position() (mark, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.known, j.lost
}

func (j *Journal) advance(m mark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if m.end > j.known.end {
		j.known = m
	}
}

// lose notes that the journal and Redis are two truths. It is for good: only a
// new Journal, read from the start, can be right again.
func (j *Journal) lose(why string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lost == nil {
		j.lost = fmt.Errorf("%w: redis key %q: %s. Restore the stream from a backup, or restart this instance to take what Redis holds now",
			journal.ErrLost, j.key, why)
		j.log.Error("redis has lost records", "key", j.key, "reason", why)
	}
	return j.lost
}

// wrap says what an operator can do about the errors of Redis that have a name.
func (j *Journal) wrap(op string, err error) error {
	advice := ""
	switch text := err.Error(); {
	case strings.HasPrefix(text, "READONLY"):
		advice = " (this is a replica: give the URL of the primary)"
	case strings.HasPrefix(text, "OOM"):
		advice = " (Redis is full: raise maxmemory; the eviction policy must be noeviction)"
	case strings.HasPrefix(text, "MISCONF"):
		advice = " (Redis cannot write to its disk)"
	case strings.HasPrefix(text, "LOADING"):
		advice = " (Redis is still reading its data)"
	case strings.HasPrefix(text, "NOAUTH"), strings.HasPrefix(text, "WRONGPASS"), strings.HasPrefix(text, "NOPERM"):
		advice = " (check user and password in the URL)"
	}
	return fmt.Errorf("redis journal: %s: %w%s", op, err, advice)
}

// entryID is the ID of the entry whose successor gets offset end.
func entryID(end journal.Offset) string { return strconv.FormatInt(int64(end), 10) + "-0" }

func decode(e redis.XMessage) (journal.Record, string, error) {
	number, ok := strings.CutSuffix(e.ID, "-0")
	n, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || n < 1 {
		return journal.Record{}, "", fmt.Errorf("redis journal: entry %s was not written by a registry", e.ID)
	}
	key, hasKey := e.Values["k"].(string)
	token, hasToken := e.Values["c"].(string)
	stamp, _ := e.Values["t"].(string)
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if !hasKey || !hasToken || err != nil {
		return journal.Record{}, "", fmt.Errorf("redis journal: entry %s was not written by a registry", e.ID)
	}
	r := journal.Record{Offset: journal.Offset(n - 1), Timestamp: ms, Key: []byte(key)}
	if v, ok := e.Values["v"].(string); ok {
		r.Value = []byte(v)
	}
	return r, token, nil
}
