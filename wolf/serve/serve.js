"use strict";
// Puts in the parts that changed, sends the forms without leaving the page. The pages read and work without it.
const find = (selector) => document.querySelector(selector);
const own = document.body.dataset;

// Times

const spoken = (seconds) => {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${String(s % 60).padStart(2, "0")}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}m`;
  return `${Math.floor(s / 86400)}d`;
};
function tick() {
  const now = Date.now() / 1000;
  for (const time of document.querySelectorAll("time[data-since]")) time.textContent = spoken(now - time.dataset.since);
  for (const time of document.querySelectorAll("time[data-ago]")) {
    time.textContent = `${spoken(now - time.dataset.ago).split(" ")[0]} ago`;
    time.title = new Date(1000 * time.dataset.ago).toLocaleString();
  }
}
setInterval(tick, 1000);
tick();

// Parts

const later = new Map(); // parts that somebody is filling in or selecting from
const busy = (box) => {
  const at = document.activeElement;
  if (box.contains(at) && at.matches("input:not([type=hidden]), textarea, select")) return true;
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && box.contains(selection.anchorNode);
};
const touched = (box) => [...box.querySelectorAll("input, textarea, select")].some((field) =>
  field.matches("[type=radio], [type=checkbox]") ? field.checked !== field.defaultChecked
    : field.matches("select") ? [...field.options].some((o) => o.selected !== o.defaultSelected && o.index) : field.value !== field.defaultValue);

function put(name, part) {
  const box = find(`[data-part="${name}"]`);
  if (!box || box.dataset.digest === part.digest) return;
  const key = box.querySelector("[data-key]"), fresh = new DOMParser().parseFromString(part.html, "text/html").body;
  const same = key && fresh.querySelector("[data-key]")?.dataset.key === key.dataset.key;
  if (busy(box) || (same && touched(box))) { later.set(name, part); return; }
  later.delete(name);
  const open = new Set([...box.querySelectorAll("details[open] > summary")].map((s) => s.textContent));
  const scrolled = [...box.querySelectorAll(".card")].map((card) => [card.scrollLeft, card.scrollTop]);
  const at = box.contains(document.activeElement) ? [...box.querySelectorAll("a, button, summary, [tabindex]")].indexOf(document.activeElement) : -1;
  box.replaceChildren(...fresh.childNodes);
  box.dataset.digest = part.digest;
  for (const summary of box.querySelectorAll("details > summary")) if (open.has(summary.textContent)) summary.parentElement.open = true;
  [...box.querySelectorAll(".card")].forEach((card, i) => { if (scrolled[i]) [card.scrollLeft, card.scrollTop] = scrolled[i]; });
  if (at >= 0) box.querySelectorAll("a, button, summary, [tabindex]")[at]?.focus({ preventScroll: true });
  if (name === "spots" || name === "map") names();
  linked(box);
}
setInterval(() => { for (const [name, part] of [...later]) put(name, part); }, 700);

// The stream. It is closed while nobody looks, and opened anew after sleep, a lost network, a server that came back.

let stream, heard = Date.now();
const link = find("#link");
const say = (text, how) => { if (link) { link.hidden = false; link.textContent = text; link.className = `link ${how}`; } };
function listen() {
  stream?.close();
  stream = new EventSource(own.live);
  heard = Date.now();
  stream.addEventListener("parts", (event) => {
    heard = Date.now();
    const parts = JSON.parse(event.data), trouble = find('[data-part="trouble"]');
    if (!parts.trouble && trouble) trouble.replaceChildren();
    for (const [name, part] of Object.entries(parts)) put(name, part);
    if (own.run) own.seq = event.lastEventId;
    tick();
  });
  stream.addEventListener("beat", () => { heard = Date.now(); });
  stream.addEventListener("open", () => say("live", ""));
  stream.addEventListener("error", () => say("the server does not answer; this is the last that it said", "lost"));
}
if (own.live) {
  listen();
  setInterval(() => {
    if (document.hidden) return;
    if (stream.readyState === EventSource.CLOSED || Date.now() - heard > 30000) listen();
  }, 4000);
  document.addEventListener("visibilitychange", () => { if (document.hidden) { stream.close(); say("not looking", "still"); } else listen(); });
  addEventListener("online", listen);
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
}

// Controls

let fading;
function toast(text, bad) {
  const box = find("#toast");
  box.textContent = text;
  box.className = bad ? "bad" : "";
  clearTimeout(fading);
  fading = setTimeout(() => { box.textContent = ""; }, bad ? 12000 : 5000);
}
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("button");
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.action, { method: "POST", headers: { accept: "application/json" }, body: new URLSearchParams(new FormData(form)) });
    const said = await answer.json().catch(() => ({ error: "the server refused; open the address that wolf serve printed" }));
    if (!answer.ok) toast(said.error, true);
    else if ("duel" in own) location.reload();
    else {
      toast(said.waits ? "Sent. Nobody works on this run now; it obeys when it is resumed." : own.live ? "Sent. It shows here when the run has written it down." : "Sent. The run's page shows when it has been written down.");
      if (form.querySelector('[value="instruction"]')) form.reset();
      for (const field of form.querySelectorAll("textarea")) field.defaultValue = field.value;
      for (const field of form.querySelectorAll("input, select")) { field.defaultChecked = field.checked; if (field === document.activeElement) field.blur(); }
      if (form.closest("[data-key]")) form.closest("[data-key]").removeAttribute("data-key");
    }
  } catch { toast("The server does not answer: is wolf serve still going?", true); }
  button.removeAttribute("aria-busy");
});

// The table filters as one types

const filter = find("#filter");
if (filter) {
  let waiting;
  const show = async (query) => {
    history.replaceState(null, "", `?${query}`);
    const answer = await fetch(`${filter.action}?${query}&bare`);
    if (answer.ok) find("#table").replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
  };
  filter.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => show(new URLSearchParams(new FormData(filter))), 150); });
  filter.addEventListener("submit", (event) => { event.preventDefault(); show(new URLSearchParams(new FormData(filter))); });
  document.addEventListener("click", (event) => {
    const turn = event.target.closest(".pager a");
    if (turn) { event.preventDefault(); show(turn.search.slice(1)).then(() => find("#main").scrollIntoView()); }
  });
}

// Ids lead to their variant; the map names its points

function linked(root) {
  for (const code of root.querySelectorAll("code[data-v]")) {
    const a = document.createElement("a");
    a.href = `${own.run}/variant/${encodeURIComponent(code.textContent)}`;
    code.replaceWith(a);
    a.append(code);
  }
}
let spots = [];
function names() {
  const text = find("#spots")?.textContent;
  spots = text ? JSON.parse(text) : [];
  const plot = find("#map .plot");
  if (plot && !plot.querySelector(".tip")) nameSpots(plot, () => spots, (id) => { location.href = `${own.run}/variant/${id}`; });
}
if (own.run) { linked(document); names(); }
