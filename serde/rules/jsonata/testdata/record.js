// Records what the official evaluator says: for each line of expressions.txt the
// result or the code of the error, in recorded.jsonl. Run it where jsonata 2.2.2
// is installed:
//
//	npm install jsonata@2.2.2 && node record.js
const fs = require("fs"), path = require("path");
const jsonata = require("jsonata");

(async () => {
  const at = (f) => path.join(__dirname, f);
  const documents = JSON.parse(fs.readFileSync(at("documents.json"), "utf8"));
  let document = null, out = "";
  for (const line of fs.readFileSync(at("expressions.txt"), "utf8").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("@")) { document = line.slice(1); continue; }
    const row = { document: document, expression: line };
    try {
      const v = await jsonata(line).evaluate(documents[document]);
      row.result = v === undefined ? null : JSON.parse(JSON.stringify(v));
    } catch (e) {
      row.error = e.code || "?";
    }
    out += JSON.stringify(row) + "\n";
  }
  fs.writeFileSync(at("recorded.jsonl"), out);
})();
