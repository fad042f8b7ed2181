// What is being looked at lives in the address, so that a link, a reload and the back button bring it back.

const NAMES = { q: "q", in: "in", doc: "doc", page: "p", word: "word" }; // "page" would be a page of Gradio's

export function readAddress() {
  const given = new URLSearchParams(location.search);
  const page = Number.parseInt(given.get(NAMES.page) ?? "", 10);
  return {
    q: given.get("q") ?? "",
    in: given.get("in") ?? "",
    doc: given.get("doc") ?? "",
    page: page > 0 ? page : 1,
    word: given.get("word") ?? "",
  };
}

export function writeAddress(state, { push = false } = {}) {
  const given = new URLSearchParams(location.search);
  for (const [name, short] of Object.entries(NAMES)) {
    const value = name === "page" && !state.doc ? "" : state[name];
    if (value) given.set(short, value);
    else given.delete(short);
  }
  const rest = given.toString();
  const address = location.pathname + (rest ? `?${rest}` : "");
  if (address === location.pathname + location.search) return;
  history[push ? "pushState" : "replaceState"](null, "", address);
}
