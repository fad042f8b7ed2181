// The routes under /api/v1. Whatever goes wrong becomes an Error whose message is a sentence for the user.

import { patiently } from "./patience.js";

const ROOT = new URL("../../api/v1", import.meta.url).pathname; // below a proxy's path, too
const DOWN = "The server does not answer. Start it again, then reload this page.";
const UNREADABLE = "it cannot be read: it is a folder, or was moved, changed or deleted after it was chosen. Choose it again.";

/** @param {string} path
 * @param {RequestInit & { body?: File }} options */
async function request(path, options = {}) {
  try {
    return await fetch(ROOT + path, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : await whyUnsent(options.body);
  }
}

// No answer came: for want of a server, or of the file that was to be sent.
/** @param {File} [file] */
async function whyUnsent(file) {
  const reader = file?.stream().getReader(); // a part, as slice() gives, would be empty: a file that is gone has no size
  try {
    await reader?.read();
  } catch {
    return new Error(UNREADABLE);
  }
  reader?.cancel();
  return Object.assign(new Error(DOWN), { isDown: true });
}

/** @param {Response} response
 * @returns {Promise<any>} */
async function content(response) {
  const body = await response.json().catch(() => null); // 204 has none
  if (!response.ok) throw refused(body, response.status, response.headers.get("Retry-After"));
  return body;
}

const refused = (body, status, retryAfter) =>
  Object.assign(new Error(body?.error ?? `The server answered ${status}. Reload this page.`), { status, retryAfter });

/** @param {string} path
 * @param {RequestInit & { body?: File, wait?: (sentence: string, seconds: number) => void }} options */
const call = (path, { wait, ...options } = {}) =>
  patiently(async () => content(await request(path, options)), { wait, signal: options.signal ?? undefined });

/** @param {Record<string, string | number | boolean | null | undefined>} values */
const queryString = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
};
const part = encodeURIComponent;

// `query` is what is searched for, as the address has it: the routes call its parameters the same.
const SEARCH_PARAMETERS = /** @type {const} */ (["q", "like", "image", "collection", "document", "where", "mode", "text_fusion", "exact_words", "encoders", "first_stage", "rerank"]);
/** @param {import("./address.js").State} query */
const searchParameters = (query) => {
  const given = Object.fromEntries(SEARCH_PARAMETERS.map((name) => [name, query[name]]));
  return query.q ? given : { ...given, rerank: "", encoders: "", first_stage: "" }; // these are asked with words
};

// The library as it was read last, for as long as the server says that nothing has changed: it waits up to so many
// seconds for a change. Such a wait may be answered after a question that was asked later: its answer may be the older one.
/** @type {{ turn: number, tag: string | null, library: Api.Answers["GET /library"] | null }} */
const lastRead = { turn: 0, tag: "", library: null };
let turns = 0;
/** @returns {Promise<Api.Answers["GET /library"]>} */
export const readLibrary = ({ wait = 0 } = {}) => patiently(async () => {
  const turn = ++turns;
  const { tag } = lastRead;
  const response = await request(tag && wait ? `/library?wait=${wait}` : "/library", { headers: tag ? { "If-None-Match": tag } : {} });
  if (response.status === 304 && lastRead.library) return lastRead.library;
  const library = await content(response);
  if (turn < lastRead.turn) return lastRead.library ?? library;
  Object.assign(lastRead, { turn, tag: response.headers.get("ETag"), library });
  return library;
});

/** @param {import("./address.js").State} query
 * @param {{ signal: AbortSignal, wait?: (sentence: string, seconds: number) => void }} options
 * @returns {Promise<Api.Answers["GET /search"]>} */
export const search = (query, { signal, wait }) =>
  call(`/search?${queryString({ ...searchParameters(query), k: query.k })}`, { signal, wait });

// The lines of an answer in words, as they come; the pages are those of `hits`.
/** @param {string} q
 * @param {Api.HitView[]} hits
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Api.Answers["POST /answers"], void, void>} */
export async function* writeAnswer(q, hits, signal) {
  const pages = hits.map(({ document_id, page }) => `&page=${part(`${document_id}:${page}`)}`).join("");
  const response = await request(`/answers?${queryString({ q })}${pages}`, { method: "POST", signal });
  if (!response.ok) await content(response);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; reader; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
}

/** @type {Map<string, Promise<Api.Answers["GET /explain"]>>} */
const explanations = new Map(); // path -> its answer: what the list has asked for its thumbnails, a click needs again

/** @param {import("./address.js").State} query
 * @param {string} document
 * @param {number} page
 * @returns {Promise<Api.Answers["GET /explain"]>} */
export function explain(query, document, page) {
  const path = `/explain?${queryString({ ...searchParameters(query), page_of: document, page })}`;
  const known = explanations.get(path);
  if (known) return known;
  const answer = call(path);
  explanations.set(path, answer);
  answer.catch(() => explanations.get(path) === answer && explanations.delete(path));
  return answer;
}

// To call when another answer, or another library, makes other explanations.
export const forgetExplanations = () => explanations.clear();
/** @returns {Promise<Api.Answers["POST /reencode"]>} */
export const reencode = (collection) => call(`/reencode?${queryString({ collection })}`, { method: "POST" });
/** @returns {Promise<Api.Answers["POST /judgements"]>} */
export const judge = ({ q, collection }, document, page, verdict) =>
  call(`/judgements?${queryString({ q, collection, document, page, verdict })}`, { method: "POST" });
export const JUDGEMENTS = `${ROOT}/judgements`;
/** @returns {Promise<Api.Answers["POST /sample"]>} */
export const loadSample = () => call("/sample", { method: "POST" });
/** @returns {Promise<Api.Answers["DELETE /documents/{document}"]>} */
export const remove = (document) => call(`/documents/${part(document)}`, { method: "DELETE" });
/** @returns {Promise<Api.Answers["PATCH /documents/{document}"]>} */
export const rename = (document, name) => call(`/documents/${part(document)}?${queryString({ name })}`, { method: "PATCH" });
/** @returns {Promise<Api.Answers["PUT /documents/{document}/metadata"]>} */
export const setFacts = (document, pairs) =>
  call(`/documents/${part(document)}/metadata?${new URLSearchParams(pairs.map((pair) => ["meta", pair]))}`, { method: "PUT" });
/** @returns {Promise<Api.Answers["PATCH /collections"]>} */
export const renameCollection = (collection, name) => call(`/collections?${queryString({ collection, name })}`, { method: "PATCH" });
/** @returns {Promise<Api.Answers["DELETE /collections"]>} */
export const removeCollection = (collection) => call(`/collections?${queryString({ collection })}`, { method: "DELETE" });
/** @returns {Promise<Api.Answers["POST /watched"]>} */
export const watchFolder = (folder, collection) => call(`/watched?${queryString({ folder, collection })}`, { method: "POST" });
/** @returns {Promise<Api.Answers["DELETE /watched"]>} */
export const unwatchFolder = (folder) => call(`/watched?${queryString({ folder })}`, { method: "DELETE" });
export const exported = (pages, format) => // of [document, page]s: the address of one file
  `${ROOT}/export?${new URLSearchParams([...pages.map((page) => ["page", page.join(":")]), ["format", format]])}`;
/** @returns {Promise<Api.Answers["POST /documents/{document}/resume"]>} */
export const resume = (document) => call(`/documents/${part(document)}/resume`, { method: "POST" });
/** @returns {Promise<Api.Answers["POST /jobs/{key}/cancel"]>} */
export const cancel = (job) => call(`/jobs/${job}/cancel`, { method: "POST" });
/** @returns {Promise<Api.Answers["POST /jobs/{key}/retry"]>} */
export const retry = (job) => call(`/jobs/${job}/retry`, { method: "POST" });
/** @returns {Promise<Api.Answers["DELETE /jobs/{key}"]>} */
export const dismiss = (job) => call(`/jobs/${job}`, { method: "DELETE" });

// What tells the files apart from which a document was made, one after the other: the browser keeps what an address shows.
const versionOf = (document) => lastRead.library?.documents.find((each) => each.id === document)?.sha256.slice(0, 12);

/** @param {string} document
 * @param {number | string} page
 * @param {number} [width] */
export const pageImage = (document, page, width) =>
  `${ROOT}/documents/${part(document)}/pages/${page}/image?${queryString({ width, version: versionOf(document) })}`;

// A part of it: `box` is left, top, right, bottom in fractions of the page.
export const pagePart = (document, page, box, width) =>
  `${pageImage(document, page, width)}&box=${box.map((each) => each.toFixed(4)).join(",")}`;

// The page whose result is pressed: its image is on its way before the click.
/** @type {{ address: string, image: Promise<ImageBitmap> } | null} */
let pressed = null;

export function expectPageImage(document, page) {
  const address = pageImage(document, page);
  const expected = { address, image: drawn(address) };
  pressed = expected;
  expected.image.catch(() => { // a click that comes later asks again, and tells why
    if (pressed === expected) pressed = null;
  });
}

export function loadPageImage(document, page) {
  const address = pageImage(document, page);
  const image = pressed?.address === address ? pressed.image : drawn(address);
  pressed = null;
  return image;
}

// An image as it is kept, decoded: unlike an <img>, it can tell why it does not come. A bitmap: an <img> that is decoded
// is so once more by the first canvas that reads what was drawn of it.
async function drawn(address) {
  return createImageBitmap(await patiently(async () => {
    const response = await request(address.slice(ROOT.length));
    return response.ok ? response.blob() : content(response);
  }));
}
export const queryImage = (token) => `${ROOT}/images/${part(token)}`;
/** @returns {Promise<Api.Answers["POST /images"]>} */
export const addQueryImage = (file) => call(`/images?${queryString({ name: file.name })}`, { method: "POST", body: file });
export const originalFile = (document, page) => `${ROOT}/documents/${part(document)}/file${page ? `#page=${page}` : ""}`;
/** @returns {Promise<Api.Answers["GET /documents/{document}/pages/{page}/words"]>} */
export const readWords = (document, page) => call(`/documents/${part(document)}/pages/${page}/words`);
/** @returns {Promise<Api.Answers["GET /documents/{document}/find"]>} */
export const find = (document, q) => call(`/documents/${part(document)}/find?${queryString({ q })}`);
/** @returns {Promise<Api.Answers["GET /documents/{document}"]>} */
export const readDocument = (document) => call(`/documents/${part(document)}`);

// `tell` hears the share that was sent, 0 to 1: fetch cannot say that.
export function upload({ file, collection, meta, replace }, { tell, signal }) {
  const path = `/documents?${queryString({ name: file.name, collection, replace: replace || null })}`;
  return new Promise((resolve, reject) => {
    const transfer = new XMLHttpRequest();
    transfer.open("POST", ROOT + path + meta.map((pair) => `&meta=${part(pair)}`).join(""));
    transfer.responseType = "json";
    transfer.upload.onprogress = ({ loaded, total }) => tell(total ? loaded / total : 1);
    transfer.onload = () => {
      const { status, response } = transfer;
      if (status < 300) resolve(response);
      else reject(refused(response, status, transfer.getResponseHeader("Retry-After")));
    };
    transfer.onerror = async () => reject(await whyUnsent(file));
    transfer.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => transfer.abort(), { once: true });
    tell(0);
    transfer.send(file);
  });
}
