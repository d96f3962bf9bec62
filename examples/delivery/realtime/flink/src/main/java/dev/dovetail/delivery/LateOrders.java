package dev.dovetail.delivery;

import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/**
 * Joins the changes of orders with those of couriers, and writes an alert to the topic late-orders for each
 * order that was delivered after it was promised. Runs until it is stopped.
 *
 * <pre>
 * LateOrders KAFKA REGISTRY CHECKPOINTS [CHECKPOINT]
 * </pre>
 *
 * With a checkpoint of an earlier run it goes on from there. What that run had written since is in a
 * transaction that was never committed, so that readers of committed records see each alert once.
 */
public final class LateOrders {
  private LateOrders() {}

  public static void main(String[] args) throws Exception {
    if (args.length < 3 || args.length > 4) {
      System.err.println("usage: LateOrders KAFKA REGISTRY CHECKPOINTS [CHECKPOINT]");
      System.exit(2);
    }
    String kafka = args[0];
    String registry = args[1];
    Configuration conf = Configuration.fromMap(Map.of(
        "execution.target", "local",
        "parallelism.default", "2",
        "execution.checkpointing.interval", "2 s",
        "execution.checkpointing.mode", "EXACTLY_ONCE",
        "execution.checkpointing.storage", "filesystem",
        "execution.checkpointing.dir", args[2],
        "execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION",
        "restart-strategy.type", "none"));
    // A connector that is at least once may send a change again: the state knows each row's last one.
    conf.setString("table.exec.source.cdc-events-duplicate", "true");
    conf.setString("table.local-time-zone", "UTC");
    if (args.length == 4) {
      conf.setString("execution.state-recovery.path", args[3]);
    }
    TableEnvironment tables =
        TableEnvironment.create(EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(conf).build());
    tables.executeSql("""
        CREATE TABLE couriers (
          courier_id STRING,
          name STRING,
          PRIMARY KEY (courier_id) NOT ENFORCED
        ) WITH (%s)""".formatted(captured("couriers", kafka, registry)));
    tables.executeSql("""
        CREATE TABLE orders (
          order_id STRING,
          restaurant_id STRING,
          courier_id STRING,
          promised_at TIMESTAMP(3),
          delivered_at TIMESTAMP(3),
          PRIMARY KEY (order_id) NOT ENFORCED
        ) WITH (%s)""".formatted(captured("orders", kafka, registry)));
    tables.executeSql("""
        CREATE TABLE alerts (
          order_id STRING,
          restaurant_id STRING,
          courier_id STRING,
          courier STRING,
          late_seconds INT,
          PRIMARY KEY (order_id) NOT ENFORCED
        ) WITH (
          'connector' = 'upsert-kafka',
          'topic' = 'late-orders',
          'properties.bootstrap.servers' = '%s',
          'properties.transaction.timeout.ms' = '600000',
          'key.format' = 'raw',
          'value.format' = 'avro-confluent',
          'value.avro-confluent.url' = '%s',
          'sink.delivery-guarantee' = 'exactly-once',
          'sink.transactional-id-prefix' = 'late-orders'
        )""".formatted(kafka, registry));
    tables.executeSql("""
        INSERT INTO alerts
        SELECT o.order_id, o.restaurant_id, o.courier_id, c.name,
               TIMESTAMPDIFF(SECOND, o.promised_at, o.delivered_at)
        FROM orders o JOIN couriers c ON o.courier_id = c.courier_id
        WHERE o.delivered_at > o.promised_at""").await();
  }

  /** Options of a table whose changes Debezium captures, in Avro. */
  private static String captured(String table, String kafka, String registry) {
    return """
          'connector' = 'kafka',
          'topic' = 'delivery.public.%s',
          'properties.bootstrap.servers' = '%s',
          'properties.group.id' = 'late-orders',
          'properties.isolation.level' = 'read_committed',
          'scan.startup.mode' = 'earliest-offset',
          'format' = 'debezium-avro-confluent',
          'debezium-avro-confluent.url' = '%s'
        """.formatted(table, kafka, registry);
  }
}
