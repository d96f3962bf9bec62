package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// javaJars are the Java clients and what is built of ours.
const javaJars = "java/target/classes:java/target/lib/*"

// queueMember is a process that takes numbers off a queue.
type queueMember struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer
}

// outcome is what a member says of a number.
type outcome struct {
	member, number, deliveries int
	what                       string
}

func startQueueMember(t *testing.T, s *server, member int, topic, group string, said chan<- outcome) *queueMember {
	t.Helper()
	command := java(javaJars, "dev.dovetail.interop.Queue", topic, group)
	m := &queueMember{cmd: exec.Command(command[0], command[1:]...)}
	m.cmd.Env = append(os.Environ(), "BOOTSTRAP="+s.kafka)
	m.cmd.Stderr = &m.stderr
	stdout, err := m.cmd.StdoutPipe()
	if err == nil {
		m.stdin, err = m.cmd.StdinPipe()
	}
	if err == nil {
		err = m.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	t.Cleanup(func() {
		_ = m.stdin.Close()
		<-read
		if err := m.cmd.Wait(); err != nil {
			t.Errorf("member %d ended with %v\n%s", member, err, tail(m.stderr.Bytes()))
		}
	})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			o := outcome{member: member}
			if _, err := fmt.Sscanf(lines.Text(), "%d %d %s", &o.number, &o.deliveries, &o.what); err == nil {
				said <- o
			}
		}
		said <- outcome{member: member, what: "ended"}
	}()
	return m
}

// A queue: two Java share consumers share one partition. Whatever one of them
// has been told is accepted is never accepted again, by nobody, though the
// server is killed in the middle; what is released comes again with a higher
// delivery count; what is rejected does not; and nothing is left over.
func TestShareGroup(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.createTopic(t, "jobs", 1)
	s.setGroupConfig(t, "workers", "share.auto.offset.reset", "earliest")
	said := make(chan outcome, 10_000)
	for i := range 2 {
		startQueueMember(t, s, i, "jobs", "workers", said)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	q := queue{t: t, said: said, done: map[int]outcome{}, unknown: map[int]bool{}}
	const all = 20 // jobs that each member must do before the server is killed
	client := newKgo(t, s.kafka, kgo.DefaultProduceTopic("jobs"))
	for q.byMember[0] < all || q.byMember[1] < all {
		if q.produced < len(q.done)+100 {
			q.produce(ctx, client)
		}
		q.hear(ctx, 100*time.Millisecond)
	}
	s.kill()
	s.again(t)
	for range 20 {
		q.produce(ctx, client)
	}
	for len(q.done)+len(q.unknown) < q.produced {
		q.hear(ctx, time.Second)
	}
	for s.shareLag(t, "workers", "jobs") != 0 {
		q.hear(ctx, 100*time.Millisecond)
	}
	if q.again == 0 {
		t.Error("nothing that was released came again")
	}
	t.Logf("%d jobs, %d and %d by member, %d came again, %d without an answer", q.produced, q.byMember[0], q.byMember[1], q.again, len(q.unknown))
	s.stop(t)
	t.Run("files", func(t *testing.T) { judgeFiles(t, s.dir) })
}

// queue is what is known of the jobs.
type queue struct {
	t        *testing.T
	said     <-chan outcome
	produced int
	byMember [2]int
	again    int
	done     map[int]outcome
	unknown  map[int]bool // and not heard of since
}

func (q *queue) produce(ctx context.Context, client *kgo.Client) {
	for range 5 {
		if err := client.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(q.produced))).FirstErr(); err != nil {
			q.t.Fatal(err)
		}
		q.produced++
	}
}

// hear takes what members say within a while.
func (q *queue) hear(ctx context.Context, while time.Duration) {
	timer := time.After(while)
	for {
		select {
		case o := <-q.said:
			q.note(o)
		case <-timer:
			return
		case <-ctx.Done():
			q.t.Fatalf("of %d jobs %d were done, %d had no answer; by member %v", q.produced, len(q.done), len(q.unknown), q.byMember)
		}
	}
}

// note takes what a member says. A member says it after the broker has it, so
// another one that was given the same job next may be heard first: what is late
// is of a delivery no later than the one that ended the job, and did not end it.
func (q *queue) note(o outcome) {
	if before, ok := q.done[o.number]; ok && o.what != "ended" {
		late := (o.what == "release" || o.what == "unknown") && o.deliveries <= before.deliveries
		if !late {
			q.t.Errorf("%+v came again: %+v", before, o)
		}
		return
	}
	if o.what != "ended" {
		delete(q.unknown, o.number)
	}
	switch ends := o.number % 10; {
	case o.what == "ended":
		q.t.Fatalf("member %d ended", o.member)
	case o.what == "unknown":
		q.unknown[o.number] = true
	case o.what == "release" && ends == 3 && o.deliveries == 1:
	case o.what == "accept" && ends != 7 && (ends != 3 || o.deliveries > 1), o.what == "reject" && ends == 7:
		if q.done[o.number] = o; o.deliveries > 1 {
			q.again++
		}
		q.byMember[o.member]++
	default:
		q.t.Errorf("a job with an outcome that it cannot have: %+v", o)
	}
}

// again starts a server that was killed.
func (s *server) again(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command(s.cmd.Path, s.cmd.Args[1:]...)
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.awaitReady(t)
}

func (s *server) setGroupConfig(t *testing.T, group, name, value string) {
	t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = name, &value
	res.Configs = append(res.Configs, c)
	req.Resources = append(req.Resources, res)
	resp, err := req.RequestWith(t.Context(), newKgo(t, s.kafka))
	if err != nil || resp.Resources[0].ErrorCode != 0 {
		t.Fatalf("configuration %s of group %s: %v %+v", name, group, err, resp)
	}
}

// shareLag is how many records of partition 0 a share group has not dealt with.
func (s *server) shareLag(t *testing.T, group, topic string) int64 {
	t.Helper()
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	g := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
	g.GroupID = group
	asked := kmsg.NewDescribeShareGroupOffsetsRequestGroupTopic()
	asked.Topic, asked.Partitions = topic, []int32{0}
	g.Topics = append(g.Topics, asked)
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(t.Context(), newKgo(t, s.kafka))
	if err != nil || resp.Groups[0].ErrorCode != 0 {
		t.Fatalf("offsets of share group %s: %v %+v", group, err, resp)
	}
	return resp.Groups[0].Topics[0].Partitions[0].Lag
}
