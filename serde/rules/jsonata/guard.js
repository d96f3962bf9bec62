// Runs once in each runtime, after the evaluator. host is what the Go side
// offers: spend(n), weigh(value), occurrences(text, part), encode64(text),
// decode64(text), and names, those of the built-in functions.
(function (host) {
  "use strict";
  const everything = globalThis;

  // grant(n) asks for the memory of n characters or items.
  everything.grant = function (n) {
    host.spend(n > 0 ? 16 * n : 0);
    return n;
  };

  // What becomes text is measured before: shared parts multiply in it.
  const toJSON = JSON.stringify;
  everything.stringify = function (value, replacer, indent) {
    host.weigh(value);
    return typeof value === "bigint" ? String(value) : toJSON(value, replacer, indent);
  };
  BigInt.prototype.toJSON = function () { return String(this); };

  // $base64encode and $base64decode are made for Node's Buffer.
  const from = function (text, encoding) {
    const done = encoding === "base64" ? host.decode64(text) : host.encode64(text);
    return { toString: function () { return done; } };
  };
  everything.Buffer = { from: from };

  // ask has a built-in function ask for memory before it runs.
  const ask = function (name, before) {
    const f = jsonata("$" + name).evaluate(null);
    const own = f.implementation;
    const wrapped = function () {
      before.apply(null, arguments);
      return own.apply(this, arguments);
    };
    Object.defineProperty(wrapped, "length", { value: own.length });
    f.implementation = wrapped;
  };
  ask("join", function (list, separator) {
    if (Array.isArray(list)) {
      let n = list.length * String(separator || "").length;
      for (const item of list) n += item.length;
      grant(n);
    }
  });
  ask("replace", function (text, pattern, by) {
    if (typeof text === "string" && typeof by === "string") {
      // A group holds part of its match, and matches do not overlap.
      const n = typeof pattern === "string" ? host.occurrences(text, pattern) : text.length + 1;
      const groups = typeof pattern === "string" ? 0 : by.split("$").length;
      if (typeof pattern === "string") grant(n * by.length);
      grant(text.length * (1 + groups));
    }
  });
  ask("zip", function () {
    let n = 0;
    for (const list of arguments) n = Math.max(n, Array.isArray(list) ? list.length : 0);
    grant(n * arguments.length);
  });
  ask("split", function (text) {
    if (typeof text === "string") grant(text.length);
  });

  // Nothing an expression does can change or add to what all evaluations share:
  // a transform would otherwise reach into the built-in functions.
  for (const name of host.names) {
    const f = jsonata("$" + name).evaluate(null);
    Object.freeze(f.implementation);
    Object.freeze(f.signature);
    for (const member of Object.keys(f)) Object.defineProperty(f, member, { writable: false, configurable: false });
    f.token = f.position = undefined; // where it was called last, for errors
    Object.preventExtensions(f);
  }
  for (const shared of [Object, Array, String, Number, Boolean, Function, RegExp, Date, Error, Symbol, Map, Set, Promise, BigInt]) {
    Object.preventExtensions(shared);
    Object.preventExtensions(shared.prototype);
  }
  Object.freeze(Math);
  Object.freeze(JSON);

  // compile returns what evaluates an expression.
  return function (text, engine, depth, items, left) {
    const e = jsonata(text, { RegexEngine: engine, stack: depth, sequence: items });
    e.assign(Symbol.for("jsonata.__evaluate_exit"), left);
    return function (document) { return e.evaluate(document); };
  };
})
