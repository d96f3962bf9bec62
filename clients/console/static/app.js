"use strict";
// From the address to a page, the keyboard, and the theme.

const main = document.getElementById("main");
let turn = 0;

async function go() {
  const mine = ++turn;
  const [page, name] = location.hash.replace(/^#\//, "").split("/");
  const key = page || "overview";
  const draw = pages[key] || pages.overview;
  for (const a of document.querySelectorAll("nav a")) {
    if (a.dataset.page === key || a.dataset.page === key + "s") a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  let nodes;
  try {
    nodes = await draw(decodeURIComponent(name || ""));
  } catch (e) {
    nodes = [h("h1", null, "That did not work"), h("div.fault", { role: "alert" }, e.message), h("p", null, h("button", { type: "button", onclick: go }, "Try again"))];
  }
  if (mine !== turn) return; // another page was asked for meanwhile
  examine();
  main.replaceChildren(...nodes.flat(Infinity).filter(Boolean));
  const title = main.querySelector("h1");
  document.title = (key === "overview" || !title ? "" : title.textContent + " · ") + "Dovetail";
}

// The header says on every page whether something is wrong.
async function examine() {
  const ill = await broker("faults"), n = ill ? ill.faults.length : 0, badge = document.getElementById("ill");
  badge.hidden = !n;
  badge.textContent = plural(n, "fault");
}
setInterval(() => { if (!document.hidden) examine(); }, 30000);

addEventListener("hashchange", () => { go().then(() => { scrollTo(0, 0); main.focus({ preventScroll: true }); }); });

function theme(to) {
  document.documentElement.dataset.theme = to;
  try { localStorage.setItem("theme", to); } catch { /* private windows */ }
}

function turnTheme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  theme(dark ? "light" : "dark");
}

document.getElementById("theme").addEventListener("click", turnTheme);
try { if (localStorage.getItem("theme")) theme(localStorage.getItem("theme")); } catch { /* private windows */ }

let pressed = "";
addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.target.matches("input, select, textarea")) {
    if (e.key === "Escape") e.target.blur();
    return;
  }
  const places = { o: "#/", s: "#/subjects", t: "#/topics", g: "#/groups", f: "#/faults" };
  if (pressed === "g" && places[e.key]) { location.hash = places[e.key]; pressed = ""; return; }
  pressed = e.key;
  if (e.key === "/" && document.getElementById("filter")) { e.preventDefault(); document.getElementById("filter").focus(); }
  if (e.key === "t") turnTheme();
});

go();
