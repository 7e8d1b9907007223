import { getChannel, waitChannel } from "./api.js";

const PASSING = new Set(["NetworkError", "RateLimitException", "InternalServerErrorException", "ServiceUnavailableException"]);
const LONGEST_PAUSE_MS = 10_000;

/** True when the same call may well succeed a little later. */
export const isPassing = (error) => PASSING.has(error.type) || error.httpStatus >= 500;

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/**
 * Follows a session's channel until it is confirmed or over, or `signal` aborts.
 *
 * The first read draws the view at once; each further call names the version it knows, so nothing is missed
 * and nothing is asked twice. `onChannel(channel)` gets every view, `onError(error)` every error of the
 * session, `onTrouble(error | null)` the beginning and the end of a failure that is retried.
 */
export async function follow(requestId, { onChannel, onError, onTrouble, signal }) {
  let plain = true; // a plain read, at the start and after a failure: it answers at once
  let since = null;
  let failures = 0;
  while (!signal.aborted) {
    const started = performance.now();
    const known = since;
    try {
      const { data, version } = plain ? await getChannel(requestId, { signal }) : await waitChannel(requestId, since, { signal });
      if (signal.aborted) return;
      if (failures) onTrouble(null);
      failures = 0;
      plain = false;
      since = version ?? since;
      onChannel(data);
      if (data.status === "confirmed") return;
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      if (error.name !== "ApiError") throw error;
      since = error.version ?? since;
      if (error.type !== "LongPollingTimeoutException") {
        if (isPassing(error)) {
          failures += 1;
          plain = true;
          onTrouble(error);
          const pause = error.retryAfter ? error.retryAfter * 1000 : 500 * 2 ** Math.min(failures, 5);
          await sleep(Math.min(pause, LONGEST_PAUSE_MS), signal);
          continue;
        }
        if (failures) onTrouble(null);
        onError(error);
        if (error.type !== "ResendChannelException") return;
      }
      failures = 0;
      plain = false;
    }
    // A server that answers at once without news must not be hammered.
    if (since === known && performance.now() - started < 250) await sleep(750, signal);
  }
}
