// The keyboard: every step that a mouse can take through the results.

import { byId } from "./dom.js";

export function bindKeys(app) {
  const page = () => app.inspector;
  const keys = {
    ArrowDown: () => app.step(1),
    ArrowUp: () => app.step(-1),
    ArrowRight: () => page().turn(1),
    ArrowLeft: () => page().turn(-1),
    t: () => page().nextWord(),
    h: () => page().toggle("cv-heat"),
    p: () => page().toggle("cv-patches"),
    "+": () => page().zoom(1.25),
    "-": () => page().zoom(0.8),
    0: () => page().zoom(null),
    "/": () => byId("cv-query").focus(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return escape(app);
    const isVertical = event.key === "ArrowDown" || event.key === "ArrowUp";
    const isTyping = event.target.closest?.("input:not([type=checkbox]), select, textarea");
    const isFromQuery = event.target.id === "cv-query" && isVertical && app.answer;
    const isScrolling = event.target.closest?.("#cv-stage") && isVertical;
    if ((isTyping && !isFromQuery) || isScrolling) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function escape(app) {
  if (byId("cv-frame").classList.contains("has-drawer")) app.drawer(false);
  else if (app.settings.isRevealed) app.settings.reveal(false);
  else if (!byId("cv-inspector").hidden) app.close();
}
