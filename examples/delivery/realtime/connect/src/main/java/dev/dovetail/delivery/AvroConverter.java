package dev.dovetail.delivery;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.IdentityHashMap;
import java.util.Map;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.storage.Converter;

/**
 * Writes what source connectors produce as Avro with the schema's ID from a schema registry in front of it:
 * a zero byte, the ID in four bytes, the value. A schema is registered under TOPIC-key or TOPIC-value the
 * first time it is seen, with the registry at {@code schema.registry.url}.
 *
 * <p>It is for source connectors: it reads nothing. Connect gives each task a converter of its own.
 */
public final class AvroConverter implements Converter {
  /** An Avro schema under one subject. */
  private record Registered(int id, org.apache.avro.Schema schema) {}

  private static final int MAX_SCHEMAS = 1000;

  private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
  private final Map<Schema, Registered> known = new IdentityHashMap<>();
  private String registry;
  private String suffix;

  @Override
  public void configure(Map<String, ?> configs, boolean isKey) {
    Object url = configs.get("schema.registry.url");
    if (url == null) {
      throw new org.apache.kafka.common.config.ConfigException("schema.registry.url is missing");
    }
    registry = url.toString().replaceAll("/+$", "");
    suffix = isKey ? "-key" : "-value";
  }

  @Override
  public byte[] fromConnectData(String topic, Schema schema, Object value) {
    if (value == null) {
      return null; // a tombstone
    }
    if (schema == null) {
      throw new DataException(topic + ": a value without a schema cannot become Avro");
    }
    Registered to = known.get(schema);
    if (to == null) {
      org.apache.avro.Schema avro = new ConnectToAvro().schema(schema);
      to = new Registered(register(topic + suffix, avro), avro);
      if (known.size() >= MAX_SCHEMAS) {
        known.clear();
      }
      known.put(schema, to);
    }
    try {
      ByteArrayOutputStream out = new ByteArrayOutputStream(256);
      out.write(ByteBuffer.allocate(5).put((byte) 0).putInt(to.id).array());
      var encoder = EncoderFactory.get().directBinaryEncoder(out, null);
      new GenericDatumWriter<>(to.schema).write(ConnectToAvro.value(to.schema, schema, value), encoder);
      return out.toByteArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public SchemaAndValue toConnectData(String topic, byte[] value) {
    throw new DataException(topic + ": this converter is for source connectors, it reads nothing");
  }

  private int register(String subject, org.apache.avro.Schema schema) {
    try {
      String body = "{\"schema\": " + quote(schema.toString()) + "}";
      HttpResponse<String> answer = http.send(
          HttpRequest.newBuilder(URI.create(registry + "/subjects/" + subject + "/versions"))
              .header("Content-Type", "application/vnd.schemaregistry.v1+json")
              .timeout(Duration.ofSeconds(30))
              .POST(HttpRequest.BodyPublishers.ofString(body))
              .build(),
          HttpResponse.BodyHandlers.ofString());
      if (answer.statusCode() / 100 == 5) {
        throw new RetriableException(subject + ": the registry answers " + answer.statusCode() + " " + answer.body());
      }
      var id = java.util.regex.Pattern.compile("\"id\"\\s*:\\s*(\\d+)").matcher(answer.body());
      if (answer.statusCode() != 200 || !id.find()) {
        throw new SerializationException(subject + ": the registry answers " + answer.statusCode() + " " + answer.body());
      }
      return Integer.parseInt(id.group(1));
    } catch (IOException e) {
      throw new RetriableException(subject + ": the registry cannot be reached", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new RetriableException(e);
    }
  }

  private static String quote(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < ' ') {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    return out.append('"').toString();
  }
}
