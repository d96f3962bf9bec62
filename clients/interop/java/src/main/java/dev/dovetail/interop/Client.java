package dev.dovetail.interop;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * Apache Kafka's own Java client as a client of the interop scenarios.
 *
 * <pre>
 * Client version
 * Client list
 * Client produce TOPIC COUNT CODEC
 * Client consume TOPIC GROUP COUNT
 * </pre>
 *
 * BOOTSTRAP names the broker. Records that were read are printed one JSON object per line; a
 * consumer ends after COUNT records and a synchronous commit. GROUP_PROTOCOL chooses classic or
 * consumer.
 */
public final class Client {
  private static final String NAME = "java";

  private static Properties common() {
    Properties p = new Properties();
    p.put("bootstrap.servers", System.getenv("BOOTSTRAP"));
    return p;
  }

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "version" -> System.out.println("kafka-clients " + AppInfoParser.getVersion());
      case "list" -> {
        try (Admin admin = Admin.create(common())) {
          new TreeSet<>(admin.listTopics().names().get()).forEach(System.out::println);
        }
      }
      case "produce" -> produce(args[1], Integer.parseInt(args[2]), args[3]);
      case "consume" -> consume(args[1], args[2], Integer.parseInt(args[3]));
      default -> throw new IllegalArgumentException("unknown command " + args[0]);
    }
  }

  private static void produce(String topic, int count, String codec) throws Exception {
    Properties p = common();
    p.put("compression.type", codec);
    p.put("linger.ms", "5");
    try (var producer = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
      var sent = new java.util.ArrayList<Future<RecordMetadata>>();
      for (int i = 0; i < count; i++) {
        sent.add(producer.send(new ProducerRecord<>(topic, "k-" + i, NAME + "-" + i)));
      }
      for (Future<RecordMetadata> f : sent) {
        f.get();
      }
    }
  }

  private static void consume(String topic, String group, int count) {
    Properties p = common();
    p.put("group.id", group);
    p.put("auto.offset.reset", "earliest");
    p.put("enable.auto.commit", "false");
    Map<String, String> env = System.getenv();
    if (env.containsKey("GROUP_PROTOCOL")) {
      p.put("group.protocol", env.get("GROUP_PROTOCOL"));
    }
    try (var consumer = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(topic));
      long deadline = System.nanoTime() + Duration.ofSeconds(180).toNanos();
      for (int got = 0; got < count; ) {
        if (System.nanoTime() > deadline) {
          throw new IllegalStateException("only " + got + " of " + count + " records in 180 s");
        }
        for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(500))) {
          System.out.printf(
              "{\"partition\":%d,\"offset\":%d,\"key\":\"%s\",\"value\":\"%s\"}%n",
              r.partition(), r.offset(), r.key(), r.value());
          got++;
        }
      }
      consumer.commitSync();
    }
  }

  private Client() {}
}
