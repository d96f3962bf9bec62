"use strict";
// One function for each page: it asks, and returns nodes.

const pages = {};

const filter = (what) => h("input", { type: "search", id: "filter", placeholder: `Filter ${what}  ( / )`, "aria-label": `Filter ${what}`, autocomplete: "off" });

// A list that the filter narrows while one types.
function filtered(input, rows, text, draw) {
  const box = h("div");
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    box.replaceChildren(draw(rows.filter((r) => words.every((w) => text(r).toLowerCase().includes(w))).slice(0, 500)));
  };
  input.addEventListener("input", show);
  show();
  return box;
}

pages.overview = async () => {
  const [o, behind, ill] = await Promise.all([ask("overview"), broker("groups"), broker("faults")]);
  document.getElementById("version").textContent = "Dovetail " + o.version;
  const card = (href, n, what, more) => h("a.card", { href }, h("b", null, n), h("span", null, what, more ? ` · ${more}` : ""));
  const types = ["AVRO", "PROTOBUF", "JSON"].filter((t) => o.types[t]).map((t) => `${o.types[t]} ${t[0] + t.slice(1).toLowerCase()}`).join(", ");
  const topics = [...(o.topics || [])].sort((a, b) => b.records - a.records).slice(0, 8);
  const groups = [...(o.groups || [])].sort((a, b) => b.lag - a.lag).slice(0, 8);
  return [
    h("h1", null, "Writers and readers, joined"),
    h("p.sub", null, "Compatibility where none is set:", pill(o.level || "unknown", "ok"), "mode", pill(o.mode || "unknown")),
    o.faults.map((f) => h("div.fault", { role: "alert" }, f)),
    faultList(ill),
    h("div.cards", null,
      card("#/subjects", number(o.subjects), o.subjects === 1 ? "subject" : "subjects", types),
      card("#/subjects", number(o.versions), o.versions === 1 ? "schema version" : "schema versions"),
      card("#/topics", number((o.topics || []).length), (o.topics || []).length === 1 ? "topic" : "topics", plural(o.partitions, "partition")),
      card("#/topics", number(o.records), "records kept", bytes(o.bytes)),
      card("#/groups", number(o.lag), "records behind", plural((o.groups || []).length, "group"))),
    h("div.two", null,
      h("section", null, h("h2", null, "Largest topics"), table(topics, [
        ["Topic", (t) => [link("topic", t.topic), offline(t)], "name"], ["Records", (t) => atMost(t, t.records), "n"],
        ["Partitions", stack, "wide"], ["", skew]], ["No topics yet. ", h("code", null, "dovetail topic create orders")])),
      h("section", null, h("h2", null, "Groups furthest behind"), table(groups, [
        ["Group", (g) => link("group", g.group), "name"], ["State", (g) => (g.fault ? pill("unknown", "bad") : pill(g.state))], ["Members", (g) => (g.members || []).length, "n"], ["Lag", (g) => lag(g.lag, of(behind, "group", g.group)), "n"]],
        ["No consumer groups yet. ", h("code", null, "dovetail consume orders --group billing")]))),
  ];
};

// What is wrong with the broker and its registry, and what to do; the same as `dovetail doctor` tells.
const faultList = (ill) => (ill ? ill.faults : []).map((f) => h("div.fault", { role: "alert" },
  h("b", null, f.kind.replaceAll("-", " ")), f.topic ? [" · ", link("topic", f.topic), f.partition === undefined ? "" : ` partition ${f.partition}`] : "", ": ", f.what,
  h("p", null, "What to do: ", f.remedy), f.since ? h("p", null, "since ", f.since.replace("T", " ").replace(/\..*|Z$/, ""), " UTC") : null));

pages.faults = async () => {
  const ill = await broker("faults");
  return [
    h("h1", null, "Faults"),
    h("p.sub", null, ill ? plural(ill.faults.length, "fault") : "Only the broker that is bundled with these pages tells what is wrong with it."),
    faultList(ill),
    ill && !ill.faults.length ? h("div.panel", null, empty("Nothing is wrong. On the command line: ", h("code", null, "dovetail doctor"))) : null,
  ];
};

pages.subjects = async () => {
  const rows = await ask("subjects");
  const input = filter("subjects");
  return [
    h("h1", null, "Subjects"),
    h("p.sub", null, plural(rows.length, "subject"), h("span.grow"), input),
    filtered(input, rows, (r) => r.subject + " " + r.schemaType + " " + r.compatibilityLevel, (shown) => table(shown, [
      ["Subject", (r) => link("subject", r.subject), "name"], ["Format", (r) => pill(r.schemaType)], ["Versions", (r) => r.versions, "n"],
      ["Latest", (r) => "v" + r.version, "n"], ["ID", (r) => r.id, "n"], ["Level", (r) => pill(r.compatibilityLevel, r.compatibilityLevel === "NONE" ? "warn" : "ok")],
      ["Mode", (r) => (r.mode === "READWRITE" ? "" : pill(r.mode, "warn"))], ["Changed", (r) => ago(r.ts)]],
      rows.length ? "No subject matches." : ["No subjects yet. ", h("code", null, "dovetail schema register orders-value order.avsc")])),
  ];
};

const safety = (j) => (j.backwardSafe && j.forwardSafe ? ["ok", "either version reads the other"] : j.backwardSafe ? ["warn", "the later version reads the earlier one, not the other way round"]
  : j.forwardSafe ? ["warn", "the earlier version reads the later one, not the other way round"] : ["bad", "neither version reads the other"]);

pages.subject = async (name) => {
  const s = await ask("subject", { name });
  const detail = h("div");
  const buttons = s.versions.map((v) => h("button", { type: "button", "aria-pressed": "false", onclick: () => show(v) }, "v" + v.version, h("small", null, v.ts ? ago(v.ts) : "ID " + v.id)));
  async function show(v) {
    const i = s.versions.indexOf(v), before = s.versions[i - 1];
    buttons.forEach((b, j) => b.setAttribute("aria-pressed", String(i === j)));
    detail.replaceChildren(...[await versionDetail(name, v, before)].flat(Infinity));
  }
  const chain = h("div.chain", { role: "group", "aria-label": "Versions" });
  s.versions.forEach((v, i) => {
    if (i > 0 && v.joint) {
      const [kind, words] = safety(v.joint);
      chain.append(h("span.joint." + kind, { title: `v${s.versions[i - 1].version} and v${v.version}: ${words}`, role: "img", "aria-label": words }));
    }
    chain.append(buttons[i]);
  });
  if (s.versions.length) await show(s.versions[s.versions.length - 1]);
  return [
    h("h1", null, s.subject),
    h("p.sub", null, s.versions.length ? pill(s.versions[0].schemaType) : null, plural(s.total, "version") + " · level", pill(s.level, s.level === "NONE" ? "warn" : "ok"), "mode", pill(s.mode),
      s.total > s.versions.length ? `· the newest ${s.versions.length} are shown` : null, h("span.grow"), topicLink(s.subject)),
    chain, detail,
  ];
};

function topicLink(subject) {
  const m = /^(.+)-(key|value)$/.exec(subject);
  return m && !subject.startsWith(":") ? link("topic", m[1], `topic ${m[1]} →`) : null;
}

async function versionDetail(name, v, before) {
  const text = pretty(v.schema);
  const out = [h("h2", null, `Version ${v.version}`, pill("ID " + v.id),
    (v.references || []).map((r) => h("a.pill", { href: `#/subject/${encodeURIComponent(r.subject)}` }, `${r.name} → ${r.subject} v${r.version}`)),
    h("span.grow"), h("button", { type: "button", onclick: (e) => navigator.clipboard.writeText(v.schema).then(() => { e.target.textContent = "Copied"; }) }, "Copy"))];
  const source = h("div.panel", null, h("pre", { tabindex: "0" }, coloured(text)));
  if (!before) return [out, source];
  const [kind, words] = safety(v.joint);
  const changes = await ask("diff", { name, from: before.version, to: v.version });
  const lines = lineDiff(pretty(before.schema), text);
  return [out, h("div.two", null,
    h("section", null, h("h2", null, "Schema"), source),
    h("section", null, h("h2", null, `Changes since version ${before.version}`, pill(words, kind)),
      lines ? h("div.panel", null, h("pre.diff", { tabindex: "0" }, lines.map(([how, line]) => h("span" + (how ? "." + how : ""), null, line)))) : null,
      h("h2", null, "What they mean"),
      table(changes, [["Change", (c) => c.rule.toLowerCase().replaceAll("_", " "), "name"], ["At", (c) => h("code", null, c.path || "")],
        ["New reads old", (c) => pill(c.backwardSafe ? "yes" : "no", c.backwardSafe ? "ok" : "bad")], ["Old reads new", (c) => pill(c.forwardSafe ? "yes" : "no", c.forwardSafe ? "ok" : "bad")]],
        "Nothing that a reader or a writer would notice.")))];
}

pages.topics = async () => {
  const [rows, traffic] = await Promise.all([ask("topics"), broker("topics")]);
  const now = (r) => of(traffic, "topic", r.topic);
  const input = filter("topics");
  return [
    h("h1", null, "Topics"),
    h("p.sub", null, plural(rows.length, "topic"), h("span.grow"), input),
    filtered(input, rows, (r) => r.topic, (shown) => table(shown, [
      ["Topic", (r) => [link("topic", r.topic), offline(r)], "name"], ["Partitions", (r) => r.partitions.length, "n"], ["Records", (r) => atMost(r, r.records), "n"],
      ["Size", (r) => bytes(r.bytes), "n"], ["Records per partition", stack, "wide"], ["", skew],
      ...(traffic ? [["Written", (r) => rate(now(r)), "n"], ["Now", (r) => busiest(now(r))]] : [])],
      rows.length ? "No topic matches." : ["No topics yet. ", h("code", null, "dovetail topic create orders --partitions 6")])),
  ];
};

pages.topic = async (name) => {
  const t = await ask("topic", { name });
  const now = h("section"), why = h("div"), rates = t.partitions.map(() => h("span"));
  async function traffic() {
    const found = await broker("topics", name);
    now.replaceChildren(...(found ? trafficNow(found.topics[0]) : []));
    if (found) found.topics[0].partitions.forEach((p, i) => rates[i] && rates[i].replaceChildren(p.offline ? "—" : rate(p)));
    why.replaceChildren(...(found ? found.topics[0].partitions : []).filter((p) => p.offline).map((p) => h("div.fault", { role: "alert" }, h("b", null, `partition ${p.partition} is offline`), ": ", p.offline,
      h("p", null, h("a", { href: "#/faults" }, "What to do")))));
    return found;
  }
  const mean = 1 / t.partitions.length, largest = Math.max(...t.partitions.map((p) => p.recordShare), 1e-9);
  const bar = (p) => h("div.bar" + (hot(p, mean) ? ".hot" : ""), { title: `the mark is the mean, ${percent(mean)}` },
    p.records ? h("i", { width: (100 * p.recordShare) / largest + "%" }) : null, h("u", { left: `calc(${Math.min(100, (100 * mean) / largest)}% - 2px)` }));
  const list = h("div");
  const choose = h("select", { "aria-label": "Partition", onchange: () => load() }, h("option", { value: "" }, "all partitions"), t.partitions.map((p) => h("option", { value: p.partition }, "partition " + p.partition)));
  const live = h("button", { type: "button", "aria-pressed": "false", title: "Read again every two seconds", onclick: () => {
    const on = live.getAttribute("aria-pressed") !== "true";
    live.setAttribute("aria-pressed", String(on));
    if (on) tick();
  } }, "Live");
  let drawn = "";
  async function load() {
    try {
      const records = await ask("records", choose.value === "" ? { topic: name } : { topic: name, partition: choose.value });
      const now = JSON.stringify(records);
      if (now === drawn) return;
      drawn = now;
      list.replaceChildren(records.length ? h("div.panel", null, records.map(recordRow)) : h("div.panel", null, empty("No records. ", h("code", null, `dovetail produce ${name}`))));
    } catch (e) { drawn = ""; list.replaceChildren(h("div.fault", { role: "alert" }, e.message)); }
  }
  function tick() {
    setTimeout(async () => {
      if (!live.isConnected || live.getAttribute("aria-pressed") !== "true") return;
      await Promise.all([load(), traffic()]);
      tick();
    }, 2000);
  }
  const [, known] = await Promise.all([load(), traffic()]);
  return [
    h("h1", null, t.topic),
    h("p.sub", null, [plural(t.partitions.length, "partition"), (t.compacted ? "compacted, at most " : "") + plural(t.records, "record"), bytes(t.bytes)].join(" · "), skew(t), offline(t), h("span.grow"), link("subject", t.topic + "-value", `subject ${t.topic}-value →`)),
    table(t.partitions, [["Partition", (p) => p.partition, "n"], ["First", (p) => (p.fault ? "—" : number(p.startOffset)), "n"], ["End", (p) => (p.fault ? "—" : number(p.endOffset)), "n"],
      ["Records", (p) => (p.fault ? pill(known ? "offline" : p.fault, "bad") : atMost(t, p.records)), "n"], ["Share", (p) => percent(p.recordShare), "n"], ["", bar, "wide"], ["Size", (p) => bytes(p.bytes), "n"],
      ...(known ? [["Written", (p) => rates[p.partition], "n"]] : [])], "No partitions."),
    why,
    now,
    h("h2", null, "Last records", h("span.grow"), choose, live),
    list,
  ];
};

// What the broker saw of a topic in the last minutes: which partition is busiest, and which keys make it so.
function trafficNow(t) {
  const text = (k) => (k.key !== undefined ? k.key : "0x" + k.keyHex) + (k.truncated ? "…" : "");
  return [
    h("h2", null, "Traffic", pill(`${rate(t)} written`), pill(`${bytes(Math.round(t.bytesOutPerSecond))}/s read`), busiest(t)),
    table(t.hotKeys.filter((k) => k.atLeast > 0), [["Most frequent keys", (k) => h("code", null, text(k)), "name"], ["Partition", (k) => k.partition, "n"],
      ["Share of records", (k) => (k.share - k.atLeast > 0.001 ? `${percent(k.atLeast)} to ${percent(k.share)}` : percent(k.share)), "n"],
      ["", (k) => h("div.bar" + (k.atLeast > 0.2 ? ".hot" : ""), null, h("i", { width: 100 * k.atLeast + "%" })), "wide"]],
      t.noKeyShare > 0.5 ? "Records have no keys: they go to any partition, in no order." : "Nothing was written since the server started."),
  ];
}

const oneLine = (v) => (v === null ? h("span.c", null, "null") : typeof v === "string" ? v : coloured(JSON.stringify(v)));

function recordRow(r) {
  const row = h("details.rec", null, h("summary", null,
    h("time", { datetime: r.timestamp }, r.timestamp.replace("T", " ").replace(/\..*|Z$/, "")), h("span.n", { title: "partition" }, "p" + r.partition), h("span.n", { title: "offset" }, "@" + number(r.offset)),
    h("code", null, r.key === null ? "" : oneLine(r.key)), h("code.v", null, oneLine(r.value)),
    r.fault ? pill("unreadable", "bad") : r.schemaId ? pill("ID " + r.schemaId, "ok") : pill("no schema")));
  row.addEventListener("toggle", () => {
    if (!row.open || row.children.length > 1) return;
    const body = typeof r.value === "string" ? r.value : layout(r.value, "");
    const where = h("dd", null, r.schemaId ? "…" : "none");
    row.append(h("dl", null, h("dt", null, "Key"), h("dd", null, h("code", null, oneLine(r.key))), h("dt", null, "Schema"), where,
      h("dt", null, "Size"), h("dd", null, bytes(r.bytes)), (r.headers || []).map((x) => [h("dt", null, x.name), h("dd", null, h("code", null, oneLine(x.value)))]),
      r.fault ? [h("dt", null, "Fault"), h("dd", null, r.fault)] : null), h("pre", null, typeof r.value === "string" ? body : coloured(body)));
    if (r.schemaId) ask("schema", { id: r.schemaId }).then((s) => where.replaceChildren(s.subject ? link("subject", s.subject, `${s.subject} v${s.version}`) : "", ` ID ${s.id}, ${s.schemaType}`), (e) => where.replaceChildren(e.message));
  });
  return row;
}

pages.groups = async () => {
  const [rows, behind] = await Promise.all([ask("groups"), broker("groups")]);
  const input = filter("groups");
  return [
    h("h1", null, "Consumer groups"),
    h("p.sub", null, plural(rows.length, "group"), h("span.grow"), input),
    filtered(input, rows, (r) => r.group + " " + r.state, (shown) => table(shown, [
      ["Group", (r) => link("group", r.group), "name"], ["State", (r) => (r.fault ? [pill("unknown", "bad"), " ", r.fault] : pill(r.state, r.state === "Stable" ? "ok" : ""))], ["Protocol", (r) => r.protocol], ["Assignor", (r) => r.assignor || ""],
      ["Members", (r) => (r.members || []).length, "n"], ["Partitions", (r) => (r.partitions || []).length, "n"], ["Lag", (r) => lag(r.lag, of(behind, "group", r.group)), "n"]],
      rows.length ? "No group matches." : "No consumer groups yet.")),
  ];
};

pages.group = async (name) => {
  const [g, found] = await Promise.all([ask("group", { name }), broker("groups", name)]);
  const behind = of(found, "group", name);
  const part = (p) => behind && behind.partitions.find((b) => b.topic === p.topic && b.partition === p.partition);
  const done = (p) => (p.endOffset ? Math.max(0, 1 - p.lag / p.endOffset) : 1);
  return [
    h("h1", null, g.group),
    h("p.sub", null, pill(g.state, g.state === "Stable" ? "ok" : ""), [g.protocol, g.assignor, plural(g.members.length, "member"), "lag"].filter(Boolean).join(" · "), lag(g.lag, behind)),
    h("h2", null, "Members"),
    table(g.members, [["Member", (m) => h("code", null, m.member), "name"], ["Instance", (m) => m.instance || ""], ["Client", (m) => m.client], ["Host", (m) => m.host], ["Partitions", (m) => m.partitions, "n"]],
      "Nobody reads as this group at the moment."),
    h("h2", null, "Partitions"),
    table(g.partitions, [["Topic", (p) => link("topic", p.topic), "name"], ["Partition", (p) => p.partition, "n"], ["Committed", (p) => (p.committed < 0 ? "—" : number(p.committed)), "n"], ["End", (p) => (p.fault ? pill("offline", "bad") : number(p.endOffset)), "n"],
      ["Read", (p) => h("div.bar" + (p.lag ? ".hot" : ""), { title: percent(done(p)) }, h("i", { width: 100 * done(p) + "%" })), "wide"], ["Lag", (p) => lag(p.lag, part(p)), "n"], ["Member", (p) => h("code", null, p.member || "")]], "Nothing was committed, and nothing is assigned."),
  ];
};
