// What is being looked at lives in the address, so that a link, a reload and the back button bring it back.

// As REST calls them. The open page is `page_number`: Gradio takes `?page=3` for a page of its own and fails.
/** @typedef {Omit<Record<typeof NAMES[number], string>, "page_number"> & { page_number: number }} State */
const NAMES = /** @type {const} */ (["q", "like", "image", "collection", "document", "where", "mode", "text_fusion", "exact_words", "encoders", "first_stage", "rerank", "k", "compare", "grouped", "page_of", "page_number", "word", "probe"]);
/** @type {Record<string, typeof NAMES[number]>} */
const OLD_NAMES = { // read in links of earlier versions, never written
  picture: "image", c: "collection", in: "document", text: "text_fusion", vs: "compare", doc: "page_of", p: "page_number",
};
const OLD_COMPARE = new Map([["pictures", "pixels"]]); // asked with what stands in the address, as `constructor`: no plain object
/** @type {Record<string, string>} */
const USUAL = { collection: "default", mode: "auto", k: "10" }; // left out of the address

/** @returns {State} */
export function readAddress() {
  const given = new URLSearchParams(location.search);
  const old = Object.fromEntries(Object.entries(OLD_NAMES).map(([before, name]) => [name, given.get(before)]));
  const text = NAMES.map((name) => [name, given.get(name) ?? old[name] ?? USUAL[name] ?? ""]);
  const state = /** @type {Record<typeof NAMES[number], string>} */ (Object.fromEntries(text));
  const number = Number.parseInt(state.page_number, 10);
  const compare = OLD_COMPARE.get(state.compare) ?? state.compare;
  return { ...state, compare, page_number: number > 0 ? number : 1 };
}

// What stands behind the ? of the address.
/** @param {State} state */
export function addressOf(state) {
  const given = new URLSearchParams(location.search);
  for (const name of Object.keys(OLD_NAMES)) given.delete(name);
  for (const name of NAMES) {
    const value = name === "page_number" && !state.page_of ? "" : state[name];
    if (value && String(value) !== USUAL[name]) given.set(name, String(value));
    else given.delete(name);
  }
  return given.toString();
}

/** @param {State} state */
export function writeAddress(state, { push = false } = {}) {
  const rest = addressOf(state);
  const address = location.pathname + (rest ? `?${rest}` : "");
  if (address === location.pathname + location.search) return;
  history[push ? "pushState" : "replaceState"](null, "", address);
}
