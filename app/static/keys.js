// The keyboard: every step that a mouse can take through the results.

import { byId, make } from "./dom.js";

export function bindKeys(app) {
  const page = () => app.inspector;
  const view = () => app.inspector.view;
  const keys = {
    ArrowDown: () => app.step(1),
    ArrowUp: () => app.step(-1),
    ArrowRight: () => page().turn(1),
    ArrowLeft: () => page().turn(-1),
    t: () => page().nextWord(),
    h: () => page().toggle("heat"),
    p: () => page().toggle("patches"),
    f: () => page().find.focus(),
    n: () => page().find.step(1),
    r: () => view().turn(),
    "+": () => view().zoom(1),
    "-": () => view().zoom(-1),
    0: () => view().fitTo("width"),
    9: () => view().fitTo("page"),
    "/": () => byId("cv-query").focus(),
  };
  const needsPage = new Set("thpfnr+-09");
  document.addEventListener("keydown", (/** @type {any} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return escape(app, event);
    const isVertical = event.key === "ArrowDown" || event.key === "ArrowUp";
    const isTyping = event.target.closest?.("input:not([type=checkbox]), select, textarea");
    const isFromQuery = event.target.id === "cv-query" && isVertical && app.answer;
    const isScrolling = event.target.closest?.(".cv-stage, .cv-strip") && isVertical;
    if ((isTyping && !isFromQuery) || isScrolling) return;
    const act = keys[event.key];
    if (!act || (event.key.length === 1 && !app.settings.hasLetterKeys)) return;
    if (needsPage.has(event.key) && !page().isOpen) return;
    event.preventDefault();
    act();
  });
  byId("cv-frame").prepend(...skipLinks(page()));
}

// The nearest thing that is open is closed; a menu does that by itself.
function escape(app, event) {
  if (document.querySelector(":popover-open")) return;
  event.preventDefault(); // the browser would close a dialog by itself
  if (byId("cv-frame").classList.contains("has-drawer")) app.drawer(false);
  else if (app.settings.isRevealed) app.settings.reveal(false);
  else if (app.inspector.isOpen) app.close();
}

// The first stops of Tab: past the library, which may be long. A click must not change the address, which is searched by.
function skipLinks(page) {
  const link = (text, id, place) => make("a", { class: "cv-skip", href: `#${id}`, onclick: (event) => {
    event.preventDefault();
    place.focus();
  } }, text);
  return [link("Skip to the search", "cv-query", byId("cv-query")), link("Skip to the page", "cv-inspector", page.part("stage"))];
}
