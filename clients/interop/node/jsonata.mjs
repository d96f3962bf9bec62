// The official JSONata evaluator.
//
// One evaluation is one line of JSON on standard input, {document, expression},
// its outcome one line on standard output: {result}, null for none, or {error},
// the code.

import { readFileSync } from 'node:fs'
import process from 'node:process'
import readline from 'node:readline'
import jsonata from 'jsonata'

if (process.argv[2] === 'version') {
  console.log('jsonata ' + JSON.parse(readFileSync(new URL('node_modules/jsonata/package.json', import.meta.url))).version)
  process.exit(0)
}
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { document, expression } = JSON.parse(line)
  let out
  try {
    const v = await jsonata(expression).evaluate(document)
    out = { result: v === undefined ? null : JSON.parse(JSON.stringify(v)) }
  } catch (e) {
    out = { error: e.code || '?' }
  }
  process.stdout.write(JSON.stringify(out) + '\n')
}
