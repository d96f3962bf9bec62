package dev.dovetail.interop.avro;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.file.CodecFactory;
import org.apache.avro.file.DataFileReader;
import org.apache.avro.file.DataFileWriter;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.Decoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.io.JsonEncoder;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.message.BinaryMessageEncoder;

/**
 * Apache Avro as a judge. One request is one line of JSON on standard input, its answer one line on
 * standard output; ../avro_judge_test.go says what is in them.
 *
 * <p>With the argument "files" and a directory, each DIR/*.avro is read and written again as *.again,
 * with its schema and codec; files and records are printed.
 */
public final class Judge {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final GenericData PLAIN = new GenericData();
  private static final GenericData LOGICAL = new GenericData();

  static {
    LOGICAL.addLogicalTypeConversion(new Conversions.DecimalConversion());
    LOGICAL.addLogicalTypeConversion(new Conversions.BigDecimalConversion());
    LOGICAL.addLogicalTypeConversion(new Conversions.UUIDConversion());
    LOGICAL.addLogicalTypeConversion(new Conversions.DurationConversion());
    LOGICAL.addLogicalTypeConversion(new TimeConversions.DateConversion());
    LOGICAL.addLogicalTypeConversion(new TimeConversions.TimeMillisConversion());
    LOGICAL.addLogicalTypeConversion(new TimeConversions.TimeMicrosConversion());
    LOGICAL.addLogicalTypeConversion(new TimeConversions.TimestampMillisConversion());
    LOGICAL.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
    LOGICAL.addLogicalTypeConversion(new TimeConversions.TimestampNanosConversion());
    LOGICAL.addLogicalTypeConversion(new TimeConversions.LocalTimestampMillisConversion());
    LOGICAL.addLogicalTypeConversion(new TimeConversions.LocalTimestampMicrosConversion());
    LOGICAL.addLogicalTypeConversion(new TimeConversions.LocalTimestampNanosConversion());
  }

  private static final Map<String, Schema> SCHEMAS = new HashMap<>();

  private final JsonNode request;
  private final ObjectNode answer = JSON.createObjectNode();

  private Judge(JsonNode request) {
    this.request = request;
  }

  public static void main(String[] args) throws Exception {
    if (args.length == 2 && args[0].equals("files")) {
      files(new File(args[1]));
      return;
    }
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      ObjectNode answer;
      try {
        Judge judge = new Judge(JSON.readTree(line));
        judge.answer();
        answer = judge.answer;
      } catch (Exception | LinkageError e) {
        answer = JSON.createObjectNode();
        answer.put("error", e.toString());
      }
      System.out.println(JSON.writeValueAsString(answer));
    }
  }

  private void answer() throws Exception {
    switch (request.get("op").asText()) {
      case "version" -> answer.put("text", "avro " + Schema.class.getPackage().getImplementationVersion());
      case "describe" -> describe();
      case "resolve" -> resolve();
      case "to-json" -> toJson();
      case "from-json" -> fromJson();
      case "to-single" -> toSingle();
      case "from-single" -> fromSingle();
      case "logical" -> logical();
      default -> throw new IllegalArgumentException("unknown request " + request.get("op"));
    }
  }

  private Schema schema(String member) {
    return SCHEMAS.computeIfAbsent(request.get(member).asText(), text -> new Schema.Parser().parse(text));
  }

  private byte[] data() {
    return Base64.getDecoder().decode(request.get("data").asText());
  }

  private void describe() throws Exception {
    Schema s = schema("schema");
    answer.put("text", SchemaNormalization.toParsingForm(s));
    ObjectNode prints = answer.putObject("prints");
    for (String algorithm : new String[] {"CRC-64-AVRO", "MD5", "SHA-256"}) {
      prints.put(algorithm, SchemaNormalization.parsingFingerprint(algorithm, s));
    }
  }

  private static Object decode(GenericData model, Schema writer, Schema reader, byte[] data) throws IOException {
    var decoder = DecoderFactory.get().binaryDecoder(data, null);
    Object value = new GenericDatumReader<Object>(writer, reader, model).read(null, decoder);
    if (!decoder.isEnd()) {
      throw new IOException("bytes are left");
    }
    return value;
  }

  @SuppressWarnings("unchecked")
  private static byte[] encode(GenericData model, Schema schema, Object value) throws IOException {
    var out = new ByteArrayOutputStream();
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
    ((GenericDatumWriter<Object>) model.createDatumWriter(schema)).write(value, encoder);
    encoder.flush();
    return out.toByteArray();
  }

  /** Data of the schema, read as the reader and written again. */
  private void resolve() throws Exception {
    Schema reader = schema("reader");
    answer.put("data", encode(PLAIN, reader, decode(PLAIN, schema("schema"), reader, data())));
  }

  private void toJson() throws Exception {
    Schema s = schema("schema");
    var out = new ByteArrayOutputStream();
    JsonEncoder encoder = EncoderFactory.get().jsonEncoder(s, out);
    new GenericDatumWriter<Object>(s, PLAIN).write(decode(PLAIN, s, s, data()), encoder);
    encoder.flush();
    answer.put("text", out.toString(StandardCharsets.UTF_8));
  }

  private void fromJson() throws Exception {
    Schema s = schema("schema");
    Decoder decoder = DecoderFactory.get().jsonDecoder(s, request.get("text").asText());
    answer.put("data", encode(PLAIN, s, new GenericDatumReader<Object>(s, s, PLAIN).read(null, decoder)));
  }

  private void toSingle() throws Exception {
    Schema s = schema("schema");
    ByteBuffer out = new BinaryMessageEncoder<Object>(PLAIN, s).encode(decode(PLAIN, s, s, data()));
    answer.put("data", Arrays.copyOfRange(out.array(), out.arrayOffset() + out.position(), out.arrayOffset() + out.limit()));
  }

  /** A single object of the schema, read as the reader and written bare. */
  private void fromSingle() throws Exception {
    Schema reader = schema("reader");
    var decoder = new BinaryMessageDecoder<Object>(PLAIN, reader);
    decoder.addSchema(schema("schema"));
    answer.put("data", encode(PLAIN, reader, decoder.decode(data())));
  }

  /** The fields of a record as Java's own types print them, and the record written from those. */
  private void logical() throws Exception {
    Schema s = schema("schema");
    IndexedRecord record = (IndexedRecord) decode(LOGICAL, s, s, data());
    ObjectNode fields = answer.putObject("fields");
    for (Schema.Field f : s.getFields()) {
      Object v = record.get(f.pos());
      fields.put(f.name(), v.getClass().getSimpleName() + " " + v);
    }
    answer.put("data", encode(LOGICAL, s, record));
  }

  private static void files(File dir) throws Exception {
    int files = 0;
    int records = 0;
    File[] list = dir.listFiles((d, name) -> name.endsWith(".avro"));
    Arrays.sort(list);
    for (File from : list) {
      try (var in = new DataFileReader<Object>(from, new GenericDatumReader<>(null, null, LOGICAL));
          var out = new DataFileWriter<Object>(new GenericDatumWriter<>(in.getSchema(), LOGICAL))) {
        String codec = in.getMetaString("avro.codec");
        out.setCodec(CodecFactory.fromString(codec == null ? "null" : codec));
        out.setSyncInterval(400);
        out.create(in.getSchema(), new File(dir, from.getName().replace(".avro", ".again")));
        for (Object record : in) {
          out.append(record);
          records++;
        }
        files++;
      } catch (Exception e) {
        throw new IOException(from.getName(), e);
      }
    }
    System.out.println(files + " " + records);
  }

}
