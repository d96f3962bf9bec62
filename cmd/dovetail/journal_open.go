package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	goredis "github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/journal/kafka"
	"github.com/dovetail-dev/dovetail/registry/journal/redis"
	"github.com/dovetail-dev/dovetail/registry/journal/seal"
)

// encoderSettings are the flags for the encryption of sensitive metadata.
type encoderSettings struct {
	secret, oldSecret string
}

func (e *encoderSettings) flags(f *pflag.FlagSet) {
	f.StringVar(&e.secret, "metadata-encoder-secret", "", "encrypt the values of sensitive metadata properties in the registry's records with a key from this secret (also METADATA_ENCODER_SECRET)")
	f.StringVar(&e.oldSecret, "metadata-encoder-old-secret", "", "the secret before, when --metadata-encoder-secret is a new one (also METADATA_ENCODER_OLD_SECRET)")
}

// fallBack takes what is not set from the variables that other registries use.
func (e *encoderSettings) fallBack(lookupEnv func(string) (string, bool)) {
	for name, value := range map[string]*string{"METADATA_ENCODER_SECRET": &e.secret, "METADATA_ENCODER_OLD_SECRET": &e.oldSecret} {
		if v, ok := lookupEnv(name); ok && *value == "" {
			*value = v
		}
	}
}

func (e *encoderSettings) validate() error {
	if e.oldSecret != "" && e.secret == "" {
		return errors.New("--metadata-encoder-old-secret is given without --metadata-encoder-secret")
	}
	return nil
}

// openJournal opens the journal that the setting names, and what keeps sensitive
// metadata encrypted in it.
func openJournal(ctx context.Context, name string, encoders encoderSettings, b *broker.Broker, log *slog.Logger) (journal.Journal, error) {
	j, err := openRecords(ctx, name, false, b, log)
	if err != nil {
		return nil, err
	}
	opts := seal.Options{Secret: encoders.secret, OldSecret: encoders.oldSecret, Logger: log}
	if opts.Secret != "" {
		if opts.Keysets, err = openRecords(ctx, name, true, b, log); err != nil {
			return nil, errors.Join(err, j.Close())
		}
	}
	sealed, err := seal.New(ctx, j, opts)
	if err != nil {
		err = errors.Join(err, j.Close())
		if opts.Keysets != nil {
			err = errors.Join(err, opts.Keysets.Close())
		}
		return nil, err
	}
	return sealed, nil
}

// openRecords opens the records of the schemas, or of the keys beside them.
func openRecords(ctx context.Context, name string, encoders bool, b *broker.Broker, log *slog.Logger) (journal.Journal, error) {
	scheme, rest, _ := strings.Cut(name, "://")
	topic := schemasTopic
	if encoders {
		topic = encodersTopic
	}
	switch {
	case name == "embedded":
		return openBrokerJournal(b, topic)
	case name == "memory":
		return &journal.Memory{}, nil
	case scheme == "redis" || scheme == "rediss":
		goredis.SetLogger(redisLog{log})
		return redis.Open(ctx, redis.Options{URL: name, Key: redisKey(topic), Logger: log})
	case scheme == "kafka":
		brokers, own, _ := strings.Cut(rest, "/")
		return kafka.Open(ctx, kafka.Options{Brokers: strings.Split(brokers, ","), Topic: topicBeside(own, encoders), Logger: log})
	}
	return nil, fmt.Errorf("--journal %q: want embedded, memory, redis://host:port or kafka://host:port", name)
}

// redisLog is where the Redis client says what it retries. What comes of it the
// journal says itself.
type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.WarnContext(ctx, "redis client", "says", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// redisKey is the key of the stream that stands for a topic.
func redisKey(topic string) string { return "dovetail:" + topic }

// topicBeside returns the topic of the schemas that a URL names, _schemas if it
// names none, or the one of the keys beside it: _schema_encoders beside _schemas,
// orders_encoders beside orders.
func topicBeside(topic string, encoders bool) string {
	switch {
	case topic == "" || topic == schemasTopic:
		if encoders {
			return encodersTopic
		}
		return schemasTopic
	case encoders:
		return topic + "_encoders"
	}
	return topic
}
