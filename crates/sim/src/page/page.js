// Draws the page's own JSON. Where it looks (moment, width, groups, words) stands in the address's fragment, so a link
// leads to a moment.
(() => {
  "use strict";
  const page = JSON.parse(document.getElementById("data").textContent);
  const MARKS_SHOWN = 600;
  const SPANS_SHOWN = 600;
  const whole = { from: page.from_ms, to: Math.max(page.to_ms, page.from_ms + 1) };
  const groups = [...new Set(page.lanes.map((lane) => lane.group))];
  const view = { at: whole.from, from: whole.from, to: whole.to, show: new Set(groups), find: "", chosen: null };

  const the = (id) => document.getElementById(id);
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") element.className = value;
      else if (name === "text") element.textContent = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

  // Times: a world's own in seconds, a journal's by the wall clock (UTC).
  const timeOf = (ms) => page.wall_ms === null
    ? `${(ms / 1000).toFixed(3)} s`
    : `${new Date(page.wall_ms + ms - page.from_ms).toISOString().slice(11, 23)}Z`;
  const timeFrom = (text) => {
    const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?Z?$/.exec(text.trim());
    if (clock && page.wall_ms !== null) {
      const day = Math.floor(page.wall_ms / 86400000) * 86400000;
      const ms = (Number(clock[1]) * 60 + Number(clock[2])) * 60000 + Number(clock[3] || 0) * 1000;
      const at = day + ms - page.wall_ms + page.from_ms;
      return at < whole.from ? at + 86400000 : at;
    }
    const seconds = parseFloat(text);
    return Number.isFinite(seconds) ? Math.round(seconds * 1000) : null;
  };

  // What is shown.
  const matches = (text) => text.toLowerCase().includes(view.find.toLowerCase());
  const marksOf = (lane) => view.find === "" || matches(lane.name)
    ? lane.marks
    : lane.marks.filter((mark) => matches(mark.what) || mark.why.some(matches));
  const shownLanes = () => page.lanes.filter((lane) => view.show.has(lane.group) && (view.find === "" ||
    matches(lane.name) || marksOf(lane).length > 0 || lane.spans.some((span) => matches(span.state) || matches(span.why))));
  const decisions = () => {
    const all = [];
    for (const lane of shownLanes()) for (const mark of marksOf(lane)) all.push({ lane, mark });
    return all.sort((a, b) => a.mark.at_ms - b.mark.at_ms);
  };

  const percent = (ms) => ((ms - view.from) / (view.to - view.from)) * 100;
  // Too many to draw are thinned evenly: seek closer to see them all.
  const thinned = (pieces, most) => pieces.length <= most ? pieces
    : pieces.filter((_, place) => Math.floor(place * most / pieces.length) !== Math.floor((place - 1) * most / pieces.length));

  const drawDetail = () => {
    const detail = the("detail");
    detail.replaceChildren();
    if (!view.chosen) {
      detail.append(make("p", { text: "Point at a decision, or step to one, to read its reason here." }));
      return;
    }
    const { lane, mark } = view.chosen;
    detail.append(make("strong", { text: `${timeOf(mark.at_ms)} ${lane.name}: ` }), mark.what);
    if (mark.why.length > 0) detail.append(make("ol", {}, ...mark.why.map((line) => make("li", { text: line }))));
  };
  const choose = (lane, mark) => {
    view.chosen = { lane, mark };
    drawDetail();
  };

  const drawLane = (lane) => {
    const track = make("div", { class: "track", onclick: (event) => {
      if (event.target.classList.contains("mark")) return;
      const box = track.getBoundingClientRect();
      seek(view.from + ((event.clientX - box.left) / box.width) * (view.to - view.from));
    } });
    const spans = lane.spans.filter((span) => span.to_ms >= view.from && span.from_ms <= view.to);
    for (const span of thinned(spans, SPANS_SHOWN)) {
      const left = clamp(percent(span.from_ms), 0, 100);
      const words = `${timeOf(span.from_ms)} – ${timeOf(span.to_ms)} ${lane.name} is ${span.state}${span.why ? `: ${span.why}` : ""}`;
      const box = make("div", { class: `span ${span.tone}`, title: words, text: span.state });
      box.style.left = `${left}%`;
      box.style.width = `${Math.max(clamp(percent(span.to_ms), 0, 100) - left, 0.1)}%`;
      track.append(box);
    }
    const marks = marksOf(lane).filter((mark) => mark.at_ms >= view.from && mark.at_ms <= view.to);
    for (const mark of thinned(marks, MARKS_SHOWN)) {
      const words = [`${timeOf(mark.at_ms)} ${lane.name}: ${mark.what}`, ...mark.why].join("\n");
      const chosen = view.chosen && view.chosen.mark === mark ? " chosen" : "";
      const dot = make("button", { type: "button", class: `mark ${mark.tone}${chosen}`, title: words, "aria-label": words,
        onmouseenter: () => choose(lane, mark), onfocus: () => choose(lane, mark),
        onclick: () => { choose(lane, mark); seek(mark.at_ms); } });
      dot.style.left = `${percent(mark.at_ms)}%`;
      track.append(dot);
    }
    const cursor = make("div", { class: "cursor" });
    cursor.style.left = `${percent(view.at)}%`;
    track.append(cursor);
    const name = make("div", { class: "name" }, make("small", { text: `${lane.group} ` }), lane.name);
    return make("div", { class: lane.marks.length > 0 ? "lane marked" : "lane", "data-group": lane.group, "data-name": lane.name }, name, track);
  };

  const drawNow = (lanes) => {
    the("now-title").textContent = `At ${timeOf(view.at)}`;
    const rows = lanes.map((lane) => {
      const span = lane.spans.find((one) => one.from_ms <= view.at && view.at < one.to_ms) ||
        (lane.spans.length > 0 && view.at >= lane.spans[lane.spans.length - 1].to_ms ? lane.spans[lane.spans.length - 1] : null);
      const last = marksOf(lane).filter((mark) => mark.at_ms <= view.at).pop();
      const why = span && span.why ? span.why : last ? `${timeOf(last.at_ms)} ${last.what}` : "";
      return make("tr", {}, make("td", { text: `${lane.group} ${lane.name}` }),
        make("td", { text: span ? span.state : "–" }), make("td", { text: why }));
    });
    the("now").tBodies[0].replaceChildren(...rows);
  };

  const drawAxis = () => {
    const ticks = make("div", { class: "ticks" });
    for (let step = 0; step <= 6; step += 1) {
      const tick = make("span", { text: timeOf(Math.round(view.from + ((view.to - view.from) * step) / 6)) });
      tick.style.left = `${(step / 6) * 100}%`;
      ticks.append(tick);
    }
    the("axis").replaceChildren(ticks);
  };

  const draw = () => {
    const lanes = shownLanes();
    const marks = lanes.reduce((sum, lane) => sum + marksOf(lane).length, 0);
    the("count").textContent = `${lanes.length} of ${page.lanes.length} lanes, ${marks} decisions and events` +
      (page.left_out > 0 ? `; ${page.left_out} more were too many for a page` : "");
    const focus = document.activeElement && document.activeElement.classList.contains("mark");
    the("lanes").replaceChildren(...lanes.map(drawLane));
    if (focus) document.querySelector(".mark.chosen")?.focus();
    drawAxis();
    drawNow(lanes);
    drawDetail();
    the("seek").value = view.at;
    if (document.activeElement !== the("at")) the("at").value = timeOf(view.at);
    remember();
  };

  const seek = (ms) => {
    view.at = Math.round(clamp(ms, whole.from, whole.to));
    const width = view.to - view.from;
    if (view.at < view.from || view.at > view.to) {
      view.from = clamp(view.at - width / 2, whole.from, Math.max(whole.from, whole.to - width));
      view.to = view.from + width;
    }
    draw();
  };
  const zoom = (times) => {
    const width = clamp((view.to - view.from) * times, 50, whole.to - whole.from);
    view.from = clamp(view.at - width / 2, whole.from, whole.to - width);
    view.to = view.from + width;
    draw();
  };
  const step = (way) => {
    const all = decisions();
    const here = all.findIndex(({ mark }) => view.chosen && mark === view.chosen.mark);
    let next = here + way;
    if (here < 0) {
      next = way > 0 ? all.findIndex(({ mark }) => mark.at_ms >= view.at)
        : all.length - 1 - [...all].reverse().findIndex(({ mark }) => mark.at_ms <= view.at);
    }
    if (next < 0 || next >= all.length) return;
    view.chosen = all[next];
    seek(all[next].mark.at_ms);
  };

  const remember = () => {
    const words = new URLSearchParams();
    words.set("at", view.at);
    if (view.from !== whole.from || view.to !== whole.to) words.set("window", `${Math.round(view.from)}-${Math.round(view.to)}`);
    if (view.show.size !== groups.length) words.set("show", [...view.show].join(","));
    if (view.find) words.set("find", view.find);
    history.replaceState(null, "", `#${words}`);
  };
  const recall = () => {
    const words = new URLSearchParams(location.hash.slice(1));
    const width = /^(\d+)-(\d+)$/.exec(words.get("window") || "");
    if (width) {
      view.from = clamp(Number(width[1]), whole.from, whole.to - 1);
      view.to = clamp(Number(width[2]), view.from + 1, whole.to);
    }
    if (words.has("show")) view.show = new Set(words.get("show").split(","));
    view.find = words.get("find") || "";
    const at = Number(words.get("at"));
    view.at = Number.isFinite(at) && words.has("at") ? clamp(at, whole.from, whole.to) : whole.from;
  };

  // Curves and tables. Markup is made of escaped words only.
  const escaped = (text) => String(text).replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);
  const rounded = (value) => Number(value.toPrecision(4)).toString();
  const ticksOf = (least, most) => {
    const rough = (most - least) / 4 || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const size = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
    const ticks = [];
    for (let at = Math.ceil(least / size) * size; at <= most * 1.0001; at += size) ticks.push(at);
    return ticks;
  };
  const drawChart = (chart) => {
    const [wide, high, left, right, top, bottom] = [720, 320, 64, 16, 12, 44];
    const points = chart.curves.flatMap((curve) => curve.points);
    const scale = (x) => chart.log_x ? Math.log10(Math.max(x, 1e-9)) : x;
    const xs = points.map(([x]) => x);
    const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
    const y1 = Math.max(...points.map(([, y]) => y), 1e-9);
    const across = (x) => left + ((scale(x) - scale(x0)) / (scale(x1) - scale(x0) || 1)) * (wide - left - right);
    const up = (y) => high - bottom - (y / y1) * (high - top - bottom);
    let inside = "";
    for (const y of ticksOf(0, y1)) {
      inside += `<line class="grid" x1="${left}" x2="${wide - right}" y1="${up(y)}" y2="${up(y)}"/>` +
        `<text x="${left - 6}" y="${up(y) + 4}" text-anchor="end">${rounded(y)}</text>`;
    }
    for (const x of chart.log_x ? [...new Set(xs)].sort((a, b) => a - b) : ticksOf(x0, x1)) {
      inside += `<text x="${across(x)}" y="${high - bottom + 16}" text-anchor="middle">${rounded(x)}</text>`;
    }
    inside += `<line class="axis" x1="${left}" x2="${wide - right}" y1="${up(0)}" y2="${up(0)}"/>` +
      `<text x="${(left + wide - right) / 2}" y="${high - 8}" text-anchor="middle">${escaped(chart.x)}</text>` +
      `<text transform="translate(14 ${(high - bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(chart.y)}</text>`;
    chart.curves.forEach((curve, place) => {
      const color = `var(--curve-${place % 6})`;
      const dash = place >= 6 ? ' stroke-dasharray="6 4"' : "";
      inside += `<polyline style="stroke: ${color}"${dash} points="${curve.points.map(([x, y]) => `${across(x)},${up(y)}`).join(" ")}"/>`;
      for (const [x, y] of curve.points) {
        inside += `<circle cx="${across(x)}" cy="${up(y)}" r="4" tabindex="0" style="fill: ${color}"><title>` +
          `${escaped(curve.name)}: ${y} at ${x}</title></circle>`;
      }
      inside += `<text x="${left + 10}" y="${top + 14 + place * 15}" style="fill: ${color}">● ${escaped(curve.name)}</text>`;
    });
    const figure = make("figure");
    figure.innerHTML = `<svg viewBox="0 0 ${wide} ${high}" role="img" aria-label="${escaped(chart.title)}">${inside}</svg>`;
    const xsOnce = [...new Set(xs)].sort((a, b) => a - b);
    const value = (curve, x) => { const found = curve.points.find(([one]) => one === x); return found ? String(found[1]) : "–"; };
    const table = drawTable({ title: "", note: "", best: [], columns: [chart.x, ...chart.curves.map((curve) => curve.name)],
      rows: xsOnce.map((x) => [String(x), ...chart.curves.map((curve) => value(curve, x))]) });
    return make("div", { class: "chart" }, make("h2", { text: chart.title }), figure, table);
  };
  const isNumber = (text) => /^[-+]?[\d.,]+ ?\S{0,4}$/.test(text);
  const drawTable = (table) => {
    const best = new Set(table.best.map(([row, column]) => `${row}/${column}`));
    const numeric = (place) => place > 0 && table.rows.every((row) => isNumber(row[place]));
    const head = table.columns.map((text, place) => make("th", { text, class: numeric(place) ? "number" : "" }));
    const rows = table.rows.map((cells, row) => make("tr", {}, ...cells.map((text, column) => make("td", { text,
      class: `${numeric(column) ? "number" : ""} ${best.has(`${row}/${column}`) ? "best" : ""}`.trim() }))));
    const drawn = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
    const parts = [make("div", { class: "wide" }, drawn)];
    if (table.title) parts.unshift(make("h2", { text: table.title }));
    if (table.note) parts.push(make("p", { class: "note", text: table.note }));
    return make("div", { class: "table" }, ...parts);
  };

  const listen = () => {
    the("controls").addEventListener("submit", (event) => event.preventDefault());
    the("seek").addEventListener("input", () => seek(Number(the("seek").value)));
    the("at").addEventListener("change", () => { const ms = timeFrom(the("at").value); if (ms !== null) seek(ms); });
    the("before").addEventListener("click", () => step(-1));
    the("after").addEventListener("click", () => step(1));
    the("closer").addEventListener("click", () => zoom(1 / 3));
    the("wider").addEventListener("click", () => zoom(3));
    the("whole").addEventListener("click", () => zoom(Infinity));
    the("find").addEventListener("input", () => { view.find = the("find").value; draw(); });
    addEventListener("hashchange", () => { recall(); fill(); draw(); });
    document.addEventListener("keydown", (event) => {
      if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
      const act = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": () => zoom(1 / 3), "-": () => zoom(3),
        0: () => zoom(Infinity), "/": () => the("find").focus() }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
  };
  const fill = () => {
    the("find").value = view.find;
    for (const box of document.querySelectorAll("#groups input")) box.checked = view.show.has(box.value);
  };

  the("title").textContent = page.title;
  the("verdict").textContent = page.verdict;
  the("verdict").className = page.good ? "good" : "bad";
  the("command").textContent = page.command;
  the("facts").append(...page.facts.map((fact) => make("div", {}, make("dt", { text: fact.name }), make("dd", { text: fact.value }))));
  the("charts").append(...page.charts.filter((chart) => chart.curves.some((curve) => curve.points.length > 0)).map(drawChart));
  the("tables").append(...page.tables.map(drawTable));
  if (page.lanes.length > 0) {
    the("story").hidden = false;
    the("seek").min = whole.from;
    the("seek").max = whole.to;
    for (const group of groups) {
      const box = make("input", { type: "checkbox", value: group, id: `show-${group}`, onchange: () => {
        view.show[box.checked ? "add" : "delete"](group);
        draw();
      } });
      the("groups").append(make("label", {}, box, ` ${group}s `));
    }
    recall();
    fill();
    listen();
    draw();
  }
})();
