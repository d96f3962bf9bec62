package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const kafkaVersion = "4.1.0"

// kafkaPOM names the jars of one Kafka node.
const kafkaPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.dovetail</groupId><artifactId>bench-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + kafkaVersion + `</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`

// kafkaNode is Apache Kafka with its defaults: one node that is broker and
// controller.
type kafkaNode struct {
	*process
	addr string
	java []string // command line up to the main class
	conf string
}

// newKafka fetches Kafka with Maven and formats a data directory; again starts it.
func newKafka(ctx context.Context, work, name string, extra ...string) (*kafkaNode, error) {
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is not installed", tool)
		}
	}
	jars := filepath.Join(work, "kafka-jars")
	if found, _ := filepath.Glob(filepath.Join(jars, "kafka_2.13-*.jar")); len(found) == 0 {
		if err := os.MkdirAll(jars, 0o755); err != nil {
			return nil, err
		}
		pom := filepath.Join(jars, "pom.xml")
		if err := os.WriteFile(pom, []byte(kafkaPOM), 0o644); err != nil {
			return nil, err
		}
		if out, err := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+jars).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("mvn: %w: %.500s", err, out)
		}
	}
	k := &kafkaNode{conf: filepath.Join(work, name+".properties")}
	var err error
	if k.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	controller, err := freeAddr()
	if err != nil {
		return nil, err
	}
	lines := append([]string{
		"process.roles=broker,controller", "node.id=1",
		"controller.quorum.voters=1@" + controller, "controller.listener.names=CONTROLLER",
		"listeners=PLAINTEXT://" + k.addr + ",CONTROLLER://" + controller, "advertised.listeners=PLAINTEXT://" + k.addr,
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=" + filepath.Join(work, name), fmt.Sprintf("num.partitions=%d", benchPartitions),
		"offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
	}, extra...)
	if err := os.WriteFile(k.conf, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	// Heap and collector as Kafka's start script sets them.
	k.java = []string{"-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
		"-XX:+ExplicitGCInvokesConcurrent", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(jars, "*")}
	format := exec.CommandContext(ctx, "java", append(k.java, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAQACAAAAAAAAAAQ", "-c", k.conf)...)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format: %w: %.1000s", err, out)
	}
	return k, k.again()
}

func (k *kafkaNode) again() (err error) {
	k.process, err = start("", nil, "java", append(k.java, "kafka.Kafka", k.conf)...)
	return err
}
