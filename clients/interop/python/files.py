"""fastavro reads Avro container files and writes what it has read.

    files.py DIR

For each DIR/*.avro a file with the suffix .again is written: the same schema,
the same codec, the records as fastavro decoded them. Prints files and records.
"""

import pathlib
import sys

import fastavro

files = records = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.avro")):
    try:
        with path.open("rb") as f:
            reader = fastavro.reader(f)
            schema, codec, data = reader.writer_schema, reader.codec, list(reader)
        with path.with_suffix(".again").open("wb") as f:
            fastavro.writer(f, schema, data, codec=codec, sync_interval=400)
    except Exception as e:
        sys.exit(f"{path.name}: {type(e).__name__}: {e}")
    files += 1
    records += len(data)
print(files, records)
