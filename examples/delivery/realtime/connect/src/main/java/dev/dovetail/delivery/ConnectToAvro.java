package dev.dovetail.delivery;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.JsonProperties;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;

/**
 * Turns the schemas and values of Connect into those of Avro.
 *
 * <pre>
 * STRUCT           record, by its name           INT8, INT16, INT32  int
 * ARRAY            array                         INT64               long, timestamp-millis or -micros if Debezium says so
 * MAP of STRING    map                           FLOAT32, FLOAT64    float, double
 * optional         union of null and the type    STRING, BYTES, BOOLEAN
 * </pre>
 *
 * Connect's own logical types (Date, Time, Timestamp, Decimal) hold Java objects, which Debezium does not
 * send unless it is told to; they are refused. An instance is for one schema.
 */
final class ConnectToAvro {
  private final Map<String, Schema> records = new HashMap<>();

  Schema schema(org.apache.kafka.connect.data.Schema from) {
    Schema to = bare(from);
    return from.isOptional() ? Schema.createUnion(Schema.create(Schema.Type.NULL), to) : to;
  }

  private Schema bare(org.apache.kafka.connect.data.Schema from) {
    String name = from.name();
    if (name != null && name.startsWith("org.apache.kafka.connect.data.")) {
      throw new DataException(name + " has no place here: set time.precision.mode=adaptive and decimal.handling.mode=string");
    }
    return switch (from.type()) {
      case INT8, INT16, INT32 -> Schema.create(Schema.Type.INT);
      case INT64 -> {
        Schema number = Schema.create(Schema.Type.LONG);
        if ("io.debezium.time.Timestamp".equals(name)) {
          LogicalTypes.timestampMillis().addToSchema(number);
        } else if ("io.debezium.time.MicroTimestamp".equals(name)) {
          LogicalTypes.timestampMicros().addToSchema(number);
        }
        yield number;
      }
      case FLOAT32 -> Schema.create(Schema.Type.FLOAT);
      case FLOAT64 -> Schema.create(Schema.Type.DOUBLE);
      case BOOLEAN -> Schema.create(Schema.Type.BOOLEAN);
      case STRING -> Schema.create(Schema.Type.STRING);
      case BYTES -> Schema.create(Schema.Type.BYTES);
      case ARRAY -> Schema.createArray(schema(from.valueSchema()));
      case MAP -> {
        if (from.keySchema().type() != org.apache.kafka.connect.data.Schema.Type.STRING) {
          throw new DataException("the keys of a map are " + from.keySchema().type() + ", Avro has strings alone");
        }
        yield Schema.createMap(schema(from.valueSchema()));
      }
      case STRUCT -> record(from);
    };
  }

  private Schema record(org.apache.kafka.connect.data.Schema from) {
    String name = from.name() == null ? "Record" + records.size() : from.name();
    Schema known = records.get(name);
    if (known != null) {
      return known;
    }
    Schema to = Schema.createRecord(name, from.doc(), null, false);
    records.put(name, to);
    List<Schema.Field> fields = new ArrayList<>();
    for (Field f : from.fields()) {
      Object fallback = f.schema().isOptional() ? JsonProperties.NULL_VALUE : null;
      fields.add(new Schema.Field(f.name(), schema(f.schema()), f.schema().doc(), fallback));
    }
    to.setFields(fields);
    return to;
  }

  static Object value(Schema to, org.apache.kafka.connect.data.Schema from, Object value) {
    if (value == null) {
      return null;
    }
    Schema bare = to.getType() == Schema.Type.UNION ? to.getTypes().get(1) : to;
    return switch (from.type()) {
      case INT8, INT16, INT32 -> ((Number) value).intValue();
      case BYTES -> value instanceof byte[] bytes ? ByteBuffer.wrap(bytes) : value;
      case ARRAY -> {
        List<Object> items = new ArrayList<>();
        for (Object item : (Collection<?>) value) {
          items.add(value(bare.getElementType(), from.valueSchema(), item));
        }
        yield items;
      }
      case MAP -> {
        Map<String, Object> entries = new HashMap<>();
        ((Map<?, ?>) value).forEach((k, v) -> entries.put((String) k, value(bare.getValueType(), from.valueSchema(), v)));
        yield entries;
      }
      case STRUCT -> {
        GenericData.Record out = new GenericData.Record(bare);
        for (Field f : from.fields()) {
          out.put(f.name(), value(bare.getField(f.name()).schema(), f.schema(), ((Struct) value).get(f)));
        }
        yield out;
      }
      default -> value;
    };
  }
}
