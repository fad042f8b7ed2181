// The files of what was dropped: folders are gone through, and what is left out of them is named.

// To call while the drop is handled: afterwards the browser tells nothing more. `endings` are those that can be read;
// a file without an ending may be anything, and the server looks. What is dropped by itself is always sent.
export function filesOf({ items }, endings) {
  const dropped = [...items].filter((item) => item.kind === "file").map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  return goThrough(dropped, endings);
}

// The same of a folder that was chosen: the browser has gone through it already.
export function sortOut(files, endings) {
  const shown = files.filter((file) => !file.webkitRelativePath.split("/").some((name) => name.startsWith(".")));
  const isTaken = ({ name }) => endings.has(ending(name));
  const inOrder = shown.filter(isTaken).sort((a, b) => (a.webkitRelativePath < b.webkitRelativePath ? -1 : 1));
  return { files: inOrder, leftOut: shown.filter((file) => !isTaken(file)).map((file) => file.webkitRelativePath) };
}

async function goThrough(dropped, endings) {
  /** @type {{ files: File[], leftOut: string[] }} */
  const found = { files: [], leftOut: [] };
  for (const { entry, file } of dropped) {
    if (entry?.isDirectory) await walk(entry, endings, found);
    else if (file) found.files.push(file);
  }
  return found;
}

async function walk(folder, endings, found) {
  let entries = [];
  try {
    entries = await entriesOf(folder);
  } catch {
    found.leftOut.push(`${path(folder)}/`);
  }
  for (const entry of entries.filter(({ name }) => !name.startsWith(".")).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory) await walk(entry, endings, found);
    else if (endings.has(ending(entry.name))) await take(entry, found);
    else found.leftOut.push(path(entry));
  }
}

async function take(entry, { files, leftOut }) {
  try {
    files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  } catch {
    leftOut.push(path(entry));
  }
}

// The browser gives a folder in parts, the last of which is empty.
async function entriesOf(folder) {
  const reader = folder.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return entries;
    entries.push(...some);
  }
}

const ending = (name) => name.toLowerCase().match(/\.[^.]*$/)?.[0] ?? "";
const path = ({ fullPath }) => fullPath.slice(1);
