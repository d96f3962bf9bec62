"""Apache Avro for Python reads Avro container files and writes what it has read.

    avro_files.py DIR

For each DIR/*.avro a file with the suffix .again is written: the same schema,
the same codec, the records as Avro decoded them. Prints files and records.
"""

import pathlib
import sys

import avro.datafile
import avro.io
import avro.schema

files = records = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.avro")):
    try:
        with avro.datafile.DataFileReader(path.open("rb"), avro.io.DatumReader()) as reader:
            schema, codec, data = reader.schema, reader.codec, list(reader)
        with avro.datafile.DataFileWriter(path.with_suffix(".again").open("wb"), avro.io.DatumWriter(), avro.schema.parse(schema), codec) as writer:
            for record in data:
                writer.append(record)
    except Exception as e:
        sys.exit(f"{path.name}: {type(e).__name__}: {e}")
    files += 1
    records += len(data)
print(files, records)
