// Asks the server for JSON: each address once, then only for what changed (ETag). Every failure is a Problem that says
// what to do next.

const AGAIN_MS = 1000; // a network that changes (another Wi-Fi, a tunnel) breaks what is under way, and answers then
const kept = new Map(); // address → {etag, body}

/** A request that failed: `kind` is "login", "forbidden", "missing", "wrong", "away" or "offline". */
export class Problem extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

const SENTENCES = {
  login: "Your log-in has expired.",
  forbidden: "You may not see this data. Ask an administrator for the right to read the pipeline's DAG.",
  missing: "There is nothing at this address.",
  wrong: "The server does not understand this request.",
  away: "The database does not answer. This page asks again every 30 seconds.",
  offline: "The server cannot be reached. This page asks again every 30 seconds.",
};

async function detailOf(response) {
  try {
    const { detail } = await response.json();
    return typeof detail === "string" ? detail : null;
  } catch {
    return null; // no JSON: a proxy's page
  }
}

async function problemOf(response) {
  const detail = await detailOf(response);
  const { status } = response;
  if (status === 401 || (status === 403 && detail === "Invalid JWT token")) return new Problem("login", SENTENCES.login);
  if (status === 403) return new Problem("forbidden", SENTENCES.forbidden);
  if (status >= 500) return new Problem("away", (status === 503 && detail) || SENTENCES.away);
  const kind = status === 404 ? "missing" : "wrong";
  return new Problem(kind, detail ?? SENTENCES[kind]);
}

/** The address of `path` below the page's root, with the parameters that are set. */
export function address(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value != null));
  const text = query.toString();
  return `${document.body.dataset.root}/${path}${text && `?${text}`}`;
}

/** The address of a symbol's page; a slash in the symbol stays a slash. */
export function symbolAddress(symbol, parameters = {}) {
  return address(`s/${encodeURIComponent(symbol).replaceAll("%2F", "/")}`, parameters);
}

/** A symbol as a part of an API address. */
export const inPath = (symbol) => encodeURIComponent(symbol).replaceAll("%2F", "/");

async function ask(url, options) {
  const response = await fetch(url, options);
  return { response, body: response.ok ? await response.json() : null };
}

/** The answer and its body; where the connection broke, or something between answered in its place, a second try. */
async function askTwice(url, options) {
  for (const isLast of [false, true]) {
    try {
      return await ask(url, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (isLast) throw new Problem("offline", SENTENCES.offline);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/**
 * Ask for JSON. Returns {body, changed}: `changed` is false where the server says that nothing did.
 * Throws a Problem; throws AbortError where `signal` ended it.
 */
export async function get(path, parameters = {}, { signal } = {}) {
  const url = address(path, parameters);
  const before = kept.get(url);
  const headers = { Accept: "application/json", ...(before ? { "If-None-Match": before.etag } : {}) };
  const { response, body } = await askTwice(url, { headers, cache: "no-store", credentials: "same-origin", signal });
  if (response.status === 304 && before) return { body: before.body, changed: false };
  if (!response.ok) throw await problemOf(response);
  const etag = response.headers.get("ETag");
  if (etag) kept.set(url, { etag, body });
  return { body, changed: true };
}
