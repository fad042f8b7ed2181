// What to search for, offered while nothing is and the sample manual is in the collection.

import { byId, make } from "./dom.js";

const SAMPLE = "sample-manual";
const QUERIES = ["setting the relief valve", "return filter element", "oil hotter than 70 °C", "QH-4423"];

/** @param {Api.DocumentView[]} documents */
export function offerSuggestions(documents, { isIdle, choose }) {
  const box = byId("cv-suggestions");
  box.hidden = !isIdle || !documents.some((document) => document.name.startsWith(SAMPLE) && document.stored);
  if (box.hidden || box.childElementCount) return;
  box.append(make("span", {}, "Try"));
  for (const text of QUERIES) box.append(make("button", { type: "button", class: "cv-suggestion", onclick: () => choose(text) }, text));
}
