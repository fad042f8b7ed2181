// The routes under /api/v1. Whatever goes wrong becomes an Error whose message is a sentence for the user.

const ROOT = "/api/v1";
const DOWN = "The server does not answer. Start it again, then reload this page.";

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(ROOT + path, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error(DOWN);
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  throw new Error(body?.error ?? `The server answered ${response.status}. Reload this page.`);
}

const named = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return new URLSearchParams(given).toString();
};
const part = encodeURIComponent;

export const readLibrary = () => call("/library");
export const search = (q, within, signal) => call(`/search?${named({ q, document: within })}`, { signal });
export const explain = (q, document, page, within) => call(`/explain?${named({ q, document, page, within })}`);
export const loadSample = () => call("/sample", { method: "POST" });
export const remove = (document) => call(`/documents/${part(document)}`, { method: "DELETE" });
export const goOn = (document) => call(`/documents/${part(document)}/continue`, { method: "POST" });
export const cancel = (job) => call(`/jobs/${job}/cancel`, { method: "POST" });
export const forget = (job) => call(`/jobs/${job}`, { method: "DELETE" });

export const pictureOf = (document, page, width) =>
  `${ROOT}/documents/${part(document)}/pages/${page}/image${width ? `?width=${width}` : ""}`;
export const fileOf = (document, page) => `${ROOT}/documents/${part(document)}/file${page ? `#page=${page}` : ""}`;
export const readDocument = (document) => call(`/documents/${part(document)}`);
