"use strict";
// Filters the table, compares any two variants, names the points of the map. The page reads without it.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (selector) => document.querySelector(selector);
const make = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};
for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;

// Two variants side by side. The rows are those of sides.py.

const CONTEXT = 3, MOST_CELLS = 16e6;

function files(id) {
  const found = {};
  for (const [path, digest] of Object.entries(data.variants[id])) {
    const runs = data.files[digest], lines = [];
    for (let i = 0; i < runs.length; i += 2) lines.push(...data.lines.slice(runs[i], runs[i] + runs[i + 1]));
    found[path] = lines;
  }
  return found;
}

// Pairs [i, j] of the longest common subsequence; what is equal at both ends needs no table.
function common(a, b) {
  const pairs = [];
  let start = 0, endA = a.length, endB = b.length;
  while (start < endA && start < endB && a[start] === b[start]) pairs.push([start, start++]);
  const tail = [];
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) tail.unshift([--endA, --endB]);
  const n = endA - start, m = endB - start, width = m + 1;
  if (n * m > MOST_CELLS) return pairs.concat(tail);
  const length = new Uint32Array((n + 1) * width);
  for (let i = n - 1; i >= 0; i--)
    for (let j = m - 1; j >= 0; j--)
      length[i * width + j] = a[start + i] === b[start + j] ? length[(i + 1) * width + j + 1] + 1
        : Math.max(length[(i + 1) * width + j], length[i * width + j + 1]);
  for (let i = 0, j = 0; i < n && j < m;)
    if (a[start + i] === b[start + j]) pairs.push([start + i++, start + j++]);
    else if (length[(i + 1) * width + j] >= length[i * width + j + 1]) i++;
    else j++;
  return pairs.concat(tail);
}

// [kind, i, j] for every row; -1 where a side has none.
function aligned(a, b) {
  const rows = [];
  let i = 0, j = 0;
  for (const [p, q] of [...common(a, b), [a.length, b.length]]) {
    for (; i < p || j < q; i += i < p, j += j < q)
      rows.push([i < p && j < q ? "swap" : i < p ? "cut" : "add", i < p ? i : -1, j < q ? j : -1]);
    if (p < a.length && q < b.length) rows.push(["same", i++, j++]);
  }
  return rows;
}

function cell(name, text, other) {
  const td = make("td", undefined, name);
  if (other === undefined) { td.textContent = text; return td; }
  let first = 0, last = 0;
  const shorter = Math.min(text.length, other.length);
  while (first < shorter && text[first] === other[first]) first++;
  while (last < shorter - first && text[text.length - 1 - last] === other[other.length - 1 - last]) last++;
  td.append(text.slice(0, first), make("mark", text.slice(first, text.length - last)), text.slice(text.length - last));
  return td;
}

function row(kind, i, left, j, right) {
  const tr = make("tr", undefined, kind), pair = kind === "swap";
  tr.append(make("td", i < 0 ? "" : i + 1, "n"), cell("l", left, pair ? right : undefined),
    make("td", j < 0 ? "" : j + 1, "n"), cell("r", right, pair ? left : undefined));
  return tr;
}

function compare(a, b) {
  const body = find("#sides tbody"), said = find("#compared");
  const missing = [a, b].find((id) => !(id in data.variants));
  if (missing !== undefined) {
    said.textContent = `${missing || "nothing"} is not on this page: wolf diff has all variants`;
    return;
  }
  const old = files(a), fresh = files(b), rows = [];
  let changed = 0;
  for (const path of [...new Set([...Object.keys(old), ...Object.keys(fresh)])].sort()) {
    const left = old[path] || [], right = fresh[path] || [], all = aligned(left, right);
    const near = new Set();
    all.forEach(([kind], at) => {
      if (kind !== "same") for (let k = at - CONTEXT; k <= at + CONTEXT; k++) near.add(k);
    });
    if (!near.size) continue;
    rows.push(row("file", -1, path, -1, path));
    let last = -1, first = true;
    all.forEach(([kind, i, j], at) => {
      if (!near.has(at)) return;
      if (at > last + 1 && !first) rows.push(row("gap", -1, "⋯", -1, "⋯"));
      rows.push(row(kind, i, i < 0 ? "" : left[i], j, j < 0 ? "" : right[j]));
      changed += kind !== "same";
      last = at; first = false;
    });
  }
  body.replaceChildren(...rows);
  find("#left").textContent = a; find("#right").textContent = b;
  said.textContent = changed ? `${changed} rows differ` : "the files are the same";
}

const resolve = (typed) => {
  const text = typed.trim();
  if (text === "seed" || text === "best") return text === "seed" ? data.seed : data.champion;
  return Object.keys(data.variants).find((id) => id.startsWith(text) && text) || text;
};
const a = find("#a"), b = find("#b");
if (a) {
  const refresh = () => compare(resolve(a.value), resolve(b.value));
  for (const input of [a, b]) input.addEventListener("change", refresh);
  find("#swap").addEventListener("click", () => { [a.value, b.value] = [b.value, a.value]; refresh(); });
  const choose = (id) => { b.value = id; refresh(); find("#diff").scrollIntoView(); };
  for (const code of document.querySelectorAll("code[data-v]")) {
    const id = code.textContent;
    if (!(id in data.variants)) continue;
    const button = make("button", id);
    button.type = "button";
    button.title = "compare with the one on the left";
    code.replaceChildren(button);
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("code[data-v] button");
    if (button) { event.preventDefault(); choose(button.textContent); }
  });
}

// The table

const table = find("#variants table");
if (table) {
  const SHOWN = 300, body = table.tBodies[0], more = find("#more");
  let all = [...body.rows], limit = SHOWN;
  const texts = new Map(all.map((tr) => [tr, tr.textContent.toLowerCase()]));
  const column = (name) => [...table.tHead.rows[0].cells].findIndex((th) => th.dataset.name === name);
  const menus = [["#made", column("made by")], ["#outcome", column("outcome")]];
  for (const [name, at] of menus)
    for (const value of [...new Set(all.map((tr) => tr.cells[at].textContent))].sort()) find(name).append(make("option", value));
  const filter = () => {
    const words = find("#words").value.toLowerCase().split(/\s+/);
    let fitting = 0;
    for (const tr of all) {
      const fits = words.every((word) => texts.get(tr).includes(word)) &&
        menus.every(([name, cell]) => !find(name).value || tr.cells[cell].textContent === find(name).value);
      tr.hidden = !fits || fitting >= limit; // a browser that lays out ten thousand rows does nothing else
      fitting += fits;
    }
    find("#shown").textContent = `${fitting} of ${all.length}`;
    more.hidden = fitting <= limit;
  };
  const further = () => { limit += SHOWN; filter(); };
  more.addEventListener("click", further);
  new IntersectionObserver((seen) => { if (seen.some((entry) => entry.isIntersecting)) further(); },
    { root: table.parentElement, rootMargin: "600px" }).observe(more);
  for (const control of document.querySelectorAll("#variants .controls input, #variants .controls select"))
    control.addEventListener("input", () => { limit = SHOWN; filter(); });
  filter();
  [...table.tHead.rows[0].cells].forEach((th, at) => {
    const button = make("button", th.textContent);
    button.type = "button";
    th.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = th.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      th.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = all.map((tr) => [tr, tr.cells[at].textContent, parseFloat(tr.cells[at].textContent)]);
      const numeric = th.classList.contains("number");
      key.sort((x, y) => {
        if (numeric && (isNaN(x[2]) || isNaN(y[2]))) return isNaN(x[2]) - isNaN(y[2]);
        return (numeric ? x[2] - y[2] : x[1].localeCompare(y[1])) * (up ? 1 : -1);
      });
      all = key.map(([tr]) => tr);
      body.append(...all);
      limit = SHOWN;
      filter();
    });
  });
}

// The map

const plot = find("#map .plot");
if (plot && data.map) nameSpots(plot, () => data.map, (id) => {
  if (b) { b.value = id; b.dispatchEvent(new Event("change")); }
});
