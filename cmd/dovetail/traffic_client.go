package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/dovetail-dev/dovetail/clients/cluster"
)

// live is what the HTTP address of a `dovetail serve` adds to what the Kafka
// protocol tells: rates, hot keys and lag in seconds. With another Kafka, or
// without the address, there is none of it, which why explains.
type live struct {
	topics map[string]*topicTraffic
	groups map[string]*groupLag
	why    string
}

// lookLive runs a command that shows what there is, with what is known live.
func (c *connection) lookLive(ctx context.Context, ask func(ctx context.Context, l *live, cluster string), run func(context.Context, *cluster.View, *live) error) error {
	client, err := c.openKafka(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	l := &live{topics: map[string]*topicTraffic{}, groups: map[string]*groupLag{}}
	if meta, err := kadm.NewClient(client).BrokerMetadata(ctx); err == nil {
		ask(ctx, l, meta.Cluster)
	}
	return kafkaError(run(ctx, cluster.New(client), l))
}

func (c *connection) liveTopics(ctx context.Context, l *live, clusterID string) {
	var got topicsAnswer
	if l.why = c.getLive(ctx, "/broker/topics", &got); l.why != "" {
		return
	}
	if l.why = c.otherCluster(got.Cluster, clusterID); l.why == "" {
		for i := range got.Topics {
			l.topics[got.Topics[i].Topic] = &got.Topics[i]
		}
	}
}

func (c *connection) liveGroups(ctx context.Context, l *live, clusterID string) {
	var got groupsAnswer
	if l.why = c.getLive(ctx, "/broker/groups", &got); l.why != "" {
		return
	}
	if l.why = c.otherCluster(got.Cluster, clusterID); l.why == "" {
		for i := range got.Groups {
			l.groups[got.Groups[i].Group] = &got.Groups[i]
		}
	}
}

func (c *connection) otherCluster(there, here string) string {
	if there != here {
		return fmt.Sprintf("%s is the address of another cluster than %s", hideUser(c.registry), c.kafka)
	}
	return ""
}

// maxLiveBytes bounds an answer.
const maxLiveBytes = 64 << 20

// getLive asks the first URL that answers, and says why there is no answer.
func (c *connection) getLive(ctx context.Context, path string, into any) (why string) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	own, err := c.credentials.load(os.LookupEnv)
	if err != nil {
		return err.Error()
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: own.tls, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	for _, base := range strings.Split(c.registry, ",") {
		u, err := url.Parse(strings.TrimRight(base, "/") + path)
		if err != nil {
			return "--registry is not a URL"
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return "--registry is not a URL"
		}
		switch {
		case own.bearer != "":
			req.Header.Set("Authorization", "Bearer "+own.bearer)
		case own.user != "":
			req.SetBasicAuth(own.user, own.password)
		}
		resp, err := client.Do(req)
		if err != nil {
			why = fmt.Sprintf("no `dovetail serve` answers at %s (%v)", hideUser(c.registry), causeOf(err))
			continue
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Sprintf("%s answers %s", hideUser(base), resp.Status)
		}
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxLiveBytes)).Decode(into); err != nil {
			return hideUser(base) + " is not the address of a `dovetail serve`"
		}
		return ""
	}
	return why
}

// causeOf is an error of HTTP without the URL, which may hold a password.
func causeOf(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

func rateText(perSecond float64) string { return fmt.Sprintf("%.1f/s", perSecond) }

func byteRateText(perSecond float64) string { return bytesText(int64(perSecond)) + "/s" }

// ageText is a lag in time: "0s", "4.2s", "3m7s", "26h".
func ageText(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d == 0:
		return "0s"
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < 24*time.Hour:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%dh", int(d.Hours()))
}
