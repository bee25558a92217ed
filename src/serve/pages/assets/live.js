// Keeps a page as a reload would show it, and listens to keys. Without it everything is there, but not live.
"use strict";

const PAUSE = 400; // milliseconds between two fetches
const LOST = 5000; // after which it is tried again

// --- What is shown becomes what was fetched; what need not change stays, and with it focus, selection and scrolling.

const isSame = (one, other) =>
  one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id ?? "") === (other.id ?? "");

function morph(shown, wanted) {
  if (shown.nodeType !== Node.ELEMENT_NODE) {
    if (shown.nodeValue !== wanted.nodeValue) shown.nodeValue = wanted.nodeValue;
    return;
  }
  morphAttributes(shown, wanted);
  // What somebody fills in is theirs.
  if (shown.matches("input, select")) return;
  const atEnd = shown.matches("[data-follow]") && isAtEnd(shown);
  const next = [...wanted.childNodes];
  next.forEach((node, index) => {
    const there = shown.childNodes[index];
    if (!there) shown.append(node);
    else if (isSame(there, node)) morph(there, node);
    else there.replaceWith(node);
  });
  while (shown.childNodes.length > next.length) shown.lastChild.remove();
  if (atEnd) shown.scrollTop = shown.scrollHeight;
}

function morphAttributes(shown, wanted) {
  const kept = (name) => shown.nodeName === "DETAILS" && name === "open" && shown.dataset.touched;
  for (const { name } of [...shown.attributes]) {
    if (!wanted.hasAttribute(name) && !kept(name) && name !== "data-touched") shown.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (shown.getAttribute(name) !== value && !kept(name)) shown.setAttribute(name, value);
  }
}

const isAtEnd = (box) => box.scrollTop + box.clientHeight >= box.scrollHeight - 4;

// --- Fetching, one at a time.

let fetching = false;
let again = false;
let last = 0;

async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  await sleep(last + PAUSE - Date.now());
  again = false;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    // Who is not let in any more has to be told so, and may be sent elsewhere.
    if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    say("");
  } catch {
    say("not live: the server does not answer");
    setTimeout(refresh, LOST);
  } finally {
    fetching = false;
  }
  if (again) refresh();
}

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, Math.max(milliseconds, 0)));

function show(page) {
  document.title = page.title;
  const icon = (from) => from.querySelector("link[rel=icon]");
  if (icon(document).href !== icon(page).href) icon(document).href = icon(page).getAttribute("href");
  for (const name of ["data-refresh", "data-stream"]) {
    const value = page.body.getAttribute(name);
    if (value === null) document.body.removeAttribute(name);
    else document.body.setAttribute(name, value);
  }
  morph(document.getElementById("main"), page.getElementById("main"));
  listen();
}

function say(text) {
  const place = document.getElementById("live");
  const said = text || (stream ? "live" : "");
  if (place.textContent !== said) place.textContent = said;
}

// --- Being told: by the stream of a run that is under way, and by the clock.

let stream = null;
let timer = 0;

function listen() {
  const address = document.body.dataset.stream;
  const wanted = address && !document.hidden;
  if (stream && !wanted) {
    stream.close();
    stream = null;
  }
  if (wanted && !stream) {
    stream = new EventSource(address);
    stream.onmessage = refresh;
    stream.addEventListener("end", () => {
      stream.close();
      stream = null;
      refresh();
    });
    // It was refused, and is not tried again by itself: the clock goes on.
    stream.onerror = () => {
      if (stream && stream.readyState === EventSource.CLOSED) stream = null;
    };
  }
  clearTimeout(timer);
  const seconds = Number(document.body.dataset.refresh);
  if (seconds && !document.hidden) timer = setTimeout(refresh, seconds * 1000);
  say("");
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) listen();
  else if (document.body.dataset.refresh) refresh();
});

// --- A link to a step opens it.

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const step = target?.closest("details");
  if (!step) return;
  step.open = true;
  step.dataset.touched = "true";
  step.scrollIntoView({ block: "start" });
}

addEventListener("hashchange", reveal);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (link && link.getAttribute("href") === location.hash) reveal();
  const step = event.target.closest("summary")?.parentElement;
  if (step) step.dataset.touched = "true";
});

// --- Keys.

const keys = document.getElementById("keys");
const showKeys = () => keys.showModal();

function move(by) {
  const places = [...document.querySelectorAll("a.title, details.step > summary, article h3 a")];
  if (!places.length) return;
  const at = places.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : places.length - 1) : Math.min(Math.max(at + by, 0), places.length - 1);
  places[next].focus();
  places[next].scrollIntoView({ block: "nearest" });
}

const DO = {
  e: () => location.assign("/"),
  r: () => location.assign("/runs"),
  j: () => move(1),
  k: () => move(-1),
  f: () => {
    const failed = document.querySelector("section.failure");
    failed?.scrollIntoView({ block: "start" });
    failed?.querySelector("a")?.focus();
  },
  "/": () => document.querySelector("main input[type=search]")?.focus(),
  "?": showKeys,
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select");
  if (typing || keys.open || event.ctrlKey || event.metaKey || event.altKey || !DO[event.key]) return;
  event.preventDefault();
  DO[event.key]();
});

const button = document.getElementById("show-keys");
button.hidden = false;
button.addEventListener("click", showKeys);
for (const box of document.querySelectorAll("[data-follow]")) box.scrollTop = box.scrollHeight;
if (location.hash) reveal();
listen();
