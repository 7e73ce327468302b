// The page of a node, and of the lab: what the server tells as events, shown. It decides nothing and keeps nothing but a colour scheme.
// Every text from outside goes in as text, never as markup.
"use strict";

const LINES_MAX = 300;
const GRADES = {
  attached: "good", degraded: "fair", isolated: "bad",
  ready: "good", alive: "fair", unknown: "other", "not-ready": "fair", unreachable: "bad", impostor: "bad",
  good: "good", waiting: "other", empty: "fair", failed: "bad", running: "good", killed: "bad", stopped: "bad", frozen: "bad", "black-holed": "bad", starting: "fair", stopping: "fair",
};
const KEYS = { k: "kill", t: "stop", f: "freeze", b: "black-hole", s: "start" };
const DEEDS = { kill: "Kill", stop: "Stop", freeze: "Freeze", "black-hole": "Black-hole", start: "Start" };

const $ = (id) => document.getElementById(id);
const nodes = new Map();
let servers = [];
let token = "";
let chosen = 0;
let skew = 0;

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) element.append(child);
  }
  return element;
}

const graded = (word) => make("span", { class: `state ${GRADES[word] || "other"}` }, word);

function ago(time) {
  if (!time) return "never";
  const seconds = Math.max(0, Math.round((Date.now() + skew - Date.parse(time)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

// Ages grow while nothing happens: they are written anew each second, and nothing else is.
const age = (time) => make("time", { datetime: time || null, class: "age" }, ago(time));

function head(...names) {
  return make("thead", {}, make("tr", {}, names.map((name) => make("th", { scope: "col" }, name))));
}

function endpoints(status) {
  const rows = status.endpoints.map((endpoint) => make("tr", {},
    make("td", { class: "address" }, endpoint.address, endpoint.node ? make("div", { class: "other" }, endpoint.node.name) : null),
    make("td", { class: "state-cell" }, graded(endpoint.health), endpoint.suspected ? " ?" : "", " ", age(endpoint.health_since)),
    make("td", {}, endpoint.standing, endpoint.administration === "enabled" ? "" : `, ${endpoint.administration}`),
    make("td", { class: "count" }, `${endpoint.sessions} ${endpoint.sessions === 1 ? "session" : "sessions"}`),
    make("td", {}, endpoint.reason)));
  return make("table", { class: "endpoints" },
    make("caption", {}, "Endpoints, best first"),
    head("Endpoint", "Health", "Standing", "Sessions", "Why"), make("tbody", {}, rows));
}

function sources(status) {
  const rows = status.sources.map((source) => make("tr", {},
    make("th", { scope: "row" }, source.name),
    make("td", { class: "state-cell" }, graded(source.state), source.last_report ? " " : "", source.last_report ? age(source.last_report) : null),
    make("td", {}, source.error || source.note || `lists ${source.endpoints.length}`)));
  return make("table", {}, make("caption", {}, "Sources"), head("Source", "State", "What it says"), make("tbody", {}, rows));
}

function node(status) {
  const sessions = status.sessions;
  return make("article", { class: "node", "aria-label": `node ${status.node}`, "data-node": status.node, "data-state": status.state },
    make("h3", {}, status.node, ": ", graded(status.state), " for ", age(status.since)),
    make("p", {}, status.state_reason),
    status.warnings.map((warning) => make("p", { class: "warning" }, `Note: ${warning}`)),
    endpoints(status), sources(status),
    make("p", {}, `${sessions.open} sessions open, ${sessions.opened_total} opened, ${sessions.refused_total} refused · jackline ${status.version}, process ${status.pid}`));
}

function showNode(status) {
  skew = Date.parse(status.now) - Date.now();
  nodes.set(status.node, status);
  $("nodes-title").textContent = nodes.size > 1 ? "Nodes" : "Node";
  const fresh = node(status);
  const old = [...$("nodes").children].find((there) => there.dataset.node === status.node);
  if (old) old.replaceWith(fresh); else $("nodes").append(fresh);
  const states = [...nodes.values()].map((one) => one.state);
  const worst = ["isolated", "degraded", "attached"].find((state) => states.includes(state));
  document.title = `${worst} · jackline`;
}

async function act(server, deed) {
  const name = DEEDS[deed];
  try {
    const answer = await fetch("act", {
      method: "POST", headers: { "content-type": "application/json", "x-jackline-token": token },
      body: JSON.stringify({ server, deed }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  } catch (error) {
    line({ at: new Date().toISOString(), grade: "bad", text: `${name} ${server}: ${error.message}` });
  }
}

// A card is made once and then changed: whoever has the focus on a button keeps it.
function card(server, index) {
  const button = (deed) => {
    const made = make("button", { type: "button", "data-deed": deed, "aria-label": `${DEEDS[deed]} ${server.name}` }, DEEDS[deed]);
    made.addEventListener("click", () => { if (made.getAttribute("aria-disabled") === "false") act(server.name, deed); });
    return made;
  };
  return make("li", { "data-server": server.name, },
    make("strong", {}, `${index + 1} ${server.name}`), " ", make("span", { class: "condition" }),
    make("div", { class: "other" }, server.role, ", ", make("span", { class: "address" }, server.address)),
    make("div", { class: "deeds", role: "group", "aria-label": server.name }, Object.keys(DEEDS).map(button)));
}

function showServers(told) {
  token = told.token;
  servers = told.servers;
  $("stage").hidden = false;
  if ($("servers").children.length !== servers.length) $("servers").replaceChildren(...servers.map(card));
  servers.forEach((server, index) => {
    const shown = $("servers").children[index];
    shown.classList.toggle("chosen", index === chosen);
    shown.dataset.condition = server.condition;
    shown.querySelector(".condition").replaceChildren(graded(server.condition));
    for (const button of shown.querySelectorAll("button")) {
      button.setAttribute("aria-disabled", String(!server.deeds.includes(button.dataset.deed)));
    }
  });
}

function line(told) {
  const clock = new Date(told.at).toLocaleTimeString([], { hour12: false });
  $("lines").prepend(make("li", { class: told.grade }, make("time", { datetime: told.at }, clock), told.text));
  while ($("lines").children.length > LINES_MAX) $("lines").lastChild.remove();
}

document.addEventListener("keydown", (event) => {
  if (!servers.length || event.ctrlKey || event.metaKey || event.altKey) return;
  const digit = Number(event.key);
  if (digit >= 1 && digit <= servers.length) {
    chosen = digit - 1;
    showServers({ token, servers });
  } else if (KEYS[event.key] && servers[chosen].deeds.includes(KEYS[event.key])) {
    act(servers[chosen].name, KEYS[event.key]);
  }
});

function theme(value) {
  if (value) document.documentElement.dataset.theme = value;
}
try { theme(localStorage.getItem("theme")); } catch { /* no storage: the system's choice holds */ }
$("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  theme(dark ? "light" : "dark");
  try { localStorage.setItem("theme", dark ? "light" : "dark"); } catch { /* only until the page is left */ }
});

setInterval(() => {
  for (const element of document.querySelectorAll("time.age")) element.textContent = ago(element.getAttribute("datetime"));
}, 1000);

const events = new EventSource("events");
events.addEventListener("open", () => { $("link").textContent = "live"; });
events.addEventListener("error", () => { $("link").textContent = "not connected; trying again …"; });
events.addEventListener("node", (event) => showNode(JSON.parse(event.data)));
events.addEventListener("servers", (event) => showServers(JSON.parse(event.data)));
events.addEventListener("change", (event) => line(JSON.parse(event.data)));
