// The routes under /api/v1. Whatever goes wrong becomes an Error whose message is a sentence for the user.

const ROOT = new URL("../../api/v1", import.meta.url).pathname; // below a proxy's path, too
const DOWN = "The server does not answer. Start it again, then reload this page.";

async function request(path, options) {
  try {
    return await fetch(ROOT + path, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error(DOWN);
  }
}

async function content(response) {
  if (response.status === 204) return null;
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  const failed = new Error(body?.error ?? `The server answered ${response.status}. Reload this page.`);
  throw Object.assign(failed, { status: response.status });
}

const call = async (path, options = {}) => content(await request(path, options));

const queryString = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return new URLSearchParams(given).toString();
};
const part = encodeURIComponent;

// `query` is what is searched for, as the address has it: the routes call its parameters the same.
const SEARCH_PARAMETERS = ["q", "like", "image", "collection", "document", "where", "mode", "text_fusion"];
const searchParameters = (query) => Object.fromEntries(SEARCH_PARAMETERS.map((name) => [name, query[name]]));

// The library as it was read last, for as long as the server says that nothing has changed.
const lastRead = { tag: "", library: null };
export async function readLibrary() {
  const response = await request("/library", { headers: lastRead.tag ? { "If-None-Match": lastRead.tag } : {} });
  if (response.status === 304) return lastRead.library;
  const library = await content(response);
  return Object.assign(lastRead, { tag: response.headers.get("ETag"), library }).library;
}

export const search = (query, signal) => call(`/search?${queryString({ ...searchParameters(query), k: query.k })}`, { signal });

const explanations = new Map(); // path -> its answer: what the list has asked for its thumbnails, a click needs again

export function explain(query, document, page) {
  const path = `/explain?${queryString({ ...searchParameters(query), page_of: document, page })}`;
  if (!explanations.has(path)) {
    const answer = call(path);
    explanations.set(path, answer);
    answer.catch(() => explanations.get(path) === answer && explanations.delete(path));
  }
  return explanations.get(path);
}

// To call when another answer, or another library, makes other explanations.
export const forgetExplanations = () => explanations.clear();
export const reencode = (collection) => call(`/reencode?${queryString({ collection })}`, { method: "POST" });
export const judge = ({ q, collection }, document, page, verdict) =>
  call(`/judgements?${queryString({ q, collection, document, page, verdict })}`, { method: "POST" });
export const JUDGEMENTS = `${ROOT}/judgements`;
export const loadSample = () => call("/sample", { method: "POST" });
export const remove = (document) => call(`/documents/${part(document)}`, { method: "DELETE" });
export const resume = (document) => call(`/documents/${part(document)}/resume`, { method: "POST" });
export const cancel = (job) => call(`/jobs/${job}/cancel`, { method: "POST" });
export const dismiss = (job) => call(`/jobs/${job}`, { method: "DELETE" });

export const pageImage = (document, page, width) =>
  `${ROOT}/documents/${part(document)}/pages/${page}/image${width ? `?width=${width}` : ""}`;
export const queryImage = (token) => `${ROOT}/images/${part(token)}`;
export const addQueryImage = (file) => call(`/images?${queryString({ name: file.name })}`, { method: "POST", body: file });
export const originalFile = (document, page) => `${ROOT}/documents/${part(document)}/file${page ? `#page=${page}` : ""}`;
export const readDocument = (document) => call(`/documents/${part(document)}`);

// `tell` hears the share that was sent, 0 to 1: fetch cannot say that.
export function upload({ file, collection, meta }, { tell, signal }) {
  return new Promise((resolve, reject) => {
    const transfer = new XMLHttpRequest();
    transfer.open("POST", `${ROOT}/documents?${queryString({ name: file.name, collection })}${meta.map((pair) => `&meta=${part(pair)}`).join("")}`);
    transfer.responseType = "json";
    transfer.upload.onprogress = ({ loaded, total }) => tell(total ? loaded / total : 1);
    transfer.onload = () => (transfer.status < 300 ? resolve(transfer.response) : reject(new Error(sentence(transfer))));
    transfer.onerror = () => reject(new Error(DOWN));
    transfer.onabort = () => resolve(null);
    signal.addEventListener("abort", () => transfer.abort());
    transfer.send(file);
  });
}

const sentence = ({ response, status }) => response?.error ?? `the server answered ${status}`;
