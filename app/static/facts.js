// Facts of a document as they are typed and shown: `machine=pump, #urgent`. A tag is a fact that is true.

const TRUE = "true";

// A value may hold a comma: one that no name or tag follows is a part of it.
export function factsOf(text) {
  const parts = text.split(/,(?=[^,=]*=|\s*#)/).map((each) => each.trim()).filter(Boolean);
  return parts.map((each) => (each.includes("=") ? each : `${each.replace(/^#\s*/, "")}=${TRUE}`));
}

/** @param {Api.DocumentView["metadata"]} metadata */
export const factWords = (metadata) =>
  Object.entries(metadata).map(([name, value]) => (String(value) === TRUE ? `#${name}` : `${name}=${value}`));
