// A server that is busy says when to ask again (Retry-After): the page does, and says so meanwhile.

const SHORTEST = 2; // seconds
const LONGEST = 60; // unless the server names more
const TRIES = 5;

// `wait(sentence, seconds)` hears why and for how long. `isUpload`: as often as it takes, and also where the server is
// away for a moment, since the file was chosen and the rest of the list waits behind it.
/** @template Answer
 * @param {() => Promise<Answer>} ask
 * @param {{ signal?: AbortSignal, wait?: (sentence: string, seconds: number) => void, isUpload?: boolean }} options
 * @returns {Promise<Answer>} */
export async function patiently(ask, { signal, wait, isUpload = false } = {}) {
  for (let tried = 1; ; tried++) {
    try {
      return await ask();
    } catch (error) {
      const isWorthIt = error.retryAfter ? isUpload || tried < TRIES : isUpload && error.isDown && tried < TRIES;
      if (!isWorthIt) throw error;
      const seconds = pauseAfter(Number(error.retryAfter) || SHORTEST, tried);
      wait?.(error.message.replace(/\.?$/, "."), seconds);
      await pause(seconds, signal);
    }
  }
}

// An <img> cannot tell why its image does not come: it is asked for again a few times.
/** @param {HTMLImageElement} image
 * @param {string} source */
export function loadPatiently(image, source) {
  let tried = 0;
  image.addEventListener("error", () => {
    tried += 1;
    if (tried < TRIES) setTimeout(() => image.isConnected && (image.src = source), pauseAfter(SHORTEST, tried) * 1000);
  });
  image.src = source;
  return image;
}

// Twice as long every further time; a little by chance, so that many who wait do not all come back at once.
function pauseAfter(asked, tried) {
  const longer = Math.min(LONGEST, asked * 2 ** (tried - 1));
  return Math.round(Math.max(asked, longer) * (1 + Math.random() / 4) * 10) / 10;
}

/** @param {number} seconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>} */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    };
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  });
}
