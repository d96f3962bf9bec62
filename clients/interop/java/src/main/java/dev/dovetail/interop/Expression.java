package dev.dovetail.interop;

import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A member of a consumer group that subscribes by an expression which the broker evaluates.
 *
 * <pre>
 * Expression PATTERN GROUP
 * </pre>
 *
 * Each line printed is the topic of a record, that topic's name as the broker tells it for its ID,
 * and the value. It ends when its standard input does.
 */
public final class Expression {
  public static void main(String[] args) throws Exception {
    AtomicBoolean over = new AtomicBoolean();
    Thread input = new Thread(() -> {
      try {
        while (System.in.read() >= 0) {}
      } catch (java.io.IOException e) {
        // as good as its end
      }
      over.set(true);
    });
    input.setDaemon(true);
    input.start();
    Properties p = new Properties();
    p.put("bootstrap.servers", System.getenv("BOOTSTRAP"));
    p.put("group.id", args[1]);
    p.put("group.protocol", "consumer");
    p.put("auto.offset.reset", "earliest");
    p.put("metadata.max.age.ms", "1000");
    try (var consumer = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
        var admin = Admin.create(p)) {
      consumer.subscribe(new SubscriptionPattern(args[0]));
      while (!over.get()) {
        for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(200))) {
          Uuid id = admin.describeTopics(List.of(r.topic())).allTopicNames().get().get(r.topic()).topicId();
          var byId = admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get().get(id);
          System.out.printf("%s %s %s%n", r.topic(), byId.name(), r.value());
          System.out.flush();
        }
      }
    }
  }

  private Expression() {}
}
