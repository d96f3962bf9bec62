package dev.dovetail.interop.registry;

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.ParsedSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.avro.AvroSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.SchemaMetadata;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.SchemaReference;
import org.apache.flink.avro.shaded.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.avro.shaded.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.avro.shaded.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumReader;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.avro.shaded.org.apache.avro.io.DecoderFactory;
import org.apache.flink.formats.avro.registry.confluent.ConfluentRegistryAvroDeserializationSchema;
import org.apache.flink.formats.avro.registry.confluent.ConfluentRegistryAvroSerializationSchema;

/**
 * Confluent's Java registry client, as Apache Flink ships it, and Flink's own
 * serializers on top of it, as a client of the registry scenarios. Avro only.
 *
 * <p>REGISTRY names the server. One request is one line of JSON on standard
 * input, its answer one line on standard output; ../registry_wire_test.go says
 * what is in them. Every request is served by a client that has learned nothing
 * before.
 */
public final class Client {
  private static final String URL = System.getenv("REGISTRY");
  private static final ObjectMapper JSON = new ObjectMapper();

  private final JsonNode request;
  private final CachedSchemaRegistryClient registry = new CachedSchemaRegistryClient(List.of(URL), 100);

  private Client(JsonNode request) {
    this.request = request;
  }

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      ObjectNode answer = JSON.createObjectNode();
      try {
        new Client(JSON.readTree(line)).answer(answer);
      } catch (Exception | LinkageError e) {
        answer = JSON.createObjectNode();
        answer.put("error", e + (e.getCause() == null ? "" : ": " + e.getCause()));
      }
      System.out.println(JSON.writeValueAsString(answer));
    }
  }

  private void answer(ObjectNode out) throws Exception {
    switch (text("op")) {
      case "version" -> out.put("text", version());
      case "serialize" -> out.put("payload", serialize());
      case "deserialize" -> out.set("value", deserialize());
      case "register" -> out.put("id", registry.register(text("subject"), schema(), normalize()));
      case "lookup" -> {
        out.put("id", registry.getId(text("subject"), schema(), normalize()));
        out.put("version", registry.getVersion(text("subject"), schema(), normalize()));
      }
      case "compatible" -> out.put("compatible", registry.testCompatibility(text("subject"), schema()));
      case "get" -> out.put("text", registry.getSchemaById(request.get("id").asInt()).canonicalString());
      default -> throw new IllegalArgumentException("unknown request " + text("op"));
    }
  }

  private static String version() {
    String jar = CachedSchemaRegistryClient.class.getProtectionDomain().getCodeSource().getLocation().getPath();
    return new File(jar).getName().replace(".jar", "");
  }

  private String text(String name) {
    return request.path(name).asText("");
  }

  private boolean normalize() {
    return request.path("normalize").asBoolean();
  }

  private AvroSchema schema() throws Exception {
    List<SchemaReference> references = new ArrayList<>();
    Map<String, String> resolved = new HashMap<>();
    for (JsonNode r : request.path("references")) {
      SchemaReference reference =
          new SchemaReference(r.get("name").asText(), r.get("subject").asText(), r.get("version").asInt());
      references.add(reference);
      resolved.put(
          reference.getName(),
          registry.getSchemaMetadata(reference.getSubject(), reference.getVersion()).getSchema());
    }
    return new AvroSchema(text("schema"), references, resolved, null);
  }

  private String serialize() throws Exception {
    String subject = text("topic") + "-value";
    Schema schema;
    if (text("mode").equals("latest")) {
      SchemaMetadata latest = registry.getLatestSchemaMetadata(subject);
      ParsedSchema parsed = registry.getSchemaById(latest.getId());
      schema = (Schema) parsed.rawSchema();
    } else {
      schema = schema().rawSchema();
    }
    GenericRecord record =
        new GenericDatumReader<GenericRecord>(schema)
            .read(null, DecoderFactory.get().jsonDecoder(schema, request.get("value").toString()));
    byte[] payload = ConfluentRegistryAvroSerializationSchema.forGeneric(subject, schema, URL).serialize(record);
    return Base64.getEncoder().encodeToString(payload);
  }

  private JsonNode deserialize() throws Exception {
    byte[] payload = Base64.getDecoder().decode(text("payload"));
    Schema reader =
        text("schema").isEmpty()
            ? (Schema) registry.getSchemaById(ByteBuffer.wrap(payload).getInt(1)).rawSchema()
            : schema().rawSchema();
    GenericRecord record = ConfluentRegistryAvroDeserializationSchema.forGeneric(reader, URL).deserialize(payload);
    return JSON.readTree(record.toString());
  }
}
