// Documents of the same file name are told apart by the folders that they came from.

// The number is the library's own, for a second document of a name: `manual (2).pdf`.
const fileName = ({ name, collection }) => `${collection}/${name.replace(/ \(\d+\)(?=\.[^.]*$|$)/, "")}`;

// {id: folder}, of those alone that the name does not tell apart.
/** @param {Api.DocumentView[]} documents */
export function foldersToTell(documents) {
  const counts = new Map();
  for (const each of documents) counts.set(fileName(each), (counts.get(fileName(each)) ?? 0) + 1);
  return new Map(documents.filter((each) => each.folder && counts.get(fileName(each)) > 1).map((each) => [each.id, each.folder]));
}

/** @param {string} name
 * @param {string} [folder] */
export const nameToTell = (name, folder) => (folder ? `${name} in ${folder}` : name);
