// Which document is searched: all of a collection, or one.

import { byId, make } from "./dom.js";
import { nameToTell } from "./names.js";

/** @param {Api.DocumentView[]} documents
 * @param {Map<string, string>} folders
 * @param {string} chosen */
export function showDocumentFilter(documents, folders, chosen) {
  const select = byId("cv-document-filter");
  const options = documents.map((each) => make("option", { value: each.id }, nameToTell(each.name, folders.get(each.id))));
  select.replaceChildren(make("option", { value: "" }, "All documents"), ...options);
  select.value = documents.some((each) => each.id === chosen) ? chosen : "";
}
