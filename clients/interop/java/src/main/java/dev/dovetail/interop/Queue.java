package dev.dovetail.interop;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A member of a share group: takes numbers off a queue and says of each, once the broker has it in
 * writing, what became of it.
 *
 * <pre>
 * Queue TOPIC GROUP
 * </pre>
 *
 * Numbers that end in 3 are released when they come for the first time, those that end in 7 are
 * rejected, all others are accepted. Each line printed is a number, its delivery count and the
 * outcome; "unknown" is an acknowledgement that the broker did not confirm. It ends when its
 * standard input does.
 */
public final class Queue {
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
    p.put("share.acknowledgement.mode", "explicit");
    p.put("max.poll.records", "10");
    p.put("reconnect.backoff.max.ms", "200");
    try (var consumer =
        new KafkaShareConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(args[0]));
      while (!over.get()) {
        take(consumer);
      }
    }
  }

  private static void take(KafkaShareConsumer<String, String> consumer) {
    List<ConsumerRecord<String, String>> records = new ArrayList<>();
    Map<Long, AcknowledgeType> outcomes = new HashMap<>();
    try {
      consumer.poll(Duration.ofMillis(500)).forEach(records::add);
      for (ConsumerRecord<String, String> r : records) {
        AcknowledgeType type = decide(r);
        consumer.acknowledge(r, type);
        outcomes.put(r.offset(), type);
      }
      boolean sure = true;
      for (Optional<KafkaException> failure : consumer.commitSync().values()) {
        sure &= failure.isEmpty();
        failure.ifPresent(e -> System.err.println("commit: " + e));
      }
      for (ConsumerRecord<String, String> r : records) {
        System.out.printf(
            "%s %d %s%n",
            r.value(), r.deliveryCount().orElse((short) -1),
            sure ? outcomes.get(r.offset()).toString() : "unknown");
      }
    } catch (RetriableException e) {
      System.err.println("poll: " + e);
    }
    System.out.flush();
  }

  private static AcknowledgeType decide(ConsumerRecord<String, String> r) {
    if (r.value().endsWith("3") && r.deliveryCount().orElse((short) -1) == 1) {
      return AcknowledgeType.RELEASE;
    }
    return r.value().endsWith("7") ? AcknowledgeType.REJECT : AcknowledgeType.ACCEPT;
  }

  private Queue() {}
}
