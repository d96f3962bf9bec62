"""Google's protobuf for Python as a judge of the JSON of messages.

One request is one line of JSON on standard input: descriptors (a
FileDescriptorSet) and the name of a message, and either data, a payload, or
text, its JSON. Its answer is one line on standard output: the text of that
data, or the data of that text, or an error.
"""

import base64
import json
import sys

from google import protobuf
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

if sys.argv[1:] == ["version"]:
    sys.exit(print("protobuf", protobuf.__version__))

pools = {}


def pool(descriptors):
    if descriptors not in pools:
        pools[descriptors] = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(descriptors)).file:
            pools[descriptors].Add(file)
    return pools[descriptors]


for line in sys.stdin:
    r = json.loads(line)
    try:
        types = pool(r["descriptors"])
        m = message_factory.GetMessageClass(types.FindMessageTypeByName(r["message"]))()
        if r.get("text"):
            json_format.Parse(r["text"], m, descriptor_pool=types)
            out = {"data": base64.b64encode(m.SerializeToString(deterministic=True)).decode()}
        else:
            m.ParseFromString(base64.b64decode(r["data"]))
            out = {"text": json_format.MessageToJson(m, descriptor_pool=types)}
    except Exception as e:  # whatever it is, it is the answer
        out = {"error": f"{type(e).__name__}: {e}"}
    print(json.dumps(out), flush=True)
