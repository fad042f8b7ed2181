// What is being looked at lives in the address, so that a link, a reload and the back button bring it back.

const NAMES = { // "page" would be a page of Gradio's
  c: "c", q: "q", like: "like", picture: "picture", in: "in", where: "where", mode: "mode", text: "text", k: "k", vs: "vs", doc: "doc", page: "p", word: "word", probe: "probe",
};
const USUAL = { c: "default", mode: "auto", k: "10" }; // left out of the address

export function readAddress() {
  const given = new URLSearchParams(location.search);
  const text = Object.entries(NAMES).map(([name, short]) => [name, given.get(short) ?? USUAL[name] ?? ""]);
  const state = Object.fromEntries(text);
  const page = Number.parseInt(state.page, 10);
  return { ...state, page: page > 0 ? page : 1 };
}

export function writeAddress(state, { push = false } = {}) {
  const given = new URLSearchParams(location.search);
  for (const [name, short] of Object.entries(NAMES)) {
    const value = name === "page" && !state.doc ? "" : state[name];
    if (value && String(value) !== USUAL[name]) given.set(short, value);
    else given.delete(short);
  }
  const rest = given.toString();
  const address = location.pathname + (rest ? `?${rest}` : "");
  if (address === location.pathname + location.search) return;
  history[push ? "pushState" : "replaceState"](null, "", address);
}
