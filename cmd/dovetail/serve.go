package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal/redis"
	"github.com/dovetail-dev/dovetail/registry/rest"
	"github.com/dovetail-dev/dovetail/registry/validate"
	"github.com/dovetail-dev/dovetail/serde/service"
)

// serveSettings are the flags of serve.
type serveSettings struct {
	config          string
	dataDir         string
	httpAddr        string
	kafkaAddr       string
	advertised      string
	durability      string
	partitions      int32
	noAutoCreate    bool
	groupMigration  string
	level           string
	journal         string
	encoders        encoderSettings
	logLevel        string
	logFormat       string
	shutdownTimeout time.Duration
	security        securitySettings
	limits          limitSettings
	kms             kmsSettings

	unknownVariables []string // of the environment
}

func newServe() *cobra.Command {
	var s serveSettings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run registry and broker",
		Long: `Serve runs the schema registry (HTTP) and the broker (Kafka protocol) in one
process, until it is told to stop by SIGTERM or Ctrl-C.

Everything is kept in the data directory: topics as Kafka's own segment files,
and the registry as the topic _schemas among them. What was acknowledged has been
synced to the disk, unless --durability says otherwise.

Every flag can also be an environment variable (--data-dir is DOVETAIL_DATA_DIR)
or a line of the YAML file that --config names (data-dir: /var/lib/dovetail). The
command line goes first, then the environment, then the file.

On the HTTP address there are also /healthz (the process lives), /readyz (it can
serve) and /metrics (Prometheus).`,
		Example: `  dovetail serve
  dovetail serve --data-dir /var/lib/dovetail --http-addr :8081 --kafka-addr :9092 --kafka-advertised kafka.example.org:9092
  dovetail serve --journal redis://127.0.0.1:6379
  DOVETAIL_LOG_FORMAT=json dovetail serve --config /etc/dovetail.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := loadSettings(cmd, os.LookupEnv); err != nil {
				return exitStatus{2, err}
			}
			s.encoders.fallBack(os.LookupEnv)
			s.unknownVariables = unknownVariables(cmd, os.Environ())
			return serve(cmd.Context(), s, cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.config, "config", "", "YAML file with settings")
	f.StringVar(&s.dataDir, "data-dir", "./dovetail-data", "where everything is kept")
	f.StringVar(&s.httpAddr, "http-addr", "127.0.0.1:8081", "address of the registry")
	f.StringVar(&s.kafkaAddr, "kafka-addr", "127.0.0.1:9092", "address of the broker")
	f.StringVar(&s.advertised, "kafka-advertised", "", "host:port that Kafka clients are told to connect to; the default is the address itself")
	f.StringVar(&s.durability, "durability", "fsync", "what an acknowledgement promises: fsync (on the disk), interval (synced soon), os (left to the system)")
	f.Int32Var(&s.partitions, "default-partitions", 1, "partitions of a topic that is created without a number")
	f.BoolVar(&s.noAutoCreate, "no-auto-create", false, "do not create topics that a client merely mentions")
	f.StringVar(&s.groupMigration, "group-migration", groupMigrations[0], "which way consumer groups may change their protocol while they have members: bidirectional, upgrade (from classic to KIP-848), downgrade (back), disabled")
	f.StringVar(&s.level, "compatibility-level", compat.LevelBackward.String(), "compatibility level where none is configured")
	f.StringVar(&s.journal, "journal", "embedded", "where the registry keeps its records: embedded, memory, redis://host:port[/db] or kafka://host:port[,host:port][/topic]")
	s.encoders.flags(f)
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&s.logFormat, "log-format", "text", "text or json")
	f.DurationVar(&s.shutdownTimeout, "shutdown-timeout", 15*time.Second, "how long a stop waits for requests in flight")
	s.security.flags(f)
	s.limits.flags(f)
	s.kms.flags(f)
	oneOf(cmd, "group-migration", groupMigrations...)
	return cmd
}

// groupMigrations are the values of --group-migration, the default first.
var groupMigrations = []string{string(group.MigrateBothWays), string(group.MigrateUp), string(group.MigrateDown), string(group.MigrateNever)}

// validate reports everything that is wrong with the settings.
func (s *serveSettings) validate() (broker.Durability, compat.Level, error) {
	durability, err1 := broker.ParseDurability(s.durability)
	level, err2 := compat.ParseLevel(s.level)
	if err1 != nil {
		err1 = fmt.Errorf("--durability: %w", err1)
	}
	if err2 != nil {
		err2 = fmt.Errorf("--compatibility-level: %w", err2)
	}
	var faults []error
	for name, addr := range map[string]string{"http-addr": s.httpAddr, "kafka-addr": s.kafkaAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			faults = append(faults, fmt.Errorf("--%s %q: want host:port, such as 127.0.0.1:8081", name, addr))
		}
	}
	if s.advertised != "" {
		if _, _, err := net.SplitHostPort(s.advertised); err != nil {
			faults = append(faults, fmt.Errorf("--kafka-advertised %q: want host:port", s.advertised))
		}
	}
	if s.dataDir == "" {
		faults = append(faults, errors.New("--data-dir is empty"))
	}
	if s.partitions < 1 {
		faults = append(faults, fmt.Errorf("--default-partitions %d: want 1 or more", s.partitions))
	}
	if !slices.Contains(groupMigrations, s.groupMigration) {
		faults = append(faults, fmt.Errorf("--group-migration %q: want %s", s.groupMigration, strings.Join(groupMigrations, ", ")))
	}
	if s.shutdownTimeout < 0 {
		faults = append(faults, fmt.Errorf("--shutdown-timeout %s: want 0 or more", s.shutdownTimeout))
	}
	return durability, level, errors.Join(append(faults, err1, err2, s.validateJournal(), s.encoders.validate(), s.kms.validate())...)
}

func (s *serveSettings) logger(w interface{ Write([]byte) (int, error) }) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %q: want debug, info, warn or error", s.logLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch s.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fmt.Errorf("--log-format %q: want text or json", s.logFormat)
}

// serve runs everything until ctx ends, and stops it in order.
func serve(ctx context.Context, s serveSettings, stderr interface{ Write([]byte) (int, error) }) error {
	durability, level, err := s.validate()
	if err != nil {
		return exitStatus{2, err}
	}
	log, err := s.logger(stderr)
	if err != nil {
		return exitStatus{2, err}
	}
	secure, err := s.security.load()
	if err != nil {
		return exitStatus{2, err}
	}
	limits, err := s.limits.limits()
	if err != nil {
		return exitStatus{2, err}
	}
	s.warnOfAdvertised(ctx, log)
	for _, name := range s.unknownVariables {
		log.Warn("no setting has the name of this environment variable", "variable", name, "advice", "see dovetail serve --help")
	}
	began := time.Now()
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	registryOpen := make(chan struct{})
	validator := &batchValidator{ready: registryOpen}
	b, err := broker.New(broker.Options{
		DataDir:            s.dataDir,
		Listeners:          []broker.Listener{secure.listener(s.kafkaAddr, s.advertised)},
		Authorize:          secure.authorize,
		SuperUsers:         secure.principals,
		Durability:         durability,
		DefaultPartitions:  s.partitions,
		NoAutoCreateTopics: s.noAutoCreate,
		Coordinators:       broker.CoordinatorOptions{Groups: group.Options{Migration: group.Migration(s.groupMigration)}},
		Limits:             limits,
		Validator:          validator,
		Logger:             log,
		Metrics:            metrics,
	})
	if err != nil {
		return err
	}
	// HTTP answers from the start, so that a probe sees "not ready" and why.
	web := newWeb(metrics)
	listener, err := net.Listen("tcp", s.httpAddr)
	if err != nil {
		return fmt.Errorf("--http-addr: %w", err)
	}
	scheme := "http"
	if secure.tls != nil {
		scheme, listener = "https", tls.NewListener(listener, secure.tls.Clone())
	}
	server := &http.Server{Handler: secure.guard(web), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)} // faults of clients, such as TLS handshakes that failed
	failed := make(chan error, 1)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("http: %w", err)
		}
	}()
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.shutdownTimeout)
		defer cancel()
		return errors.Join(server.Shutdown(ctx), web.closeRegistry(), b.Close(ctx))
	}

	if err := b.Start(ctx); err != nil {
		return errors.Join(err, stop())
	}
	j, err := openJournal(ctx, s.journal, s.encoders, b, log)
	if err != nil {
		return errors.Join(err, stop())
	}
	replayed := collectLess(ctx, j)
	reg, err := registry.Open(ctx, registry.Options{Journal: j, Parse: formats.Parse, DefaultLevel: &level, Logger: log, KMS: s.kms.services()})
	replayed()
	if err != nil {
		return errors.Join(err, j.Close(), stop())
	}
	validator.validator = validate.New(registryLookup{reg}, validate.Options{})
	close(registryOpen)
	converter, err := service.New(registryDefinitions{reg}, service.Options{})
	if err != nil {
		return errors.Join(err, reg.Close(), j.Close(), stop())
	}
	api := rest.Handler(reg, rest.Options{Logger: log, Version: versionString(), KafkaClusterID: b.ClusterID()})
	pages := &consoles{rest: api, broker: b.Addr(""), secure: secure, log: log}
	defer pages.close()
	web.open(reg, j, api, map[string]http.Handler{"serde": service.Handler(converter, service.HandlerOptions{}), "console": pages,
		"broker": trafficHandler{broker: b, secure: secure, ready: web.ready}})
	log.Info("ready", "registry", scheme+"://"+listener.Addr().String(), "broker", b.Addr("").String(),
		"console", scheme+"://"+listener.Addr().String()+"/console/",
		"data", s.dataDir, "version", versionString(), "took", time.Since(began).Round(time.Millisecond).String())
	debug.FreeOSMemory() // what reading the journal has left behind

	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-failed:
	}
	err = errors.Join(err, stop())
	log.Info("stopped")
	return err
}

// validateJournal says whether the setting can name a journal, without asking
// anybody.
func (s *serveSettings) validateJournal() error {
	scheme, rest, _ := strings.Cut(s.journal, "://")
	switch {
	case s.journal == "embedded" || s.journal == "memory":
		return nil
	case scheme == "redis" || scheme == "rediss":
		if err := redis.CheckURL(s.journal); err != nil {
			return fmt.Errorf("--journal: %w", err)
		}
		return nil
	case scheme == "kafka":
		brokers, _, _ := strings.Cut(rest, "/")
		for _, addr := range strings.Split(brokers, ",") {
			if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
				return fmt.Errorf("--journal %q: %q is no broker, want kafka://host:port[,host:port][/topic]", s.journal, addr)
			}
		}
		return nil
	}
	return fmt.Errorf("--journal %q: want embedded, memory, redis://host:port[/db] or kafka://host:port[,host:port][/topic]", s.journal)
}
