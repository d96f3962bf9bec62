"use strict";
// What pages are made of. Data only ever becomes text nodes.

function h(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(props || {})) {
    if (value === undefined || value === false || value === null) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "width" || key === "left") node.style[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false).map((c) => (typeof c === "number" ? String(c) : c)));
  return node;
}

const number = (n) => Number(n).toLocaleString("en-US");
const plural = (n, one) => `${number(n)} ${one}${n === 1 ? "" : "s"}`;
const percent = (x) => (100 * x).toFixed(1) + " %";

function bytes(n) {
  let unit = 0;
  while (n >= 1024 && unit < 5) { n /= 1024; unit++; }
  return (unit ? n.toFixed(1) : n) + " " + ["B", "KiB", "MiB", "GiB", "TiB", "PiB"][unit];
}

function ago(ms) {
  if (!ms) return "";
  const s = Math.max(0, (Date.now() - ms) / 1000);
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (s >= size) return plural(Math.floor(s / size), unit) + " ago";
  }
  return "just now";
}

const link = (page, name, text) => h("a", { href: `#/${page}/${encodeURIComponent(name)}` }, text === undefined ? name : text);
const pill = (text, kind) => h("span.pill" + (kind ? "." + kind : ""), null, text);
const empty = (...text) => h("div.empty", null, ...text);

// A column is [title, cell(row), class].
function table(rows, columns, none) {
  if (!rows.length) return h("div.panel", null, empty(...[none].flat()));
  return h("div.panel", null, h("table", null,
    h("thead", null, h("tr", null, columns.map(([title, , cls]) => h("th" + (cls ? "." + cls : ""), { scope: "col" }, title)))),
    h("tbody", null, rows.map((row) => h("tr", null, columns.map(([, cell, cls]) => h("td" + (cls ? "." + cls : ""), null, cell(row))))))));
}

// Parts of a topic beside each other; a partition far above the mean stands out.
function stack(topic) {
  const mean = 1 / topic.partitions.length;
  return h("div.stack", { role: "img", "aria-label": `skew ${topic.skew.toFixed(2)}`, title: topic.partitions.map((p) => `${p.partition}: ${percent(p.recordShare)}`).join("\n") },
    topic.partitions.filter((p) => p.records > 0).map((p) => h("i" + (hot(p, mean) ? ".hot" : ""), { width: percent(p.recordShare).replace(" ", "") })));
}

const hot = (partition, mean) => partition.recordShare > 1.5 * mean && mean < 1;

function skew(topic) {
  if (!topic.skew) return pill("empty");
  return pill("skew " + topic.skew.toFixed(2), topic.skew > 1.5 ? "warn" : "ok");
}

// Compaction may have taken some of a topic's records.
const atMost = (topic, n) => (topic.compacted && n ? "≤ " : "") + number(n);

// How many partitions of a topic are offline, if some are.
function offline(topic) {
  const n = topic.partitions.filter((p) => p.fault).length;
  return n ? [" ", pill(`${n} offline`, "bad")] : null;
}

// Lag in records, and in time if the broker tells it.
const lag = (n, behind) => pill(number(n || 0) + (n && behind && behind.lagSeconds >= 1 ? " · " + seconds(behind.lagSeconds) : ""), n ? "warn" : "ok");

function seconds(s) {
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) if (s >= 2 * size) return `${Math.floor(s / size)} ${unit}`;
  return `${Math.floor(s)} s`;
}

const rate = (t) => (!t || !t.recordsInPerSecond ? "—" : `${t.recordsInPerSecond < 10 ? t.recordsInPerSecond.toFixed(1) : number(Math.round(t.recordsInPerSecond))}/s`);

// The busiest partition of late, beside the mean of all.
function busiest(t) {
  if (!t || !t.skew) return pill("quiet");
  const p = t.partitions.reduce((a, b) => (b.bytesInPerSecond > a.bytesInPerSecond ? b : a));
  return pill(`p${p.partition} takes ${t.skew.toFixed(1)} × the mean`, t.skew > 1.5 ? "warn" : "ok");
}

// Colours of JSON and of Protobuf sources.
const token = /("(?:[^"\\]|\\.)*")(\s*:)?|(\/\/[^\n]*)|\b(true|false|null|syntax|package|import|message|enum|oneof|repeated|optional|required|reserved|map|service|rpc|returns|option)\b|(-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)/g;

function coloured(text) {
  const out = [];
  let last = 0;
  for (const m of text.matchAll(token)) {
    out.push(text.slice(last, m.index));
    if (m[1]) { out.push(h(m[2] ? "span.k" : "span.s", null, m[1])); if (m[2]) out.push(m[2]); }
    else out.push(h(m[3] ? "span.c" : m[4] ? "span.l" : "span.d", null, m[0]));
    last = m.index + m[0].length;
  }
  out.push(text.slice(last));
  return out;
}

// A schema text for people: JSON indented, with small objects on one line.
function pretty(text) {
  try { return layout(JSON.parse(text), ""); } catch { return text.trim(); }
}

function layout(v, indent) {
  if (v === null || typeof v !== "object") return JSON.stringify(v);
  const items = Array.isArray(v) ? v.map((x) => [null, x]) : Object.entries(v);
  const [open, close] = Array.isArray(v) ? "[]" : "{}";
  if (!items.length) return open + close;
  const part = ([key, x], inner) => (key === null ? "" : JSON.stringify(key) + ": ") + layout(x, inner);
  const line = open + items.map((i) => part(i, "")).join(", ") + close;
  if (line.length + indent.length <= 88 && !line.includes("\n")) return line;
  const inner = indent + "  ";
  return open + "\n" + items.map((i) => inner + part(i, inner)).join(",\n") + "\n" + indent + close;
}

// Lines that two texts share and do not, by their longest common subsequence.
function lineDiff(before, after) {
  const a = before.split("\n"), b = after.split("\n");
  if (a.length * b.length > 4e6) return null;
  const w = b.length + 1, best = new Uint32Array((a.length + 1) * w);
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) {
    best[i * w + j] = a[i] === b[j] ? best[(i + 1) * w + j + 1] + 1 : Math.max(best[(i + 1) * w + j], best[i * w + j + 1]);
  }
  const out = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) { out.push(["", a[i]]); i++; j++; }
    else if (i < a.length && (j >= b.length || best[(i + 1) * w + j] >= best[i * w + j + 1])) out.push(["del", a[i++]]);
    else out.push(["add", b[j++]]);
  }
  return out;
}

async function ask(path, query) {
  const answer = await fetch("api/" + path + (query ? "?" + new URLSearchParams(query) : ""));
  const body = await answer.json().catch(() => ({ message: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Error(body.message);
  return body;
}

// What only the broker beside these pages knows, which is none of the Kafka protocol; null if there is no such broker.
async function broker(kind, name) {
  const answer = await fetch("../broker/" + kind + (name === undefined ? "" : "/" + encodeURIComponent(name))).catch(() => null);
  return answer && answer.ok ? answer.json().catch(() => null) : null;
}

const of = (found, key, name) => (found ? found[key + "s"].find((x) => x[key] === name) : undefined);
